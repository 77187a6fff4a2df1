//! A Kubernetes API that is not at its best: the lab's, with some of its answers held back or
//! refused.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
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

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The lab's answer.
    Pass,
    /// The lab's answer, held back. The lab has carried it out by then.
    Late,
    /// The lab's answer, with all of its time stamps a year earlier.
    LongAgo,
    /// 403, as to an account that may not do this. The lab hears nothing of it.
    Forbidden,
}

/// Passes requests on to a lab's API as they come, but for some.
pub(crate) struct ApiProxy {
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

impl ApiProxy {
    /// In front of a lab. `reply` is given method and path of each request, as in
    /// `DELETE /api/v1/…`; a late answer is held back for `hold`.
    pub(crate) fn start(
        lab: &LabProcess,
        hold: Duration,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
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
        let reply: Arc<dyn Fn(&str) -> Reply + Send + Sync> = Arc::new(reply);
        thread::spawn({
            let server = Arc::clone(&server);
            move || {
                for stream in listener.incoming().flatten() {
                    let (server, reply) = (Arc::clone(&server), Arc::clone(&reply));
                    // Whoever hangs up early gets nothing.
                    thread::spawn(move || server.pass_on(stream, &*reply).ok());
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
    fn pass_on(&self, mut client: TcpStream, reply: &dyn Fn(&str) -> Reply) -> io::Result<()> {
        let Some((head, body)) = read(&mut client)? else { return Ok(()) };
        let (first, others) = head.split_once("\r\n").unwrap_or((&head, ""));
        let what = first.rsplit_once(' ').map_or(first, |(what, _)| what);
        let reply = reply(what);
        if reply == Reply::Forbidden {
            return client.write_all(forbidden(what).as_bytes());
        }
        let mut lab: SocketAddr = self.lab.parse().map_err(io::Error::other)?;
        lab.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        let mut lab = TcpStream::connect(lab)?;
        // One request a connection: where its answer ends need not be known here.
        let kept = others.lines().filter(|line| !line.to_lowercase().starts_with("connection:"));
        let others: String = kept.map(|line| format!("{line}\r\n")).collect();
        write!(lab, "{first}\r\n{others}Connection: close\r\n\r\n")?;
        lab.write_all(&body)?;
        if reply == Reply::Late {
            let mut answer = Vec::new();
            lab.read_to_end(&mut answer)?;
            self.held.fetch_add(1, Ordering::SeqCst);
            thread::sleep(self.hold);
            self.given.fetch_add(1, Ordering::SeqCst);
            return client.write_all(&answer);
        }
        if reply == Reply::LongAgo {
            let (mut lab, mut line) = (BufReader::new(lab), Vec::new());
            while lab.read_until(b'\n', &mut line)? > 0 {
                client.write_all(&a_year_earlier(&line))?;
                line.clear();
            }
            return Ok(());
        }
        io::copy(&mut lab, &mut client).map(drop)
    }
}

/// Time stamps such as `2026-11-23T…` with a year before, and no byte more or less.
fn a_year_earlier(line: &[u8]) -> Vec<u8> {
    const STAMP: &[u8] = b"0000-00-00T";
    let mut line = line.to_vec();
    let fits = |(byte, like): (&u8, &u8)| byte == like || *like == b'0' && byte.is_ascii_digit();
    for place in 0..line.len().saturating_sub(STAMP.len()) {
        let stamp = &line[place..place + STAMP.len()];
        if stamp.iter().zip(STAMP).all(fits) && stamp[3] > b'0' {
            line[place + 3] -= 1;
        }
    }
    line
}

/// What an API server answers to an account without the right.
fn forbidden(what: &str) -> String {
    let resource = what.rsplit('/').next().unwrap_or_default();
    let resource = resource.split('?').next().unwrap_or_default();
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403,
        "reason": "Forbidden",
        "message": format!(
            "{resource} is forbidden: User \"ci\" cannot list resource \"{resource}\" in API group \"\" in the namespace \"lab\""
        ),
    })
    .to_string();
    format!(
        "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{status}",
        status.len()
    )
}

/// The head of a request, without its blank line, and its body; none when there is no request.
pub(super) fn read(client: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
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
