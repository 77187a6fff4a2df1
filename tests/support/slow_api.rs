//! A Kubernetes API that takes its time: the lab's, with some of its answers held back.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::LabProcess;

/// Passes requests on to a lab's API as they come. What it answers to some of them is held back.
pub(crate) struct SlowApi {
    server: Arc<Server>,
    kubeconfig: PathBuf,
    _dir: TempDir,
}

struct Server {
    lab: String,
    hold: Duration,
    held: AtomicUsize,
    given: AtomicUsize,
}

impl SlowApi {
    /// In front of a lab. `slow` is given method and path of each request, as in `DELETE /api/v1/…`,
    /// and says whether its answer is to be held back for so long. The lab has carried it out by
    /// then.
    pub(crate) fn start(
        lab: &LabProcess,
        hold: Duration,
        slow: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dir = TempDir::new().unwrap();
        let kubeconfig = dir.path().join("kubeconfig");
        let like = fs_err::read_to_string(lab.kubeconfig()).unwrap();
        let api = lab.address("api");
        let address = format!("http://{}", listener.local_addr().unwrap());
        let text = like.replace(&api, &address);
        assert_ne!(text, like, "the kubeconfig does not name {api}");
        fs_err::write(&kubeconfig, text).unwrap();
        let lab = api.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let (held, given) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let server = Arc::new(Server { lab, hold, held, given });
        let slow: Arc<dyn Fn(&str) -> bool + Send + Sync> = Arc::new(slow);
        thread::spawn({
            let server = Arc::clone(&server);
            move || {
                for stream in listener.incoming().flatten() {
                    let (server, slow) = (Arc::clone(&server), Arc::clone(&slow));
                    // Whoever hangs up early gets nothing.
                    thread::spawn(move || server.pass_on(stream, &*slow).ok());
                }
            }
        });
        Self { server, kubeconfig, _dir: dir }
    }

    /// The file that leads here.
    pub(crate) fn kubeconfig(&self) -> &PathBuf {
        &self.kubeconfig
    }

    /// How many answers have been held back so far, given since or not.
    pub(crate) fn held(&self) -> usize {
        self.server.held.load(Ordering::SeqCst)
    }

    /// How many of them were given.
    pub(crate) fn given(&self) -> usize {
        self.server.given.load(Ordering::SeqCst)
    }
}

impl Server {
    fn pass_on(&self, mut client: TcpStream, slow: &dyn Fn(&str) -> bool) -> io::Result<()> {
        let Some((head, body)) = read(&mut client)? else { return Ok(()) };
        let mut lab: SocketAddr = self.lab.parse().map_err(io::Error::other)?;
        lab.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        let mut lab = TcpStream::connect(lab)?;
        // One request a connection: where its answer ends need not be known here.
        let (first, others) = head.split_once("\r\n").unwrap_or((&head, ""));
        let kept = others.lines().filter(|line| !line.to_lowercase().starts_with("connection:"));
        let others: String = kept.map(|line| format!("{line}\r\n")).collect();
        write!(lab, "{first}\r\n{others}Connection: close\r\n\r\n")?;
        lab.write_all(&body)?;
        let what = first.rsplit_once(' ').map_or(first, |(what, _)| what);
        if slow(what) {
            let mut answer = Vec::new();
            lab.read_to_end(&mut answer)?;
            self.held.fetch_add(1, Ordering::SeqCst);
            thread::sleep(self.hold);
            self.given.fetch_add(1, Ordering::SeqCst);
            return client.write_all(&answer);
        }
        io::copy(&mut lab, &mut client).map(drop)
    }
}

/// The head of a request, without its blank line, and its body; none when there is no request.
fn read(client: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let mut more = |bytes: &mut Vec<u8>| -> io::Result<bool> {
        let length = client.read(&mut piece)?;
        bytes.extend_from_slice(&piece[..length]);
        Ok(length > 0)
    };
    let end = loop {
        if let Some(end) = bytes.windows(END.len()).position(|window| window == END) {
            break end;
        }
        if !more(&mut bytes)? {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let whole = end + END.len() + length.unwrap_or(0);
    while bytes.len() < whole && more(&mut bytes)? {}
    Ok(Some((head, bytes.split_off(end + END.len()))))
}
