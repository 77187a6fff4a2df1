//! No secret of the environment is in a recording, in a report or on a stream, wherever it came
//! from; and the recording is judged, and the fault taken back, all the same.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use camino::Utf8Path;
use rustix::process::Signal;

use crate::support::{
    Done, Program, ScriptedTarget, homeostat,
    program::until,
    recording::{manifest, run_directory},
};

const VARIABLE: &str = "PROBE_TOKEN";
const VALUE: &str = "v4lue-of-the-probe";
const MARK: &str = "redacted";

/// The fault is seen by nobody, so the verdict is inconclusive.
const TEXT: &str = r#"
version: 1
name: secrets
claim: Nothing that callers notice happens.
phases: {before: 2s, during: 1s, after: 1s, step: 1s}
sources: {scrape: {targets: [TARGETS], interval: 500ms}}
evidence: [{indicator: load, during: {above: 5}}]
indicators:
  load: {gauge: load, aggregate: max}
checks: [{indicator: load, during: {below: 3}}]
"#;

fn target() -> ScriptedTarget {
    ScriptedTarget::start(|_| "load 1\n".to_owned())
}

/// A run of this fault, in the directory of the target.
fn run(target: &ScriptedTarget, fault: &str) -> Program {
    let program = target.run(&format!("{TEXT}fault: {fault}\n"));
    program.cwd(target.store().parent().unwrap()).env("HOMEOSTAT_LOG", "debug")
}

