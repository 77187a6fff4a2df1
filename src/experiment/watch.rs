//! The watching side of a run: what arrives is kept, looked at by the guard, told, saved in time,
//! and closed.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout, timeout_at},
};

use super::{
    ExperimentError, Progress, Setup, Stop,
    guard::{Look, Sentry},
    keep::Kept,
    longest_look_back,
    stretch::{Ended, Until, Work},
};
use crate::{
    analysis,
    clock::StepWatch,
    collect::{Collector, prometheus::Asked, seen::Seen},
    frame::{FaultRow, Observed},
    hypothesis::model::Indicator,
    number::length,
    record::{FaultNote, PhaseEdges, Status, Writer},
    time::Time,
    window::{Phase, Window},
};

/// How many observations may wait for the writer before the collectors are slowed.
const WAITING: usize = 4096;
/// How long the first full list of a cluster may take.
const CONNECT: Duration = Duration::from_secs(30);
/// How long a server is waited for that has much to tell of the time before the run.
const FIRST_SAMPLES: Duration = Duration::from_secs(30);
/// How often what was seen is written down: what a run that is killed can lose. The parts of an
/// hour are 360 then, which the merge at the end reads in a fraction of a second.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// How long somebody who asked to stop is kept waiting for samples that are under way.
const LAST_SAMPLES: Duration = Duration::from_secs(2);

/// A run being watched.
pub(super) struct Watch<'a> {
    setup: &'a Setup,
    kept: Kept,
    /// None until the sources answered.
    collector: Option<Collector>,
    /// Taken by the collector.
    sender: Option<mpsc::Sender<Seen>>,
    seen: mpsc::Receiver<Seen>,
    stop: Stop,
    steps: StepWatch,
    /// Once a second, whatever is waited for: when the guard looks and what is due is saved.
    ticks: Interval,
    /// None when something happened that has to be written down soon.
    saved: Option<Instant>,
    during_ended_by: &'static str,
}

