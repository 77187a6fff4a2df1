//! Seeing: pages are scraped, pods and events are watched, and what was seen is handed on as
//! owned rows over one bounded channel, in order of arrival.
//!
//! This is where async ends. Nothing here judges, and nothing here writes to the systems it
//! looks at. Times of our own are from the run's clock; times that others give are turned into
//! [`Time`] here and nowhere else.

mod answer;
mod clocks;
#[cfg(test)]
mod crowd;
mod discovery;
mod events;
pub mod exposition;
pub mod families;
mod file_sd;
mod groups;
mod held;
#[cfg(test)]
mod hostile;
mod http;
#[cfg(test)]
mod https;
mod kubernetes;
mod open_files;
mod outlet;
pub mod page;
mod pod_targets;
mod pods;
mod relabel;
mod scrape;
mod secrets;
mod staleness;
mod target;
mod targets;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod transcript;
mod watch;

use std::{sync::Arc, time::Duration};

use reqwest::Url;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

pub use http::ScrapeFailure;
pub use kubernetes::{cluster_address, kubernetes_client};

pub(crate) use answer::words;

use discovery::Discovery;
use file_sd::Files;
use http::Http;
use kubernetes::Cluster;
use open_files::OpenFiles;
use outlet::Outlet;
use pod_targets::{LivesAndTargets, PodDiscovery};
use pods::PodFold;
use relabel::Relabel;
use scrape::Scraper;
use target::{Target, shown};
use targets::Targets;

use crate::{
    clock::Clock,
    frame::{BadLine, BlindSpan, EventRow, PodRow, RawRow, SourceNote},
    hypothesis::model::{KubernetesSource, MetricsSource, ScrapeSource, Sources},
    number::length,
    sample::Labels,
    time::Time,
};

/// What a collector saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A scrape, good or failed.
    Scrape(ScrapeSeen),
    /// A target is no longer named by its discovery: its series end here.
    TargetGone {
        /// Its address, without secrets.
        target: String,
        /// When.
        at: Time,
        /// The stale markers.
        rows: Vec<RawRow>,
    },
    /// The whole life of a pod so far; replaces the row of its uid.
    Pod(PodRow),
    /// Occurrences of an event.
    Event(EventRow),
    /// A watch sees nothing. Sent when the span begins, without an end, and once more when it ends.
    Blind(BlindSpan),
    /// A discovery could not be asked, or named something that cannot be followed.
    DiscoveryFailed {
        /// Its address, without secrets.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// Each watch gave its first full list, or was refused for lack of permission. What comes
    /// after this was seen as it happened. Sent once, when there is a cluster to watch.
    Connected,
}

/// What one scrape gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScrapeSeen {
    /// The target's address, without secrets.
    pub target: String,
    /// When the scrape began.
    pub at: Time,
    /// Its samples, stale markers and the series about the scrape itself.
    pub rows: Vec<RawRow>,
    /// Why it gave no samples, when it failed.
    pub failed: Option<ScrapeFailure>,
    /// How many lines could not be read.
    pub bad_lines: u64,
    /// The first of them.
    pub bad_line_examples: Vec<BadLine>,
    /// What is odd about the page though every line can be read; said once for a target.
    pub notes: Vec<String>,
}

/// A source that cannot be observed at all.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// An address that makes no target or discovery.
    #[error("`{address}` cannot be scraped: {why}")]
    Address {
        /// The address, without secrets where it could be read.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that a source names and that cannot be used.
    #[error("`{key}` `{path}` cannot be used: {why}")]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// This version collects from targets only.
    #[error("collecting from the Prometheus server `{server}` is not possible in this version")]
    PrometheusServer {
        /// Its address, without secrets.
        server: String,
    },
    /// The HTTP client could not be made.
    #[error("no HTTP client could be made")]
    HttpClient(#[source] reqwest::Error),
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig {place} cannot be used: {why}")]
    Kubeconfig {
        /// Which file, in words.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// No way to a cluster was given or found.
    #[error("no cluster is configured: {why}")]
    NoCluster {
        /// What was looked for.
        why: String,
    },
    /// The cluster did not answer, or did not let us in.
    #[error("the cluster at `{server}` did not answer: {why}")]
    Cluster {
        /// Its address.
        server: String,
        /// What happened.
        why: String,
    },
}

impl CollectError {
    /// What may help, for a line of its own under the error.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Address { .. } => {
                Some("a target is the full URL of a page: `http://127.0.0.1:9100/metrics`")
            }
            Self::File { .. } => Some("a relative path begins where `homeostat` is started"),
            Self::PrometheusServer { .. } => {
                Some("name the targets under `sources.scrape` instead")
            }
            Self::HttpClient(_) => None,
            Self::Kubeconfig { .. } => {
                Some("`kubectl --kubeconfig FILE config get-contexts` shows what it holds")
            }
            Self::NoCluster { .. } => {
                Some("give `sources.kubernetes.kubeconfig` or set `KUBECONFIG`")
            }
            Self::Cluster { .. } => Some(
                "`kubectl get pods` with the same kubeconfig and context shows whether it answers",
            ),
        }
    }
}

