//! Processes as Linux shows them under `/proc`: who descends from whom, who carries our mark, and
//! signals that never reach a later process of the same number.

use std::{collections::BTreeSet, io};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// The variable that every process of a fault inherits. Its value tells one run's from another's.
pub(super) const MARK: &str = "HOMEOSTAT_FAULT_MARK";

/// A process that runs, or ran when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    parent: i32,
    /// When it started, in clock ticks since the boot: with the number it is unique for a boot.
    pub(super) started: u64,
    name: String,
}

impl Process {
    /// The process of a number; none when there is none, or only its exit status is left.
    pub(super) fn of(pid: i32) -> Option<Self> {
        let text = fs_err::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(pid, &String::from_utf8_lossy(&text))
    }

    /// `proc_pid_stat(5)`. The name stands in parentheses and may hold anything, also `)`.
    fn parse(pid: i32, stat: &str) -> Option<Self> {
        let (head, fields) = stat.rsplit_once(") ")?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let dead = matches!(fields.first(), Some(&"Z" | &"X"));
        let parent = fields.get(1)?.parse().ok()?;
        let started = fields.get(19)?.parse().ok()?;
        (!dead).then_some(Self { pid, parent, started, name })
    }

    /// Whether it is still there: the same process, not one of the same number.
    pub(super) fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.started == self.started)
    }

    /// Sends it a signal, and only it: the number is held while it is compared.
    pub(super) fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else { return };
        let sent = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(held) if self.is_alive() => pidfd_send_signal(held, signal),
            Err(rustix::io::Errno::NOSYS) if self.is_alive() => kill_process(pid, signal),
            // It has gone, which is as good.
            Ok(_) | Err(_) => Ok(()),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, process = %self.shown(), "could not be signalled");
        }
    }

    /// Its name and number: `sleep (4711)`.
    pub(super) fn shown(&self) -> String {
        format!("{} ({})", self.name, self.pid)
    }

    fn is_marked(&self, mark: &str) -> bool {
        // Of a process of somebody else it cannot be read, and ours are ours.
        let environment = fs_err::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        let wanted = format!("{MARK}={mark}");
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    }
}

/// All that descend from a process, itself not among them.
pub(super) fn descendants(of: i32) -> Vec<Process> {
    let all = all();
    let mut family = BTreeSet::from([of]);
    // A child is not always found after its parent: look until nothing is new.
    loop {
        let before = family.len();
        family.extend(
            all.iter()
                .filter(|one| family.contains(&one.parent))
                .map(|one| one.pid)
                .collect::<Vec<_>>(),
        );
        if family.len() == before {
            break;
        }
    }
    all.into_iter().filter(|one| one.pid != of && family.contains(&one.pid)).collect()
}

/// All that carry a mark: those too that have left group, session and parent.
pub(super) fn marked(mark: &str) -> Vec<Process> {
    all().into_iter().filter(|one| one.is_marked(mark)).collect()
}

/// Tells one boot of a machine from another: process numbers mean nothing beyond it.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs_err::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

fn all() -> Vec<Process> {
    let entries = fs_err::read_dir("/proc").into_iter().flatten();
    entries
        .filter_map(|entry| Process::of(entry.ok()?.file_name().to_str()?.parse().ok()?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let fields = "7 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0";
        let parsed = |state: &str| Process::parse(9, &format!("9 (a) b (c) {state} {fields}"));
        let want = Process { pid: 9, parent: 7, started: 4711, name: "a) b (c".to_owned() };
        assert_eq!(parsed("S"), Some(want));
        assert_eq!(parsed("Z"), None);
        assert_eq!(Process::parse(9, "9 (sleep"), None);
    }

    #[test]
    fn a_later_process_of_the_same_number_is_another() {
        let own = i32::try_from(std::process::id()).unwrap();
        let now = Process::of(own).unwrap();
        assert!(now.is_alive());
        let earlier = Process { started: now.started - 1, ..now };
        assert!(!earlier.is_alive());
        // It would end this test.
        earlier.signal(Signal::KILL);
    }
}
