//! The parent of a program that is a fault: the body of the hidden command `homeostat supervise`.
//!
//! It outlives `homeostat run` by a moment, which is why it is a process of its own. When its
//! lifeline ends (see `lifeline`) it ends the program and all that descends from it: it is their
//! subreaper, so none can leave by a new session, a second fork or closed files.

use std::{
    io::{self, Write as _},
    os::{fd::AsFd as _, unix::net::UnixStream, unix::process::CommandExt as _},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, wait};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};

use super::{
    lifeline::{By, GO, Said, Status},
    process::{Process, descendants},
};

/// How long it is tried to kill what does not end: only what hangs in the kernel takes longer.
pub(super) const KILL_TIME: Duration = Duration::from_secs(5);

/// How often what is left is killed: it may have started more meanwhile.
const AGAIN: Duration = Duration::from_millis(20);

/// Arguments of `homeostat supervise`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SuperviseArgs {
    /// How long everything has to end after SIGTERM
    #[arg(long, value_name = "MILLISECONDS")]
    grace_ms: u64,
    /// The program
    #[arg(last = true, required = true, value_name = "CMD")]
    argv: Vec<String>,
}

/// Starts a program when told, says how it ended, and ends what is left of it when the lifeline
/// ends.
pub(crate) async fn supervise(args: SuperviseArgs) -> io::Result<()> {
    let mut asked = Asked::listen()?;
    let stdin = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    stdin.set_nonblocking(true)?;
    let mut said = Sayings(stdin.try_clone()?);
    let mut lifeline = Lifeline(BufReader::new(tokio::net::UnixStream::from_std(stdin)?));
    // Nothing is started before the other side has written down that it will be.
    if !lifeline.says_go().await {
        return Ok(());
    }
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(getpid()))?;
    let program = match start(&args.argv) {
        Ok(program) => program,
        Err(error) => {
            let (os_error, message) = (error.raw_os_error(), error.to_string());
            said.say(&Said::NotStarted { os_error, message });
            return Ok(());
        }
    };
    said.say(&Said::Started { pid: program.as_raw_nonzero().get() });
    let mut family = Family { program, reaped: reaper(), said, by: By::Itself, ended: false };
    tokio::select! {
        () = family.gone() => {}
        () = lifeline.ended() => {}
        () = asked.heard() => {}
    }
    family.end(Duration::from_millis(args.grace_ms)).await;
    Ok(())
}

/// In a process group of its own, without input. Our own ends of its output are closed, so that
/// the output is over when the program's is.
fn start(argv: &[String]) -> io::Result<Pid> {
    let [program, arguments @ ..] = argv else { return Err(io::ErrorKind::InvalidInput.into()) };
    let nowhere = fs_err::OpenOptions::new().write(true).open("/dev/null")?;
    let child =
        Command::new(program).args(arguments).stdin(Stdio::null()).process_group(0).spawn()?;
    // From here on the program runs: nothing may return without it.
    for closed in [rustix::stdio::dup2_stdout(&nowhere), rustix::stdio::dup2_stderr(&nowhere)] {
        if let Err(error) = closed {
            tracing::debug!(%error, "the output stays open as long as we run");
        }
    }
    Ok(Pid::from_child(&child))
}

/// The program and all that descends from it.
struct Family {
    program: Pid,
    /// Who ended, and how; closed once nobody is left.
    reaped: mpsc::Receiver<(Pid, WaitStatus)>,
    said: Sayings,
    /// What has been done so far to bring the end about.
    by: By,
    ended: bool,
}

impl Family {
    /// Waits until nobody is left.
    async fn gone(&mut self) {
        while let Some((pid, status)) = self.reaped.recv().await {
            if pid == self.program {
                self.ended = true;
                let status = match status.terminating_signal() {
                    Some(signal) => Status::Signal(signal),
                    None => Status::Exit(status.exit_status().unwrap_or_default()),
                };
                self.said.say(&Said::Ended { status, by: self.by });
            }
        }
    }

    /// Ends all who are left: they are asked to and, after `grace`, made to.
    async fn end(mut self, grace: Duration) {
        let first = members();
        let background = if self.ended { shown(&first) } else { Vec::new() };
        self.by = By::Asked;
        first.iter().for_each(|one| one.signal(Signal::TERM));
        if timeout_at(Instant::now() + grace, self.gone()).await.is_err() {
            self.by = By::Killed;
            let killing = async {
                loop {
                    members().iter().for_each(|one| one.signal(Signal::KILL));
                    sleep(AGAIN).await;
                }
            };
            let deadline = Instant::now() + KILL_TIME;
            let over = async {
                tokio::select! {
                    () = self.gone() => {}
                    () = killing => {}
                }
            };
            // Who is left then is named below.
            drop(timeout_at(deadline, over).await);
        }
        let left = shown(&members());
        self.said.say(&Said::Gone { background, left });
    }
}

fn members() -> Vec<Process> {
    descendants(getpid().as_raw_nonzero().get())
}

/// The first of them, by name; a program that went wild may have left thousands.
fn shown(processes: &[Process]) -> Vec<String> {
    const SHOWN: usize = 20;
    let more = processes.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| format!("{more} more"));
    processes.iter().take(SHOWN).map(Process::shown).chain(more).collect()
}

/// Collects every child that ends, ours and those that were left to us. It ends, and closes the
/// channel, when there is none: then nobody can come any more.
fn reaper() -> mpsc::Receiver<(Pid, WaitStatus)> {
    let (sender, reaped) = mpsc::channel(64);
    thread::spawn(move || {
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some(one)) if sender.blocking_send(one).is_err() => return,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    });
    reaped
}

struct Lifeline(BufReader<tokio::net::UnixStream>);

impl Lifeline {
    async fn says_go(&mut self) -> bool {
        let mut line = String::new();
        self.0.read_line(&mut line).await.is_ok() && line.trim_end() == GO
    }

    /// Whether it was closed or broke is the same.
    async fn ended(&mut self) {
        let mut line = String::new();
        while self.0.read_line(&mut line).await.is_ok_and(|count| count > 0) {
            line.clear();
        }
    }
}

struct Sayings(UnixStream);

impl Sayings {
    /// Nobody may be left to hear it, which must not keep us from ending the program. A few short
    /// lines always fit into the socket, so this does not wait, and is never cut in two.
    fn say(&mut self, what: &Said) {
        let line = serde_json::to_string(what).map(|text| format!("{text}\n"));
        if let Ok(line) = line
            && let Err(error) = self.0.write_all(line.as_bytes())
        {
            tracing::debug!(%error, "nobody hears");
        }
    }
}

/// Signals that ask us to end: whoever means us means the program.
struct Asked([tokio::signal::unix::Signal; 3]);

impl Asked {
    fn listen() -> io::Result<Self> {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [a, b, c] = kinds.map(signal);
        Ok(Self([a?, b?, c?]))
    }

    async fn heard(&mut self) {
        let [a, b, c] = &mut self.0;
        tokio::select! {
            _ = a.recv() => {}
            _ = b.recv() => {}
            _ = c.recv() => {}
        }
    }
}
