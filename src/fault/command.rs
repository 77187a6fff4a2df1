//! Any program as a fault: started, watched, ended with everything that it started.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};
use tokio_util::task::TaskTracker;

use super::{
    FaultError,
    capture::{Capture, Secrets},
};
use crate::{
    clock::Clock,
    frame::{FaultAction, FaultRow},
    number::length,
    time::Time,
};

/// How long output may still come after the program ended: something that it left behind may
/// hold the pipe open for ever.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// How often a process group is looked at while its end is awaited.
const LOOK: Duration = Duration::from_millis(20);

/// The longest line that is kept together when two streams write at once.
const LINE: usize = 8 * 1024;

/// Starts a program without a shell, in a process group of its own, with no input. Any of
/// `secrets` is replaced in everything that is kept of it.
pub fn start(
    argv: &[String],
    clock: &Clock,
    secrets: Vec<String>,
) -> Result<(RunningCommand, FaultRow), FaultError> {
    let [program, arguments @ ..] = argv else { return Err(FaultError::NoCommand) };
    let secrets = Secrets::new(secrets);
    let started_at = clock.now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| FaultError::Start { program: program.clone(), source })?;
    let output = Arc::new(Mutex::new(Capture::default()));
    let readers = TaskTracker::new();
    if let Some(stdout) = child.stdout.take() {
        readers.spawn(read(stdout, Arc::clone(&output)));
    }
    if let Some(stderr) = child.stderr.take() {
        readers.spawn(read(stderr, Arc::clone(&output)));
    }
    readers.close();
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let command = RunningCommand {
        child,
        group,
        object: secrets.redact(argv.join(" ").as_bytes()),
        started_at,
        clock: clock.clone(),
        output,
        readers,
        secrets,
    };
    let detail = group.map_or_else(String::new, |id| format!("process {}", id.as_raw_nonzero()));
    let row = command.row(FaultAction::CommandStarted, true, detail);
    Ok((command, row))
}

/// A program that runs. Dropping it kills it, with all that it started.
#[derive(Debug)]
pub struct RunningCommand {
    child: Child,
    /// Its process group; none once the program was seen to end by itself.
    group: Option<Pid>,
    object: String,
    started_at: Time,
    clock: Clock,
    output: Arc<Mutex<Capture>>,
    readers: TaskTracker,
    secrets: Secrets,
}

impl RunningCommand {
    /// Waits until it ends by itself. It may be given up and asked for again.
    ///
    /// The row is `ok` when the exit status is 0. What the program left running in the
    /// background is its own affair and is left alone.
    pub async fn wait(&mut self) -> FaultRow {
        let status = self.child.wait().await;
        self.group = None;
        self.ended(status, "").await
    }

    /// Ends it: the whole process group is asked to end and, after `grace`, made to. The row is
    /// `ok` when it ended, however it did, and says how.
    pub async fn end(mut self, grace: Duration) -> FaultRow {
        // What it may have left running ends with the drop.
        if let Ok(Some(status)) = self.child.try_wait() {
            return self.ended(Ok(status), "").await;
        }
        self.signal(Signal::TERM);
        let all_gone = async {
            let status = self.child.wait().await;
            while self.group.is_some_and(|group| test_kill_process_group(group).is_ok()) {
                tokio::time::sleep(LOOK).await;
            }
            status
        };
        let (status, how) = match tokio::time::timeout(grace, all_gone).await {
            Ok(status) => (status, "ended when asked: "),
            Err(_) => {
                self.signal(Signal::KILL);
                (self.child.wait().await, "killed, it did not end when asked: ")
            }
        };
        self.group = None;
        let ok = status.is_ok();
        FaultRow { ok, ..self.ended(status, how).await }
    }

