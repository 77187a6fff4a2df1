//! Sudden death: a run that is killed, stopped in a hurry, or loses its disk, its clock or its
//! source keeps what it saw, says what is missing, and never passes for it.

use std::{net::TcpListener, path::Path, time::Duration};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    HypothesisFile, LabProcess, VerdictFile, homeostat,
    lab::alive,
    program::{Program, Running, until},
    recording::{find_run, manifest, run_directory},
    tool,
};

/// Killed pods, held to errors only: how fast a busy machine answers is not what these are about.
fn killing() -> HypothesisFile {
    HypothesisFile::short().set("checks", "[{indicator: error_ratio, during: {below: 1%}}]")
}

fn placebo() -> HypothesisFile {
    killing().set("fault", "none").without("because")
}

/// A program as the fault, whose effect would be a lost target.
fn command(script: &str) -> HypothesisFile {
    killing()
        .set("phases", "{before: 8s, during: 6s, during_at_most: 2m, after: 8s, step: 1s}")
        .set("fault", &format!("{{command: {{argv: [sh, -c, '{script}'], timeout: 1m}}}}"))
        .set("evidence", "[{targets_lost: 'up{job=\"api\"}', at_least: 1}]")
        .without("because")
}

/// The names of the phases that were saved, and how long each is.
fn saved(manifest: &Value) -> Vec<(String, f64)> {
    let time = |value: &Value| -> homeostat::internals::time::Time {
        value.as_str().unwrap().parse().unwrap()
    };
    let phases = manifest["phases"].as_array().unwrap().iter();
    phases
        .map(|edges| {
            let length = time(&edges["end"]).seconds_from(time(&edges["start"]));
            (edges["phase"].as_str().unwrap().to_owned(), length)
        })
        .collect()
}

/// Waits until a phase is on disk, so many seconds of it.
#[track_caller]
fn reached(store: &Path, phase: &str, seconds: f64) {
    until(phase, Duration::from_secs(60), || {
        let run = find_run(store).filter(|run| run.join("run.json").exists())?;
        let saved = saved(&manifest(&run));
        saved.iter().any(|(name, length)| name == phase && *length >= seconds).then_some(())
    });
}

/// Kills a run when so many seconds of a phase are on disk; what `judge` and `report` say then.
#[track_caller]
fn killed(lab: &LabProcess, phase: &str, seconds: f64, codes: &[i32]) -> (VerdictFile, String) {
    let running = lab.run(&killing()).start();
    reached(&lab.store(), phase, seconds);
    running.signal(Signal::KILL);
    assert_eq!(running.finish().code, None);

    let run = run_directory(&lab.store());
    let kept = saved(&manifest(&run));
    let planned = [("before", 8.0), ("during", 6.0), ("after", 8.0)];
    for ((name, length), (want, planned)) in kept.iter().rev().skip(1).rev().zip(planned) {
        assert_eq!(name, want);
        assert!(*length >= planned, "of the finished phase {name} only {length} s are left");
    }
    let done = homeostat(["judge".as_ref(), run.as_os_str()]).run();
    assert!(codes.contains(&done.code.unwrap()), "{done}");
    let report = homeostat(["report".as_ref(), run.as_os_str()])
        .args(["--format", "markdown"])
        .run()
        .exits(0);
    (VerdictFile::of_run(&run), report.stdout)
}

/// A run that is killed when a phase is reached says what is missing, and does not pass.
#[track_caller]
fn check_killed(phase: &str, missing: &[&str]) {
    let lab = LabProcess::start(&[]);
    let (verdict, report) = killed(&lab, phase, 0.0, &[11]);
    assert!(verdict.grounds().contains(&"incomplete"), "{:?}", verdict.grounds());
    for sentence in [&["the recording is incomplete"], missing].concat() {
        assert!(report.contains(sentence), "`{sentence}` is not in {report}");
    }
}

#[test]
fn a_run_killed_before_the_fault_says_that_two_phases_are_missing() {
    let missing = ["before was cut", "during was not reached", "after was not reached"];
    check_killed("before", &missing);
}

#[test]
fn a_run_killed_during_the_fault_says_that_after_is_missing() {
    check_killed("during", &["during was cut", "after was not reached"]);
}

#[test]
fn a_run_killed_after_the_fault_says_that_after_was_cut() {
    check_killed("after", &["after was cut"]);
}

#[test]
fn a_run_killed_while_it_is_closed_loses_no_phase() {
    let lab = LabProcess::start(&[]);
    // It may just have been quicker than the signal, and then it is whole.
    let (_, report) = killed(&lab, "after", 8.0, &[0, 11]);
    assert!(!report.contains("was cut") && !report.contains("not reached"), "{report}");
}

#[test]
fn a_fail_that_was_proven_before_the_kill_stays_one() {
    let lab = LabProcess::start(&["--retries", "off"]);
    let (verdict, _) = killed(&lab, "after", 0.0, &[10]);
    assert_eq!(verdict.grounds()[0], "failed");
    assert!(verdict.grounds().contains(&"incomplete"), "{:?}", verdict.grounds());
}

