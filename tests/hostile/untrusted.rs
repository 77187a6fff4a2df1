//! A stranger's recording: read within limits, and whatever it holds, the end is a verdict or an
//! error that says what is wrong.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use camino::Utf8Path;
use homeostat::internals::{
    analysis,
    hypothesis::{self, Reading},
    record,
    report::{self, Format, Style, Subject, View},
    verdict::{self, RunStatus},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::poison;
use crate::support::{Done, homeostat};

fn judge(run: &Path) -> Done {
    homeostat(["judge".as_ref(), run.as_os_str()]).run()
}

/// A small generator of its own (splitmix64), so that a seed gives the same damage for ever.
struct Damage(u64);

impl Damage {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % most as u64).unwrap()
    }

    /// Bytes flipped, cut off or written over; every second time near the end, where a Parquet
    /// file says what it holds.
    fn of(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..=self.below(3) {
            let length = bytes.len();
            let reach = if self.below(2) == 0 { length } else { length.min(600) };
            let place = length - 1 - self.below(reach);
            match self.below(8) {
                0 => bytes.truncate(place.max(1)),
                1 => bytes[place] = 0xff,
                2 => bytes[place] = 0,
                3 => bytes[place] = self.below(256) as u8,
                bit => bytes[place] ^= 1 << bit,
            }
        }
        bytes
    }
}

fn tables(run: &Path) -> Vec<PathBuf> {
    let all = fs_err::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let mut tables: Vec<PathBuf> =
        all.filter(|path| path.extension().is_some_and(|end| end == "parquet")).collect();
    tables.sort();
    tables
}

/// Judges a killed run, which has no checksums, with one damaged file after the other.
fn check_damage(seed: u64, times: usize) {
    let (run, _store) = poison::killed();
    let tables = tables(&run);
    assert_eq!(tables.len(), 4);
    let whole: Vec<Vec<u8>> = tables.iter().map(|path| fs_err::read(path).unwrap()).collect();
    let mut damage = Damage(seed);
    let (mut read, mut fatal) = (0, 0);
    for time in 0..times {
        let place = damage.below(tables.len());
        let (path, bytes) = (&tables[place], damage.of(&whole[place]));
        fs_err::write(path, bytes).unwrap();
        let done = homeostat(["judge".as_ref(), run.as_os_str(), "--no-write".as_ref()]).run();
        let told = done.stderr.starts_with("error: ") && done.stderr.contains("hint: ");
        match done.code {
            // A killed run is never a pass.
            Some(10 | 11) => read += 1,
            Some(1) if told => fatal += usize::from(done.stderr.contains("its reader")),
            _ => panic!("seed {seed}, damage {time} of {}: {done}", path.display()),
        }
        assert!(!done.stderr.contains("panicked"), "{done}");
        fs_err::write(path, &whole[place]).unwrap();
    }
    eprintln!("of {times} damaged, {read} could be read, {fatal} took their reader down");
}

#[test]
fn damaged_tables_are_an_error_or_are_read() {
    check_damage(1, 24);
}

#[test]
#[ignore = "takes minutes: two thousand damaged recordings"]
fn two_thousand_damaged_tables() {
    check_damage(20_261_124, 2000);
}

/// Changes a finished recording, judges it and wants this error.
#[track_caller]
fn check(change: impl FnOnce(&Path), want: &str) {
    let (run, _store) = poison::poisoned();
    change(&run);
    let done = judge(&run).exits(1);
    let said = done.stderr.replace(run.to_str().unwrap(), "RUN");
    assert!(said.contains(want) && said.contains("hint: "), "{said}");
    assert_eq!(done.stdout, "");
}

/// Changes `run.json`.
fn edit(run: &Path, change: impl FnOnce(&mut Value)) {
    let file = run.join("run.json");
    let mut value: Value = serde_json::from_str(&fs_err::read_to_string(&file).unwrap()).unwrap();
    change(&mut value);
    fs_err::write(file, value.to_string()).unwrap();
}

