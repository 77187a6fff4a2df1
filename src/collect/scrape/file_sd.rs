//! Targets by Prometheus' file service discovery: lists of groups in files.
//!
//! Every file is read at each look and taken apart when its bytes changed. Prometheus asks the
//! system to be told of changes instead; a time and a size can stay the same over a change, and
//! not every file system tells.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use regex::Regex;

use super::{
    discovery::SIZE_LIMIT,
    groups::{Found, of_json, of_yaml},
    relabel::Relabel,
};
use crate::collect::error::CollectError;

/// The most files that one pattern may match.
const MAX_FILES: usize = 1000;

/// The files of a path or a pattern, and what they said last.
#[derive(Debug)]
pub(super) struct Files {
    pattern: Utf8PathBuf,
    relabel: Relabel,
    last: BTreeMap<Utf8PathBuf, Last>,
}

/// What a file said when it was last good.
#[derive(Debug)]
struct Last {
    bytes: Vec<u8>,
    found: Found,
}

impl Files {
    /// Files that are to be followed. One that is named and not there, or one that is bad from
    /// the beginning, is an error: nothing was begun yet, and a typing mistake is likely.
    pub(super) fn open(pattern: &str, relabel: Relabel) -> Result<Self, CollectError> {
        let mut files = Self { pattern: pattern.into(), relabel, last: BTreeMap::new() };
        match files.look().1.into_iter().next() {
            None => Ok(files),
            Some(why) => Err(CollectError::File { key: "file_sd", path: pattern.to_owned(), why }),
        }
    }

    /// What the files name now, and what went wrong. A file that became bad keeps what it said
    /// when it was good; one that is gone names nothing.
    pub(super) fn look(&mut self) -> (Found, Vec<String>) {
        let (paths, mut failures) = match paths(&self.pattern) {
            Ok(paths) => (paths, Vec::new()),
            Err(why) => (Vec::new(), vec![why]),
        };
        self.last.retain(|path, _| paths.contains(path));
        for path in paths {
            let said = |why: String| format!("`{path}`: {why}");
            let bytes = match read(&path) {
                Ok(bytes) => bytes,
                // It went between being listed and being read.
                Err(Unread::Gone) => {
                    self.last.remove(&path);
                    failures.push(said("there is no such file".to_owned()));
                    continue;
                }
                Err(Unread::Refused(why)) => {
                    failures.push(said(why));
                    continue;
                }
            };
            if self.last.get(&path).is_some_and(|last| last.bytes == bytes) {
                continue;
            }
            let is_json = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
            match if is_json { of_json(&bytes) } else { of_yaml(&bytes) } {
                Ok(groups) => {
                    let meta = [("__meta_filepath", path.as_str())];
                    let found = Found::of(groups, &meta, &self.relabel);
                    self.last.insert(path, Last { bytes, found });
                }
                Err(why) => failures.push(said(why)),
            }
        }
        let mut found = Found::default();
        self.last.values().for_each(|last| found.extend(&last.found));
        if self.last.is_empty() && failures.is_empty() {
            found.problems.push("no file matches".to_owned());
        }
        (found, failures)
    }
}

/// The files that a pattern means, by name. A path without `*` means itself.
fn paths(pattern: &Utf8Path) -> Result<Vec<Utf8PathBuf>, String> {
    let name = pattern.file_name().unwrap_or_default();
    if !name.contains('*') {
        return Ok(vec![pattern.to_owned()]);
    }
    let parent = pattern.parent().unwrap_or(Utf8Path::new(""));
    let dir = if parent == "" { Utf8Path::new(".") } else { parent };
    let parts: Vec<String> = name.split('*').map(regex::escape).collect();
    let matches = Regex::new(&format!("^(?s:{})$", parts.join(".*")))
        .map_err(|error| format!("`{name}`: {error}"))?;
    let entries = dir.read_dir_utf8().map_err(|error| format!("`{dir}`: {error}"))?;
    let mut found = Vec::new();
    // An entry that cannot be read, or whose name is no text, is no file of targets.
    for entry in entries.flatten().filter(|entry| matches.is_match(entry.file_name())) {
        if found.len() == MAX_FILES {
            return Err(format!("`{pattern}` matches more than {MAX_FILES} files"));
        }
        found.push(parent.join(entry.file_name()));
    }
    found.sort();
    Ok(found)
}

/// Why a file was not read.
enum Unread {
    Gone,
    Refused(String),
}

