//! A program as a fault, under its supervisor: what is said of its end, and that nothing of it
//! is left.

use std::time::Duration;

use camino::Utf8Path;
use homeostat::internals::{
    clock::Clock,
    fault::{self, FaultError, HeldCommand, RunningCommand},
    frame::{FaultAction, FaultRow},
    redact::Secrets,
};
use tempfile::TempDir;

use crate::support::{lab::alive, program::until};

const SOON: Duration = Duration::from_secs(60);

fn hold(argv: &[&str], secrets: &[&str]) -> Result<HeldCommand, FaultError> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let program = Utf8Path::new(env!("CARGO_BIN_EXE_homeostat"));
    let named = |(place, value)| (format!("{place}_TOKEN"), value);
    let secrets = Secrets::among(owned(secrets).into_iter().enumerate().map(named));
    fault::hold(&owned(argv), program, &Clock::system(), secrets)
}

async fn sh(script: &str) -> RunningCommand {
    hold(&["sh", "-c", script], &[]).unwrap().start().await.unwrap().0
}

/// The detail without the time that it took.
fn untimed(row: &FaultRow) -> String {
    let (first, output) = row.detail.split_once('\n').unwrap();
    let (how, _) = first.rsplit_once(" after ").unwrap();
    format!("{how}|{output}")
}

/// Runs a script to its own end.
#[track_caller]
fn check(script: &str, ok: bool, want: &str) {
    let row = block_on(async { sh(script).await.wait().await });
    assert_eq!((row.ok, row.action), (ok, FaultAction::CommandEnded));
    assert_eq!(untimed(&row), want);
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}

#[test]
fn a_program_ends_with_its_status_and_output() {
    check("echo out; exit 3", false, "exit status 3|out\n");
    check("printf done >&2", true, "exit status 0|done");
    check("echo late >&2; sleep 0.2; exit 0", true, "exit status 0|late\n");
}

#[test]
fn it_has_no_input_and_a_signal_is_told_as_one() {
    check("cat; kill -9 $$", false, "signal 9|");
    check("kill -TERM $$", false, "signal 15|");
}

#[test]
fn its_start_is_a_row_of_its_own_and_keeps_no_secret() {
    let (started, ended) = block_on(async {
        let held = hold(&["sh", "-c", "echo s3cret-1; echo s3cret-1 >&2"], &["s3cret-1"]).unwrap();
        let (mut running, started) = held.start().await.unwrap();
        (started, running.wait().await)
    });
    assert_eq!((started.ok, started.action), (true, FaultAction::CommandStarted));
    assert_eq!(started.object, "sh -c echo [redacted]; echo [redacted] >&2");
    assert_eq!(untimed(&ended), "exit status 0|[redacted]\n[redacted]\n");
    assert!(started.at <= ended.at);
}

#[test]
fn what_cannot_be_started_says_which_program_and_why() {
    block_on(async {
        let error = hold(&["no-such-program"], &[]).unwrap().start().await.unwrap_err();
        assert_eq!(error.to_string(), "`no-such-program` could not be started");
        let FaultError::Start { source, .. } = error else { panic!("{error}") };
        assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
        assert!(matches!(hold(&[], &[]), Err(FaultError::NoCommand)));
        let nowhere = Utf8Path::new("/nowhere/homeostat");
        let lost = fault::hold(&["true".to_owned()], nowhere, &Clock::system(), Secrets::default());
        assert!(matches!(lost, Err(FaultError::Supervisor { .. })));
    });
}

#[test]
fn nothing_starts_that_was_only_held() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("started");
    let held = block_on(async { hold(&["touch", file.to_str().unwrap()], &[]).unwrap() });
    let supervisor = held.leftover().pid;
    assert!(alive(supervisor));
    drop(held);
    until("the supervisor ends", SOON, || (!alive(supervisor)).then_some(()));
    assert!(!file.exists());
}

#[test]
fn much_output_does_not_block_the_program() {
    let script = "i=0; while [ $i -lt 3000 ]; do echo \"line $i ......................................................\"; i=$((i+1)); done";
    let row = block_on(async { sh(script).await.wait().await });
    assert!(row.detail.len() < 66 * 1024 && row.detail.contains("bytes cut]"));
    assert!(row.detail.contains("line 0 .") && row.detail.contains("line 2999 ."));
}

#[test]
fn waiting_may_be_given_up_and_taken_up_again() {
    let dir = TempDir::new().unwrap();
    let given_up = dir.path().join("given-up");
    let script = format!("until test -e {}; do sleep 0.05; done; echo late", given_up.display());
    let row = block_on(async {
        let mut running = sh(&script).await;
        assert!(tokio::time::timeout(Duration::from_millis(1), running.wait()).await.is_err());
        fs_err::write(&given_up, "").unwrap();
        running.wait().await
    });
    assert_eq!(untimed(&row), "exit status 0|late\n");
}

