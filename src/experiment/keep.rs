//! What a run has seen so far: all of it in the recording and, as far back as the live values,
//! the gate and the guard need it, in memory.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::longest_look_back;
use crate::{
    collect::seen::{Pass, ScrapeSeen, Seen},
    frame::{Blind, BlindSpan, FaultRow, Ledger, Observed, PodRow, RawRow, SourceNote},
    hypothesis::{Hypothesis, model::IndicatorKind},
    record::{FaultNote, PhaseEdges, RecordError, Status, Writer},
    time::Time,
    window::{Phase, Phases, Window},
};

/// What fails in ever new words is not noted any further.
const MOST_NOTES: usize = 100;

/// The end, in memory, of a blindness that has none yet.
const NOT_YET: Time = Time::from_millis(i64::MAX);

/// A run so far.
pub(super) struct Kept {
    writer: Writer,
    observed: Observed,
    /// Whether an indicator counts events; else they are kept on disk only.
    counts_events: bool,
    look_back: Duration,
}

impl Kept {
    pub(super) fn new(hypothesis: &Hypothesis, writer: Writer) -> Self {
        let counted = |kind: &IndicatorKind| matches!(kind, IndicatorKind::EventCount { .. });
        Self {
            writer,
            observed: Observed::default(),
            counts_events: hypothesis.indicators.iter().any(|i| counted(&i.kind)),
            look_back: longest_look_back(hypothesis),
        }
    }

    /// What was seen so far.
    pub(super) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Where it is recorded.
    pub(super) fn dir(&self) -> &Utf8Path {
        self.writer.dir()
    }

    /// What was seen so far, with its phases.
    pub(super) fn observed_in_phases(&mut self) -> &Observed {
        let mut phases = Phases::default();
        for edges in &self.writer.manifest_mut().phases {
            let window = Some(Window::new(edges.start, edges.end));
            match edges.phase {
                Phase::Before => phases.before = window,
                Phase::During => phases.during = window,
                Phase::After => phases.after = window,
            }
        }
        self.observed.phases = phases;
        &self.observed
    }

    /// Begins a phase; the one before it, if any, ends there.
    pub(super) fn begin(&mut self, edges: PhaseEdges) {
        self.end_phase(edges.start);
        self.writer.manifest_mut().phases.push(edges);
    }

    /// Ends the newest phase, for now.
    pub(super) fn end_phase(&mut self, at: Time) {
        if let Some(last) = self.writer.manifest_mut().phases.last_mut() {
            last.end = at;
        }
    }

    /// The newest phase.
    pub(super) fn phase(&mut self) -> Option<Phase> {
        self.writer.manifest_mut().phases.last().map(|edges| edges.phase)
    }

    /// Keeps where data comes from.
    pub(super) fn sources(&mut self, sources: Vec<SourceNote>) {
        self.writer.manifest_mut().sources = sources;
    }

    /// Keeps what the injector did.
    pub(super) fn fault(&mut self, row: FaultRow) {
        self.observed.fault.push(row.clone());
        self.writer.fault(row);
    }

    /// Keeps what the fault was asked to do.
    pub(super) fn fault_note(&mut self, note: FaultNote) {
        self.observed.asked = note.expected.and_then(|n| usize::try_from(n).ok());
        self.writer.manifest_mut().fault = note;
    }

    /// Keeps when the injection was asked for.
    pub(super) fn injection(&mut self, at: Time) {
        self.observed.injected_at = Some(at);
        self.writer.manifest_mut().injected_at = Some(at);
    }

    /// What is known of the quality of the data.
    pub(super) fn ledger(&mut self) -> &mut Ledger {
        &mut self.writer.manifest_mut().ledger
    }

