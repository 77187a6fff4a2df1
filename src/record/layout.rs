//! Where things of a run are, and where the run is in its store.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::RecordError;
use crate::time::Time;

/// The file that makes a directory a run.
pub(super) const MANIFEST: &str = "run.json";

/// The raw samples, once merged.
pub(super) const RAW: &str = "raw.parquet";

const PART_PREFIX: &str = "raw.part-";
const PART_SUFFIX: &str = ".parquet";

/// The id of a run: its time, which sorts, and a number that tells two of one second apart.
pub(crate) fn run_id(started: Time, random: u16) -> String {
    format!("{}-{random:04x}", started.compact())
}

/// The directory of a run.
pub(crate) fn run_dir(
    store: &Utf8Path,
    hypothesis: &str,
    run: &str,
) -> Result<Utf8PathBuf, RecordError> {
    check_name("hypothesis name", hypothesis)?;
    check_name("run id", run)?;
    Ok(store.join(format!("hypothesis={hypothesis}")).join(format!("run={run}")))
}

/// Refuses a name that is not one plain directory name. The id can come from the environment.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), RecordError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let ok = !name.is_empty() && !name.starts_with('.') && name.chars().all(plain);
    if ok { Ok(()) } else { Err(RecordError::BadName { what, name: name.to_owned() }) }
}

/// The file of a part of the raw samples; parts count from 1.
pub(super) fn part_path(dir: &Utf8Path, number: usize) -> Utf8PathBuf {
    dir.join(format!("{PART_PREFIX}{number:04}{PART_SUFFIX}"))
}

/// The parts in a directory, in order. One that is missing between others is an error: its
/// samples would look like a system that said nothing.
pub(super) fn parts(dir: &Utf8Path) -> Result<Vec<Utf8PathBuf>, RecordError> {
    let number = |name: &String| -> Option<usize> {
        name.strip_prefix(PART_PREFIX)?.strip_suffix(PART_SUFFIX)?.parse().ok()
    };
    let last = names(dir)?.iter().filter_map(number).max().unwrap_or(0);
    (1..=last)
        .map(|number| {
            let path = part_path(dir, number);
            if path.exists() { Ok(path) } else { Err(RecordError::Missing { path }) }
        })
        .collect()
}

/// Whether a path is the directory of a run.
pub(crate) fn is_run(path: &Utf8Path) -> bool {
    path.join(MANIFEST).is_file()
}

/// The names in a directory, sorted; none when it is not there or not a directory.
pub(crate) fn names(dir: &Utf8Path) -> Result<Vec<String>, RecordError> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(RecordError::io("read", dir))? {
        let entry = entry.map_err(RecordError::io("read", dir))?;
        // A name that is not UTF-8 is none of ours.
        names.extend(entry.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::Scratch;

    #[test]
    fn an_id_is_time_and_four_digits() {
        let started = "2026-11-23T02:15:00.9Z".parse().unwrap();
        assert_eq!(run_id(started, 0x7a), "20261123T021500Z-007a");
    }

    #[test]
    fn a_name_stays_inside_the_store() {
        let store = Utf8Path::new("reports");
        for bad in ["", "..", "../../etc", "a/b", "a b", ".hidden"] {
            assert!(run_dir(store, "fine", bad).is_err(), "{bad}");
            assert!(run_dir(store, bad, "fine").is_err(), "{bad}");
        }
        assert_eq!(run_dir(store, "fine", "1").unwrap(), "reports/hypothesis=fine/run=1");
    }

    #[test]
    fn a_hole_in_the_parts_is_an_error() {
        let scratch = Scratch::new();
        for number in [1, 3] {
            super::super::atomic::write(&part_path(&scratch.dir, number), b"").unwrap();
        }
        let hole = parts(&scratch.dir).unwrap_err().to_string();
        assert!(hole.ends_with("raw.part-0002.parquet` is missing"), "{hole}");
    }
}