/// A script, once it has said in a file that all of it runs, and the processes that it named.
struct Wild {
    running: RunningCommand,
    pids: Vec<i32>,
    _dir: TempDir,
}

/// Everything that has been seen to survive: a new session, a second fork, ignored signals,
/// closed files.
const WILD: &str = "
    sleep 600 & echo $! >> pids
    setsid sleep 601 & echo $! >> pids
    (setsid sh -c 'sleep 602 & echo $! >> pids' &)
    sh -c 'trap \"\" TERM; echo $$ >> pids; while :; do sleep 1; done' &
    sh -c 'exec 0<&- 1>&- 2>&-; echo $$ >> pids; exec sleep 603' &
    echo $$ >> pids
";

impl Wild {
    async fn start(last: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let script = format!("cd {}\n{WILD}\n{last}", dir.path().display());
        let running = sh(&script).await;
        let pids = until("all of it to run", SOON, || {
            let text = fs_err::read_to_string(dir.path().join("pids")).ok()?;
            let pids: Vec<i32> = text.lines().map(|line| line.parse().unwrap()).collect();
            (pids.len() == 6).then_some(pids)
        });
        Self { running, pids, _dir: dir }
    }

    fn left(pids: &[i32]) -> Vec<i32> {
        pids.iter().copied().filter(|pid| alive(*pid)).collect()
    }
}

#[test]
fn ending_it_ends_all_that_it_started() {
    let (rows, pids) = block_on(async {
        let wild = Wild::start("wait").await;
        (wild.running.end().await, wild.pids)
    });
    assert_eq!(Wild::left(&pids), [0; 0]);
    let [ended] = &rows[..] else { panic!("{rows:?}") };
    assert!(ended.ok && ended.detail.starts_with("ended when asked: signal 15"), "{ended:?}");
}

#[test]
fn what_does_not_end_when_asked_is_killed() {
    let row = block_on(async {
        let dir = TempDir::new().unwrap();
        let ready = dir.path().join("ready");
        let script = format!("trap '' TERM; touch {}; while :; do sleep 1; done", ready.display());
        let running = sh(&script).await;
        until("the trap", SOON, || ready.exists().then_some(()));
        running.end().await.remove(0)
    });
    assert!(row.ok);
    assert_eq!(untimed(&row), "killed, it did not end when asked: signal 9|");
}

#[test]
fn what_runs_on_in_the_background_is_ended_at_the_end_and_named() {
    block_on(async {
        let mut wild = Wild::start("exit 2").await;
        let ended = wild.running.wait().await;
        assert!(!ended.ok && ended.detail.starts_with("exit status 2"), "{ended:?}");
        assert!(ended.detail.ends_with("[something it started still holds its output open]"));
        let gone = wild.pids.iter().filter(|pid| !alive(**pid)).count();
        assert_eq!(gone, 1, "all but the program itself run on");
        let rows = wild.running.end().await;
        let [background] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((background.ok, background.action), (true, FaultAction::BackgroundEnded));
        assert!(background.detail.contains("sleep ("), "{}", background.detail);
        assert_eq!(Wild::left(&wild.pids), [0; 0]);
    });
}

#[test]
fn what_ended_by_itself_leaves_nothing_to_tell() {
    let rows = block_on(async {
        let mut running = sh("exit 0").await;
        running.wait().await;
        running.end().await
    });
    assert_eq!(rows, []);
}

#[test]
fn dropping_it_ends_all_of_it() {
    let pids = block_on(async { Wild::start("wait").await.pids });
    until("nothing is left", SOON, || Wild::left(&pids).is_empty().then_some(()));
}

/// Whoever kills the supervisor, too, leaves the program alone in the world: its mark is what
/// finds it then.
#[test]
fn without_its_supervisor_it_is_found_by_its_mark() {
    block_on(async {
        let dir = TempDir::new().unwrap();
        let held = hold(&["sh", "-c", "setsid sleep 604 & wait"], &[]).unwrap();
        let leftover = held.leftover().clone();
        let (mut running, _) = held.start().await.unwrap();
        let supervisor = rustix::process::Pid::from_raw(leftover.pid).unwrap();
        rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).unwrap();
        let row = running.wait().await;
        assert!(!row.ok, "{row:?}");
        assert!(row.detail.contains("its supervisor is gone") && row.detail.contains("sh ("));
        assert_eq!(leftover.end().await.unwrap(), "nothing of it was running any more");
        let earlier = fault::Leftover { boot_id: "another".to_owned(), ..leftover };
        assert!(earlier.end().await.unwrap().contains("started again"));
        drop(dir);
    });
}
