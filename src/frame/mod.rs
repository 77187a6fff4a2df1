//! The tables of a run: their rows, and the only place that knows their column names.
//!
//! Reads no file: `record` moves bytes, this module gives them a shape.

mod answers;
mod column;
mod ledger;
mod pair;
mod raw;
mod rows;
mod table;

pub(crate) use answers::Answers;
pub(crate) use column::FrameError;
pub use ledger::{BadLine, BlindSpan, Ledger, QueryNote, SourceNote};
pub use rows::{AnswerRow, EventRow, FaultAction, FaultRow, PodRow, RawRow, ReadySpan};
pub(crate) use rows::{Blind, CheckRow, Finished, SampleRow, Watched};

pub(crate) use raw::{NAME_COLUMNS, POINT_COLUMNS, Points, RawColumns, SeriesName};
pub(crate) use raw::{each_series, points, series_labels};
pub(crate) use table::Table;
#[cfg(test)]
pub(crate) use table::testing::{any_check, any_pod, short_check_row, short_sample_row};

use crate::{sample::SeriesSet, time::Time, window::Phases};

/// All that was seen in a run, as the analysis takes it. Owned, in memory, in order of time.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The phases, as far as the run came.
    pub phases: Phases,
    /// When the first injection was asked for; the start of *during*.
    pub injected_at: Option<Time>,
    /// Scraped samples, with `up`, `scrape_duration_seconds` and `scrape_samples_scraped`.
    pub raw: SeriesSet,
    /// What a server answered.
    pub answers: Answers,
    /// Pods of the namespace, by first appearance.
    pub pods: Vec<PodRow>,
    /// Events of the namespace, by time.
    pub events: Vec<EventRow>,
    /// What the injector says it did, by time.
    pub fault: Vec<FaultRow>,
    /// Whether pods were watched at all (a cluster was given and answered).
    pub pods_watched: bool,
    /// When the watch of pods or events was blind.
    pub blind: Vec<Blind>,
    /// How many pods the fault was to hit, by its own rounding; none when it does not say.
    pub asked: Option<usize>,
}
