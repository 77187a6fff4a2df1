//! What may be left of a program when we and its supervisor were killed, and how it is ended: as
//! long as one of the two lives, it ends the program, and this finds nothing.

use std::{io, time::Duration};

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::{
    command::GRACE,
    process::{self, Process},
};

/// How long it is tried to kill what has not ended within its grace.
const KILL_TIME: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// The processes of one program: its supervisor, and all that carry its mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The supervisor's number.
    pub pid: i32,
    /// When that process started, in clock ticks since the boot.
    pub started: u64,
    /// Which boot.
    pub boot_id: String,
    /// What all of its processes have inherited in their environment.
    pub mark: String,
}

impl Leftover {
    pub(super) fn of(supervisor: Option<u32>, mark: String) -> io::Result<Self> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let pid = supervisor.and_then(|pid| i32::try_from(pid).ok()).ok_or_else(gone)?;
        let started = Process::of(pid).ok_or_else(gone)?.started;
        Ok(Self { pid, started, boot_id: process::boot_id()?, mark })
    }

    /// Ends what is left; says what that was. An error says what could not be ended.
    pub async fn end(&self) -> Result<String, String> {
        match process::boot_id() {
            Ok(boot) if boot != self.boot_id => {
                return Ok("the machine was started again since, or is another one".to_owned());
            }
            Ok(_) => {}
            Err(error) => return Err(format!("the processes could not be looked at: {error}")),
        }
        let found = self.processes();
        if found.is_empty() {
            return Ok("nothing of it was running any more".to_owned());
        }
        let names: Vec<String> = found.iter().map(Process::shown).collect();
        let names = names.join(", ");
        found.iter().for_each(|one| one.signal(Signal::TERM));
        let (asked, killed) = (Instant::now() + GRACE, Instant::now() + GRACE + KILL_TIME);
        loop {
            let left = self.processes();
            let now = Instant::now();
            if left.is_empty() {
                return Ok(format!("ended {names}"));
            }
            if now > killed {
                let left: Vec<String> = left.iter().map(Process::shown).collect();
                return Err(format!("could not be ended: {}", left.join(", ")));
            }
            if now > asked {
                left.iter().for_each(|one| one.signal(Signal::KILL));
            }
            sleep(LOOK).await;
        }
    }

    /// The supervisor, if it lives, and all that carry the mark.
    fn processes(&self) -> Vec<Process> {
        let supervisor = Process::of(self.pid).filter(|process| process.started == self.started);
        let mut found = process::marked(&self.mark);
        found.extend(supervisor.filter(|one| !found.contains(one)));
        found
    }
}
