//! One seed: a lab, a proxy before it, homeostat, and the faults at their times.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use homeostat::internals::{clock::Clock, time::Time};
use rustix::process::Signal;

use super::{
    later::SlowWrite,
    marked::{self, signal},
    plan::{End, Fault, Frozen, LabFault, Plan, Planned, Stage},
    proxy::Proxy,
    series::SeriesFault,
    switchboard::{Scrape, Switchboard},
    truth::{self, Look, Witness},
};
use crate::support::{
    Done, HypothesisFile, LabProcess,
    program::{Heard, until},
    recording::find_run,
};

/// How many pods the lab has, and how many of them the hypothesis kills.
pub(super) const REPLICAS: usize = 6;
pub(super) const KILLED: usize = 2;

/// How far a point of an indicator looks back, and how far apart points are.
pub(super) const OVER: Duration = Duration::from_secs(2);
pub(super) const STEP: Duration = Duration::from_millis(500);
/// How long *after* is.
pub(super) const AFTER: Duration = Duration::from_secs(5);

const HYPOTHESIS: &str = r#"version: 1
name: campaign
claim: A third of the pods can be killed and callers do not notice.
because:
  - {replaced: app=api, within: 8s}
phases: {before: 5s, during: 4s, during_at_most: 7s, after: 5s, step: 500ms}
sources:
  scrape: {http_sd: "${HOMEOSTAT_LAB_SD}", interval: 500ms}
  kubernetes: {namespace: shop, kubeconfig: "${HOMEOSTAT_LAB_KUBECONFIG}"}
fault:
  kill_pods: {selector: app=api, count: 2}
evidence:
  - {pods_lost: app=api, at_least: 2}
indicators:
  error_ratio: {ratio: 'gateway_requests_total{code=~"5.."}', of: gateway_requests_total, over: 2s}
  latency_p99: {quantile: 0.99, histogram: gateway_request_duration_seconds, over: 2s}
  ready: {pods_ready: app=api}
checks:
  - {indicator: error_ratio, during: {below: 5%}}
  - {indicator: error_ratio, after: {below: 5%}}
  - {indicator: latency_p99, during: {below: 2.5s}}
  - {indicator: ready, recovers: {above: 6, in: 8s}}
guard:
  - {indicator: error_ratio, above: 60%, for: 3s}
"#;

/// All that is known of a trial when it is over.
pub(super) struct Trial {
    pub(super) plan: Plan,
    /// Since when pods could not be watched for want of a right, to the end.
    pub(super) blind: Option<Time>,
    pub(super) done: Done,
    /// When each stage began, by the lines of progress.
    pub(super) stages: Vec<(Stage, Time)>,
    pub(super) ended: Time,
    pub(super) looks: Vec<Look>,
    pub(super) scrapes: Vec<Scrape>,
    /// How many of the pods that were there before are gone; none when the lab did not say.
    pub(super) lost: Option<usize>,
    /// The directory of the recording, if there is one.
    pub(super) run: Option<PathBuf>,
    pub(super) orphans: Vec<String>,
    /// Held for its files, and ended by the law's end.
    pub(super) lab: LabProcess,
    pub(super) lab_mark: String,
}

impl Trial {
    /// Plays a plan to its end.
    pub(super) fn play(plan: Plan) -> Self {
        let mark = format!("{}-{}", std::process::id(), plan.seed);
        let (lab_mark, run_mark) = (format!("lab-{mark}"), format!("run-{mark}"));
        let lab = LabProcess::start_with(&switches(&plan), &[(marked::NAME, &lab_mark)]);
        let (discovery, api) = (server(&lab, "sd"), server(&lab, "api"));
        let clock = Clock::system();
        let has_gone = plan.has(|fault| fault == Fault::Series(SeriesFault::ErrorsGone));
        let board = Arc::new(Switchboard::new(clock.clone(), has_gone));
        let proxy = Proxy::start(Arc::clone(&board), discovery, api);
        let witness = Witness::begin(clock.clone(), discovery, api);
        let before =
            until("a fresh lab lists its pods", Duration::from_secs(60), || truth::pods(api));

        let kubeconfig = lab.kubeconfig();
        let dir = lab.store().parent().unwrap().to_owned();
        let mut running = lab
            .run(&hypothesis(&plan))
            .env("HOMEOSTAT_LAB_SD", proxy.discovery())
            .env("HOMEOSTAT_LAB_KUBECONFIG", proxy.kubeconfig(kubeconfig.as_ref(), &dir))
            .env(marked::NAME, &run_mark)
            .args(["--seed", &plan.seed.to_string()])
            .start();
        let pid = running.pid();
        let mut agenda = Agenda { plan: &plan, due: Vec::new(), board: &board, lab: &lab, pid };
        let mut stages = Vec::new();
        agenda.arm(Stage::Start, clock.now());
        loop {
            match running.hear(agenda.next_in(clock.now())) {
                Heard::Line(line) => {
                    if let Some(stage) = Stage::begun_by(&line) {
                        stages.push((stage, clock.now()));
                        agenda.arm(stage, clock.now());
                    }
                }
                Heard::Silence => {}
                Heard::End => break,
            }
            agenda.act(clock.now());
        }
        let ended = clock.now();
        agenda.thaw();
        let done = running.finish();
        let orphans = marked::orphans(&run_mark);
        let looks = witness.end();
        let lost = truth::pods(api).map(|now| {
            let stays = |uid: &String| now.iter().any(|pod| pod.uid == *uid);
            before.iter().filter(|pod| !stays(&pod.uid)).count()
        });
        let (run, scrapes, blind) = (find_run(&lab.store()), board.scrapes(), board.blind());
        Self { plan, blind, done, stages, ended, looks, scrapes, lost, run, orphans, lab, lab_mark }
    }

