//! Programs that a test needs and that may be missing.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The first of `names` that is on the path.
///
/// Where it is missing the test says that it did not run, and passes: not everyone who changes a
/// comment has a browser. `scripts/test` sets `HOMEOSTAT_REQUIRE`, and there it is a failure.
#[track_caller]
pub(crate) fn need(names: &[&str]) -> Option<PathBuf> {
    let found = names.iter().find_map(|name| on_path(name));
    if found.is_none() {
        missing(&format!("`{}` is not installed", names.join("` or `")));
    }
    found
}

/// Says why a test did not run, or fails where everything is required.
#[track_caller]
pub(crate) fn missing(why: &str) {
    assert!(env::var_os("HOMEOSTAT_REQUIRE").is_none(), "{why}");
    eprintln!("not run: {why}");
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|file| Path::is_file(file))
}