/// A run whose fault has begun: a program that does not end when it is asked to.
fn stubborn(lab: &LabProcess, dir: &TempDir) -> (Running, i32) {
    let pid = dir.path().join("pid");
    let script = format!("trap \"\" TERM; echo $$ >{}; while :; do sleep 1; done", pid.display());
    let mut running = lab.run(&command(&script)).start();
    running.line("the fault's start", |line| line.contains("running `"));
    let pid = until("the program's process id", Duration::from_secs(60), || {
        fs_err::read_to_string(&pid).ok()?.trim().parse().ok()
    });
    (running, pid)
}

#[test]
fn a_second_signal_hurries() {
    let (lab, dir) = (LabProcess::start(&[]), TempDir::new().unwrap());
    let (mut running, program) = stubborn(&lab, &dir);
    running.signal(Signal::HUP);
    running.line("what is waited for", |line| line.contains("ending the program"));
    running.signal(Signal::TERM);
    running.line("the hurry", |line| line.contains("hurrying"));
    running.finish().exits(130);
    let run = run_directory(&lab.store());
    let verdict = VerdictFile::of_run(&run);
    assert!(verdict.grounds().contains(&"interrupted"), "{:?}", verdict.grounds());
    let report = fs_err::read_to_string(run.join("report.md")).unwrap();
    assert!(report.contains("not waited for: a second signal"), "{report}");
    until("the program's end", Duration::from_secs(60), || (!alive(program)).then_some(()));
}

#[test]
fn a_third_signal_leaves_at_once_and_what_was_saved_stays() {
    let (lab, dir) = (LabProcess::start(&[]), TempDir::new().unwrap());
    let (running, _) = stubborn(&lab, &dir);
    // While it is stopped they wait, and those of one kind would be one.
    for signal in [Signal::STOP, Signal::INT, Signal::TERM, Signal::HUP, Signal::CONT] {
        running.signal(signal);
    }
    let done = running.finish().exits(130);
    assert!(done.stderr.contains("leaving at once"), "{done}");
    let run = run_directory(&lab.store());
    homeostat(["judge".as_ref(), run.as_os_str()]).run().exits(11);
}

#[test]
fn a_signal_is_heard_while_the_cluster_is_waited_for() {
    let dir = TempDir::new().unwrap();
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", silent.local_addr().unwrap());
    let kubeconfig = dir.path().join("kubeconfig");
    let config = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, \
          clusters: [{{name: c, cluster: {{server: '{server}'}}}}], users: [{{name: u, user: {{}}}}], \
          contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}"
    );
    fs_err::write(&kubeconfig, config).unwrap();
    let file = killing().write(dir.path());
    let store = dir.path().join("store");
    let running =
        homeostat(["run".as_ref(), file.as_os_str(), "--store".as_ref(), store.as_os_str()])
            .env("HOMEOSTAT_LAB_SD", "http://127.0.0.1:9/sd")
            .env("HOMEOSTAT_LAB_KUBECONFIG", &kubeconfig)
            .start();
    let asked = silent.accept().unwrap();
    running.signal(Signal::INT);
    running.finish().exits(130);
    drop(asked);
    let run = run_directory(&store);
    assert_eq!(manifest(&run)["status"], "interrupted");
    homeostat(["judge".as_ref(), run.as_os_str()]).run().exits(11);
}

/// A shell in a mount namespace of its own: `$1…` is the program, `$STORE` may be mounted on.
#[track_caller]
fn mounting(lab: &LabProcess, hypothesis: &HypothesisFile, script: &str) -> Option<Program> {
    let shell = ["sh", "-c"];
    let unshare = tool::unshare("mount", &[&shell[..], &["mount -t tmpfs none /mnt"]].concat())?;
    let unshare: Vec<&str> = unshare.iter().map(String::as_str).collect();
    fs_err::create_dir_all(lab.store()).unwrap();
    Some(
        lab.run(hypothesis)
            .through(&[&unshare[..], &shell, &[script, "sh"]].concat())
            .env("STORE", lab.store()),
    )
}