/// Sees all that the sources of a hypothesis show, until it is stopped.
#[derive(Debug)]
pub struct Collector {
    outlet: Outlet,
    tasks: TaskTracker,
    notes: Vec<SourceNote>,
}

impl Collector {
    /// Begins to look. What is seen goes into `seen`; while its reader is behind, the collector
    /// waits.
    ///
    /// A source that can never be observed is an error here. One that fails later, or a target
    /// that is not up yet, is something that was seen.
    pub async fn start(
        sources: &Sources,
        clock: Clock,
        seen: mpsc::Sender<Seen>,
    ) -> Result<Self, CollectError> {
        let mut collector =
            Self { outlet: Outlet::new(seen), tasks: TaskTracker::new(), notes: Vec::new() };
        // All that may refuse is asked first: then nothing was begun.
        let cluster = match &sources.kubernetes {
            Some(source) => {
                let cluster = Cluster::of(source).await?;
                cluster.answers(&source.namespace).await?;
                Some((cluster, source))
            }
            None => None,
        };
        let scraping = match &sources.metrics {
            Some(MetricsSource::Scrape(source)) => Some(collector.prepare(source, &clock)?),
            Some(MetricsSource::Prometheus(source)) => {
                let server = Url::parse(&source.url).map_or_else(|_| "?".to_owned(), |u| shown(&u));
                return Err(CollectError::PrometheusServer { server });
            }
            None => None,
        };
        if let Some((cluster, source)) = cluster {
            collector.watch(cluster, source, scraping.as_ref(), &clock);
        }
        if let Some(scraping) = scraping {
            collector.scrape(scraping)?;
        }
        Ok(collector)
    }

    /// What is looked at, without secrets.
    pub fn sources(&self) -> Vec<SourceNote> {
        self.notes.clone()
    }

