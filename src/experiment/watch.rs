//! The watching side of a run: what arrives is kept in the recording and, as far back as the
//! live values and the gate need it, in memory.

use std::time::Duration;

use camino::Utf8PathBuf;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{ExperimentError, Progress, Setup, guard::Sentry, longest_look_back, settle};
use crate::{
    analysis,
    collect::{Collector, Seen},
    frame::{Blind, FaultRow, Ledger, Observed, PodRow, RawRow},
    hypothesis::model::IndicatorKind,
    record::{FaultNote, PhaseEdges, Status, Writer},
    sample::Point,
    time::Time,
    window::{Phase, Window},
};

/// How many observations may wait for the writer before the collectors are slowed.
const WAITING: usize = 4096;
/// How long the first full list of a cluster may take.
const CONNECT: Duration = Duration::from_secs(30);
/// How often what was seen is written down (design, section 5).
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// A run being watched.
pub(super) struct Watch<'a> {
    setup: &'a Setup,
    writer: Writer,
    collector: Collector,
    seen: mpsc::Receiver<Seen>,
    observed: Observed,
    stop: CancellationToken,
    saved: Instant,
    during_ended_by: &'static str,
}

/// What a stretch of watching waits for.
pub(super) enum Until<'p> {
    /// So much time.
    Elapsed(Duration),
    /// At least `least`, then until `done` says so, and at most `most`. The guard is watched.
    Done {
        least: Duration,
        most: Duration,
        done: &'p mut (dyn FnMut(&Observed) -> bool + Send),
        sentry: &'p mut Sentry,
    },
}

impl Until<'_> {
    /// What is left of the planned time; beyond it, of the most that it may take.
    fn left(&self, elapsed: Duration) -> Duration {
        let planned = match self {
            Self::Elapsed(length) => length,
            Self::Done { least, .. } if elapsed < *least => least,
            Self::Done { most, .. } => most,
        };
        planned.saturating_sub(elapsed)
    }
}

/// Why a stretch of watching ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Its time was over.
    Elapsed,
    /// What was waited for came true after the least time.
    Done,
    /// It did not, within the most time.
    AtMost,
    /// A signal.
    Interrupted,
    /// The guard, with its words.
    Guard(String),
}

impl Ended {
    pub(super) fn interrupted(&self) -> bool {
        *self == Self::Interrupted
    }
}

impl<'a> Watch<'a> {
    /// Starts collecting, and waits until the cluster has been listed once.
    pub(super) async fn start(
        setup: &'a Setup,
        mut writer: Writer,
        stop: CancellationToken,
    ) -> Result<Self, ExperimentError> {
        let (sender, seen) = mpsc::channel(WAITING);
        let sources = &setup.hypothesis.sources;
        let collector = Collector::start(sources, setup.clock.clone(), sender).await?;
        writer.manifest_mut().sources = collector.sources();
        let mut watch = Self {
            setup,
            writer,
            collector,
            seen,
            observed: Observed::default(),
            stop,
            saved: Instant::now(),
            during_ended_by: "clock",
        };
        if sources.kubernetes.is_some() {
            timeout(CONNECT, watch.connected())
                .await
                .map_err(|source| ExperimentError::NotConnected { waited: CONNECT, source })?;
        }
        watch.first_values().await;
        Ok(watch)
    }

    async fn connected(&mut self) {
        while !self.observed.pods_watched && !self.stop.is_cancelled() {
            match self.seen.recv().await {
                Some(seen) => self.keep(seen),
                None => return,
            }
        }
    }

    /// *Before* starts when every source has had the time to answer once: a first point that is
    /// missing only because nothing was asked yet would be a gap of our own making.
    async fn first_values(&mut self) {
        let deadline = Instant::now() + settle(&self.setup.hypothesis);
        while let Ok(Some(seen)) = tokio::time::timeout_at(deadline, self.seen.recv()).await {
            self.keep(seen);
        }
    }

    /// Begins a phase now: the phase before it, if any, ends where this one starts.
    pub(super) fn begin(
        &mut self,
        phase: Phase,
        source: &str,
        uncertainty_ms: i64,
        length: Duration,
        progress: &mut dyn Progress,
    ) {
        let now = self.setup.clock.now();
        self.begin_at(now, phase, source, uncertainty_ms);
        progress.phase(phase, length);
    }

