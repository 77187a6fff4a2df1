//! What should never have been a hypothesis: `lint` says so, in its time, and touches no more of
//! it than it must.

use std::{fs::File, os::unix::net::UnixListener, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Done, homeostat};

/// Lints a path in both formats, and wants one problem of this code and this exit code.
#[track_caller]
fn refused(path: &Path, code: &str, exit: i32) -> Value {
    let lint = |format: &str| {
        homeostat(["lint".as_ref(), "--format".as_ref(), format.as_ref(), path.as_os_str()]).run()
    };
    let text = lint("text").exits(exit);
    assert!(text.stdout.contains(&format!("error[{code}]: ")), "{text}");
    assert_eq!(text.stderr, "", "{text}");
    let done = lint("json").exits(exit);
    let json: Value = serde_json::from_str(&done.stdout).unwrap();
    let problems = json["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{done}");
    assert_eq!(problems[0]["code"], code, "{done}");
    assert!(problems[0]["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{done}");
    json
}

#[test]
fn what_cannot_be_read_is_a_problem_of_its_own() {
    let dir = TempDir::new().unwrap();
    let json = refused(&dir.path().join("gone.yaml"), "no-such-file", 1);
    assert_eq!(json["files"][0]["read"], false);
    refused(dir.path(), "not-a-file", 1);
    refused(Path::new("/dev/zero"), "not-a-file", 1);
    let socket = dir.path().join("socket.yaml");
    let _listener = UnixListener::bind(&socket).unwrap();
    refused(&socket, "not-a-file", 1);
    let closed = dir.path().join("closed.yaml");
    fs_err::write(&closed, "version: 1\n").unwrap();
    assert!(Command::new("chmod").arg("000").arg(&closed).status().unwrap().success());
    // Root may read everything, and then there is nothing to see here.
    if File::open(&closed).is_err() {
        refused(&closed, "unreadable-file", 1);
    }
}

#[test]
fn a_pipe_without_a_writer_is_not_waited_for() {
    let dir = TempDir::new().unwrap();
    let pipe = dir.path().join("pipe.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    refused(&pipe, "not-a-file", 1);
}

#[test]
fn a_gigabyte_is_refused_without_reading_it() {
    let dir = TempDir::new().unwrap();
    let large = dir.path().join("large.yaml");
    File::create(&large).unwrap().set_len(1 << 30).unwrap();
    let json = refused(&large, "file-too-large", 2);
    assert_eq!(json["files"][0]["read"], true);
    assert_eq!(json["files"][0]["errors"], 1);
}

#[test]
fn the_place_of_the_first_bad_byte_is_said() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("latin1.yaml");
    fs_err::write(&file, b"version: 1\nclaim: \xc3\xa4 st\xffays\n").unwrap();
    let json = refused(&file, "not-utf8", 2);
    let start = &json["problems"][0]["span"]["start"];
    assert_eq!(
        (&start["line"], &start["column"], &start["byte"]),
        (&2.into(), &12.into(), &23.into())
    );
    let utf16: Vec<u8> = "\u{feff}version: 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs_err::write(&file, utf16).unwrap();
    let json = refused(&file, "not-utf8", 2);
    assert!(json["problems"][0]["hint"].as_str().unwrap().contains("UTF-16"), "{json}");
}

/// A sound file, in which each of the texts below breaks a line.
const SOUND: &str = r#"version: 1
name: api-survives
claim: It stays up.
phases: {before: 60s, during: 30s, after: 60s}
sources:
  scrape: {targets: ["http://proxy:9100/metrics"]}
fault: none
indicators:
  errors: {ratio: errors_total, of: requests_total, over: 10s}
checks:
  - {indicator: errors, during: {below: 1%}}
"#;

/// Texts, each with the problems that it has: code, line and column.
fn texts() -> Vec<(String, Vec<&'static str>)> {
    let with = |old: &str, new: &str| {
        assert!(SOUND.contains(old), "{old}");
        SOUND.replacen(old, new, 1)
    };
    let bound = |new: &str| with("below: 1%", &format!("below: {new}"));
    let before = |new: &str| with("before: 60s", &format!("before: {new}"));
    let claim = |new: &str| with("claim: It stays up.", new);
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let uses = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{uses}]\n"));
    }
    let stairs: String = (0..1000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let many = |line: fn(usize) -> String| -> String { (0..4000).map(line).collect() };
    let crowd = SOUND.replace(
        "checks:\n",
        &format!("checks:\n{}", many(|n| format!("  - {{indicator: erors{n}}}\n"))),
    );
    let quiet = Vec::new;
    vec![
        // What YAML has and a hypothesis may use.
        (SOUND.to_owned(), quiet()),
        (format!("\u{feff}{SOUND}"), quiet()),
        (SOUND.replace('\n', "\r\n"), quiet()),
        (SOUND.replace('\n', "\r"), quiet()),
        (format!("---\n{SOUND}...\n"), quiet()),
        (with("{below: 1%}", "{<<: {below: 1%}}"), quiet()),
        (claim("claim: &c It stays up.\nlabels: {same: *c}"), quiet()),
        (claim("claim: |\n  It stays\n  up."), quiet()),
        (bound("1e-2"), quiet()),
        (bound(".01"), quiet()),
        (bound("+0.01"), quiet()),
        // Nothing at all.
        (String::new(), vec!["empty-file 1:1"]),
        ("# only\n# comments\n".to_owned(), vec!["empty-file 1:1"]),
        ("---\n".to_owned(), vec!["empty-file 1:1"]),
        ("\u{feff}".to_owned(), vec!["empty-file 1:1"]),
        ("hello\n".to_owned(), vec!["wrong-type 1:1"]),
        ("- 1\n".to_owned(), vec!["wrong-type 1:1"]),
        // Bombs.
        (laughs, vec!["beyond-limits 5:10"]),
        (format!("a: {}{}\n", "[".repeat(5000), "]".repeat(5000)), vec!["beyond-limits 1:259"]),
        ("[".repeat(5000), vec!["beyond-limits 1:256"]),
        (stairs, vec!["beyond-limits 25:25"]),
        (format!("a: [{}]\n", "1,".repeat(30_000)), vec!["beyond-limits 1:39999"]),
        (format!("{SOUND}---\n{SOUND}"), vec!["several-documents 12:1"]),
        (claim("claim: &a [*a]"), vec!["syntax 3:12"]),
        // Places: in characters, whatever their width and bytes, and however lines end.
        (claim("漢字漢字: 3\nclaim: x"), vec!["unknown-key 3:1"]),
        (claim("labels: {名前: 漢字, 二: {x: 3}}\nclaim: x"), vec!["wrong-type 3:21"]),
        (claim("labels: {e\u{301}e\u{301}: a, b: {x: 3}}\nclaim: x"), vec!["wrong-type 3:22"]),
        (format!("\u{feff}{}", with("version: 1", "version: 2")), vec!["bad-version 1:10"]),
        (bound("x").replace('\n', "\r\n"), vec!["bad-quantity 11:41"]),
        (bound("x").replace('\n', "\r"), vec!["bad-quantity 11:41"]),
        (
            claim(&format!("labels: {{a: \"{}\", b: {{}}}}\nclaim: x", "x".repeat(99_999))),
            vec!["wrong-type 3:100019"],
        ),
        (with("  errors:", "\terrors:"), vec!["syntax 9:1"]),
        (with("{below: 1%}", "{\tbelow:\t.nan}"), vec!["bad-quantity 11:42"]),
        // Numbers of other languages, and of older YAML.
        (bound(".nan"), vec!["bad-quantity 11:41"]),
        (bound("-.inf"), vec!["bad-quantity 11:41"]),
        (bound("1_000"), vec!["bad-quantity 11:41"]),
        (bound("1:30"), vec!["bad-quantity 11:41"]),
        (bound("yes"), vec!["bad-quantity 11:41"]),
        (bound("true"), vec!["wrong-type 11:41"]),
        (bound("~"), vec!["wrong-type 11:41"]),
        (bound("0x10"), vec!["bound-out-of-range 11:41"]),
        (bound("1e3"), vec!["bound-out-of-range 11:41"]),
        (before("1_000"), vec!["bad-quantity 4:18"]),
        (before("0x10"), vec!["bad-quantity 4:18"]),
        (before("1e3"), vec!["bad-quantity 4:18"]),
        (before("1:30"), vec!["bad-quantity 4:18"]),
        (before("60"), vec!["bad-quantity 4:18"]),
        (before("-60s"), vec!["bad-quantity 4:18"]),
        (before("0s"), vec!["bad-quantity 4:18"]),
        (before(".nan"), vec!["bad-quantity 4:18"]),
        (before(""), vec!["missing-key 4:10"]),
        // Objects of other languages.
        (claim("claim: !!python/object:os.system ls"), vec!["syntax 3:34"]),
        (claim("claim: !secret x"), vec!["syntax 3:16"]),
        (claim("claim: *gone"), vec!["syntax 3:8"]),
        (with("{below: 1%}", "{<<: 7}"), vec!["syntax 11:38"]),
        (claim("? [x]\n: 2"), vec!["missing-key 1:1", "syntax 3:3"]),
        // Words that would give the terminal orders.
        (claim("claim: \u{1b}[31mred"), vec!["syntax 3:8"]),
        (claim("claim: a\0b"), vec!["syntax 3:9"]),
        (claim("\"cl\\e[31mam\\a\": 3\nclaim: x"), vec!["unknown-key 3:1"]),
        (claim("cl\u{202e}aim: 3\nclaim: x"), vec!["unknown-key 3:1"]),
        // Much of what is small.
        (claim(&format!("{}: 3\nclaim: x", "k".repeat(500))), vec!["unknown-key 3:1"]),
        (crowd, vec!["many"]),
        (
            with("ratio: errors_total", "ratio: 'a{b=~\"(x{900}){900}\"}'"),
            vec!["bad-selector 9:19"],
        ),
    ]
}

