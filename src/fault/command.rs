//! Any program as a fault: started under a supervisor, watched, ended with everything that it
//! started.

use std::{
    io,
    os::unix::net::UnixStream as Socket,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use camino::Utf8Path;
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines,
    },
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, Command},
};
use tokio_util::task::TaskTracker;

use super::{
    FaultError,
    capture::Capture,
    leftover::Leftover,
    lifeline::{By, GO, Said, Status},
    process::MARK,
    supervisor::KILL_TIME,
};
use crate::{
    clock::Clock,
    frame::{FaultAction, FaultRow},
    number::length,
    redact::Secrets,
    time::Time,
};

/// How long a program has to end after SIGTERM before it is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// How long output may still come after the program ended: something that it left behind may
/// hold the pipe open for ever.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// How long a supervisor may take for its own part of the work, on a machine that is busy.
const SLACK: Duration = Duration::from_secs(10);

/// The longest line that is kept together when two streams write at once.
const LINE: usize = 8 * 1024;

/// Starts a supervisor for a program, and not yet the program: what can be left of it is known
/// from now on, so that it can be written down first. `homeostat` is our own program.
///
/// The program will run without a shell, in a process group of its own, with no input. Any of
/// `secrets` is replaced in everything that is kept of it.
pub fn hold(
    argv: &[String],
    homeostat: &Utf8Path,
    clock: &Clock,
    secrets: Secrets,
) -> Result<HeldCommand, FaultError> {
    if argv.is_empty() {
        return Err(FaultError::NoCommand);
    }
    let mark = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
    let refused = |source| FaultError::Supervisor { source };
    let (ours, theirs) = Socket::pair().map_err(refused)?;
    let mut supervisor = Command::new(homeostat.as_std_path())
        .args(["supervise", "--grace-ms", &GRACE.as_millis().to_string(), "--"])
        .args(argv)
        .env(MARK, &mark)
        .stdin(std::os::fd::OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C goes to a whole process group: the supervisor must not be told before us.
        .process_group(0)
        .spawn()
        .map_err(refused)?;
    let output = Arc::new(Mutex::new(Capture::default()));
    let readers = TaskTracker::new();
    if let Some(stdout) = supervisor.stdout.take() {
        readers.spawn(read(stdout, Arc::clone(&output)));
    }
    if let Some(stderr) = supervisor.stderr.take() {
        readers.spawn(read(stderr, Arc::clone(&output)));
    }
    readers.close();
    ours.set_nonblocking(true).map_err(refused)?;
    let (said, lifeline) = UnixStream::from_std(ours).map_err(refused)?.into_split();
    let leftover = Leftover::of(supervisor.id(), mark).map_err(refused)?;
    let command = RunningCommand {
        supervisor,
        lifeline: Some(lifeline),
        said: BufReader::new(said).lines(),
        leftover,
        object: secrets.redact(&argv.join(" ")),
        started_at: clock.now(),
        clock: clock.clone(),
        output,
        readers,
        secrets,
        over: false,
    };
    Ok(HeldCommand { program: argv[0].clone(), command })
}

/// A program that is about to be started. Dropped, it never is.
#[derive(Debug)]
pub struct HeldCommand {
    program: String,
    command: RunningCommand,
}

impl HeldCommand {
    /// What may be left of it, should we and its supervisor be killed.
    pub fn leftover(&self) -> &Leftover {
        &self.command.leftover
    }

    /// Starts it.
    pub async fn start(self) -> Result<(RunningCommand, FaultRow), FaultError> {
        let Self { program, mut command } = self;
        command.started_at = command.clock.now();
        if let Some(lifeline) = &mut command.lifeline {
            let go = format!("{GO}\n");
            let written = lifeline.write_all(go.as_bytes()).await;
            written.map_err(|source| FaultError::Supervisor { source })?;
        }
        let pid = match command.next().await {
            Some(Said::Started { pid }) => pid,
            Some(Said::NotStarted { os_error, message }) => {
                let other = || io::Error::other(message);
                let source = os_error.map_or_else(other, io::Error::from_raw_os_error);
                return Err(FaultError::Start { program, source });
            }
            Some(Said::Ended { .. } | Said::Gone { .. }) | None => {
                let source = io::ErrorKind::UnexpectedEof.into();
                return Err(FaultError::Supervisor { source });
            }
        };
        let detail = format!("process {pid}");
        let row = command.row(command.started_at, FaultAction::CommandStarted, true, detail);
        Ok((command, row))
    }
}

/// A program that runs. Dropping it lets its supervisor end it, with all that it started; so does
/// our own end, however we end.
#[derive(Debug)]
pub struct RunningCommand {
    supervisor: Child,
    /// None once the end was asked for.
    lifeline: Option<OwnedWriteHalf>,
    said: Lines<BufReader<OwnedReadHalf>>,
    leftover: Leftover,
    object: String,
    started_at: Time,
    clock: Clock,
    output: Arc<Mutex<Capture>>,
    readers: TaskTracker,
    secrets: Secrets,
    /// Whether the program's own end has been told.
    over: bool,
}

impl RunningCommand {
    /// Whether its own end has been told: what may still run then is in the background.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What runs, as it is kept: without secrets.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// Waits until it ends by itself. It may be given up and asked for again, until it has
    /// answered.
    ///
    /// The row is `ok` when the exit status is 0. What the program left running in the
    /// background runs on until [`Self::end`].
    pub async fn wait(&mut self) -> FaultRow {
        match self.next().await {
            Some(Said::Ended { status, by }) => self.ended(status, by).await,
            Some(Said::Started { .. } | Said::NotStarted { .. } | Said::Gone { .. }) | None => {
                self.lost().await
            }
        }
    }

    /// Ends it and all that is left of it: asked to and, after a grace, made to. One row for its
    /// own end, unless [`Self::wait`] has told it, and one for what it left behind, if anything.
    /// The first is `ok` when it ended, however it did, and says how.
    pub async fn end(mut self) -> Vec<FaultRow> {
        // The supervisor hears the end of its lifeline.
        self.lifeline = None;
        let mut rows = Vec::new();
        let most = GRACE + KILL_TIME + SLACK;
        let telling = async {
            loop {
                match self.next().await {
                    Some(Said::Ended { status, by }) => rows.push(self.ended(status, by).await),
                    Some(Said::Gone { background, left }) => {
                        rows.extend(self.background(&background, &left));
                        return true;
                    }
                    Some(Said::Started { .. } | Said::NotStarted { .. }) => {}
                    None => return false,
                }
            }
        };
        let told = tokio::time::timeout(most, telling).await.unwrap_or(false);
        if !told {
            rows.push(self.lost().await);
        }
        if let Err(error) = self.supervisor.wait().await {
            tracing::debug!(%error, "the end of the supervisor could not be seen");
        }
        rows
    }

    /// The next saying of the supervisor; none when there is none any more. It may be given up.
    async fn next(&mut self) -> Option<Said> {
        let line = self.said.next_line().await.ok()??;
        serde_json::from_str(&line).ok()
    }

    async fn ended(&mut self, status: Status, by: By) -> FaultRow {
        self.over = true;
        let at = self.clock.now();
        // What is not there by then is left out; the program itself has ended.
        let whole = tokio::time::timeout(LAST_OUTPUT, self.readers.wait()).await.is_ok();
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner).text(&self.secrets);
        let after = length(at.since(self.started_at));
        let how = match by {
            By::Itself => "",
            By::Asked => "ended when asked: ",
            By::Killed => "killed, it did not end when asked: ",
        };
        let said = match status {
            Status::Exit(code) => format!("exit status {code}"),
            Status::Signal(signal) => format!("signal {signal}"),
        };
        let ok = by != By::Itself || status == Status::Exit(0);
        let open = if whole { "" } else { "\n[something it started still holds its output open]" };
        let detail = format!("{how}{said} after {after}\n{output}{open}");
        self.row(at, FaultAction::CommandEnded, ok, detail)
    }

    fn background(&self, background: &[String], left: &[String]) -> Option<FaultRow> {
        let detail = match (background, left) {
            ([], []) => return None,
            (ended, []) => format!("it had left running, and we ended: {}", ended.join(", ")),
            (_, left) => format!("could not be ended: {}", left.join(", ")),
        };
        let ok = left.is_empty();
        Some(self.row(self.clock.now(), FaultAction::BackgroundEnded, ok, detail))
    }

    /// The supervisor is gone without a word: what is left of the program is ended by us.
    async fn lost(&mut self) -> FaultRow {
        let action =
            if self.over { FaultAction::BackgroundEnded } else { FaultAction::CommandEnded };
        self.over = true;
        let said = match self.leftover.end().await {
            Ok(ended) => ended,
            Err(left) => left,
        };
        let detail = format!("its supervisor is gone, so its end was not seen: {said}");
        self.row(self.clock.now(), action, false, detail)
    }

    fn row(&self, at: Time, action: FaultAction, ok: bool, detail: String) -> FaultRow {
        FaultRow { at, action, object: self.object.clone(), uid: None, ok, detail }
    }
}

/// Takes in a stream by whole lines, so that two streams do not tear each other's.
async fn read(mut stream: impl AsyncRead + Unpin, output: Arc<Mutex<Capture>>) {
    let push = |bytes: &[u8]| output.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    let mut pending = Vec::new();
    let mut chunk = [0; LINE];
    // A stream that breaks has ended, as far as its output goes.
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        pending.extend_from_slice(&chunk[..count]);
        let end = memchr::memrchr(b'\n', &pending).map(|end| end + 1);
        let whole = end.unwrap_or(if pending.len() > LINE { pending.len() } else { 0 });
        push(&pending[..whole]);
        pending.drain(..whole);
    }
    push(&pending);
}