    /// Begins a phase at a given time.
    pub(super) fn begin_at(&mut self, at: Time, phase: Phase, source: &str, uncertainty_ms: i64) {
        self.end_phase_at(at);
        self.writer.manifest_mut().phases.push(PhaseEdges {
            phase,
            start: at,
            end: at,
            start_source: source.to_owned(),
            start_uncertainty_ms: uncertainty_ms,
        });
    }

    /// Ends the newest phase now.
    pub(super) fn end_phase(&mut self) {
        self.end_phase_at(self.setup.clock.now());
    }

    fn end_phase_at(&mut self, at: Time) {
        if let Some(last) = self.writer.manifest_mut().phases.last_mut() {
            last.end = at;
        }
    }

    /// Says where *during* got its end from.
    pub(super) fn set_during_ended_by(&mut self, source: &'static str) {
        self.during_ended_by = source;
    }

    pub(super) fn during_ended_by(&self) -> &'static str {
        self.during_ended_by
    }

    /// What was seen so far, with the newest phase ending now.
    pub(super) fn observed_now(&mut self) -> &Observed {
        self.end_phase();
        let mut phases = crate::window::Phases::default();
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

    /// Keeps what the injector did.
    pub(super) fn keep_fault(&mut self, row: FaultRow) {
        self.observed.fault.push(row.clone());
        self.writer.fault(row);
    }

    /// Keeps what the fault was asked to do.
    pub(super) fn keep_fault_note(&mut self, note: FaultNote) {
        self.observed.asked = note.expected.and_then(|n| usize::try_from(n).ok());
        self.writer.manifest_mut().fault = note;
    }

    /// Keeps when the injection was asked for.
    pub(super) fn keep_injection(&mut self, at: Time) {
        self.observed.injected_at = Some(at);
        self.writer.manifest_mut().injected_at = Some(at);
    }

    /// Keeps a sentence that readers of the report must see.
    pub(super) fn note_in_ledger(&mut self, note: String) {
        self.ledger().notes.push(note);
    }

    /// Watches until the stretch is over, saving and telling progress on the way.
    pub(super) async fn until(
        &mut self,
        mut until: Until<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Ended, ExperimentError> {
        let started = Instant::now();
        let most = match &until {
            Until::Elapsed(length) => *length,
            Until::Done { most, .. } => *most,
        };
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                            biased;
                            () = stop.cancelled() => {
                                self.end_phase();
                                return Ok(Ended::Interrupted);
                            }
                            () = sleep_until(started + most) => {
                                return Ok(match until { Until::Elapsed(_) => Ended::Elapsed, Until::Done { .. } => Ended::AtMost });
                            }
                            Some(seen) = self.seen.recv() => self.keep(seen),
                            _ = tick.tick() => {
                                self.save_when_due()?;
                                let newest = self.newest();
                                if let Until::Done { least, done, sentry, .. } = &mut until {
                                    let elapsed = started.elapsed();
                                    if let Some(why) = sentry.look(self.setup.clock.now(), &newest) {
                                        return Ok(Ended::Guard(why));
                                    }
                                    if elapsed >= *least && done(&self.observed) {
                                        return Ok(Ended::Done);
                                    }
                                }
            progress.tick(until.left(started.elapsed()), &self.texts(&newest));
                            }
                        }
        }
    }

    /// Each indicator's newest value, in the order of the hypothesis.
    fn newest(&self) -> Vec<Option<Point>> {
        let now = self.setup.clock.now();
        let step = self.setup.hypothesis.phases.step;
        let newest = |indicator| analysis::newest(indicator, &self.observed, now, step);
        self.setup.hypothesis.indicators.iter().map(newest).collect()
    }

    fn texts(&self, newest: &[Option<Point>]) -> Vec<(String, String)> {
        let pairs = self.setup.hypothesis.indicators.iter().zip(newest);
        let text = |(indicator, point): (&crate::hypothesis::model::Indicator, &Option<Point>)| {
            let value = match point {
                Some(point) if !point.value.is_nan() => indicator.unit.show(point.value),
                Some(_) => "no traffic".to_owned(),
                None => "–".to_owned(),
            };
            (indicator.name.clone(), value)
        };
        pairs.map(text).collect()
    }

    fn save_when_due(&mut self) -> Result<(), ExperimentError> {
        if self.saved.elapsed() < SAVE_EVERY {
            return Ok(());
        }
        self.end_phase();
        self.save()
    }

    /// Writes down what was seen so far.
    pub(super) fn save(&mut self) -> Result<(), ExperimentError> {
        // Parquet is written on this thread; the runtime moves its other tasks elsewhere.
        tokio::task::block_in_place(|| self.writer.save())?;
        self.saved = Instant::now();
        let old = self.setup.clock.now().minus(longest_look_back(&self.setup.hypothesis));
        if self.observed.injected_at.is_some() {
            // Until the gate, *before* is needed whole.
            self.observed.raw.forget_until(old);
        }
        Ok(())
    }

    /// Waits for the last samples, stops collecting and closes the recording.
    pub(super) async fn close(mut self, status: Status) -> Result<Utf8PathBuf, ExperimentError> {
        if status == Status::Complete || status == Status::GuardTripped {
            let deadline = Instant::now() + settle(&self.setup.hypothesis);
            while let Ok(Some(seen)) = tokio::time::timeout_at(deadline, self.seen.recv()).await {
                self.keep(seen);
            }
        }
        let Self { collector, mut seen, mut writer, setup, mut observed, .. } = self;
        let stopping = tokio::spawn(collector.stop());
        while let Some(last) = seen.recv().await {
            keep(last, setup, &mut observed, &mut writer);
        }
        stopping.await.expect("stopping a collector does not panic");
        let manifest = writer.manifest_mut();
        manifest.ended_at = manifest.phases.last().map(|edges| edges.end);
        manifest.status = status;
        Ok(tokio::task::block_in_place(|| writer.finish())?)
    }

    fn keep(&mut self, seen: Seen) {
        keep(seen, self.setup, &mut self.observed, &mut self.writer);
    }

    fn ledger(&mut self) -> &mut Ledger {
        &mut self.writer.manifest_mut().ledger
    }
}

