//! A way to a Prometheus server that is cut, slow, or answers by itself for a while.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{PrometheusServer, api_proxy::read};

/// What becomes of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// The connection is closed without an answer.
    Closed,
    /// This instead of the server's answer.
    Instead(&'static str),
    /// So many bytes of the server's answer.
    Cut(usize),
    /// The server's answer, so much later.
    Late(Duration),
}

/// Passes queries on, but for some.
pub(crate) struct ServerProxy {
    url: String,
    troubled: Arc<AtomicUsize>,
}

impl ServerProxy {
    /// In front of a server. `trouble` is asked for each query.
    pub(crate) fn start(
        server: &PrometheusServer,
        trouble: impl Fn() -> Option<Trouble> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let address = server.url().trim_start_matches("http://").to_owned();
        let troubled = Arc::new(AtomicUsize::new(0));
        let trouble = Arc::new(trouble);
        thread::spawn({
            let troubled = Arc::clone(&troubled);
            move || {
                for stream in listener.incoming().flatten() {
                    let (address, troubled) = (address.clone(), Arc::clone(&troubled));
                    let trouble = Arc::clone(&trouble);
                    // Whoever hangs up early gets nothing.
                    thread::spawn(move || {
                        let trouble = trouble();
                        troubled.fetch_add(usize::from(trouble.is_some()), Ordering::SeqCst);
                        pass_on(stream, &address, trouble).ok();
                    });
                }
            }
        });
        Self { url, troubled }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How many queries were in trouble.
    pub(crate) fn troubled(&self) -> usize {
        self.troubled.load(Ordering::SeqCst)
    }
}

fn pass_on(mut client: TcpStream, address: &str, trouble: Option<Trouble>) -> io::Result<()> {
    let Some((head, body)) = read(&mut client)? else { return Ok(()) };
    match trouble {
        Some(Trouble::Closed) => return Ok(()),
        Some(Trouble::Instead(answer)) => return client.write_all(answer.as_bytes()),
        Some(Trouble::Cut(_) | Trouble::Late(_)) | None => {}
    }
    let mut server = TcpStream::connect(address)?;
    // One request a connection: where its answer ends need not be known here.
    write!(server, "{head}\r\nConnection: close\r\n\r\n")?;
    server.write_all(&body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    match trouble {
        Some(Trouble::Cut(bytes)) => answer.truncate(bytes),
        Some(Trouble::Late(by)) => thread::sleep(by),
        Some(Trouble::Closed | Trouble::Instead(_)) | None => {}
    }
    client.write_all(&answer)
}
