//! An experiment that is over, as a server saw it: nothing is injected, nothing is watched.

use std::time::Duration;

use camino::Utf8PathBuf;
use tokio::sync::mpsc;

use super::{ExperimentError, Progress, Setup, longest_look_back, manifest};
use crate::{
    collect::{
        prometheus::{Asked, past},
        seen::{Pass, Seen},
    },
    hypothesis::model::MetricsSource,
    record::{FaultNote, Manifest, PhaseEdges, Status, Writer},
    window::{Phase, Phases, Window},
};

/// How many observations may wait for the writer.
const WAITING: usize = 16;
/// How many samples are held before they are saved.
const UNSAVED: usize = 1 << 20;

/// When the phases of an experiment were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PastWindows {
    /// The steady state before it.
    pub(crate) before: Window,
    /// From the first injection on.
    pub(crate) during: Window,
    /// What followed.
    pub(crate) after: Window,
}

/// Asks a server for an experiment that is over, and returns where it was recorded.
pub(crate) async fn verify(
    setup: &Setup,
    windows: PastWindows,
    progress: &mut dyn Progress,
) -> Result<Utf8PathBuf, ExperimentError> {
    let Some(MetricsSource::Prometheus(source)) = &setup.hypothesis.sources.metrics else {
        return Err(ExperimentError::NoServer);
    };
    let asked = Asked::of(&setup.hypothesis, longest_look_back(&setup.hypothesis));
    let PastWindows { before, during, after } = windows;
    let phases = Phases { before: Some(before), during: Some(during), after: Some(after) };
    let whole = phases.whole().unwrap_or(during);
    let manifest = Manifest {
        started_at: whole.start,
        ended_at: Some(whole.end),
        phases: edges(windows),
        injected_at: Some(during.start),
        fault: FaultNote { kind: setup.hypothesis.fault.kind().to_owned(), ..FaultNote::default() },
        ..manifest(setup)
    };
    let mut writer = Writer::create(&setup.store, manifest, setup.secrets.clone())?;
    let dir = writer.dir().to_owned();
    let (sender, mut seen) = mpsc::channel(WAITING);
    let mut reach = None;
    let keeping = async {
        while let Some(seen) = seen.recv().await {
            reach = extended(reach, &seen);
            keep(&mut writer, seen);
            if writer.unsaved() >= UNSAVED {
                tokio::task::block_in_place(|| writer.save())?;
            }
        }
        Ok::<_, ExperimentError>(())
    };
    let (asked, kept) = tokio::join!(past(source, &asked, whole, sender), keeping);
    let notes = match asked {
        Ok(notes) => notes,
        Err(error) => {
            // Of half a past nobody can say which half it is.
            drop(writer);
            if let Err(left) = fs_err::remove_dir_all(&dir) {
                progress.note(setup.clock.now(), &format!("left behind: {left}"));
            }
            return Err(error.into());
        }
    };
    kept?;
    writer.manifest_mut().ledger.notes.extend(not_covered(reach, windows));
    writer.manifest_mut().sources = notes;
    writer.manifest_mut().status = Status::Complete;
    let dir = tokio::task::block_in_place(|| writer.finish())?;
    progress.note(setup.clock.now(), &format!("recorded in {dir}"));
    Ok(dir)
}

/// The first and the last time of all samples so far.
fn extended(reach: Option<Window>, seen: &Seen) -> Option<Window> {
    let Seen::Samples { series, .. } = seen else { return reach };
    let edges = series.iter().filter_map(|one| Some((*one.times.first()?, *one.times.last()?)));
    edges.fold(reach, |reach, (first, last)| {
        let reach = reach.unwrap_or(Window::new(first, last));
        Some(Window::new(reach.start.min(first), reach.end.max(last)))
    })
}

/// How much of a phase may lie beyond the oldest and the newest sample: scrapes are rarely farther
/// apart.
const EDGE: Duration = Duration::from_mins(2);

/// What a server no longer has, or does not have yet, of each phase.
fn not_covered(reach: Option<Window>, windows: PastWindows) -> Vec<String> {
    let Some(reach) = reach else {
        return vec![
            "the server has no sample of any series that was asked for in that time".to_owned(),
        ];
    };
    let PastWindows { before, during, after } = windows;
    let phases = [(Phase::Before, before), (Phase::During, during), (Phase::After, after)];
    let mut said = Vec::new();
    for (phase, window) in phases {
        if reach.start > window.start.plus(EDGE) {
            said.push(format!(
                "*{phase}* begins at {}, and the oldest sample that the server has is of {}: is \
                 that beyond its retention?",
                window.start, reach.start
            ));
        }
        if reach.end.plus(EDGE) < window.end {
            said.push(format!(
                "*{phase}* ends at {}, and the newest sample that the server has is of {}",
                window.end, reach.end
            ));
        }
    }
    said
}

fn keep(writer: &mut Writer, seen: Seen) {
    match seen {
        Seen::Samples { series, pass: Pass::First } => writer.series(series),
        Seen::Samples { series, pass: Pass::Again } => writer.series_again(series),
        Seen::Answers { rows, pass: Pass::First } => writer.answers(rows),
        Seen::Answers { rows, pass: Pass::Again } => writer.answers_again(rows),
        Seen::Queries { costs, said, .. } => {
            let ledger = &mut writer.manifest_mut().ledger;
            ledger.queries = costs;
            ledger.notes.extend(said);
        }
        Seen::Pod(row) => writer.pod(row),
        Seen::Blind(span) => writer.manifest_mut().ledger.blind.push(span),
        Seen::Connected => writer.manifest_mut().ledger.kubernetes_watched = true,
        // A failure is an error of the whole; and nothing else is asked.
        Seen::QueryFailed { .. }
        | Seen::Scrape(_)
        | Seen::TargetGone { .. }
        | Seen::Event(_)
        | Seen::DiscoveryFailed { .. } => {}
    }
}

fn edges(windows: PastWindows) -> Vec<PhaseEdges> {
    let PastWindows { before, during, after } = windows;
    [(Phase::Before, before), (Phase::During, during), (Phase::After, after)]
        .map(|(phase, window)| PhaseEdges {
            phase,
            start: window.start,
            end: window.end,
            start_source: "given".to_owned(),
            start_uncertainty_ms: 0,
        })
        .into()
}