#[test]
fn a_full_disk_ends_the_fault_and_keeps_what_was_saved() {
    let (lab, dir) = (LabProcess::start(&[]), TempDir::new().unwrap());
    let (sleeper, out) = (dir.path().join("sleeper"), dir.path().join("out"));
    let hypothesis = command(&format!(
        "echo $$ >{}; dd if=/dev/zero of={}/fill 2>&1; exec sleep 300",
        sleeper.display(),
        lab.store().display()
    ));
    let script = "mount -t tmpfs -o size=2m none \"$STORE\" || exit 99
        \"$@\"; code=$?; rm \"$STORE/fill\"; cp -r \"$STORE\" \"$OUT\"; exit $code";
    let Some(run) = mounting(&lab, &hypothesis, script) else { return };
    let done = run.env("OUT", &out).run().exits(1);
    for said in ["error: the recording could not be written", "of 2 MiB are free there", "hint: "] {
        assert!(done.stderr.contains(said), "`{said}` is not in {done}");
    }
    let sleeper = fs_err::read_to_string(sleeper).unwrap().trim().parse().unwrap();
    assert!(!alive(sleeper), "the fault goes on");

    let run = run_directory(&out);
    homeostat(["judge".as_ref(), run.as_os_str()]).run().exits(11);
    let manifest = manifest(&run);
    assert_eq!(manifest["status"], "incomplete");
    let saved = saved(&manifest);
    // Of *during* there is as much as was saved before the disk was full, which may be nothing.
    assert!(saved[0].0 == "before" && saved[0].1 >= 8.0, "{saved:?}");
}

/// A store that cannot be written to is refused before anything is disturbed.
#[track_caller]
fn check_refused(lab: &LabProcess, run: Program, said: &str) {
    let before = lab.pods();
    let done = run.run().exits(1);
    assert!(done.stderr.contains(said), "`{said}` is not in {done}");
    assert!(done.stderr.contains("hint: "), "{done}");
    assert!(!done.stderr.contains("deleting pods"), "{done}");
    assert_eq!(lab.pods(), before, "a pod was deleted");
}

#[test]
fn a_store_that_cannot_be_written_to_is_refused_before_the_fault() {
    let lab = LabProcess::start(&[]);
    let hypothesis = killing();
    fs_err::write(lab.store(), "a file").unwrap();
    check_refused(&lab, lab.run(&hypothesis), "cannot create");
    fs_err::remove_file(lab.store()).unwrap();

    // 512 bytes at most: enough for nothing.
    let limited = ["sh", "-c", "ulimit -f 1; exec \"$@\"", "sh"];
    check_refused(&lab, lab.run(&hypothesis).through(&limited), "File too large");
    fs_err::remove_dir_all(lab.store()).unwrap();

    let read_only = "mount -t tmpfs -o ro none \"$STORE\" && exec \"$@\"";
    if let Some(run) = mounting(&lab, &hypothesis, read_only) {
        check_refused(&lab, run, "Read-only file system");
    }
}

#[test]
fn a_limit_that_is_reached_while_closing_loses_nothing() {
    let lab = LabProcess::start(&[]);
    // Room for each part of the samples, and not for all of them together.
    let limited = ["sh", "-c", "ulimit -f 16; exec \"$@\"", "sh"];
    let done = lab.run(&killing()).through(&limited).run().exits(1);
    for said in ["File too large", "hint: a limit of file sizes was reached"] {
        assert!(done.stderr.contains(said), "`{said}` is not in {done}");
    }
    let run = run_directory(&lab.store());
    homeostat(["judge".as_ref(), run.as_os_str()]).run().exits(11);
    assert_eq!(saved(&manifest(&run)).len(), 3);
}

#[test]
fn a_step_of_the_machines_clock_moves_nothing_and_is_said() {
    let Some(faketime) = tool::need(&["faketime"]) else { return };
    let (lab, dir) = (LabProcess::start(&[]), TempDir::new().unwrap());
    let library = Program::new(faketime).args(["-m", "-f", "+0s", "printenv", "LD_PRELOAD"]).run();
    let file = dir.path().join("offset");
    let step = |to: &str| {
        let new = dir.path().join("new");
        fs_err::write(&new, to).unwrap();
        fs_err::rename(&new, &file).unwrap();
    };
    step("+0");
    let running = lab
        .run(&placebo())
        .env("LD_PRELOAD", library.stdout.trim())
        .env("FAKETIME_TIMESTAMP_FILE", &file)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start();
    reached(&lab.store(), "before", 0.0);
    step("-3600");
    running.finish().exits(0);
    let manifest = manifest(&run_directory(&lab.store()));
    let notes = manifest["ledger"]["notes"].to_string();
    assert!(notes.contains("the machine's clock was stepped by −1 h"), "{notes}");
    for ((phase, length), planned) in saved(&manifest).into_iter().zip([8.0, 6.0, 8.0]) {
        assert!((planned..planned + 30.0).contains(&length), "{phase} lasted {length} s");
    }
}

#[test]
fn a_source_that_dies_for_good_ends_in_gaps_and_not_in_a_pass() {
    let lab = LabProcess::start(&[]);
    let running = lab.run(&placebo()).start();
    reached(&lab.store(), "during", 0.0);
    lab.kill();
    running.finish().exits(11);
    let run = run_directory(&lab.store());
    assert_eq!(manifest(&run)["status"], "complete");
    let verdict = VerdictFile::of_run(&run);
    let reasons = verdict.check("error_ratio.during.below").reasons().join(" ");
    assert!(reasons.contains("too_many_gaps"), "{reasons}");
}
