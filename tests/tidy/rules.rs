//! What is held, file by file: each rule returns what is wrong with one.

use super::source::Source;

/// Modules that may not touch the world.
const CORE: &[&str] = &[
    "causes",
    "listing",
    "number",
    "redact",
    "time",
    "window",
    "sample",
    "margin",
    "hypothesis",
    "frame",
    "analysis",
    "verdict",
    "drift",
];

/// Words that would show that one of them does.
const WORLD: &[&str] = &[
    "::now()",
    "Clock",
    "Instant",
    "SystemTime",
    "async fn",
    ".await",
    "axum::",
    "env::",
    "fs::",
    "fs_err",
    "kube::",
    "net::",
    "println!",
    "process::",
    "reqwest",
    "stdin()",
    "stdout()",
    "tempfile",
    "thread::",
    "tokio",
    "tracing::",
];

/// The one file of the core that reads: it turns a path into text.
const READER: &str = "src/hypothesis/load.rs";

const LEAVES: &[&str] =
    &["causes", "listing", "margin", "number", "redact", "sample", "time", "window"];

/// Who may name whom; `LEAVES` are everyone's. `cli` sees all and is seen by none.
pub(super) const IMPORTS: &[(&str, &[&str])] = &[
    ("causes", &[]),
    ("listing", &[]),
    ("margin", &[]),
    ("number", &[]),
    ("redact", &[]),
    ("sample", &[]),
    ("time", &[]),
    ("window", &[]),
    ("clock", &[]),
    ("hypothesis", &[]),
    ("frame", &[]),
    ("record", &["frame"]),
    ("store", &["record"]),
    ("collect", &["clock", "frame", "hypothesis"]),
    ("fault", &["clock", "collect", "frame", "hypothesis"]),
    ("analysis", &["frame", "hypothesis"]),
    ("verdict", &["analysis", "frame", "hypothesis"]),
    ("drift", &[]),
    ("report", &["analysis", "drift", "frame", "hypothesis", "record", "verdict"]),
    ("lab", &["clock"]),
    (
        "experiment",
        &[
            "analysis",
            "clock",
            "collect",
            "fault",
            "frame",
            "hypothesis",
            "record",
            "store",
            "verdict",
        ],
    ),
];

/// The only modules that may know how tables are kept.
const TABLES: &[&str] = &["frame", "record", "analysis"];

const GRAB_BAGS: &[&str] =
    &["common", "helper", "helpers", "manager", "misc", "shared", "types", "util", "utils"];

/// How long a file may grow, tests not counted.
pub(super) const LINES: usize = 500;

/// A module of the core that could do more than compute.
pub(super) fn touches_the_world(file: &Source) -> Vec<String> {
    if !CORE.contains(&file.module()) || file.name == READER {
        return Vec::new();
    }
    let touch = |(n, line): (usize, &str)| {
        let word = WORLD.iter().find(|word| names(line, word))?;
        Some(format!("{}:{n}: the core names `{word}`", file.name))
    };
    file.lines().filter_map(touch).collect()
}

/// A module that names one from further down the flow.
pub(super) fn against_the_flow(file: &Source) -> Vec<String> {
    let Some((_, allowed)) = IMPORTS.iter().find(|(module, _)| *module == file.module()) else {
        return Vec::new();
    };
    // `use crate::{…}` spreads over lines: what is named is what follows `crate::` or opens an
    // item of that list.
    let code: String = file.lines().map(|(_, line)| format!("{}\n", line)).collect();
    let mut wrong = Vec::new();
    for part in code.split("crate::").skip(1) {
        for name in named_after_crate(part) {
            let module = IMPORTS.iter().any(|(module, _)| *module == name) || name == "cli";
            let own = name == file.module() || LEAVES.contains(&name.as_str());
            if module && !own && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}: `{}` names `{name}`", file.name, file.module()));
            }
        }
    }
    wrong
}

/// The modules that a path, or a braced list of paths, begins with.
fn named_after_crate(part: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(list) = part.strip_prefix('{') else { return vec![word(part)] };
    let (mut depth, mut item, mut found) = (0_usize, String::new(), Vec::new());
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => found.push(word(&std::mem::take(&mut item))),
            _ => item.push(c),
        }
    }
    found.push(word(&item));
    found
}

/// A type of polars where only our own types are known.
pub(super) fn table_out_of_place(file: &Source) -> Vec<String> {
    if TABLES.contains(&file.module()) {
        return Vec::new();
    }
    let named = |(n, line): (usize, &str)| {
        let known = ["polars::", "polars_io", "DataFrame", "LazyFrame"];
        let word = known.iter().find(|word| names(line, word))?;
        Some(format!("{}:{n}: `{word}` outside of {TABLES:?}", file.name))
    };
    file.lines().filter_map(named).collect()
}

/// A file that has outgrown its idea.
pub(super) fn too_long(file: &Source) -> Vec<String> {
    let long = file.code().lines().count();
    if long <= LINES {
        return Vec::new();
    }
    vec![format!("{}: {long} lines without tests", file.name)]
}

/// A name that says nothing of what is inside.
pub(super) fn grab_bag(file: &Source) -> Vec<String> {
    let bag = |part: &&str| GRAB_BAGS.contains(&part.trim_end_matches(".rs"));
    file.name
        .split('/')
        .filter(bag)
        .map(|bag| format!("{}: `{bag}` says nothing", file.name))
        .collect()
}

/// A file that does not say what lives in it.
pub(super) fn silent(file: &Source) -> Vec<String> {
    if file.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![format!("{}: begins without `//! `", file.name)]
}

/// A promise that nobody keeps track of.
pub(super) fn nameless_todo(file: &Source) -> Vec<String> {
    let nameless = |line: &&str| {
        let mut rest = line.split("TODO").skip(1);
        line.contains("//") && rest.any(|after| !after.starts_with("(#"))
    };
    let told = file.code().lines().filter(nameless);
    told.map(|line| format!("{}: `{}`: write `TODO(#issue)`", file.name, line.trim())).collect()
}

/// Whether a line names a word, which is not the end of a longer one.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(place, _)| {
        let before = line[..place].chars().next_back();
        !word.starts_with(char::is_alphanumeric)
            || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}