#[test]
fn hostile_texts_are_answered_with_their_problems() {
    let dir = TempDir::new().unwrap();
    let texts = texts();
    for (at, (text, _)) in texts.iter().enumerate() {
        fs_err::write(dir.path().join(format!("{at:03}.yaml")), text).unwrap();
    }
    // One program for all of them: it is slow to load, and is killed after a minute.
    let done = lint(dir.path(), "json");
    let json: Value = serde_json::from_str(&done.stdout).unwrap();
    let mut got = vec![Vec::new(); texts.len()];
    for problem in json["problems"].as_array().unwrap() {
        let file = Path::new(problem["file"].as_str().unwrap()).file_stem().unwrap();
        let at: usize = file.to_str().unwrap().parse().unwrap();
        let start = &problem["span"]["start"];
        let code = problem["code"].as_str().unwrap();
        got[at].push(format!("{code} {}:{}", start["line"], start["column"]));
        for said in [&problem["message"], &problem["hint"]] {
            let said = said.as_str().unwrap();
            assert!(!said.is_empty() && said.chars().count() <= 400, "{said}");
            assert!(!said.chars().any(char::is_control), "{said:?}");
        }
    }
    let mut wrong = Vec::new();
    for ((text, want), got) in texts.iter().zip(&got) {
        let many = want == &["many"] && got.len() > 4000;
        if got != want && !many {
            let text: String = text.chars().take(600).collect();
            wrong.push(format!("{want:?} wanted, {:?} got of\n{text}", &got[..got.len().min(3)]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
}

#[test]
fn no_file_gives_orders_to_the_terminal() {
    let dir = TempDir::new().unwrap();
    for (at, (text, _)) in texts().iter().enumerate().filter(|(_, (_, want))| want != &["many"]) {
        fs_err::write(dir.path().join(format!("{at:03}-\u{1b}[31m.yaml")), text).unwrap();
    }
    for format in ["text", "github"] {
        let done = lint(dir.path(), format);
        let unseen = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
        // A file's name is data in a workflow command, where only line breaks end it.
        let shown = if format == "text" { &done.stdout } else { "" };
        assert_eq!(shown.chars().find(unseen), None, "{:?}", shown);
        let longest = done.stdout.lines().map(|line| line.chars().count()).max();
        assert!(longest.is_some_and(|longest| longest < 1500), "{longest:?}");
    }
}

#[track_caller]
fn lint(dir: &Path, format: &str) -> Done {
    let args = ["lint".as_ref(), "--format".as_ref(), format.as_ref(), dir.as_os_str()];
    homeostat(args).run().exits(2)
}