fn read(path: &Utf8Path) -> Result<Vec<u8>, Unread> {
    let refused = |error: std::io::Error| {
        if error.kind() == ErrorKind::NotFound {
            Unread::Gone
        } else {
            Unread::Refused(error.to_string())
        }
    };
    // Asked before it is opened: opening a pipe would wait for a writer.
    if !path.metadata().map_err(refused)?.is_file() {
        return Err(Unread::Refused("not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(refused)?;
    file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(Unread::Refused(format!("it has more than {SIZE_LIMIT} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files in a directory of their own.
    struct Dir(tempfile::TempDir);

    impl Dir {
        fn of(files: &[(&str, &str)]) -> Self {
            let dir = Self(tempfile::tempdir().unwrap());
            files.iter().for_each(|(name, text)| dir.write(name, text));
            dir
        }

        fn path(&self, name: &str) -> String {
            self.0.path().join(name).to_str().unwrap().to_owned()
        }

        fn write(&self, name: &str, text: &str) {
            fs_err::write(self.path(name), text).unwrap();
        }

        fn open(&self, pattern: &str) -> Result<Files, String> {
            let files = Files::open(&self.path(pattern), Relabel::default());
            files.map_err(|error| error.to_string().replace(&self.path(""), ""))
        }

        #[track_caller]
        fn check(&self, files: &mut Files, targets: &[&str], wrong: &[&str]) {
            let (found, failures) = files.look();
            let got: Vec<&str> =
                found.targets.iter().map(|t| t.labels.get("instance").unwrap()).collect();
            assert_eq!(got, targets);
            let said: Vec<String> = found.problems.into_iter().chain(failures).collect();
            assert_eq!(said.len(), wrong.len(), "{said:?}");
            for (said, wrong) in said.iter().zip(wrong) {
                assert!(said.contains(wrong), "{said}");
            }
        }
    }

    const A: &str = "[{\"targets\": [\"a:1\"]}]";
    const B: &str = "- targets: ['b:1', 'b:2']\n  labels: {job: b}\n";

    #[test]
    fn a_pattern_means_all_files_of_its_directory_that_match() {
        let dir = Dir::of(&[("a.json", A), ("b.yml", B), ("c.txt", "x"), ("d.yaml", "")]);
        dir.check(&mut dir.open("*.json").unwrap(), &["a:1"], &[]);
        dir.check(&mut dir.open("b*.yml").unwrap(), &["b:1", "b:2"], &[]);
        dir.check(&mut dir.open("x*.yml").unwrap(), &[], &["no file matches"]);
        dir.check(&mut dir.open("d.yaml").unwrap(), &[], &[]);
    }

    #[test]
    fn a_file_is_read_again_when_it_changed_by_as_little_as_a_letter() {
        let dir = Dir::of(&[("a.json", A)]);
        let mut files = dir.open("a.json").unwrap();
        dir.check(&mut files, &["a:1"], &[]);
        dir.write("a.json", &A.replace("a:1", "a:2"));
        dir.check(&mut files, &["a:2"], &[]);
    }

    #[test]
    fn a_file_that_became_bad_keeps_what_it_said_and_is_said_each_time() {
        let dir = Dir::of(&[("a.json", A), ("b.json", A)]);
        let mut files = dir.open("*.json").unwrap();
        dir.write("a.json", "[{\"targ");
        dir.write("b.json", "[{\"targets\": [\"b:9\"]}]");
        for _ in 0..2 {
            dir.check(&mut files, &["a:1", "b:9"], &["a.json`: not a list of target groups"]);
        }
        dir.write("a.json", "[]");
        dir.check(&mut files, &["b:9"], &[]);
    }

    #[test]
    fn a_file_that_is_gone_names_nothing() {
        let dir = Dir::of(&[("a.json", A), ("b.json", A)]);
        let (mut all, mut one) = (dir.open("*.json").unwrap(), dir.open("a.json").unwrap());
        fs_err::remove_file(dir.path("a.json")).unwrap();
        dir.check(&mut all, &["a:1"], &[]);
        dir.check(&mut one, &[], &["no such file"]);
        fs_err::remove_file(dir.path("b.json")).unwrap();
        dir.check(&mut all, &[], &["no file matches"]);
    }

    #[test]
    fn what_cannot_be_read_at_the_start_is_an_error() {
        let large = format!("{A}{}", " ".repeat(16 << 20));
        let dir = Dir::of(&[("bad.json", "{"), ("large.json", &large)]);
        fs_err::create_dir(dir.path("d.json")).unwrap();
        for (name, why) in [
            ("gone.json", "`gone.json`: there is no such file"),
            ("gone/*.json", "No such file"),
            ("bad.json", "`bad.json`: not a list of target groups"),
            ("large.json", "`large.json`: it has more than 16777216 bytes"),
            ("d.json", "`d.json`: not a regular file"),
        ] {
            let error = dir.open(name).map(drop).unwrap_err();
            assert!(error.starts_with(&format!("`file_sd` `{name}` cannot be used: ")), "{error}");
            assert!(error.contains(why), "{error}");
        }
    }
}
