//! Many targets, named by several discoveries at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use axum::{Router, http::header, routing::get};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use crate::{
    clock::Clock,
    collect::{
        Collector,
        prometheus::Asked,
        scrape::{open_files::OpenFiles, target::Target, testing},
        seen::{ScrapeSeen, Seen},
    },
    hypothesis::model::{MetricsSource, ScrapeSource, Sources},
};

/// Less than the test runner waits.
const DEADLINE: Duration = Duration::from_secs(50);

/// So many servers on loopback, each on a port of its own.
async fn servers(count: usize) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for _ in 0..count {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        let page = || async { ([(header::CONTENT_TYPE, "text/plain")], "a 1\nb{c=\"d\"} 2\n") };
        let app = Router::new().route("/metrics", get(page));
        tokio::spawn(async move { axum::serve(listener, app).await });
    }
    addresses
}

/// A file of targets.
struct File(tempfile::TempDir);

impl File {
    fn of(addresses: &[SocketAddr]) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(addresses);
        file
    }

    fn path(&self) -> String {
        self.0.path().join("targets.json").to_str().unwrap().to_owned()
    }

    /// As a whole, so that no half of it is ever read.
    fn write(&self, addresses: &[SocketAddr]) {
        let group = serde_json::json!([{"targets": addresses, "labels": {"job": "crowd"}}]);
        let new = self.0.path().join("new");
        fs_err::write(&new, group.to_string()).unwrap();
        fs_err::rename(new, self.path()).unwrap();
    }
}

async fn collect(source: ScrapeSource) -> (Collector, mpsc::Receiver<Seen>) {
    collect_into(source, 4096).await
}

/// With room for so many observations that nobody read yet.
async fn collect_into(source: ScrapeSource, room: usize) -> (Collector, mpsc::Receiver<Seen>) {
    let (sender, seen) = mpsc::channel(room);
    let sources = Sources { metrics: Some(MetricsSource::Scrape(source)), kubernetes: None };
    (Collector::start(&sources, &Asked::default(), Clock::system(), sender).await.unwrap(), seen)
}

/// What can be seen without a cluster.
#[derive(Debug)]
enum Told {
    Scrape(ScrapeSeen),
    Gone(String),
    Failed { address: String, why: String },
}

async fn next(seen: &mut mpsc::Receiver<Seen>) -> Told {
    match seen.recv().await.unwrap() {
        Seen::Scrape(scrape) => Told::Scrape(scrape),
        Seen::TargetGone { target, .. } => Told::Gone(target),
        Seen::DiscoveryFailed { address, why } => Told::Failed { address, why },
        other @ (Seen::Pod(_)
        | Seen::Event(_)
        | Seen::Blind(_)
        | Seen::Samples { .. }
        | Seen::Answers { .. }
        | Seen::QueryFailed { .. }
        | Seen::Queries { .. }
        | Seen::Connected) => panic!("{other:?}"),
    }
}