#[test]
fn nothing_is_read_outside_of_the_directory() {
    let want = "`RUN/run.json` is a symbolic link, and is not read";
    let link = |run: &Path| {
        fs_err::rename(run.join("run.json"), run.join("other.json")).unwrap();
        symlink("other.json", run.join("run.json")).unwrap();
    };
    check(link, want);
    let table = |run: &Path| {
        fs_err::remove_file(run.join("pods.parquet")).unwrap();
        symlink("/dev/zero", run.join("pods.parquet")).unwrap();
    };
    check(table, "`RUN/pods.parquet` is a symbolic link, and is not read");
    let checksum =
        |run: &Path| edit(run, |run| run["checksums"]["../../../../etc/passwd"] = json!("00"));
    check(checksum, "`../../../../etc/passwd` cannot be a file of a run");
}

#[test]
fn a_pipe_is_not_waited_for() {
    let pipe = |run: &Path| {
        fs_err::remove_file(run.join("events.parquet")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(run.join("events.parquet")).status();
        assert!(made.unwrap().success());
    };
    check(pipe, "`RUN/events.parquet` is no regular file, and is not read");
}

#[test]
fn what_no_run_can_have_been_is_refused() {
    check(|run| edit(run, |run| run["run_id"] = json!("../../x")), "`../../x` cannot be a run id");
    let phases = |run: &mut Value| run["phases"][1]["end"] = json!("2026-11-23T02:15:01Z");
    check(|run| edit(run, phases), "*during* ends before it starts");
    let year = |run: &mut Value| run["phases"][2]["end"] = json!("2099-01-01T00:00:00Z");
    check(|run| edit(run, year), "it lasted longer than 366 days");
}

#[test]
fn a_file_too_large_is_not_read() {
    // A hole on the disk, and nothing in it.
    let grow = |name: &'static str, bytes| {
        move |run: &Path| {
            fs_err::OpenOptions::new()
                .write(true)
                .open(run.join(name))
                .unwrap()
                .set_len(bytes)
                .unwrap();
        }
    };
    check(grow("run.json", 20 << 20), "bytes, and at most 16777216 are read");
    check(grow("raw.parquet", 3 << 30), "bytes, and at most 2147483648 are read");
}

#[test]
fn json_that_is_too_deep_is_refused() {
    let deep = |run: &Path| {
        let text = format!("{{\"format_version\": 1, \"x\": {}", "[".repeat(100_000));
        fs_err::write(run.join("run.json"), text).unwrap();
    };
    check(deep, "`RUN/run.json` is broken");
}

/// A footer that asks for the memory of a whole list before its first element is there.
#[test]
fn a_footer_that_asks_for_all_memory_is_an_error() {
    let (run, _store) = poison::killed();
    let file = run.join("pods.parquet");
    // Version 1, then a schema that is said to be a list of two thousand million structs.
    let footer = [&[0x15, 0x02, 0x19, 0xfc][..], &[0xff, 0xff, 0xff, 0xff, 0x07], &[0]].concat();
    let size = u32::try_from(footer.len()).unwrap().to_le_bytes();
    fs_err::write(&file, [b"PAR1", &footer[..], &size, b"PAR1"].concat()).unwrap();
    let done = judge(&run).exits(1);
    assert!(done.stderr.contains("cannot be read: its reader"), "{done}");
    assert!(done.stderr.contains("hint: "), "{done}");
}

/// What is written beside a recording replaces a link, and never what it leads to.
#[test]
fn nothing_is_written_through_a_link() {
    let (run, _store) = poison::poisoned();
    let home = TempDir::new().unwrap();
    let victim = home.path().join("bashrc");
    fs_err::write(&victim, "mine").unwrap();
    let names = ["report.html", "report.md", "junit.xml", "verdict.json", "samples.parquet"];
    for name in names {
        symlink(&victim, run.join(name)).unwrap();
    }
    symlink(&victim, run.join("checks.parquet")).unwrap();
    judge(&run).exits(11);
    assert_eq!(fs_err::read_to_string(&victim).unwrap(), "mine");
    for name in names {
        assert!(!run.join(name).is_symlink(), "{name}");
    }
}

