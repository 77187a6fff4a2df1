//! The proxy between homeostat and the lab: discovery, pages and the Kubernetes API, each passed
//! on as it is until the switchboard says how to spoil it.
//!
//! Each target has a door of its own, so that one can be closed alone.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};

use super::{
    api,
    http::{Answer, Request},
    page,
    plan::{ApiFault, DiscoveryFault, PageFault, Whose},
    series::{self, Counts},
    switchboard::{Scrape, Switchboard},
};

/// Between two looks at whether something is broken.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// How long whoever is not answered is kept waiting.
pub(super) const NEVER: Duration = Duration::from_secs(60);

/// A running proxy; it ends when dropped.
pub(super) struct Proxy {
    runtime: Option<Runtime>,
    discovery: SocketAddr,
    api: SocketAddr,
}

/// What a door leads to.
#[derive(Clone, Copy, Debug)]
enum Door {
    Discovery(SocketAddr),
    Api(SocketAddr),
    Target(SocketAddr, Whose),
}

struct House {
    board: Arc<Switchboard>,
    /// The door of each target that discovery has named.
    targets: Mutex<HashMap<SocketAddr, SocketAddr>>,
}

impl Proxy {
    /// Opens the doors to a lab.
    pub(super) fn start(board: Arc<Switchboard>, discovery: SocketAddr, api: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let house = Arc::new(House { board, targets: Mutex::default() });
        let (discovery, api) = runtime.block_on(async {
            let discovery = house.open(Door::Discovery(discovery)).unwrap();
            (discovery, house.open(Door::Api(api)).unwrap())
        });
        Self { runtime: Some(runtime), discovery, api }
    }

    /// Where discovery is.
    pub(super) fn discovery(&self) -> String {
        format!("http://{}/sd", self.discovery)
    }

