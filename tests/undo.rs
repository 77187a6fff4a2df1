//! What a run changed is taken back: at its end, however it ends, and after its sudden death; and
//! two runs never disturb the same.

use std::{path::PathBuf, time::Duration};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    Done, HypothesisFile, LabProcess, Program, Running, VerdictFile, homeostat, lab::alive,
    program::until, recording::manifest,
};

const SOON: Duration = Duration::from_secs(60);

/// Pods are the only witness, so that little is asked of the machine.
const TEXT: &str = r#"
version: 1
name: undo
claim: Whatever is done is taken back.
phases: {before: 2s, during: 3s, after: 2s, step: 1s}
sources: {kubernetes: {namespace: shop, kubeconfig: "${HOMEOSTAT_LAB_KUBECONFIG}"}}
fault: none
indicators: {ready: {pods_ready: app=api}}
checks: [{indicator: ready, during: {above: 1}}]
"#;

/// What ends with its parent only when somebody sees to it.
const WILD: &str = "
    sleep 600 & echo $! >> pids
    setsid sleep 601 & echo $! >> pids
    (setsid sh -c 'sleep 602 & echo $! >> pids' &)
    sh -c 'trap \"\" TERM; echo $$ >> pids; while :; do sleep 1; done' &
    echo $$ >> pids
    wait";

struct Site {
    lab: LabProcess,
}