fn page_of(address: &SocketAddr) -> String {
    format!("http://{address}/metrics")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_targets_are_scraped_though_some_never_answer() {
    // A listener, a server's connection and ours, for each.
    if OpenFiles::raise().allowed() < 3500 {
        eprintln!("skipped: too few open files are allowed here");
        return;
    }
    let mut addresses = servers(990).await;
    // They take connections, as any listener does, and nobody ever looks at them.
    let silent: Vec<std::net::TcpListener> =
        (0..10).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let hang: BTreeSet<String> =
        silent.iter().map(|listener| page_of(&listener.local_addr().unwrap())).collect();
    addresses.extend(silent.iter().map(|listener| listener.local_addr().unwrap()));
    let file = File::of(&addresses);
    let mut source = testing::targets(Vec::new());
    source.file_sd = vec![file.path()];
    source.interval = Duration::from_secs(2);
    source.timeout = Duration::from_secs(2);
    let (collector, mut seen) = collect(source).await;

    let mut good: BTreeMap<String, usize> = BTreeMap::new();
    let all_twice = async {
        while good.len() < 990 || good.values().any(|times| *times < 2) {
            match next(&mut seen).await {
                Told::Scrape(scrape) if scrape.failed.is_none() => {
                    assert!(!hang.contains(&scrape.target), "{}", scrape.target);
                    *good.entry(scrape.target).or_default() += 1;
                }
                // On a machine that is very busy, another may not answer in time once.
                Told::Scrape(_) => {}
                other @ (Told::Gone(_) | Told::Failed { .. }) => panic!("{other:?}"),
            }
        }
    };
    timeout(DEADLINE, all_twice).await.expect("not all were scraped");

    // One goes, and only that one's series end.
    let gone = addresses.remove(7);
    file.write(&addresses);
    let ended = async {
        loop {
            match next(&mut seen).await {
                Told::Gone(target) => return target,
                Told::Scrape(_) => {}
                other @ Told::Failed { .. } => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(timeout(DEADLINE, ended).await.unwrap(), page_of(&gone));
    drop(seen);
    timeout(DEADLINE, collector.stop()).await.unwrap();
}

#[tokio::test]
async fn a_target_that_several_name_is_scraped_once_until_the_last_drops_it() {
    let addresses = servers(2).await;
    let file = File::of(&addresses);
    let mut source = testing::targets(vec![page_of(&addresses[0])]);
    source.labels = [("job".to_owned(), "crowd".to_owned())].into();
    source.file_sd = vec![file.path(), file.path().replace("targets", "*")];
    let interval = source.interval;
    let (_collector, mut seen) = collect(source).await;
    let url = page_of(&addresses[0]).parse().unwrap();
    let labels = [("job".to_owned(), "crowd".to_owned())];
    let target = Target::new(url, crate::sample::Labels::new(labels)).unwrap();
    let offset = target.offset(interval);
    let (mut last, mut scrapes, mut dropped) = (0, 0, false);
    let watched = async {
        while scrapes < 10 || !dropped {
            match next(&mut seen).await {
                Told::Scrape(scrape) if scrape.target == page_of(&addresses[0]) => {
                    // A scraper never comes twice in one interval; two would, every time.
                    let interval = i64::try_from(interval.as_millis()).unwrap();
                    let place = scrape.at.minus(offset).as_millis().div_euclid(interval);
                    assert!(place > last, "twice in one interval");
                    last = place;
                    scrapes += 1;
                    if scrapes == 5 {
                        file.write(&[]);
                    }
                }
                Told::Scrape(_) => {}
                // The other, which only the files named, is gone; the fixed one goes on.
                Told::Gone(target) => {
                    assert_eq!(target, page_of(&addresses[1]));
                    assert!(!std::mem::replace(&mut dropped, true));
                    scrapes = scrapes.min(5);
                }
                other @ Told::Failed { .. } => panic!("{other:?}"),
            }
        }
    };
    timeout(DEADLINE, watched).await.unwrap();
}

#[tokio::test]
async fn a_target_under_another_address_follows_its_predecessor_without_a_problem() {
    let addresses = servers(2).await;
    let file = File::of(&[]);
    let write = |address: &SocketAddr| {
        let group = serde_json::json!([{"targets": [address], "labels": {"instance": "a"}}]);
        fs_err::write(file.0.path().join("new"), group.to_string()).unwrap();
        fs_err::rename(file.0.path().join("new"), file.path()).unwrap();
    };
    write(&addresses[0]);
    let mut source = testing::targets(Vec::new());
    source.file_sd = vec![file.path()];
    // Nobody reads, so the predecessor waits with a scrape in its hands while it is replaced. The
    // pauses are time to do wrong; too little of it can hide a mistake and never makes one.
    let (_collector, mut seen) = collect_into(source, 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    write(&addresses[1]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut order = Vec::new();
    let handed_over = async {
        while order.last().is_none_or(|last| *last != "second") || !order.contains(&"gone") {
            order.push(match next(&mut seen).await {
                Told::Scrape(scrape) if scrape.target == page_of(&addresses[0]) => "first",
                Told::Scrape(_) => "second",
                Told::Gone(_) => "gone",
                other @ Told::Failed { .. } => panic!("{other:?}"),
            });
        }
    };
    timeout(DEADLINE, handed_over).await.unwrap();
    order.dedup();
    assert_eq!(order, ["first", "gone", "second"]);
}

#[tokio::test]
async fn a_file_that_becomes_bad_keeps_its_targets_and_is_said() {
    let addresses = servers(1).await;
    let file = File::of(&addresses);
    let mut source = testing::targets(Vec::new());
    source.file_sd = vec![file.path()];
    let (_collector, mut seen) = collect(source).await;
    fs_err::write(file.path(), "[{").unwrap();
    let (mut failures, mut scrapes) = (0, 0);
    let watched = async {
        while failures < 2 || scrapes < 2 {
            match next(&mut seen).await {
                Told::Scrape(scrape) => {
                    assert_eq!(scrape.failed, None);
                    scrapes = if failures == 0 { 0 } else { scrapes + 1 };
                }
                Told::Failed { address, why } => {
                    assert_eq!(address, file.path());
                    assert!(why.contains("targets.json`: not a list of target groups"), "{why}");
                    failures += 1;
                }
                other @ Told::Gone(_) => panic!("{other:?}"),
            }
        }
    };
    timeout(DEADLINE, watched).await.unwrap();
}