    /// When a stage began, if it did.
    pub(super) fn began(&self, stage: Stage) -> Option<Time> {
        self.stages.iter().find(|(one, _)| *one == stage).map(|(_, at)| *at)
    }
}

fn switches(plan: &Plan) -> Vec<&'static str> {
    // A replacement is ready within two seconds, even here.
    let mut switches = vec!["--replicas", "6", "--restart-delay", "300ms"];
    switches.extend(["--readiness-delay", "200ms", "--probe-period", "500ms"]);
    let lab = |fault| plan.has(|other| other == Fault::Lab(fault));
    switches.extend(if lab(LabFault::NoLoad) {
        ["--load", "0"]
    } else if lab(LabFault::Slow) {
        // Each pod works on four at a time.
        ["--load", "5"]
    } else {
        ["--load", "50"]
    });
    if lab(LabFault::Slow) {
        switches.extend(["--service-time", "4s"]);
    }
    if lab(LabFault::NoRetries) {
        switches.extend(["--retries", "off"]);
    }
    switches
}

fn hypothesis(plan: &Plan) -> HypothesisFile {
    let text = HypothesisFile::text(HYPOTHESIS);
    if plan.has(|fault| fault == Fault::IdleProgram) {
        return text.set("fault", "{command: {argv: [sleep, \"600\"], timeout: 6s}}");
    }
    if plan.has(|fault| fault == Fault::Writes(SlowWrite::EvictAnswer)) {
        return text.replace("count: 2", "count: 2, evict: true");
    }
    text
}

fn server(lab: &LabProcess, which: &str) -> SocketAddr {
    let url = lab.address(which);
    let host = url.trim_start_matches("http://").split('/').next().unwrap();
    host.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// What is still to be done, and when.
struct Agenda<'a> {
    plan: &'a Plan,
    due: Vec<(Time, Deed)>,
    board: &'a Switchboard,
    lab: &'a LabProcess,
    pid: i32,
}

#[derive(Clone, Copy)]
enum Deed {
    Break(Planned),
    Signal(i32, Signal),
}

impl Agenda<'_> {
    /// A stage has begun: its faults are due.
    fn arm(&mut self, stage: Stage, now: Time) {
        let faults = self.plan.faults.iter().filter(|planned| planned.stage == stage);
        self.due.extend(faults.map(|planned| (now.plus(planned.offset), Deed::Break(*planned))));
        self.act(now);
    }

    fn next_in(&self, now: Time) -> Duration {
        let next = self.due.iter().map(|(at, _)| at.since(now)).min();
        next.unwrap_or(Duration::from_secs(1))
            .clamp(Duration::from_millis(1), Duration::from_secs(1))
    }

    fn act(&mut self, now: Time) {
        let (due, later) = self.due.iter().partition(|(at, _)| *at <= now);
        self.due = later;
        for (_, deed) in due {
            match deed {
                Deed::Signal(pid, sent) => signal(pid, sent),
                Deed::Break(planned) => self.break_it(planned, now),
            }
        }
    }

    fn break_it(&mut self, planned: Planned, now: Time) {
        match planned.fault {
            Fault::Freeze(who) => {
                let pid = match who {
                    Frozen::Lab => self.lab.pid(),
                    Frozen::Homeostat => self.pid,
                    Frozen::Pod => match self.lab.children().first() {
                        Some(pod) => *pod,
                        None => return,
                    },
                };
                signal(pid, Signal::STOP);
                self.due.push((now.plus(planned.lasts), Deed::Signal(pid, Signal::CONT)));
            }
            Fault::End(end) => {
                let sent = match end {
                    End::Kill => Signal::KILL,
                    End::Term | End::TermTwice => Signal::TERM,
                    End::Interrupt => Signal::INT,
                };
                signal(self.pid, sent);
                if end == End::TermTwice {
                    let again = now.plus(Duration::from_millis(500));
                    self.due.push((again, Deed::Signal(self.pid, sent)));
                }
            }
            Fault::Page(..)
            | Fault::Discovery(_)
            | Fault::Api(_)
            | Fault::Delete(_)
            | Fault::Series(_)
            | Fault::Stamps(_)
            | Fault::Forbidden(_)
            | Fault::Writes(_) => {
                self.board.put(planned.fault, planned.lasts);
            }
            // These were there from the start.
            Fault::Lab(_) | Fault::IdleProgram => {}
        }
    }

    /// Lets go whatever is still frozen; a signal to the program that has ended is not sent.
    fn thaw(&mut self) {
        for (_, deed) in std::mem::take(&mut self.due) {
            if let Deed::Signal(pid, Signal::CONT) = deed
                && pid != self.pid
            {
                signal(pid, Signal::CONT);
            }
        }
    }
}