impl<'a> Watch<'a> {
    /// A run of which nothing was seen yet.
    pub(super) fn new(setup: &'a Setup, writer: Writer, stop: Stop) -> Self {
        let (sender, seen) = mpsc::channel(WAITING);
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            setup,
            kept: Kept::new(&setup.hypothesis, writer),
            collector: None,
            sender: Some(sender),
            seen,
            stop,
            steps: StepWatch::new(setup.clock.clone()),
            ticks,
            saved: Some(Instant::now()),
            during_ended_by: "clock",
        }
    }

    /// Starts collecting, and waits until the cluster has been listed once and every source has
    /// had the time to answer, or until somebody has enough of waiting.
    pub(super) async fn connect(&mut self) -> Result<Ended, ExperimentError> {
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.asked() => Ok(self.interrupted()),
            connected = self.connected() => connected.map(|()| Ended::Done),
        }
    }

    async fn connected(&mut self) -> Result<(), ExperimentError> {
        let Some(sender) = self.sender.take() else { return Ok(()) };
        let sources = &self.setup.hypothesis.sources;
        let asked = Asked::of(&self.setup.hypothesis, longest_look_back(&self.setup.hypothesis));
        let collector = Collector::start(sources, &asked, self.setup.clock.clone(), sender).await?;
        self.kept.sources(collector.sources());
        self.collector = Some(collector);
        if sources.kubernetes.is_some() {
            timeout(CONNECT, self.listed())
                .await
                .map_err(|source| ExperimentError::NotConnected { waited: CONNECT, source })?;
        }
        if sources.has_server() {
            // It is asked for what *before* looks back on, too, which may be much.
            drop(timeout(FIRST_SAMPLES, self.answered()).await);
        }
        // A first point that is missing only because nothing was asked yet would be a gap of
        // our own making.
        self.keep_for(self.setup.hypothesis.sources.settle()).await;
        Ok(())
    }

    async fn listed(&mut self) {
        while !self.kept.observed().pods_watched {
            match self.seen.recv().await {
                Some(seen) => self.kept.see(seen),
                None => return,
            }
        }
    }

    /// Keeps what arrives until a server was asked for everything once.
    async fn answered(&mut self) {
        while self.kept.ledger().queries.is_empty() {
            match self.seen.recv().await {
                Some(seen) => self.kept.see(seen),
                None => return,
            }
        }
    }

    /// Keeps what arrives in a time.
    async fn keep_for(&mut self, length: Duration) {
        let deadline = Instant::now() + length;
        while let Ok(Some(seen)) = timeout_at(deadline, self.seen.recv()).await {
            self.kept.see(seen);
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
        self.kept.begin(PhaseEdges {
            phase,
            start: at,
            end: at,
            start_source: source.to_owned(),
            start_uncertainty_ms: uncertainty_ms,
        });
        self.saved = None;
        self.ticks.reset_immediately();
    }

    /// Ends the newest phase now.
    pub(super) fn end_phase(&mut self) {
        self.kept.end_phase(self.setup.clock.now());
    }

    /// Says where *during* got its end from.
    pub(super) fn set_during_ended_by(&mut self, source: &'static str) {
        self.during_ended_by = source;
    }

    pub(super) fn during_ended_by(&self) -> &'static str {
        self.during_ended_by
    }

    /// What was seen so far, with the newest phase ending at a time.
    pub(super) fn observed_until(&mut self, at: Time) -> &Observed {
        self.kept.end_phase(at);
        self.kept.observed_in_phases()
    }

    /// Watches on until the source has what happened up to a time. What we see ourselves is there at
    /// once; a server scrapes when it does, and its samples arrive later.
    pub(super) async fn until_seen(
        &mut self,
        at: Time,
        progress: &mut dyn Progress,
    ) -> Result<Ended, ExperimentError> {
        if !self.setup.hypothesis.sources.has_server() {
            return Ok(Ended::Done);
        }
        let most = analysis::patience(self.kept.observed());
        self.until(Until::Has { at, most }, progress).await
    }

    /// Where it is recorded.
    pub(super) fn dir(&self) -> &Utf8Path {
        self.kept.dir()
    }

    /// The wish to stop.
    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Keeps what the injector did. It is saved at the next tick.
    pub(super) fn keep_fault(&mut self, row: FaultRow) {
        self.kept.fault(row);
        self.saved = None;
    }

    /// Keeps what the fault was asked to do.
    pub(super) fn keep_fault_note(&mut self, note: FaultNote) {
        self.kept.fault_note(note);
    }

    /// Keeps when the injection was asked for.
    pub(super) fn keep_injection(&mut self, at: Time) {
        self.kept.injection(at);
    }

    /// Whether an injection was asked for.
    pub(super) fn is_injected(&self) -> bool {
        self.kept.observed().injected_at.is_some()
    }

    /// Keeps a sentence that readers of the report must see.
    pub(super) fn note_in_ledger(&mut self, note: String) {
        self.kept.ledger().notes.push(note);
    }

    /// Goes on watching while something is done that is neither stopped by a signal nor by the
    /// guard: the fault is being ended or taken back, and no more than that could be asked for.
    ///
    /// A save that fails must not keep it from being done. Nothing is forgotten by that: the next
    /// save fails too, or makes up for it.
    pub(super) async fn while_doing<T>(
        &mut self,
        work: impl Future<Output = T>,
        progress: &mut dyn Progress,
    ) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = self.ticks.tick() => {
                    if let Err(error) = self.tick(None, Duration::ZERO, progress) {
                        tracing::debug!(error = &error as &dyn std::error::Error, "not saved");
                    }
                }
                Some(seen) = self.seen.recv() => self.kept.see(seen),
            }
        }
    }

    /// Goes on watching while something is done, unless a signal or the guard comes first: then
    /// the work is dropped where it stands. `left` is told to be left of the phase.
    pub(super) async fn unless_stopped<T>(
        &mut self,
        work: impl Future<Output = T>,
        left: Duration,
        sentry: &mut Sentry,
        progress: &mut dyn Progress,
    ) -> Result<Work<T>, ExperimentError> {
        tokio::pin!(work);
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.asked() => return Ok(Work::Cut(self.interrupted())),
                _ = self.ticks.tick() => {
                    if let Some(ended) = self.tick(Some(&mut *sentry), left, progress)? {
                        return Ok(Work::Cut(ended));
                    }
                }
                done = &mut work => return Ok(Work::Done(done)),
                Some(seen) = self.seen.recv() => self.kept.see(seen),
            }
        }
    }

    /// Watches until the stretch is over, saving and telling progress on the way.
    pub(super) async fn until(
        &mut self,
        mut until: Until<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Ended, ExperimentError> {
        let started = Instant::now();
        let most = started + until.most();
        self.ticks.reset_immediately();
        let stop = self.stop.clone();
        loop {
            // In this order: however much arrives, the guard looks and what was seen is saved.
            tokio::select! {
                biased;
                () = stop.asked() => return Ok(self.interrupted()),
                () = sleep_until(most) => return Ok(until.over()),
                _ = self.ticks.tick() => {
                    let elapsed = started.elapsed();
                    let left = until.left(elapsed);
                    if let Some(ended) = self.tick(until.sentry(), left, progress)? {
                        return Ok(ended);
                    }
                    if until.is_done(elapsed, self.kept.observed()) {
                        return Ok(Ended::Done);
                    }
                }
                Some(seen) = self.seen.recv() => self.kept.see(seen),
            }
        }
    }

    fn interrupted(&mut self) -> Ended {
        self.end_phase();
        let place = match self.kept.phase() {
            Some(phase) => format!("in *{phase}*"),
            None => "before its first phase".to_owned(),
        };
        self.note_in_ledger(format!("the run was stopped by a signal {place}"));
        Ended::Interrupted
    }

    /// What is done once a second; some when the guard trips.
    fn tick(
        &mut self,
        sentry: Option<&mut Sentry>,
        left: Duration,
        progress: &mut dyn Progress,
    ) -> Result<Option<Ended>, ExperimentError> {
        self.note_clock_step(progress);
        self.save_when_due()?;
        let looks = self.looks();
        let now = self.setup.clock.now();
        if let Some(why) = sentry.and_then(|sentry| sentry.look(now, &looks)) {
            return Ok(Some(Ended::Guard(why)));
        }
        progress.tick(left, &self.texts(&looks));
        Ok(None)
    }

    /// No sample moves when the machine's clock is stepped, but whoever compares the recording
    /// with the logs of that machine must know.
    fn note_clock_step(&mut self, progress: &mut dyn Progress) {
        let Some(by) = self.steps.look() else { return };
        let now = self.setup.clock.now();
        let sign = if by < 0 { "−" } else { "+" };
        let size = length(Duration::from_millis(by.unsigned_abs()));
        let note = format!(
            "the machine's clock was stepped by {sign}{size} at {}; the times of this recording go on as before",
            now.clock_text()
        );
        progress.note(now, &note);
        self.note_in_ledger(note);
    }

    /// Each indicator as it is now, in the order of the hypothesis.
    fn looks(&self) -> Vec<Look> {
        let now = self.setup.clock.now();
        let (hypothesis, observed) = (&self.setup.hypothesis, self.kept.observed());
        let look = |indicator: &Indicator| Look {
            due_after: analysis::due_after(hypothesis, indicator, observed),
            newest: analysis::newest(hypothesis, indicator, observed, now),
            seen_until: analysis::seen_until(hypothesis, indicator, observed, now),
        };
        hypothesis.indicators.iter().map(look).collect()
    }

    fn texts(&self, looks: &[Look]) -> Vec<(String, String)> {
        let pairs = self.setup.hypothesis.indicators.iter().zip(looks);
        let text = |(indicator, look): (&Indicator, &Look)| {
            let value = match look.newest {
                Some(point) if !point.value.is_nan() => indicator.unit.show(point.value),
                Some(_) => "no traffic".to_owned(),
                None => "–".to_owned(),
            };
            (indicator.name.clone(), value)
        };
        pairs.map(text).collect()
    }

    fn save_when_due(&mut self) -> Result<(), ExperimentError> {
        if self.saved.is_some_and(|saved| saved.elapsed() < SAVE_EVERY) {
            return Ok(());
        }
        self.end_phase();
        self.save()
    }

    /// Writes down what was seen so far.
    pub(super) fn save(&mut self) -> Result<(), ExperimentError> {
        self.kept.save(self.setup.clock.now())?;
        self.saved = Some(Instant::now());
        Ok(())
    }

    /// Saves, waits for the last samples, stops collecting and closes the recording. Whoever is
    /// in a hurry is not kept waiting.
    pub(super) async fn close(
        mut self,
        status: Status,
        progress: &mut dyn Progress,
    ) -> Result<Utf8PathBuf, ExperimentError> {
        // First of all: a finished phase is never lost, whatever happens from here on.
        self.save()?;
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.hurried() => {}
            () = self.last_samples(status, progress) => {}
        }
        while let Ok(seen) = self.seen.try_recv() {
            self.kept.see(seen);
        }
        Ok(self.kept.finish(status)?)
    }

    async fn last_samples(&mut self, status: Status, progress: &mut dyn Progress) {
        let settle = self.setup.hypothesis.sources.settle();
        let wait = match status {
            Status::Complete | Status::GuardTripped => settle,
            Status::Interrupted if self.stop.is_asked() => {
                let wait = settle.min(LAST_SAMPLES);
                let note = format!(
                    "waiting {} for the last samples; another signal skips that",
                    length(wait)
                );
                progress.note(self.setup.clock.now(), &note);
                wait
            }
            // Nothing was disturbed, or it was an error that ended the run.
            Status::NotInjected | Status::Interrupted | Status::Incomplete => Duration::ZERO,
        };
        self.keep_for(wait).await;
        let whole = self.kept.observed_in_phases().phases.whole();
        if let Some(whole) = whole.filter(|_| self.setup.hypothesis.sources.has_server())
            && matches!(status, Status::Complete | Status::GuardTripped)
        {
            self.whole_again(whole, progress).await;
        }
        let Some(collector) = self.collector.take() else { return };
        let (seen, kept) = (&mut self.seen, &mut self.kept);
        // The collector hands its last words over before it ends.
        let draining = async {
            while let Some(last) = seen.recv().await {
                kept.see(last);
            }
        };
        tokio::join!(collector.stop(), draining);
    }

    /// Waits until a server has the whole run, and asks for all of it once more.
    async fn whole_again(&mut self, whole: Window, progress: &mut dyn Progress) {
        if let Err(error) = self.until_seen(whole.end, progress).await {
            // The close comes next, and says why it cannot be saved.
            tracing::debug!(error = &error as &dyn std::error::Error, "not saved");
        }
        // While it was waited for, the last phase went on.
        self.kept.end_phase(whole.end);
        let (Some(collector), seen, kept) = (&self.collector, &mut self.seen, &mut self.kept)
        else {
            return;
        };
        let again = collector.again(whole);
        tokio::pin!(again);
        loop {
            tokio::select! {
                biased;
                Some(last) = seen.recv() => kept.see(last),
                () = &mut again => return,
            }
        }
    }
}