    async fn ended(&mut self, status: io::Result<ExitStatus>, how: &str) -> FaultRow {
        let at = self.clock.now();
        // What is not there by then is left out; the program itself has ended.
        let whole = tokio::time::timeout(LAST_OUTPUT, self.readers.wait()).await.is_ok();
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner).text(&self.secrets);
        let after = length(at.since(self.started_at));
        let (ok, said) = match status {
            Ok(status) => (status.success(), in_words(status)),
            Err(error) => (false, format!("its end could not be seen: {error}")),
        };
        let open = if whole { "" } else { "\n[something it started still holds its output open]" };
        let detail = format!("{how}{said} after {after}\n{output}{open}");
        FaultRow { at, ..self.row(FaultAction::CommandEnded, ok, detail) }
    }

    fn row(&self, action: FaultAction, ok: bool, detail: String) -> FaultRow {
        let object = self.object.clone();
        FaultRow { at: self.started_at, action, object, uid: None, ok, detail }
    }

    /// A group that has already ended cannot be signalled, which is as good.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group
            && let Err(error) = kill_process_group(group, signal)
        {
            tracing::debug!(%error, "the process group could not be signalled");
        }
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
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

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, secrets: &[&str]) -> (RunningCommand, FaultRow) {
        let argv = ["sh", "-c", script].map(str::to_owned);
        let secrets = secrets.iter().map(|s| (*s).to_owned()).collect();
        start(&argv, &Clock::system(), secrets).unwrap()
    }

    /// The detail without the time that it took.
    fn untimed(row: &FaultRow) -> String {
        let (first, output) = row.detail.split_once('\n').unwrap();
        let (how, _) = first.rsplit_once(" after ").unwrap();
        format!("{how}|{output}")
    }

    async fn wait(script: &str, secrets: &[&str]) -> FaultRow {
        sh(script, secrets).0.wait().await
    }

    fn alive(pid: &str) -> bool {
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        // A zombie that nobody has reaped yet is dead all the same.
        rustix::process::test_kill_process(pid).is_ok()
            && !fs_err::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
                .is_ok_and(|stat| stat.contains(") Z "))
    }

    #[tokio::test]
    async fn a_program_ends_with_its_status_and_output() {
        let row = wait("echo out; echo err >&2; exit 3", &[]).await;
        assert_eq!((row.ok, row.action), (false, FaultAction::CommandEnded));
        let said = untimed(&row);
        assert!(said == "exit status 3|out\nerr\n" || said == "exit status 3|err\nout\n", "{said}");
        let row = wait("printf done", &[]).await;
        assert_eq!((row.ok, untimed(&row).as_str()), (true, "exit status 0|done"));
    }

    #[tokio::test]
    async fn its_start_is_a_row_of_its_own() {
        let (mut command, row) = sh("exit 0", &[]);
        assert_eq!(
            (row.ok, row.action, row.object.as_str()),
            (true, FaultAction::CommandStarted, "sh -c exit 0")
        );
        assert!(row.at <= command.wait().await.at);
    }

    #[tokio::test]
    async fn secrets_are_in_neither_output_nor_name() {
        let (mut command, started) = sh("echo token s3cret; echo s3cret >&2", &["s3cret"]);
        let ended = command.wait().await;
        assert_eq!(started.object, "sh -c echo token [redacted]; echo [redacted] >&2");
        assert!(ended.detail.contains("token [redacted]") && !ended.detail.contains("s3cret"));
    }

    #[tokio::test]
    async fn it_has_no_input_and_ends_by_signal_in_words() {
        assert_eq!(untimed(&wait("cat; kill -9 $$", &[]).await), "signal 9|");
    }

    #[tokio::test]
    async fn ending_it_ends_all_that_it_started() {
        let (mut command, _) = sh("sleep 60 & echo $!; wait", &[]);
        // The program tells the pid of its child, which is how we know that both run.
        let child = loop {
            let said = command.output.lock().unwrap().text(&Secrets::default());
            if said.ends_with('\n') {
                break said;
            }
            assert!(command.child.try_wait().unwrap().is_none());
            tokio::time::sleep(LOOK).await;
        };
        assert!(alive(&child));
        let row = command.end(Duration::from_secs(10)).await;
        assert_eq!((row.ok, untimed(&row)), (true, format!("ended when asked: signal 15|{child}")));
        assert!(!alive(&child));
    }

    #[tokio::test]
    async fn what_does_not_end_when_asked_is_killed() {
        let (command, _) = sh("trap '' TERM; echo ready; while :; do sleep 1; done", &[]);
        while command.output.lock().unwrap().text(&Secrets::default()).is_empty() {
            tokio::time::sleep(LOOK).await;
        }
        let row = command.end(Duration::from_millis(100)).await;
        assert_eq!(
            (row.ok, untimed(&row).as_str()),
            (true, "killed, it did not end when asked: signal 9|ready\n")
        );
    }

    #[tokio::test]
    async fn what_ended_by_itself_was_not_ended_by_us() {
        let (mut command, _) = sh("exit 2", &[]);
        command.wait().await;
        let row = command.end(Duration::from_secs(1)).await;
        assert_eq!((row.ok, untimed(&row).as_str()), (false, "exit status 2|"));
    }

    #[tokio::test]
    async fn something_left_in_the_background_does_not_hold_us_up() {
        let (mut command, _) = sh("sleep 5 & echo done", &[]);
        let row = command.wait().await;
        let said = untimed(&row);
        assert_eq!(
            said,
            "exit status 0|done\n\n[something it started still holds its output open]"
        );
    }

    #[tokio::test]
    async fn waiting_may_be_given_up_and_taken_up_again() {
        let (mut command, _) = sh("sleep 0.2; echo late", &[]);
        assert!(tokio::time::timeout(Duration::from_millis(1), command.wait()).await.is_err());
        assert_eq!(untimed(&command.wait().await), "exit status 0|late\n");
    }

    #[tokio::test]
    async fn much_output_does_not_block_the_program() {
        let row = wait("i=0; while [ $i -lt 3000 ]; do echo \"line $i ......................................................\"; i=$((i+1)); done", &[]).await;
        assert!(row.detail.len() < 66 * 1024 && row.detail.contains("bytes cut]"));
        assert!(row.detail.contains("line 0 .") && row.detail.contains("line 2999 ."));
    }

    #[tokio::test]
    async fn what_cannot_be_started_says_which_program() {
        let missing = start(&["no-such-program".to_owned()], &Clock::system(), Vec::new());
        assert_eq!(missing.unwrap_err().to_string(), "`no-such-program` could not be started");
        assert!(matches!(start(&[], &Clock::system(), Vec::new()), Err(FaultError::NoCommand)));
    }
}
