//! A Kubernetes API that is slow to answer: whatever is asked of it, the watch, the guard and the
//! signals go on beside it.

use std::{path::Path, time::Duration};

use camino::Utf8Path;
use homeostat::internals::{
    clock::Clock,
    record::{self, Recording},
    window::Phase,
};
use rustix::process::Signal;

use crate::support::{
    HypothesisFile, LabProcess, Running,
    api_proxy::{ApiProxy, Reply},
    program::until,
    recording::{find_run, manifest, run_directory},
};

/// How long an answer is held back. The program itself waits 30 s for one.
const HELD: Duration = Duration::from_secs(25);
/// Sooner than any answer, and later than any machine that is merely busy.
const AT_ONCE: Duration = Duration::from_secs(15);

/// Three of ten pods are killed, held to errors only, and with room for scrapes that come late: how
/// fast a busy machine is, is not what these are about.
fn killing() -> HypothesisFile {
    HypothesisFile::short()
        .set(
            "checks",
            "[{indicator: error_ratio, during: {below: 1%, gaps: {share: 60%, longest: 9}}}]",
        )
        .set("phases", "{before: 5s, during: 6s, after: 4s, step: 1s}")
}

struct Site {
    lab: LabProcess,
    api: ApiProxy,
}

impl Site {
    /// Answers to what is asked of the API in these words, or to some of it, are held back.
    fn new(slow: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        let lab = LabProcess::start(&[]);
        let reply = move |asked: &str| if slow(asked) { Reply::Late } else { Reply::Pass };
        let api = ApiProxy::start(&lab, HELD, reply);
        Self { lab, api }
    }

    fn start(&self, hypothesis: &HypothesisFile) -> Running {
        self.lab.run(hypothesis).env("HOMEOSTAT_LAB_KUBECONFIG", self.api.kubeconfig()).start()
    }

    /// Waits until so many answers are held back.
    fn holds(&self, answers: usize) {
        until("requests", Duration::from_secs(60), || (self.api.held() >= answers).then_some(()));
    }

    /// What is on disk of the only run, as soon as `wanted` is; no answer may have been given.
    #[track_caller]
    fn meanwhile(&self, what: &str, wanted: impl Fn(&Recording) -> bool) -> Recording {
        let found = until(what, HELD, || {
            // A run that is being written may be read between two of its files.
            let run = find_run(&self.lab.store())?;
            opened(&run).filter(|recording| wanted(recording))
        });
        assert_eq!(self.api.given(), 0, "{what}: only once an answer had come");
        found
    }

    /// Asks a run to stop, which it does before any answer has come.
    #[track_caller]
    fn stops(&self, running: Running, signal: Signal) -> Recording {
        let clock = Clock::system();
        let asked = clock.now();
        running.signal(signal);
        let done = running.finish().exits(130);
        let took = clock.now().since(asked);
        assert_eq!(self.api.given(), 0, "it waited for an answer: {done}");
        assert!(took < AT_ONCE, "it took {took:?}: {done}");
        let run = run_directory(&self.lab.store());
        assert_eq!(manifest(&run)["status"], "interrupted");
        opened(&run).unwrap()
    }
}

fn opened(run: &Path) -> Option<Recording> {
    record::open(Utf8Path::from_path(run).unwrap()).ok()
}

fn is_delete(asked: &str) -> bool {
    asked.starts_with("DELETE ")
}

/// What the injector says of each pod, by its first words.
fn said(recording: &Recording) -> Vec<(bool, &str)> {
    let rows = recording.observed.fault.iter();
    rows.map(|row| (row.ok, row.detail.split(" after ").next().unwrap())).collect()
}

/// The seconds of a phase, as they are on disk.
fn seconds(recording: &Recording, phase: Phase) -> f64 {
    let window = recording.observed.phases.window(phase);
    window.map_or(0.0, |window| window.length().as_secs_f64())
}

/// How many scrapes of the gateway are of *during*.
fn scrapes(recording: &Recording) -> usize {
    let during = recording.observed.phases.window(Phase::During).unwrap();
    let gateway = recording
        .observed
        .raw
        .of_metric("up")
        .filter(|series| series.labels.get("job") == Some("gateway"));
    gateway
        .map(|series| {
            series.times.iter().filter(|at| **at >= during.start && **at < during.end).count()
        })
        .sum()
}

