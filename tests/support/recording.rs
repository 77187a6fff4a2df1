//! Recordings: where a run is kept, and one that several tests share.

use std::{
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde_json::Value;

use super::{HypothesisFile, LabProcess};

/// The one run of a store.
#[track_caller]
pub(crate) fn run_directory(store: &Path) -> PathBuf {
    find_run(store).unwrap_or_else(|| panic!("no run under {}", store.display()))
}

/// The one run of a store, if it has begun.
#[track_caller]
pub(crate) fn find_run(store: &Path) -> Option<PathBuf> {
    let runs: Vec<PathBuf> =
        entries(store, "hypothesis=").iter().flat_map(|dir| entries(dir, "run=")).collect();
    assert!(runs.len() <= 1, "more than one run: {runs:?}");
    runs.into_iter().next()
}

/// What `run.json` says.
#[track_caller]
pub(crate) fn manifest(run: &Path) -> Value {
    serde_json::from_str(&fs_err::read_to_string(run.join("run.json")).unwrap()).unwrap()
}

/// A recording of killed pods, made once for each build of the program and read by many tests.
///
/// It is made under another name and renamed when whole, so a test that is killed leaves none.
#[track_caller]
pub(crate) fn shared_recording() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Held until this returns. Processes and threads wait for each other here: each opens the
    // file for itself.
    let making = fs_err::File::create(home.join("recording.lock")).unwrap();
    making.lock().unwrap();
    let built = fs_err::metadata(env!("CARGO_BIN_EXE_homeostat")).unwrap().modified().unwrap();
    let stamp = built.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let store = home.join(format!("recording-{stamp}"));
    if !store.exists() {
        for old in entries(home, "recording-") {
            fs_err::remove_dir_all(old).unwrap();
        }
        let lab = LabProcess::start(&[]);
        lab.run(&HypothesisFile::short()).run().exits(0);
        copy(&lab.store(), &home.join("recording-new"));
        fs_err::rename(home.join("recording-new"), &store).unwrap();
    }
    run_directory(&store)
}

/// Copies a directory with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs_err::copy(path, target).unwrap();
        }
    }
}

/// What in a directory begins with `prefix`; nothing when there is no directory.
fn entries(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let all = fs_err::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
    };
    all.filter(named).collect()
}