    /// Writes a kubeconfig that leads here, like the lab's own.
    pub(super) fn kubeconfig(&self, like: &Path, dir: &Path) -> PathBuf {
        let text = fs_err::read_to_string(like).unwrap();
        let server = format!("server: \"http://{}\"", self.api);
        let text = regex::Regex::new(r#"server: *"?[^"},\s]+"?"#).unwrap().replace(&text, &server);
        let file = dir.join("kubeconfig-of-the-proxy");
        fs_err::write(&file, text.as_bytes()).unwrap();
        file
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl House {
    fn open(self: &Arc<Self>, door: Door) -> io::Result<SocketAddr> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        tokio::spawn(Arc::clone(self).keep(listener, door));
        Ok(address)
    }

    /// Lets people in, and is not there while the door is cut.
    async fn keep(self: Arc<Self>, listener: TcpListener, door: Door) {
        let address = listener.local_addr().unwrap();
        let mut open = Some(listener);
        loop {
            if self.is_cut(door) {
                open = None;
                sleep(LOOK).await;
                continue;
            }
            if open.is_none() {
                open = TcpListener::bind(address).await.ok();
            }
            let Some(listener) = &open else {
                sleep(LOOK).await;
                continue;
            };
            if let Ok(Ok((stream, _))) = timeout(LOOK, listener.accept()).await {
                stream.set_nodelay(true).ok();
                let house = Arc::clone(&self);
                // Whoever goes away in between is not missed.
                tokio::spawn(async move { house.serve(stream, door).await.ok() });
            }
        }
    }

    fn is_cut(&self, door: Door) -> bool {
        match door {
            Door::Discovery(_) => self.board.discovery() == Some(DiscoveryFault::Cut),
            Door::Api(_) => self.board.api() == Some(ApiFault::Cut),
            Door::Target(_, whose) => self.board.page(whose) == Some(PageFault::Cut),
        }
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream, door: Door) -> io::Result<()> {
        let Some(request) = Request::read(&mut stream).await? else { return Ok(()) };
        match door {
            Door::Discovery(lab) => self.discover(stream, &request, lab).await,
            Door::Api(lab) => api::serve(&self.board, stream, &request, lab).await,
            Door::Target(target, whose) => self.page(stream, &request, target, whose).await,
        }
    }

    async fn discover(
        self: &Arc<Self>,
        mut stream: TcpStream,
        request: &Request,
        lab: SocketAddr,
    ) -> io::Result<()> {
        let fault = self.board.discovery();
        if fault == Some(DiscoveryFault::Hang) {
            sleep(NEVER).await;
        }
        let mut answer = request.ask(lab).await?;
        let mut groups: Vec<Value> = serde_json::from_slice(&answer.body)?;
        match fault {
            None | Some(DiscoveryFault::Cut | DiscoveryFault::Hang) => {}
            Some(DiscoveryFault::Empty) => groups.clear(),
            Some(DiscoveryFault::Shrunk) => groups.retain(|group| whose(group) == Whose::Pods),
            Some(DiscoveryFault::Status500) => answer.status = 500,
            Some(DiscoveryFault::Garbage) => {
                answer.body = b"<html>[]".to_vec();
                return stream.write_all(&answer.bytes()).await;
            }
        }
        for group in &mut groups {
            let whose = whose(group);
            for target in group["targets"].as_array_mut().into_iter().flatten() {
                let address = target.as_str().and_then(|text| text.parse().ok());
                if let Some(address) = address {
                    *target = self.door_of(address, whose)?.to_string().into();
                }
            }
        }
        answer.body = serde_json::to_vec(&groups)?;
        stream.write_all(&answer.bytes()).await
    }

    fn door_of(self: &Arc<Self>, target: SocketAddr, whose: Whose) -> io::Result<SocketAddr> {
        let known = |house: &Self| {
            house.targets.lock().unwrap_or_else(PoisonError::into_inner).get(&target).copied()
        };
        if let Some(door) = known(self) {
            return Ok(door);
        }
        let door = self.open(Door::Target(target, whose))?;
        // Two that ask at once agree on the first door.
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(*targets.entry(target).or_insert(door))
    }

    async fn page(
        &self,
        mut stream: TcpStream,
        request: &Request,
        target: SocketAddr,
        whose: Whose,
    ) -> io::Result<()> {
        let at = self.board.now();
        let fault = self.board.page(whose);
        if fault == Some(PageFault::Closed) {
            self.asked(whose, at, None);
            return Ok(());
        }
        let mut page = request.ask(target).await;
        if fault == Some(PageFault::Frozen) {
            page = page.map(|page| self.board.keep(target, page));
        }
        let Ok(mut page) = page else {
            self.asked(whose, at, None);
            return page.map(drop);
        };
        let mut counts = series::count(&String::from_utf8_lossy(&page.body));
        if whose == Whose::Gateway {
            let text = String::from_utf8_lossy(&page.body);
            let mut text = series::rewrite(&text, self.board.series(), self.board.has_gone);
            counts = series::count(&text);
            if let Some(stamps) = self.board.stamps() {
                (text, counts) = series::stamp(&text, stamps, at);
            }
            page.body = text.into_bytes();
        }
        counts.total = counts.total.filter(|_| fault.is_none_or(page::is_readable));
        let sent = match fault {
            None | Some(PageFault::Frozen) => stream.write_all(&page.bytes()).await,
            Some(fault) => page::spoil(&mut stream, page, fault).await,
        };
        self.asked(whose, at, sent.is_ok().then_some(counts));
        sent
    }

    fn asked(&self, whose: Whose, at: homeostat::internals::time::Time, counts: Option<Counts>) {
        let (total, errors) = counts.map_or((None, 0.0), |counts| (counts.total, counts.errors));
        match whose {
            Whose::Gateway => self.board.note(Scrape { at, total, errors }),
            Whose::Pods => {}
        }
    }
}

/// Whether a group of targets is the gateway; all others have no check rest on them.
fn whose(group: &Value) -> Whose {
    if group["labels"]["job"] == "gateway" { Whose::Gateway } else { Whose::Pods }
}

/// A page that is not `Connection: close` for real is of no use here.
#[test]
fn an_answer_is_read_as_it_was_written() {
    let answer = Answer::new(200, "text/plain", "a 1\n");
    let text = String::from_utf8(answer.bytes()).unwrap();
    assert!(text.ends_with("content-length: 4\r\n\r\na 1\n"), "{text}");
}
