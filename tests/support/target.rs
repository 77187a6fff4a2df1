//! A target whose page a test writes.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use homeostat::internals::{clock::Clock, time::Time};
use tempfile::TempDir;

use super::{HypothesisFile, Program, homeostat};

/// Targets under test: their pages as functions of the time, and a fault that is a file.
pub(crate) struct ScriptedTarget {
    addresses: Vec<SocketAddr>,
    dir: TempDir,
}

/// What a page is made of.
pub(crate) struct Moment {
    /// Now.
    pub(crate) at: Time,
    /// Seconds since the target was started.
    pub(crate) up: f64,
    /// Seconds since the fault, if it has come.
    pub(crate) fault: Option<f64>,
}

impl ScriptedTarget {
    /// Serves what `page` says, until the test has ended. An empty page is refused, with 503.
    pub(crate) fn start(page: impl Fn(&Moment) -> String + Send + 'static) -> Self {
        let target = Self { addresses: Vec::new(), dir: TempDir::new().unwrap() };
        target.beside(page)
    }

    /// Another target beside it, at an address of its own, with the same fault.
    pub(crate) fn beside(mut self, page: impl Fn(&Moment) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.addresses.push(listener.local_addr().unwrap());
        let fault = self.fault();
        thread::spawn(move || serve(&listener, &fault, page));
        self
    }

    /// `homeostat run` of a hypothesis, in which `TARGETS` are the targets and `FAULT` the fault.
    pub(crate) fn run(&self, hypothesis: &str) -> Program {
        let urls = self.addresses.iter().map(|address| format!("\"http://{address}/metrics\""));
        let text = hypothesis
            .replace("TARGETS", &urls.collect::<Vec<_>>().join(", "))
            .replace("FAULT", &format!("{{command: {{argv: [touch, {:?}]}}}}", self.fault()));
        let file = HypothesisFile::text(text).write(self.dir.path());
        let program = homeostat(["run".as_ref(), file.as_os_str()]);
        program.args(["--store".as_ref(), self.store().as_os_str()])
    }

    /// Where the pages are, each under `/metrics`.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where [`ScriptedTarget::run`] keeps its recording.
    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn fault(&self) -> PathBuf {
        self.dir.path().join("fault")
    }
}

fn serve(listener: &TcpListener, fault: &Path, page: impl Fn(&Moment) -> String) {
    let clock = Clock::system();
    let (started, mut injected): (Time, Option<Time>) = (clock.now(), None);
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let now = clock.now();
        injected = injected.or_else(|| fault.exists().then_some(now));
        let seconds = |since: Time| now.since(since).as_secs_f64();
        let moment = Moment { at: now, up: seconds(started), fault: injected.map(seconds) };
        // Whoever hangs up early has no page.
        answer(stream, &page(&moment)).ok();
    }
}

fn answer(mut stream: TcpStream, page: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        let n = stream.read(&mut piece)?;
        if n == 0 {
            return Ok(());
        }
        request.extend_from_slice(&piece[..n]);
    }
    let (length, status) = (page.len(), if page.is_empty() { "503 Down" } else { "200 OK" });
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{page}"
    )
}