/// A program that prints its argument on both streams.
fn printing(argument: &str) -> [&str; 5] {
    ["sh", "-c", "echo says $1; echo says $1 >&2", "sh", argument]
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Neither the streams nor any file of the store holds the value; tables are read for it, for they
/// are compressed.
#[track_caller]
fn check_nowhere(target: &ScriptedTarget, done: &Done) {
    assert!(!done.stdout.contains(VALUE) && !done.stderr.contains(VALUE), "{done}");
    for file in files(&target.store()) {
        let bytes = fs_err::read(&file).unwrap();
        let found = memchr::memmem::find(&bytes, VALUE.as_bytes());
        assert_eq!(found, None, "{}: {}", file.display(), String::from_utf8_lossy(&bytes));
    }
    let run = run_directory(&target.store());
    let recording = homeostat::internals::record::open(Utf8Path::from_path(&run).unwrap()).unwrap();
    let all = format!("{recording:?}");
    assert!(!all.contains(VALUE), "{all}");
    assert!(all.contains("[redacted]"), "{all}");
}

/// It was there: where it stood, the mark stands.
#[track_caller]
fn check_marked(target: &ScriptedTarget, done: &Done) {
    let run = run_directory(&target.store());
    for name in ["run.json", "verdict.json", "report.md", "report.html"] {
        let text = fs_err::read_to_string(run.join(name)).unwrap();
        assert!(text.contains(MARK), "{name}: {text}");
    }
    assert!(done.stdout.contains(MARK) && done.stderr.contains(MARK), "{done}");
}

/// Judged again without the variable, a recording says what it said.
#[track_caller]
fn check_judged_again(target: &ScriptedTarget) {
    let run = run_directory(&target.store());
    let outputs = || ["verdict.json", "report.html", "checks.parquet"].map(|n| read(&run, n));
    let before = outputs();
    let done = homeostat(["judge".as_ref(), run.as_os_str()]).run().exits(11);
    assert!(before == outputs(), "{done}");
    // Not those of the text that was kept.
    let manifest = manifest(&run);
    for row in
        homeostat::internals::record::read_checks(Utf8Path::from_path(&run).unwrap()).unwrap()
    {
        assert_eq!(manifest["text_fingerprint"], row.text_fingerprint);
        assert_eq!(manifest["comparable_fingerprint"], row.comparable_fingerprint);
    }
}

fn read(run: &Path, name: &str) -> Vec<u8> {
    fs_err::read(run.join(name)).unwrap()
}

#[test]
fn no_secret_of_a_fault_in_the_file_is_kept_or_said() {
    let target = target();
    let argv = |argv: &[&str]| serde_json::to_string(argv).unwrap();
    let (program, undo) = (argv(&printing(VALUE)), argv(&printing(&format!("a={VALUE}"))));
    let fault = format!("{{command: {{argv: {program}, undo: {undo}}}}} # not {VALUE}");
    let tag = format!("of={VALUE}");
    let done = run(&target, &fault).args(["--tag", &tag]).env(VARIABLE, VALUE).run().exits(11);
    check_nowhere(&target, &done);
    check_marked(&target, &done);
    check_judged_again(&target);
    let journal = read(&run_directory(&target.store()), "undo.json");
    let journal = String::from_utf8(journal).unwrap();
    assert!(journal.contains(r#""variable": "PROBE_TOKEN""#), "{journal}");
    assert!(journal.contains("[redacted]"), "its output is kept there too: {journal}");
}

#[test]
fn no_secret_of_a_program_on_the_command_line_is_kept_or_said() {
    let [secret, plain] = [target(), target()];
    let start = |target: &ScriptedTarget, variable: &str| {
        let program = run(target, "{command: {}}").env(variable, VALUE);
        program.args(["--format", "junit", "--"]).args(printing(VALUE)).run().exits(11)
    };
    let done = start(&secret, VARIABLE);
    check_nowhere(&secret, &done);
    check_judged_again(&secret);
    for format in ["terminal", "json", "markdown", "html"] {
        let run = run_directory(&secret.store());
        let report = homeostat(["report".as_ref(), run.as_os_str()]).args(["--format", format]);
        let report = report.run().exits(0);
        assert!(report.stdout.contains(MARK) && !report.stdout.contains(VALUE), "{report}");
    }

    // By any other name it is no secret, and the run is comparable all the same.
    let done = start(&plain, "PROBE");
    assert!(done.stderr.contains(VALUE), "{done}");
    let fingerprint = |target: &ScriptedTarget| {
        manifest(&run_directory(&target.store()))["comparable_fingerprint"].clone()
    };
    assert_eq!(fingerprint(&secret), fingerprint(&plain));
}

#[test]
fn an_error_does_not_say_it() {
    let target = target();
    let program = format!("./no-{VALUE}");
    let done = run(&target, "{command: {}}").env(VARIABLE, VALUE).args(["--", &program]).run();
    let done = done.exits(1);
    assert!(done.stderr.contains("`./no-[redacted]` could not be started"), "{done}");
    check_nowhere(&target, &done);
}

#[test]
fn a_killed_run_is_taken_back_with_the_secret_that_its_journal_does_not_hold() {
    let target = target();
    let dir = target.store().parent().unwrap().to_owned();
    let fault = format!(
        "{{command: {{argv: [sh, -c, 'touch started; sleep 600', {VALUE}], timeout: 1h, \
         undo: [sh, -c, 'printf %s $1 > mended', sh, 'a={VALUE}']}}}}"
    );
    let running = run(&target, &fault).env(VARIABLE, VALUE).start();
    until("the program", Duration::from_secs(60), || dir.join("started").exists().then_some(()));
    running.signal(Signal::KILL);
    check_nowhere(&target, &running.finish());

    let run = run_directory(&target.store());
    let undo = || {
        let program = homeostat(["undo".as_ref(), run.as_os_str()]).cwd(&dir);
        program.args(["--store".as_ref(), target.store().as_os_str()])
    };
    let done = undo().run().exits(1);
    assert!(done.stdout.contains("`PROBE_TOKEN` is not set"), "{done}");
    assert!(!dir.join("mended").exists(), "nothing is run without its argument");
    let done = undo().env(VARIABLE, VALUE).run().exits(0);
    assert_eq!(fs_err::read_to_string(dir.join("mended")).unwrap(), format!("a={VALUE}"));
    assert!(done.stderr.contains("a=${PROBE_TOKEN}`"), "{done}");
    check_nowhere(&target, &done);
}

#[test]
fn a_secret_that_a_judgement_depends_on_refuses_the_run() {
    let target = target();
    let text = TEXT.replace("name: secrets", &format!("name: {VALUE}")) + "fault: none\n";
    let done = target.run(&text).env(VARIABLE, VALUE).run().exits(2);
    assert!(done.stderr.contains("the value of `PROBE_TOKEN` stands in line"), "{done}");
    assert!(!done.stderr.contains(VALUE) && !target.store().exists(), "{done}");
}
