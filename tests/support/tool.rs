//! Programs that a test needs and that may be missing.

use std::{
    env,
    io::Write as _,
    panic::Location,
    path::{Path, PathBuf},
};

use fs_err::OpenOptions;

use super::Program;

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

/// The words that start a program in a `net` or `mount` namespace of its own, which `probe`, a
/// program and its arguments, must be able to use.
///
/// It asks for a user namespace first, which needs no rights where it is allowed at all; root may
/// do without.
#[track_caller]
pub(crate) fn unshare(namespace: &str, probe: &[&str]) -> Option<Vec<String>> {
    let program = need(&["unshare"])?.display().to_string();
    let own = format!("--{namespace}");
    for flags in [&["--map-root-user", own.as_str()][..], &[own.as_str()]] {
        let start = [&[program.as_str()], flags, &["--"]].concat();
        if Program::new(start[0]).args(&start[1..]).args(probe).run().code == Some(0) {
            return Some(start.into_iter().map(str::to_owned).collect());
        }
    }
    missing(&format!(
        "`{program} {own}` is forbidden here: allow user namespaces (sysctl \
         `user.max_user_namespaces`, or the container's seccomp profile), or run as root"
    ));
    None
}

/// Says why a test did not run, or fails where everything is required.
#[track_caller]
pub(crate) fn missing(why: &str) {
    assert!(env::var_os("HOMEOSTAT_REQUIRE").is_none(), "{why}");
    eprintln!("not run: {why}");
}

/// Says that a test did not run because the machine is busy with other things.
///
/// It passes even where everything is required: `scripts/test` names the file in which it is
/// noted, and allows two of them.
#[track_caller]
pub(crate) fn too_busy(why: &str) {
    let line = format!("not run: too busy: {}: {why}", Location::caller());
    eprintln!("{line}");
    if let Some(file) = env::var_os("HOMEOSTAT_NOT_RUN") {
        // One write, so that lines of several tests do not mix.
        let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|file| Path::is_file(file))
}
