//! A target whose page a test writes.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use homeostat::{clock::Clock, time::Time};
use tempfile::TempDir;

use super::{HypothesisFile, Program, homeostat};

/// A target under test: its page as a function of the time, and a fault that is a file.
pub(crate) struct ScriptedTarget {
    address: SocketAddr,
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
    /// Serves what `page` says, until the test has ended.
    pub(crate) fn start(page: impl Fn(&Moment) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, dir) = (listener.local_addr().unwrap(), TempDir::new().unwrap());
        let fault = dir.path().join("fault");
        thread::spawn(move || serve(&listener, &fault, page));
        Self { address, dir }
    }

    /// `homeostat run` of a hypothesis, in which `TARGET` is the target and `FAULT` the fault.
    pub(crate) fn run(&self, hypothesis: &str) -> Program {
        let text = hypothesis
            .replace("TARGET", &format!("http://{}/metrics", self.address))
            .replace("FAULT", &format!("{{command: {{argv: [touch, {:?}]}}}}", self.fault()));
        let file = HypothesisFile::text(text).write(self.dir.path());
        let program = homeostat(["run".as_ref(), file.as_os_str()]);
        program.args(["--store".as_ref(), self.store().as_os_str()])
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
    let length = page.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{page}"
    )
}
