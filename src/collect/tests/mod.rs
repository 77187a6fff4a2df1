//! The collector against servers that are well, hostile or many.

mod crowd;
mod hostile;
mod https;

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use tokio::sync::watch;

use super::{
    scrape::testing,
    seen::{ScrapeFailure, ScrapeSeen},
    *,
};
use crate::{
    frame::RawRow,
    hypothesis::model::{KubernetesSource, ScrapeSource},
    sample::is_stale,
};

/// 64 KiB of `#` and newlines, by gzip: a page of comments that is small on the wire.
const BOMB: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xed, 0xc2, 0x31, 0x0d, 0x00, 0x00,
    0x00, 0xc3, 0xa0, 0x7f, 0x36, 0xea, 0xdf, 0xe3, 0x8c, 0x10, 0x68, 0x01, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x0e, 0xd5, 0xd3, 0x4e, 0xb4,
    0x00, 0x00, 0x01, 0x00,
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
        let collector =
            Collector::start(&source, &Asked::default(), Clock::system(), sender).await.unwrap();
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
            let value = if is_stale(row.value) { "stale".into() } else { row.value.to_string() };
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
    let _collector =
        Collector::start(&sources, &Asked::default(), Clock::system(), sender).await.unwrap();
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
    let error =
        Collector::start(sources, &Asked::default(), Clock::system(), sender).await.unwrap_err();
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
}

#[tokio::test]
async fn a_kubeconfig_that_is_not_there_is_named() {
    let source = KubernetesSource {
        namespace: "n".to_owned(),
        kubeconfig: Some("/nowhere/kubeconfig".to_owned()),
        context: None,
    };
    let error = kubernetes_client(&source).await.err().unwrap().to_string();
    assert!(error.starts_with("the kubeconfig `/nowhere/kubeconfig` cannot be used: "), "{error}");
}
