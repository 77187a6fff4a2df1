//! Processes that carry a mark: whoever was started by a marked one has it too, whatever became
//! of its parent, its group or its session.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{lab::alive, program::until};

/// The variable that holds the mark.
pub(super) const NAME: &str = "CAMPAIGN_MARK";

/// How long after the end of its parent a process may be on its way out.
const GRACE: Duration = Duration::from_secs(10);

/// The processes with a mark that outlive those that started them. They are ended here, so that
/// one finding does not become many.
pub(super) fn orphans(mark: &str) -> Vec<String> {
    let gone = std::panic::catch_unwind(|| {
        until("all are gone", GRACE, || living(mark).is_empty().then_some(()));
    });
    if gone.is_ok() {
        return Vec::new();
    }
    let left = living(mark);
    let told = left.iter().map(|pid| format!("{pid} `{}`", command_line(*pid))).collect();
    for pid in left {
        signal(pid, Signal::KILL);
    }
    told
}

/// Sends a signal to a process that may be gone.
pub(super) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        kill_process(pid, signal).ok();
    }
}

fn living(mark: &str) -> Vec<i32> {
    let entry = format!("{NAME}={mark}");
    let marked = |pid: &i32| {
        let environment = fs_err::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == entry.as_bytes())
    };
    let names = fs_err::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).filter(marked).filter(|pid| alive(*pid)).collect()
}

fn command_line(pid: i32) -> String {
    let words = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ").trim().to_owned()
}
