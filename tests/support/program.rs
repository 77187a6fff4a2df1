//! A program that a test starts, watches, and always ends: by its process id, never by name.

use std::{
    ffi::OsStr,
    fmt,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::Duration,
};

use homeostat::internals::{clock::Clock, time::Time};
use rustix::process::{Pid, Signal, kill_process};

/// The program under test with these arguments.
pub(crate) fn homeostat<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Program {
    Program::new(env!("CARGO_BIN_EXE_homeostat")).args(args)
}

/// A program to be started, away from the settings of whoever runs the tests.
pub(crate) struct Program {
    command: Command,
    timeout: Duration,
}

impl Program {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in ["KUBECONFIG", "NO_COLOR", "CLICOLOR_FORCE", "RUST_LOG", "POLARS_MAX_THREADS"] {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"HOMEOSTAT_") {
                command.env_remove(name);
            }
        }
        Self { command, timeout: Duration::from_secs(60) }
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The same program, started by another one, which is given its name and its arguments last.
    pub(crate) fn through(self, starter: &[&str]) -> Self {
        let mut through = Self::new(starter[0]).args(&starter[1..]).timeout(self.timeout);
        through.command.arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => through.command.env(name, value),
                None => through.command.env_remove(name),
            };
        }
        if let Some(dir) = self.command.get_current_dir() {
            through.command.current_dir(dir);
        }
        through
    }

    pub(crate) fn cwd(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// How long it may take before it is killed and the test fails; a minute unless said.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Starts it and waits for its end.
    #[track_caller]
    pub(crate) fn run(self) -> Done {
        self.start().finish()
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn start(mut self) -> Running {
        let clock = Clock::system();
        let started = clock.now();
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{:?}: {error}", self.command),
        };
        let pid = Pid::from_child(&child);
        let (sender, events) = mpsc::channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        follow(out, Stream::Out, sender.clone());
        follow(err, Stream::Err, sender.clone());
        wait_for(child, sender);
        let name = format!("{:?}", self.command);
        let (deadline, open) = (started.plus(self.timeout), 2);
        let (stdout, stderr) = (String::new(), String::new());
        Running { name, pid, clock, started, deadline, events, open, ended: None, stdout, stderr }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

enum Event {
    Line(Stream, String),
    Closed,
    Ended(Option<i32>),
}

/// Hands on a stream line by line until it is closed.
fn follow(stream: impl Read + Send + 'static, which: Stream, sender: Sender<Event>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            if sender.send(Event::Line(which, text)).is_err() {
                break;
            }
        }
        sender.send(Event::Closed).ok();
    });
}

fn wait_for(mut child: Child, sender: Sender<Event>) {
    thread::spawn(move || {
        let code = child.wait().ok().and_then(|status| status.code());
        sender.send(Event::Ended(code)).ok();
    });
}

/// A program that runs. Dropped before its end, it is killed.
pub(crate) struct Running {
    name: String,
    pid: Pid,
    clock: Clock,
    started: Time,
    deadline: Time,
    events: Receiver<Event>,
    open: usize,
    ended: Option<Option<i32>>,
    stdout: String,
    stderr: String,
}

impl Running {
    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends it a signal.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        assert!(self.ended.is_none(), "{} has ended already\n{self}", self.name);
        kill_process(self.pid, signal).unwrap();
    }

    /// Waits for a line on either stream and returns it.
    #[track_caller]
    pub(crate) fn line(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            match self.next() {
                Event::Line(_, line) if wanted(&line) => return line,
                Event::Line(..) | Event::Closed | Event::Ended(_) => {}
            }
            assert!(self.ended.is_none() || self.open > 0, "no line with {what}\n{self}");
        }
    }

    /// Waits for the next thing that it says or does, and not for longer than `within`.
    #[track_caller]
    pub(crate) fn hear(&mut self, within: Duration) -> Heard {
        if self.ended.is_some() {
            return Heard::End;
        }
        let until = self.clock.now().plus(within).min(self.deadline);
        match self.events.recv_timeout(until.since(self.clock.now())) {
            Ok(event) => {
                self.take(&event);
                match event {
                    Event::Line(_, line) => Heard::Line(line),
                    Event::Closed => Heard::Silence,
                    Event::Ended(_) => Heard::End,
                }
            }
            Err(_) if self.clock.now() < self.deadline => Heard::Silence,
            Err(_) => panic!("{} takes too long\n{self}", self.name),
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Done {
        while self.ended.is_none() || self.open > 0 {
            self.next();
        }
        let took = self.clock.now().since(self.started);
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        Done { name: self.name.clone(), code: self.ended.flatten(), stdout, stderr, took }
    }

    /// Once it has ended its streams must close too: whoever keeps them open is its orphan.
    fn drain(&mut self) {
        self.deadline = self.deadline.min(self.clock.now().plus(Duration::from_secs(30)));
    }

    #[track_caller]
    fn next(&mut self) -> Event {
        let left = self.deadline.since(self.clock.now());
        let Ok(event) = self.events.recv_timeout(left) else {
            match self.ended {
                Some(_) => panic!("{} has ended, but a child holds its output\n{self}", self.name),
                None => panic!("{} takes too long\n{self}", self.name),
            }
        };
        self.take(&event);
        event
    }

    /// Takes an event in.
    fn take(&mut self, event: &Event) {
        match event {
            Event::Line(Stream::Out, line) => self.stdout.push_str(line),
            Event::Line(Stream::Err, line) => self.stderr.push_str(line),
            Event::Closed => self.open -= 1,
            Event::Ended(code) => {
                self.ended = Some(*code);
                self.drain();
            }
        }
    }
}

/// What was heard of a program that runs.
pub(crate) enum Heard {
    /// A line on either stream.
    Line(String),
    /// Nothing that is news.
    Silence,
    /// It has ended.
    End,
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            if let Event::Ended(code) = event {
                self.ended = Some(code);
            }
        }
        if self.ended.is_none() {
            kill_process(self.pid, Signal::KILL).ok();
        }
    }
}

/// A program that has ended.
pub(crate) struct Done {
    name: String,
    /// None when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Done {
    /// Holds it to an exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code of {self}");
        self
    }

    /// Whether its output has these words, wherever the lines are broken.
    pub(crate) fn says(&self, words: &str) -> bool {
        let printed: Vec<&str> = self.stdout.split_whitespace().collect();
        printed.join(" ").contains(words)
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n--- stdout\n{}--- stderr\n{}", self.name, self.stdout, self.stderr)
    }
}

/// Keeps asking until the answer is there, and fails when it does not come in time.
#[track_caller]
pub(crate) fn until<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let clock = Clock::system();
    let deadline = clock.now().plus(within);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(clock.now() < deadline, "{what}: not within {within:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