#[track_caller]
fn check_stopped_while_killing(signal: Signal) {
    let site = Site::new(is_delete);
    let running = site.start(&killing());
    site.holds(3);
    let saved = site.meanwhile("samples of the killing", |recording| {
        seconds(recording, Phase::During) > 2.0 && scrapes(recording) > 0
    });
    assert_eq!(saved.observed.fault, [], "nothing was answered");
    let recording = site.stops(running, signal);
    assert!(scrapes(&recording) >= scrapes(&saved));
    assert!(recording.observed.injected_at.is_some());
    assert_eq!(said(&recording), [(false, "no answer"); 3]);
    for row in &recording.observed.fault {
        assert!(row.detail.ends_with("it may have been killed"), "{}", row.detail);
    }
    // The watch has seen what the answers would have said.
    let lost = recording.observed.pods.iter().filter(|pod| pod.lost_at().is_some());
    assert_eq!(lost.count(), 3);
}

#[test]
fn ctrl_c_is_acted_on_while_pods_are_killed() {
    check_stopped_while_killing(Signal::INT);
}

#[test]
fn sigterm_is_acted_on_while_pods_are_evicted() {
    let site = Site::new(|asked| asked.starts_with("POST ") && asked.contains("/eviction"));
    let hypothesis = killing().replace("share: 30%", "share: 30%, evict: true");
    let running = site.start(&hypothesis);
    site.holds(3);
    let recording = site.stops(running, Signal::TERM);
    assert_eq!(said(&recording), [(false, "no answer"); 3]);
}

#[test]
fn an_answer_is_saved_before_the_others_have_come() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let site = Site::new(move |asked| {
        is_delete(asked) && !first.swap(false, std::sync::atomic::Ordering::SeqCst)
    });
    let running = site.start(&killing());
    site.holds(2);
    let saved =
        site.meanwhile("the first answer", |recording| !recording.observed.fault.is_empty());
    running.signal(Signal::KILL);
    running.finish();
    assert_eq!(said(&saved), [(true, "accepted")]);
}

#[test]
fn the_guard_trips_while_pods_are_killed() {
    let site = Site::new(is_delete);
    // At its level from the start: it looks when the kill is planned, and trips long after that.
    let guard = "[{indicator: ready, above: 1, for: 8s}]";
    let mut running = site.start(&killing().set("guard", guard));
    let line = running.line("the guard's trip", |line| line.contains("the guard on"));
    assert_eq!((site.api.held(), site.api.given()), (3, 0), "{line}");
    let done = running.finish();
    assert_eq!(done.stderr.matches("given up when the run was stopped").count(), 3, "{done}");
    let run = run_directory(&site.lab.store());
    let manifest = manifest(&run);
    assert_eq!(manifest["status"], "guard_tripped");
    assert_eq!(manifest["phases"][2]["start_source"], "guard");
    assert_eq!(said(&opened(&run).unwrap()), [(false, "no answer"); 3]);
}

/// The list that a kill is planned with: it is the only one with a selector.
fn is_planning(asked: &str) -> bool {
    asked.starts_with("GET ")
        && asked.contains("/pods?")
        && asked.contains("labelSelector=app%3Dapi")
        && !asked.contains("watch=")
}

#[test]
fn samples_are_kept_and_a_signal_is_heard_while_the_kill_is_planned() {
    let site = Site::new(is_planning);
    let before = site.lab.pods();
    let running = site.start(&killing());
    site.holds(1);
    let planned =
        seconds(&site.meanwhile("before", |r| seconds(r, Phase::Before) > 0.0), Phase::Before);
    // As much as is saved of it at a time: *before* lasts until the first injection.
    site.meanwhile("more of before", |recording| seconds(recording, Phase::Before) > planned + 3.0);
    let recording = site.stops(running, Signal::INT);
    assert_eq!(recording.observed.injected_at, None);
    assert_eq!(recording.observed.fault, []);
    assert_eq!(site.lab.pods(), before, "a pod was deleted");
}

#[test]
fn the_guard_trips_while_the_kill_is_planned() {
    let site = Site::new(is_planning);
    let before = site.lab.pods();
    let guard = "[{indicator: ready, above: 1, for: 3s}]";
    let done = site.start(&killing().set("guard", guard)).finish().exits(11);
    assert_eq!((site.api.held(), site.api.given()), (1, 0), "{done}");
    assert!(done.stderr.contains("for 3 s, so nothing is injected"), "{done}");
    let run = run_directory(&site.lab.store());
    assert_eq!(manifest(&run)["status"], "not_injected");
    assert_eq!(site.lab.pods(), before, "a pod was deleted");
}
