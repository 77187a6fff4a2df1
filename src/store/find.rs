//! How a run of a store is found by what a person types.

use camino::{Utf8Path, Utf8PathBuf};

use crate::record::{
    RecordError,
    layout::{is_run, names},
};

/// How many runs an error lists.
const LISTED: usize = 10;

/// The directory of a run that is named by its path, by its id, or by the beginning of its id.
pub(crate) fn find(store: &Utf8Path, run: &str) -> Result<Utf8PathBuf, RecordError> {
    let path = Utf8Path::new(run);
    if is_run(path) {
        return Ok(path.to_owned());
    }
    if path.is_dir() || run.contains(std::path::is_separator) {
        return Err(RecordError::NotARun { path: path.to_owned() });
    }
    let mut all = runs(store)?;
    // Newest first: that is what someone who types a few digits is after.
    all.sort_by(|a, b| b.id.cmp(&a.id).then_with(|| a.dir.cmp(&b.dir)));
    let wanted = run.strip_prefix("run=").unwrap_or(run);
    let exact = |found: &&Found| found.id == wanted;
    let fits = |found: &&Found| !wanted.is_empty() && found.id.starts_with(wanted);
    let mut fitting: Vec<&Found> = all.iter().filter(exact).collect();
    if fitting.is_empty() {
        fitting = all.iter().filter(fits).collect();
    }
    match fitting.as_slice() {
        [one] => Ok(one.dir.clone()),
        [] => Err(RecordError::NoSuchRun {
            store: store.to_owned(),
            run: run.to_owned(),
            candidates: all.iter().take(LISTED).map(Found::shown).collect(),
        }),
        several => Err(RecordError::Ambiguous {
            run: run.to_owned(),
            candidates: several.iter().take(LISTED).map(|found| found.shown()).collect(),
        }),
    }
}

/// A run of a store.
struct Found {
    hypothesis: String,
    id: String,
    dir: Utf8PathBuf,
}

impl Found {
    fn shown(&self) -> String {
        format!("{} ({})", self.id, self.hypothesis)
    }
}

/// A store may be a stranger's too: what is linked into it lies elsewhere, and is not of it.
fn runs(store: &Utf8Path) -> Result<Vec<Found>, RecordError> {
    let mut found = Vec::new();
    for outer in names(store)? {
        let Some(hypothesis) = outer.strip_prefix("hypothesis=") else { continue };
        if store.join(&outer).is_symlink() {
            continue;
        }
        for inner in names(&store.join(&outer))? {
            let dir = store.join(&outer).join(&inner);
            if dir.is_symlink() {
                continue;
            }
            if let Some(id) = inner.strip_prefix("run=").filter(|_| is_run(&dir)) {
                found.push(Found { hypothesis: hypothesis.to_owned(), id: id.to_owned(), dir });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::{atomic, layout::run_dir, testing::Scratch};

    fn store(runs: &[&str]) -> Scratch {
        let scratch = Scratch::new();
        for run in runs {
            let (hypothesis, id) = run.split_once('/').unwrap();
            let dir = run_dir(&scratch.dir, hypothesis, id).unwrap();
            fs::create_dir_all(&dir).unwrap();
            atomic::write(&dir.join("run.json"), b"{}").unwrap();
        }
        scratch
    }

    #[track_caller]
    fn check(runs: &[&str], typed: &str, want: Result<&str, &str>) {
        let scratch = store(runs);
        let found = find(&scratch.dir, typed);
        let found = found
            .map(|dir| dir.strip_prefix(&scratch.dir).unwrap().to_string())
            .map_err(|error| error.to_string().replace(scratch.dir.as_str(), "STORE"));
        assert_eq!(found, want.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn a_unique_beginning_is_enough() {
        let runs = ["a/20261123T021500Z-7f3a", "b/20261124T021500Z-11aa"];
        check(&runs, "20261124", Ok("hypothesis=b/run=20261124T021500Z-11aa"));
        check(&runs, "run=20261124", Ok("hypothesis=b/run=20261124T021500Z-11aa"));
    }

    #[test]
    fn an_exact_id_wins_over_longer_ones() {
        check(&["a/night", "a/night-2"], "night", Ok("hypothesis=a/run=night"));
    }

    #[test]
    fn an_unclear_beginning_lists_what_fits() {
        check(
            &["a/2026-x", "b/2026-y", "b/2025-z"],
            "2026",
            Err("`2026` fits more than one run:\n  2026-y (b)\n  2026-x (a)"),
        );
    }

    #[test]
    fn a_miss_lists_the_newest_runs() {
        check(
            &["a/2026-x", "b/2025-z"],
            "1999",
            Err("no run in `STORE` has an id that starts with `1999`:\n  2026-x (a)\n  2025-z (b)"),
        );
        check(
            &[],
            "1999",
            Err("no run in `STORE` has an id that starts with `1999`; it has no runs"),
        );
        check(
            &["a/2026-x"],
            "",
            Err("no run in `STORE` has an id that starts with ``:\n  2026-x (a)"),
        );
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        let scratch = store(&["a/2026-x"]);
        let dir = scratch.dir.join("hypothesis=a/run=2026-x");
        let elsewhere = Utf8Path::new("/nowhere");
        assert_eq!(find(elsewhere, dir.as_str()).unwrap(), dir);
        let parent = find(elsewhere, dir.parent().unwrap().as_str()).unwrap_err();
        assert!(matches!(parent, RecordError::NotARun { .. }));
        let absent = find(elsewhere, "reports/run=gone").unwrap_err();
        assert_eq!(absent.to_string(), "`reports/run=gone` is not a run: it has no `run.json`");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_linked_into_a_store_is_not_of_it() {
        let elsewhere = store(&["a/2026-x"]);
        let scratch = store(&["b/2025-z"]);
        let link = |to: &str, from: &str| {
            std::os::unix::fs::symlink(elsewhere.dir.join(to), scratch.dir.join(from)).unwrap();
        };
        link("hypothesis=a", "hypothesis=a");
        link("hypothesis=a/run=2026-x", "hypothesis=b/run=2026-y");
        let found = find(&scratch.dir, "2026").unwrap_err().to_string();
        assert!(found.ends_with("starts with `2026`:\n  2025-z (b)"), "{found}");
    }
}