    /// Keeps one observation.
    pub(super) fn see(&mut self, seen: Seen) {
        match seen {
            Seen::Scrape(scrape) => self.scrape(scrape),
            // Neither a good nor a failed scrape: the end of its series.
            Seen::TargetGone { rows, .. } => self.rows(rows),
            Seen::Pod(row) => {
                self.writer.pod(row.clone());
                replace(&mut self.observed.pods, row);
            }
            Seen::Event(row) => {
                if self.counts_events {
                    self.observed.events.push(row.clone());
                }
                self.writer.event(row);
            }
            Seen::Blind(span) => self.blind(span),
            Seen::DiscoveryFailed { address, why } => {
                self.ledger().discovery_failed += 1;
                self.note(format!("discovery `{address}`: {why}"));
            }
            Seen::Samples { series, pass: Pass::First } => {
                self.observed.raw.extend(&series);
                self.writer.series(series);
            }
            Seen::Samples { series, pass: Pass::Again } => self.writer.series_again(series),
            Seen::Answers { rows, pass: Pass::First } => {
                self.observed.answers.extend(rows.iter().cloned());
                self.writer.answers(rows);
            }
            Seen::Answers { rows, pass: Pass::Again } => self.writer.answers_again(rows),
            Seen::QueryFailed { query, why } => self.note(format!("the query `{query}`: {why}")),
            Seen::Queries { costs, said, pass } => {
                match pass {
                    Pass::First => self.ledger().queries = costs,
                    Pass::Again => costs.iter().for_each(|cost| self.ledger().add_query(cost)),
                }
                said.into_iter().for_each(|text| self.note(text));
            }
            Seen::Connected => {
                self.observed.pods_watched = true;
                self.ledger().kubernetes_watched = true;
            }
        }
    }

    fn scrape(&mut self, scrape: ScrapeSeen) {
        let ledger = self.ledger();
        match &scrape.failed {
            None => ledger.scrapes_ok += 1,
            Some(failure) => {
                *ledger.scrapes_failed.entry(failure.class().to_owned()).or_default() += 1
            }
        }
        ledger.bad_lines += scrape.bad_lines;
        ledger.notes.extend(scrape.notes);
        let room = Ledger::KEPT_LINES.saturating_sub(ledger.bad_line_examples.len());
        ledger.bad_line_examples.extend(scrape.bad_line_examples.into_iter().take(room));
        self.rows(scrape.rows);
    }

    /// Keeps a sentence once.
    fn note(&mut self, note: String) {
        let notes = &mut self.ledger().notes;
        if notes.len() < MOST_NOTES && !notes.contains(&note) {
            notes.push(note);
        }
    }

    fn rows(&mut self, rows: Vec<RawRow>) {
        for row in &rows {
            self.observed.raw.push(&row.labels, row.time, row.value);
        }
        self.writer.raw(rows);
    }

    /// Keeps a blindness: when it begins, and again, with its end, when it ends.
    fn blind(&mut self, span: BlindSpan) {
        let begun = |of: &&mut BlindSpan| {
            of.to.is_none() && of.resource == span.resource && of.from == span.from
        };
        match self.ledger().blind.iter_mut().find(begun) {
            Some(known) => *known = span,
            None => self.ledger().blind.push(span),
        }
        // A handful at most, and the ledger is what a reader will see of them too.
        let until_now = |span: &BlindSpan| Window::new(span.from, span.to.unwrap_or(NOT_YET));
        let spans = self.ledger().blind.iter();
        let blind = spans.flat_map(|span| Blind::of(&span.resource, until_now(span)));
        self.observed.blind = blind.collect();
    }

    /// Writes down what was seen until now.
    pub(super) fn save(&mut self, now: Time) -> Result<(), RecordError> {
        // Parquet is written on this thread; the runtime moves its other tasks elsewhere.
        tokio::task::block_in_place(|| self.writer.save())?;
        if self.observed.injected_at.is_some() {
            // Until the gate, *before* is needed whole.
            self.observed.raw.forget_until(now.minus(self.look_back));
        }
        Ok(())
    }

    /// Closes the recording.
    pub(super) fn finish(mut self, status: Status) -> Result<Utf8PathBuf, RecordError> {
        let manifest = self.writer.manifest_mut();
        manifest.ended_at = manifest.phases.last().map(|edges| edges.end);
        manifest.status = status;
        tokio::task::block_in_place(|| self.writer.finish())
    }
}

fn replace(pods: &mut Vec<PodRow>, row: PodRow) {
    match pods.iter_mut().find(|pod| pod.uid == row.uid) {
        Some(pod) => *pod = row,
        None => pods.push(row),
    }
}