impl Site {
    fn new() -> Self {
        Self { lab: LabProcess::start(&["--replicas", "2", "--load", "1"]) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.lab.store().parent().unwrap().join(name)
    }

    /// A run of a fault, with more of the hypothesis in place of what is there.
    fn run(&self, fault: &str, more: &[(&str, &str)]) -> Program {
        let mut text = HypothesisFile::text(TEXT).set("fault", fault);
        if fault.contains("command") {
            text = text.set("evidence", "[{pods_lost: app=api, at_least: 1}]");
        }
        for (key, value) in more {
            text = text.set(key, value);
        }
        self.lab.run(&text)
    }

    /// A fault that runs a script, and another that takes it back.
    fn command(script: &str, undo: &str) -> String {
        let json = |script: &str| serde_json::json!(["sh", "-c", script]).to_string();
        format!("{{command: {{argv: {}, undo: {}}}}}", json(script), json(undo))
    }

    fn undo(&self, args: &[&str]) -> Done {
        let store = self.lab.store();
        let program = homeostat(["undo", "--store", store.to_str().unwrap()]).args(args);
        program.cwd(&self.file("")).run()
    }

    /// The processes that a script has named.
    fn pids(&self, count: usize) -> Vec<i32> {
        until("the program to run", SOON, || {
            let text = fs_err::read_to_string(self.file("pids")).ok()?;
            let pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
            (pids.len() == count).then_some(pids)
        })
    }

    /// The directory of the only run of this name.
    fn recording(&self, hypothesis: &str) -> PathBuf {
        let dir = self.lab.store().join(format!("hypothesis={hypothesis}"));
        let runs: Vec<PathBuf> =
            fs_err::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.into_iter().next().unwrap()
    }

    /// What became of each step of the only run's journal.
    fn states(&self) -> Vec<String> {
        let text = fs_err::read_to_string(self.recording("undo").join("undo.json")).unwrap();
        let journal: Value = serde_json::from_str(&text).unwrap();
        let steps = journal["steps"].as_array().unwrap();
        steps.iter().map(|step| step["state"].as_str().unwrap().to_owned()).collect()
    }

    /// Up to when *during* is on disk.
    fn during_saved(&self) -> String {
        manifest(&self.recording("undo"))["phases"][1]["end"].as_str().unwrap().to_owned()
    }

    fn run_id(&self) -> String {
        let dir = self.recording("undo");
        dir.file_name().unwrap().to_str().unwrap().trim_start_matches("run=").to_owned()
    }

    /// A placebo run begins only where nothing is left behind.
    #[track_caller]
    fn accepts_a_run(&self) {
        self.run("none", &[("name", "placebo")]).run().exits(0);
    }

    #[track_caller]
    fn refuses_a_run(&self, run_id: &str) {
        let done = self.run("none", &[("name", "placebo")]).run().exits(1);
        let way_out = format!("homeostat undo {run_id} --store");
        assert!(done.stderr.contains(run_id) && done.stderr.contains(&way_out), "{done}");
    }
}

#[track_caller]
fn all_gone(pids: &[i32]) {
    until("nothing of it is left", SOON, || (!pids.iter().any(|pid| alive(*pid))).then_some(()));
}

/// Waits until a run has begun to watch.
fn begun(mut running: Running) -> Running {
    running.line("the first phase", |line| line.contains("before"));
    running
}

#[test]
fn a_killed_run_leaves_no_process_and_is_taken_back_by_hand() {
    let site = Site::new();
    let fault = Site::command(WILD, "echo mended; touch mended");
    let running = site.run(&fault, &[]).start();
    let pids = site.pids(5);
    running.signal(Signal::KILL);
    all_gone(&pids);

    let run_id = site.run_id();
    assert_eq!(site.states(), ["pending", "pending"]);
    site.refuses_a_run(&run_id);
    assert!(!site.file("mended").exists(), "only `undo` takes back what a killed run did");
    let done = site.undo(&[&run_id]).exits(0);
    assert!(done.stderr.contains("running `sh -c echo mended; touch mended`"), "{done}");
    assert!(done.stdout.contains("taken back: sh -c echo mended; touch mended: exit status 0"));
    assert!(done.stdout.contains("nothing of it was running any more"), "{done}");
    assert_eq!(site.states(), ["done", "done"]);
    let again = site.undo(&[&run_id]).exits(0);
    assert!(again.stdout.contains("nothing is left to be taken back"), "{again}");
    site.accepts_a_run();
}

#[test]
fn an_undo_that_fails_stays_until_it_succeeds_or_someone_decides() {
    let site = Site::new();
    let fault = Site::command("exit 0", "echo not yet; test -e ready");
    let done = site.run(&fault, &[]).run();
    assert!(done.stderr.contains("was not taken back"), "{done}");
    let run_id = site.run_id();
    let verdict = VerdictFile::of_run(&site.recording("undo"));
    assert!(verdict.grounds().contains(&"not_undone"), "{:?}", verdict.grounds());
    assert_eq!(site.states(), ["failed", "done"]);
    site.refuses_a_run(&run_id);

    let failed = site.undo(&[&run_id]).exits(1);
    assert!(failed.stdout.contains("exit status 1") && failed.stdout.contains("not yet"));
    assert!(failed.stderr.contains("homeostat undo --forget"), "{failed}");
    assert_eq!(site.states(), ["failed", "done"]);
    fs_err::write(site.file("ready"), "").unwrap();
    site.undo(&[&run_id]).exits(0);
    assert_eq!(site.states(), ["done", "done"]);
}

#[test]
fn what_can_never_be_taken_back_is_forgotten_by_someone() {
    let site = Site::new();
    site.run(&Site::command("exit 0", "exit 7"), &[]).run();
    let run_id = site.run_id();
    site.refuses_a_run(&run_id);
    site.undo(&[&run_id, "--forget", "--by", "ada"]).exits(0);
    let text = fs_err::read_to_string(site.recording("undo").join("undo.json")).unwrap();
    assert!(text.contains("\"by\": \"ada\""), "{text}");
    assert_eq!(site.states(), ["forgotten", "done"]);
    site.accepts_a_run();
}

const FOREVER: &str = "sleep 600 & echo $! >> pids; echo $$ >> pids; wait";

/// A run of a script, taken back once at its end, which a signal may bring.
#[track_caller]
fn check_taken_back(script: &str, more: &[(&str, &str)], signal: Option<Signal>) {
    let site = Site::new();
    let running = site.run(&Site::command(script, "echo once >> mended"), more).start();
    let pids = site.pids(2);
    if let Some(signal) = signal {
        running.signal(signal);
    }
    let done = running.finish();
    assert_eq!(done.code == Some(130), signal.is_some(), "{done}");
    assert_ne!(done.code, Some(1), "{done}");
    assert!(!pids.iter().any(|pid| alive(*pid)), "it outlived the run: {done}");
    assert_eq!(fs_err::read_to_string(site.file("mended")).unwrap(), "once\n", "{done}");
    assert_eq!(site.states(), ["done", "done"]);
    assert!(done.stderr.contains("undo by `sh -c echo once >> mended`: exit status 0"));
    let background = done.stderr.contains("it had left running, and we ended: sleep (");
    assert_eq!(background, script != FOREVER, "{done}");
    site.accepts_a_run();
}

#[test]
fn a_fault_ended_by_ctrl_c_is_taken_back() {
    check_taken_back(FOREVER, &[], Some(Signal::INT));
}

#[test]
fn a_fault_ended_by_sigterm_is_taken_back() {
    check_taken_back(FOREVER, &[], Some(Signal::TERM));
}

#[test]
fn a_fault_ended_by_the_guard_is_taken_back() {
    let guard = ("guard", "[{indicator: ready, above: 1, for: 1s}]");
    check_taken_back(FOREVER, &[guard], None);
}

#[test]
fn a_fault_ended_at_its_time_is_taken_back() {
    check_taken_back(FOREVER, &[], None);
}

#[test]
fn a_fault_that_ends_by_itself_is_taken_back() {
    check_taken_back("sleep 600 & echo $! >> pids; echo $$ >> pids", &[], None);
}

#[test]
fn the_watch_goes_on_while_a_fault_is_taken_back() {
    let site = Site::new();
    let undo = "touch undoing; until test -e go; do sleep 0.1; done; echo once >> mended";
    let running = site.run(&Site::command("exit 0", undo), &[]).start();
    until("the undo", SOON, || site.file("undoing").exists().then_some(()));
    let saved = site.during_saved();
    // Sooner than the undo's own limit of a minute.
    until("more of during", Duration::from_secs(40), || {
        (site.during_saved() != saved).then_some(())
    });
    running.signal(Signal::INT);
    fs_err::write(site.file("go"), "").unwrap();
    running.finish().exits(130);
    assert_eq!(fs_err::read_to_string(site.file("mended")).unwrap(), "once\n");
    assert_eq!(site.states(), ["done", "done"]);
}

#[test]
fn an_error_of_ours_ends_the_program_and_takes_it_back_too() {
    let site = Site::new();
    let fault =
        Site::command("sleep 600 & echo $! >> pids; echo $$ >> pids; wait", "echo once >> mended");
    let running = site.run(&fault, &[]).start();
    let pids = site.pids(2);
    // Nothing can be written any more. The directory goes in one step: were it emptied first, a
    // file that is written meanwhile would keep it.
    fs_err::rename(site.recording("undo"), site.file("gone")).unwrap();
    running.finish().exits(1);
    assert!(!pids.iter().any(|pid| alive(*pid)));
    assert_eq!(fs_err::read_to_string(site.file("mended")).unwrap(), "once\n");
}

#[test]
fn a_program_that_cannot_be_started_leaves_nothing_behind() {
    let site = Site::new();
    let fault = "{command: {argv: [no-such-program], undo: [touch, mended]}}";
    let done = site.run(fault, &[]).run().exits(1);
    assert!(done.stderr.contains("`no-such-program` could not be started"), "{done}");
    assert!(done.stderr.contains("hint: a program is looked up in `PATH`"), "{done}");
    assert!(!site.file("mended").exists(), "there was nothing to take back");
    site.accepts_a_run();
}

#[test]
fn of_two_runs_on_one_selector_the_second_is_refused() {
    let site = Site::new();
    let long = ("phases", "{before: 10m, during: 3s, after: 2s, step: 1s}");
    let kill = "{kill_pods: {selector: app=api, count: 1}}";
    let first = begun(site.run(kill, &[long, ("name", "first")]).start());
    let first_id = site.recording("first");
    let first_id = first_id.file_name().unwrap().to_str().unwrap().trim_start_matches("run=");

    let second = site.run(kill, &[long, ("name", "second")]).run().exits(1);
    assert!(second.stderr.contains(first_id) && second.stderr.contains("`app=api`"), "{second}");
    assert!(!site.lab.store().join("hypothesis=second").exists(), "a refused run records nothing");
    // A placebo run disturbs nobody, and other pods are others.
    site.accepts_a_run();
    let others = "{kill_pods: {selector: app=web, count: 1}}";
    let other = begun(site.run(others, &[long, ("name", "other")]).start());
    other.signal(Signal::INT);
    other.finish().exits(130);

    first.signal(Signal::KILL);
    until("the first is gone", SOON, || (!alive(first.pid())).then_some(()));
    let third = begun(site.run(kill, &[long, ("name", "third")]).start());
    third.signal(Signal::INT);
    third.finish().exits(130);
}