    /// Ends all looking and hands over what is left to say. Keep reading the channel meanwhile:
    /// what finds no room in it within two seconds is lost.
    pub async fn stop(self) {
        self.outlet.stop();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Checks all that a source names before anything of it is asked.
    fn prepare(&self, source: &ScrapeSource, clock: &Clock) -> Result<Scraping, CollectError> {
        let trusted = source.ca_file.as_deref().map(secrets::certificates).transpose()?;
        if let Some(path) = &source.bearer_token_file {
            secrets::token(path)?;
        }
        let relabel = Relabel::of(source);
        let mut fixed = Vec::new();
        for address in &source.targets {
            let url = parsed(address)?;
            let target = relabel.target(url, Labels::default());
            fixed.extend(target.map_err(|why| refused(address, why))?);
        }
        let http_sd =
            source.http_sd.iter().map(|address| parsed(address)).collect::<Result<_, _>>()?;
        let mut file_sd = Vec::new();
        for pattern in &source.file_sd {
            file_sd.push((pattern.clone(), Files::open(pattern, relabel.clone())?));
        }
        let http = Http::new(trusted).map_err(CollectError::HttpClient)?;
        let scraper = Scraper {
            http,
            source: Arc::new(source.clone()),
            clock: clock.clone(),
            outlet: self.outlet.clone(),
        };
        let targets = Targets::new(scraper.clone(), self.tasks.clone(), OpenFiles::raise());
        Ok(Scraping { scraper, targets, relabel, fixed, http_sd, file_sd })
    }

    /// Begins to watch a cluster, and to scrape those of its pods that are named.
    fn watch(
        &mut self,
        cluster: Cluster,
        source: &KubernetesSource,
        scraping: Option<&Scraping>,
        clock: &Clock,
    ) {
        let (outlet, tasks, namespace) = (&self.outlet, &self.tasks, &source.namespace);
        let lives = PodFold::default();
        match scraping.filter(|scraping| !scraping.scraper.source.pods.is_empty()) {
            None => kubernetes::follow(cluster.client, namespace, clock, outlet, tasks, lives),
            Some(scraping) => {
                let pods = scraping.scraper.source.pods.clone();
                for one in &pods {
                    let detail = format!("{}, {}", one.selector, scraping.every());
                    self.notes.push(note("pods", cluster.server.clone(), detail));
                }
                let (targets, relabel) = (scraping.targets.clone(), scraping.relabel.clone());
                let targets = PodDiscovery::new(pods, targets, relabel);
                let fold = LivesAndTargets { lives, targets };
                kubernetes::follow(cluster.client, namespace, clock, outlet, tasks, fold);
            }
        }
        let detail = format!("namespace {namespace}");
        self.notes.push(note("kubernetes", cluster.server, detail));
    }

    /// Begins to scrape, and to ask the discoveries.
    fn scrape(&mut self, scraping: Scraping) -> Result<(), CollectError> {
        let every = scraping.every();
        let Scraping { scraper, targets, relabel, fixed, http_sd, file_sd } = scraping;
        let ScrapeSource { interval, timeout, .. } = *scraper.source;
        for target in fixed {
            let address = target.name();
            // A fixed target is never gone, so it is never released.
            if let Err(why) = targets.follow(&target) {
                return Err(CollectError::Address { address, why: why.to_string() });
            }
            self.notes.push(note("scrape", address, every.clone()));
        }
        let discovery =
            |name: String| Discovery::new(name, interval, targets.clone(), self.outlet.clone());
        for url in http_sd {
            let (name, http) = (shown(&url), scraper.http.clone());
            self.notes.push(note("http_sd", name.clone(), every.clone()));
            // An interval can be shorter than any discovery takes.
            let timeout = timeout.max(Duration::from_secs(1));
            self.tasks.spawn(discovery(name).ask(http, url, timeout, relabel.clone()));
        }
        for (name, files) in file_sd {
            self.notes.push(note("file_sd", name.clone(), every.clone()));
            self.tasks.spawn(discovery(name).look(files));
        }
        Ok(())
    }
}

/// A source of targets, checked and not yet begun.
struct Scraping {
    scraper: Scraper,
    targets: Targets,
    relabel: Relabel,
    fixed: Vec<Target>,
    http_sd: Vec<Url>,
    file_sd: Vec<(String, Files)>,
}

impl Scraping {
    fn every(&self) -> String {
        format!("every {}", length(self.scraper.source.interval))
    }
}

fn note(kind: &str, address: String, detail: String) -> SourceNote {
    SourceNote { kind: kind.to_owned(), address, detail }
}

fn parsed(address: &str) -> Result<Url, CollectError> {
    Url::parse(address).map_err(|error| refused(address, error.to_string()))
}

impl Drop for Collector {
    /// A collector that is dropped stops looking, too; only its last words are not waited for.
    fn drop(&mut self) {
        self.outlet.stop();
    }
}

fn refused(address: &str, why: String) -> CollectError {
    let address = Url::parse(address).map_or_else(|_| address.to_owned(), |url| shown(&url));
    CollectError::Address { address, why }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use axum::{
        Router,
        body::Body,
        extract::State,
        http::{StatusCode, Uri, header},
        response::{IntoResponse, Response},
    };
    use tokio::sync::watch;

    use super::*;
    use crate::sample::is_stale;

    /// 64 KiB of `#` and newlines, by gzip: a page of comments that is small on the wire.
    const BOMB: &[u8] = &[
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xed, 0xc2, 0x31, 0x0d, 0x00,
        0x00, 0x00, 0xc3, 0xa0, 0x7f, 0x36, 0xea, 0xdf, 0xe3, 0x8c, 0x10, 0x68, 0x01, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0xc0, 0x0e, 0xd5, 0xd3, 0x4e, 0xb4, 0x00, 0x00, 0x01, 0x00,
    ];

    /// What the server answers now, by path.
    type Pages = BTreeMap<&'static str, Page>;

    #[derive(Clone)]
    enum Page {
        Text(String),
        Html,
        Status(StatusCode),
        Never,
        Bomb,
    }

    async fn answer(State(pages): State<watch::Receiver<Pages>>, uri: Uri) -> Response {
        let page = pages.borrow().get(uri.path()).cloned();
        match page {
            None => StatusCode::NOT_FOUND.into_response(),
            Some(Page::Text(text)) => text.into_response(),
            Some(Page::Html) => {
                ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], "up 1\n").into_response()
            }
            Some(Page::Status(status)) => (status, "up 1\n").into_response(),
            Some(Page::Never) => std::future::pending().await,
            Some(Page::Bomb) => {
                ([(header::CONTENT_ENCODING, "gzip")], Body::from(BOMB)).into_response()
            }
        }
    }

    /// A server on loopback, a collector that looks at it, and what it saw.
    struct Scene {
        pages: watch::Sender<Pages>,
        base: String,
        seen: mpsc::Receiver<Seen>,
        collector: Collector,
    }

    impl Scene {
        async fn of(pages: impl IntoIterator<Item = (&'static str, Page)>) -> Self {
            let (pages, asked) = watch::channel(Pages::from_iter(pages));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
            let app = Router::new().fallback(answer).with_state(asked);
            tokio::spawn(async move { axum::serve(listener, app).await });
            let discovers = pages.borrow().contains_key("/sd");
            // Short only where it is to run out, so that a busy machine fails no other test.
            let hangs = pages.borrow().values().any(|page| matches!(page, Page::Never));
            let timeout = if hangs { Duration::from_millis(100) } else { Duration::from_secs(20) };
            // What is discovered is written by the test, which does not know the port.
            pages.send_modify(|pages| {
                for page in pages.values_mut() {
                    if let Page::Text(text) = page {
                        *text = text.replace("BASE", &base);
                    }
                }
            });
            let at = |path: &str| vec![format!("http://user:pass@{base}{path}")];
            let source = timed(
                if discovers { Vec::new() } else { at("/metrics") },
                if discovers { at("/sd?token=secret") } else { Vec::new() },
                timeout,
            );
            let (sender, seen) = mpsc::channel(64);
            let collector = Collector::start(&source, Clock::system(), sender).await.unwrap();
            Self { pages, base, seen, collector }
        }

        fn set(&self, path: &'static str, page: Page) {
            self.pages.send_modify(|pages| drop(pages.insert(path, page)));
        }

        async fn next(&mut self) -> Seen {
            tokio::time::timeout(Duration::from_secs(20), self.seen.recv()).await.unwrap().unwrap()
        }

        async fn scrape(&mut self) -> ScrapeSeen {
            loop {
                if let Seen::Scrape(scrape) = self.next().await {
                    return scrape;
                }
            }
        }
    }

    fn source(targets: Vec<String>, http_sd: Vec<String>) -> Sources {
        timed(targets, http_sd, Duration::from_secs(20))
    }

    fn timed(targets: Vec<String>, http_sd: Vec<String>, timeout: Duration) -> Sources {
        let interval = Duration::from_millis(50);
        let scrape = ScrapeSource { http_sd, interval, timeout, ..testing::targets(targets) };
        Sources { metrics: Some(MetricsSource::Scrape(scrape)), kubernetes: None }
    }

    /// `series value`, the port and the scraper's own durations left out.
    fn said(rows: &[RawRow], base: &str) -> Vec<String> {
        let timed = |row: &&RawRow| row.labels.metric() != "scrape_duration_seconds";
        rows.iter()
            .filter(timed)
            .map(|row| {
                let value =
                    if is_stale(row.value) { "stale".into() } else { row.value.to_string() };
                format!("{} {value}", row.labels).replace(base, "BASE")
            })
            .collect()
    }

    #[tokio::test]
    async fn a_good_page_becomes_rows_of_the_target() {
        let text = "# TYPE a counter\na{job=\"own\"} 1\n<oops>\nb 2\n".to_owned();
        let mut scene = Scene::of([("/metrics", Page::Text(text))]).await;
        let scrape = scene.scrape().await;
        let of = "instance=\"BASE\",job=\"scrape\"";
        assert_eq!(
            said(&scrape.rows, &scene.base),
            [
                format!("a{{exported_job=\"own\",{of}}} 1"),
                format!("b{{{of}}} 2"),
                format!("up{{{of}}} 1"),
                format!("scrape_samples_scraped{{{of}}} 2"),
            ]
        );
        assert!(scrape.rows.iter().all(|row| row.time == scrape.at));
        assert_eq!((scrape.failed, scrape.bad_lines), (None, 1));
        let bad = &scrape.bad_line_examples[0];
        assert_eq!((bad.line, bad.text.as_str(), bad.at), (3, "<oops>", scrape.at));
        scene.collector.stop().await;
    }

    #[track_caller]
    fn is_down(scrape: &ScrapeSeen, class: &str) {
        let up = scrape.rows.iter().find(|row| row.labels.metric() == "up").unwrap();
        let failed = scrape.failed.as_ref().map(ScrapeFailure::class);
        assert_eq!((failed, up.value.to_bits()), (Some(class), 0f64.to_bits()));
    }

    async fn check_failure(page: Page, class: &str) {
        let mut scene = Scene::of([("/metrics", page)]).await;
        is_down(&scene.scrape().await, class);
    }

    #[tokio::test]
    async fn what_is_not_a_page_of_samples_is_a_failed_scrape() {
        check_failure(Page::Html, "not_exposition").await;
        check_failure(Page::Text("<!DOCTYPE html>\n".to_owned()), "not_exposition").await;
        check_failure(Page::Status(StatusCode::INTERNAL_SERVER_ERROR), "status").await;
        check_failure(Page::Never, "timeout").await;
    }

    #[tokio::test]
    async fn a_page_may_have_as_many_bytes_as_allowed_and_not_one_more() {
        let page = |bytes: usize| Page::Text(format!("a 1\n#{}", "x".repeat(bytes - 5)));
        let mut scene = Scene::of([("/metrics", page(4096))]).await;
        assert_eq!(scene.scrape().await.failed, None);
        check_failure(page(4097), "too_large").await;
    }

    #[tokio::test]
    async fn a_page_that_grows_by_unpacking_is_too_large() {
        assert!(BOMB.len() < 4096);
        check_failure(Page::Bomb, "too_large").await;
    }

    #[tokio::test]
    async fn a_target_where_nobody_listens_is_refused() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/metrics", listener.local_addr().unwrap());
        drop(listener);
        let (sender, mut seen) = mpsc::channel(8);
        let sources = source(vec![address], Vec::new());
        let _collector = Collector::start(&sources, Clock::system(), sender).await.unwrap();
        let Some(Seen::Scrape(scrape)) = seen.recv().await else { panic!("a scrape") };
        is_down(&scrape, "refused");
    }

    #[tokio::test]
    async fn a_failed_scrape_ends_the_series_of_the_one_before() {
        let mut scene = Scene::of([("/metrics", Page::Text("a 1\n".to_owned()))]).await;
        while scene.scrape().await.failed.is_some() {}
        scene.set("/metrics", Page::Status(StatusCode::BAD_GATEWAY));
        let failed = loop {
            let scrape = scene.scrape().await;
            if scrape.failed.is_some() {
                break scrape;
            }
        };
        assert_eq!(said(&failed.rows, &scene.base)[0], "a{instance=\"BASE\",job=\"scrape\"} stale");
    }

    const DISCOVERED: &str = r#"[{"targets":["BASE"],"labels":{"job":"api"}}]"#;

    #[tokio::test]
    async fn a_target_that_discovery_drops_ends_with_all_its_series() {
        let page = Page::Text("a 1\n".to_owned());
        let mut scene =
            Scene::of([("/sd", Page::Text(DISCOVERED.to_owned())), ("/metrics", page)]).await;
        while scene.scrape().await.failed.is_some() {}
        scene.set("/sd", Page::Text("[]".to_owned()));
        let rows = loop {
            if let Seen::TargetGone { rows, .. } = scene.next().await {
                break rows;
            }
        };
        let of = "instance=\"BASE\",job=\"api\"";
        assert_eq!(
            said(&rows, &scene.base),
            [
                format!("a{{{of}}} stale"),
                format!("scrape_samples_scraped{{{of}}} stale"),
                format!("up{{{of}}} stale"),
            ]
        );
    }

    #[tokio::test]
    async fn a_discovery_that_fails_keeps_its_targets_and_is_said() {
        let page = Page::Text("a 1\n".to_owned());
        let mut scene =
            Scene::of([("/sd", Page::Text(DISCOVERED.to_owned())), ("/metrics", page)]).await;
        while scene.scrape().await.failed.is_some() {}
        scene.set("/sd", Page::Status(StatusCode::SERVICE_UNAVAILABLE));
        let mut failures = Vec::new();
        while failures.len() < 2 {
            let seen = scene.next().await;
            assert!(!matches!(seen, Seen::TargetGone { .. }), "the target was dropped");
            if let Seen::DiscoveryFailed { address, why } = seen {
                failures.push((address, why));
            }
        }
        let want = (format!("http://{}/sd", scene.base), "answered with status 503".to_owned());
        assert_eq!(failures, [want.clone(), want]);
        assert_eq!(scene.scrape().await.failed, None);
    }

    #[tokio::test]
    async fn stopping_is_prompt_even_when_a_target_hangs_and_nobody_reads() {
        let mut scene = Scene::of([("/metrics", Page::Text("a 1\n".to_owned()))]).await;
        scene.scrape().await;
        scene.set("/metrics", Page::Never);
        drop(scene.seen);
        tokio::time::timeout(Duration::from_secs(10), scene.collector.stop()).await.unwrap();
    }

    #[tokio::test]
    async fn sources_are_noted_without_their_secrets() {
        let scene = Scene::of([("/sd", Page::Text("[]".to_owned()))]).await;
        let note = scene.collector.sources().remove(0);
        assert_eq!((note.kind.as_str(), note.detail.as_str()), ("http_sd", "every 50 ms"));
        assert_eq!(note.address, format!("http://{}/sd", scene.base));
    }

    async fn check_refused(sources: &Sources, want: &str) {
        let (sender, _seen) = mpsc::channel(1);
        let error = Collector::start(sources, Clock::system(), sender).await.unwrap_err();
        assert_eq!(error.to_string(), want);
        assert!(error.hint().is_some());
    }

    #[tokio::test]
    async fn a_source_that_can_never_be_observed_is_an_error() {
        let twice = vec!["http://h:1/a?x=1".to_owned(), "http://h:1/a?x=2".to_owned()];
        check_refused(
            &source(twice, Vec::new()),
            "`http://h:1/a` cannot be scraped: another target has the same labels",
        )
        .await;
        let file = |change: fn(&mut ScrapeSource)| {
            let mut source = testing::targets(Vec::new());
            change(&mut source);
            Sources { metrics: Some(MetricsSource::Scrape(source)), kubernetes: None }
        };
        for (sources, want) in [
            (
                file(|source| source.file_sd = vec!["/nowhere/t.json".to_owned()]),
                "`file_sd` `/nowhere/t.json` cannot be used: `/nowhere/t.json`: there is no such file",
            ),
            (
                file(|source| source.ca_file = Some("/".to_owned())),
                "`ca_file` `/` cannot be used: not a regular file",
            ),
            (
                file(|source| source.bearer_token_file = Some("/".to_owned())),
                "`bearer_token_file` `/` cannot be used: not a regular file",
            ),
        ] {
            check_refused(&sources, want).await;
        }
        check_refused(
            &source(vec!["ftp://me:pass@h/".to_owned()], Vec::new()),
            "`ftp://h/` cannot be scraped: `ftp` is neither http nor https",
        )
        .await;
        let server = crate::hypothesis::model::PrometheusSource {
            url: "http://me:pass@p:9090".to_owned(),
            bearer_token_file: None,
        };
        let sources =
            Sources { metrics: Some(MetricsSource::Prometheus(server)), kubernetes: None };
        check_refused(&sources, "collecting from the Prometheus server `http://p:9090/` is not possible in this version").await;
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let source = KubernetesSource {
            namespace: "n".to_owned(),
            kubeconfig: Some("/nowhere/kubeconfig".to_owned()),
            context: None,
        };
        let error = kubernetes_client(&source).await.err().unwrap().to_string();
        assert!(
            error.starts_with("the kubeconfig `/nowhere/kubeconfig` cannot be used: "),
            "{error}"
        );
    }
}