/// The hypothesis in a recording is text: nothing in it is looked up or started.
#[test]
fn nothing_is_looked_up_for_a_recorded_hypothesis() {
    let (run, store) = poison::poisoned();
    let mark = store.path().join("started");
    let fault = format!(
        "command: {{argv: [touch, '{}']}}\nevidence:\n  - {{pods_lost: app=api, at_least: 1}}",
        mark.display()
    );
    edit(&run, |run| {
        let text = run["hypothesis_text"].as_str().unwrap();
        let changed = text.replace("kill_pods: {selector: app=api, share: 50%}", &fault);
        assert_ne!(changed, text);
        run["hypothesis_text"] = json!(changed);
        run["command_line"] = json!(["touch", mark]);
    });
    judge(&run).exits(11);
    let page = homeostat(["report".as_ref(), run.as_os_str()]).args(["--format", "html"]);
    let page = page.run().exits(0).stdout;
    assert!(!mark.exists(), "the command was started");
    assert!(page.contains("http_sd: &#34;${HOME}&#34;"), "`${{HOME}}` was looked up");
}

/// Every place in a JSON value, as pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let name = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, one)| places(one, &format!("{at}/{}", name(key)), found));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, one)| places(one, &format!("{at}/{n}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!(u64::MAX)),
        Just(json!(i64::MIN)),
        Just(json!(-1.5e300)),
        Just(json!("")),
        Just(json!("\u{0}\u{1b}")),
        Just(json!("complete")),
        Just(json!("incomplete")),
        Just(json!("before")),
        Just(json!("after")),
        Just(json!("-009999-01-02T01:59:59Z")),
        Just(json!("9999-12-30T22:00:00.999Z")),
        Just(json!("1970-01-01T00:00:00Z")),
        Just(json!("2026-11-23T02:15:00Z")),
        Just(json!("2026-11-23T02:15:20Z")),
        Just(json!("2026-11-23T03:15:59.999Z")),
        any::<i64>().prop_map(|n| json!(n)),
        any::<String>().prop_map(|text| json!(text)),
    ]
}

/// Judges and reports in every format, as `judge` does, or says why not.
fn judged(run: &Path) -> Result<(), String> {
    let recording = record::open(Utf8Path::from_path(run).unwrap()).map_err(|e| e.to_string())?;
    let text = recording.hypothesis_text();
    let hypothesis = hypothesis::parse(text, "recorded", Reading::Recorded)
        .map_err(|problems| format!("{} problems", problems.errors()))?;
    let observed = &recording.observed;
    analysis::check_size(&hypothesis, observed).map_err(|error| error.to_string())?;
    let analysis = analysis::analyse(&hypothesis, observed);
    let verdicts = verdict::judge_all(&hypothesis, &analysis, RunStatus::Complete);
    let manifest = &recording.manifest;
    let subject = Subject {
        manifest,
        hypothesis: &hypothesis,
        observed,
        analysis: &analysis,
        verdicts: &verdicts,
    };
    let view = View::new(&subject);
    for format in [Format::Terminal, Format::Html, Format::Markdown, Format::Junit, Format::Json] {
        assert!(report::render(&view, format, Style::default()).ends_with('\n'));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_odd_manifest_is_judged_or_refused(
        odd in prop::collection::vec((any::<prop::sample::Index>(), odd_value()), 1..4)
    ) {
        let (run, _store) = poison::killed();
        let file = run.join("run.json");
        let mut value: Value = serde_json::from_str(&fs_err::read_to_string(&file).unwrap()).unwrap();
        for (place, new) in odd {
            let mut found = Vec::new();
            places(&value, "", &mut found);
            *value.pointer_mut(&found[place.index(found.len())]).unwrap() = new;
        }
        fs_err::write(&file, value.to_string()).unwrap();
        // Either is fine; a panic is not.
        judged(&run).ok();
    }
}