/// Keeps one observation, on disk and in memory.
fn keep(seen: Seen, setup: &Setup, observed: &mut Observed, writer: &mut Writer) {
    match seen {
        Seen::Scrape(scrape) => {
            let ledger = &mut writer.manifest_mut().ledger;
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
            keep_rows(scrape.rows, observed, writer);
        }
        // Neither a good nor a failed scrape: the end of its series.
        Seen::TargetGone { rows, .. } => keep_rows(rows, observed, writer),
        Seen::Pod(row) => {
            writer.pod(row.clone());
            replace(&mut observed.pods, row);
        }
        Seen::Event(row) => {
            // In memory only what an indicator may count.
            let counted = |i: &crate::hypothesis::model::Indicator| {
                matches!(i.kind, IndicatorKind::EventCount { .. })
            };
            if setup.hypothesis.indicators.iter().any(counted) {
                observed.events.push(row.clone());
            }
            writer.event(row);
        }
        Seen::Blind(span) => {
            if let Some(to) = span.to {
                observed.blind.push(Blind { window: Window::new(span.from, to) });
            }
            writer.manifest_mut().ledger.blind.push(span);
        }
        Seen::DiscoveryFailed { .. } => writer.manifest_mut().ledger.discovery_failed += 1,
        Seen::Connected => {
            observed.pods_watched = true;
            writer.manifest_mut().ledger.kubernetes_watched = true;
        }
    }
}

fn keep_rows(rows: Vec<RawRow>, observed: &mut Observed, writer: &mut Writer) {
    for row in &rows {
        observed.raw.push(&row.labels, row.time, row.value);
    }
    writer.raw(rows);
}

fn replace(pods: &mut Vec<PodRow>, row: PodRow) {
    match pods.iter_mut().find(|pod| pod.uid == row.uid) {
        Some(pod) => *pod = row,
        None => pods.push(row),
    }
}
