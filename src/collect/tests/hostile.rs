//! Targets that mean no good: each is a failed scrape with a class of its own, in bounded time
//! and memory. The servers speak raw TCP, since no HTTP library would say such things.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::{
    clock::Clock,
    collect::{
        Collector,
        prometheus::Asked,
        scrape::testing,
        seen::{ScrapeFailure, ScrapeSeen, Seen},
    },
    hypothesis::model::{MetricsSource, ScrapeSource, Sources},
};

/// What a server says to each that connects, after it was asked.
#[derive(Clone)]
enum Says {
    /// This, and then it hangs up.
    Once(Vec<u8>),
    /// This, and then nothing more, without ever hanging up.
    AndHangs(Vec<u8>),
    /// The first, and then the second again and again.
    Endlessly(Vec<u8>, Vec<u8>),
    /// The same, a piece at a time with a pause before each.
    Trickling(Vec<u8>, Vec<u8>),
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

fn once(text: impl AsRef<[u8]>) -> Says {
    Says::Once(text.as_ref().to_vec())
}

fn endlessly(head: &str, then: &str) -> Says {
    Says::Endlessly(head.into(), then.into())
}

/// A server; every connection is told of in `asked`.
async fn server(says: Says) -> (String, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (asking, asked) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // The test may look at the first alone, or at none: then there is no room.
            asking.try_send(()).unwrap_or_default();
            tokio::spawn(say(stream, says.clone()));
        }
    });
    (address, asked)
}

/// Ends, too, when the other side hangs up.
async fn say(mut stream: TcpStream, says: Says) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await?;
    match says {
        Says::Once(text) => stream.write_all(&text).await,
        Says::AndHangs(text) => {
            stream.write_all(&text).await?;
            std::future::pending().await
        }
        Says::Endlessly(head, then) => {
            stream.write_all(&head).await?;
            loop {
                stream.write_all(&then).await?;
            }
        }
        Says::Trickling(head, then) => {
            stream.write_all(&head).await?;
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                stream.write_all(&then).await?;
            }
        }
    }
}

async fn scrape(source: ScrapeSource) -> ScrapeSeen {
    let (sender, mut seen) = mpsc::channel(8);
    let sources = Sources { metrics: Some(MetricsSource::Scrape(source)), kubernetes: None };
    let _collector =
        Collector::start(&sources, &Asked::default(), Clock::system(), sender).await.unwrap();
    let next = tokio::time::timeout(Duration::from_secs(30), seen.recv()).await;
    let Some(Seen::Scrape(scrape)) = next.expect("it hangs") else { panic!("no scrape") };
    scrape
}

/// What a scrape of a server came to, with these limits.
async fn check_with(says: Says, change: impl FnOnce(&mut ScrapeSource), class: &str) {
    let (address, _asked) = server(says).await;
    let mut source = testing::targets(vec![format!("http://{address}/metrics")]);
    change(&mut source);
    let scrape = scrape(source).await;
    let up = scrape.rows.iter().find(|row| row.labels.metric() == "up").unwrap();
    assert_eq!(
        scrape.failed.as_ref().map(ScrapeFailure::class),
        Some(class),
        "{:?}",
        scrape.failed
    );
    assert_eq!(up.value.to_bits(), 0f64.to_bits());
}

async fn check(says: Says, class: &str) {
    check_with(says, |_| (), class).await;
}

/// For servers that never come to an end.
async fn check_in_time(says: Says) {
    check_with(says, |source| source.timeout = Duration::from_millis(200), "timeout").await;
}

#[tokio::test]
async fn a_page_without_end_is_too_large() {
    check(endlessly(&format!("{OK}\r\n"), &"a 1\n".repeat(1000)), "too_large").await;
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
    check(endlessly(&chunked, "4\r\na 1\n\r\n"), "too_large").await;
}

#[tokio::test]
async fn a_line_of_a_hundred_megabytes_is_too_large() {
    let head = format!("{OK}Content-Length: 100000000\r\n\r\na{{b=\"");
    check_with(endlessly(&head, &"x".repeat(1 << 16)), |s| s.size_limit = 1 << 20, "too_large")
        .await;
}

#[tokio::test]
async fn a_million_series_are_too_many_samples() {
    let page: String = (0..1_000_000).map(|n| format!("a{{b=\"{n}\"}} 1\n")).collect();
    let says = once(format!("{OK}Content-Length: {}\r\n\r\n{page}", page.len()));
    let large = |source: &mut ScrapeSource| {
        source.size_limit = 64 << 20;
        source.sample_limit = 100_000;
    };
    check_with(says, large, "too_many_samples").await;
}

#[tokio::test]
async fn a_page_has_as_many_samples_as_allowed_and_not_one_more() {
    let page = |samples: usize| once(format!("{OK}\r\n{}", "a 1\n".repeat(samples)));
    check_with(page(3), |s| s.sample_limit = 2, "too_many_samples").await;
    let (address, _asked) = server(page(3)).await;
    let mut source = testing::targets(vec![format!("http://{address}/metrics")]);
    source.sample_limit = 3;
    assert_eq!(scrape(source).await.failed, None);
}

#[tokio::test]
async fn what_never_comes_to_an_end_is_a_timeout() {
    let head = format!("{OK}\r\n");
    check_in_time(Says::AndHangs(Vec::new())).await;
    check_in_time(Says::AndHangs("HTTP/1.1 200 OK\r\nContent-Ty".into())).await;
    check_in_time(Says::AndHangs(format!("{head}a 1\n").into())).await;
    check_in_time(Says::Trickling(head.into(), "a 1\n".into())).await;
    check_in_time(Says::Trickling("HTTP/1.1 200 OK\r\n".into(), "A: b\r\n".into())).await;
    check_in_time(Says::Trickling(Vec::new(), "HTTP/1.1 100 Continue\r\n\r\n".into())).await;
}

#[tokio::test]
async fn an_answer_that_is_cut_or_no_http_is_broken() {
    for says in [
        once(format!("{OK}Content-Length: 100\r\n\r\na 1\n")),
        once(format!("{OK}Transfer-Encoding: chunked\r\n\r\nff\r\na 1\n")),
        once(format!("{OK}Transfer-Encoding: chunked\r\n\r\nnonsense\r\na 1\n")),
        once(format!("{OK}Content-Encoding: gzip\r\n\r\nnot gzip at all")),
        once("HTTP/1.1 200 OK\r\nContent-Le"),
        once(""),
        once("a 1\nb 2\n"),
        once("SSH-2.0-OpenSSH_9.2\r\n"),
        once([0; 64]),
        endlessly("HTTP/1.1 200 OK\r\n", &"X: y\r\n".repeat(100)),
    ] {
        check(says, "broken").await;
    }
}

#[tokio::test]
async fn what_says_that_it_is_something_else_is_not_exposition() {
    for kind in ["text/html", "application/json", "application/octet-stream", "nonsense"] {
        let says = once(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\na 1\n"));
        check(says, "not_exposition").await;
    }
}

#[tokio::test]
async fn plain_text_is_no_tls() {
    let (address, _asked) = server(once(format!("{OK}\r\na 1\n"))).await;
    let scrape = scrape(testing::targets(vec![format!("https://{address}/metrics")])).await;
    assert_eq!(scrape.failed.unwrap().class(), "unreachable");
}

fn moved(to: &str) -> Says {
    once(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
}

#[tokio::test]
async fn a_redirect_in_circles_is_not_followed_forever() {
    check(moved("/metrics"), "redirect").await;
}

#[tokio::test]
async fn a_redirect_to_another_place_is_not_followed_and_named_without_its_secrets() {
    let (inside, mut asked) = server(once(format!("{OK}\r\na 1\n"))).await;
    for to in [format!("http://{inside}/admin?token=x"), format!("//me:pass@{inside}/admin")] {
        let (address, _asked) = server(moved(&to)).await;
        let seen = scrape(testing::targets(vec![format!("http://{address}/metrics")])).await;
        let want = format!(
            "redirects to another place, `http://{inside}/admin`: name that one if it is meant"
        );
        assert_eq!(seen.failed, Some(ScrapeFailure::Redirect(want)));
    }
    assert!(asked.try_recv().is_err(), "it was asked");
}

#[tokio::test]
async fn a_target_that_hangs_makes_no_other_late() {
    let (hangs, _asked) = server(Says::AndHangs(Vec::new())).await;
    let (good, _asked) = server(once(format!("{OK}\r\na 1\n"))).await;
    let at = |address: &str| format!("http://{address}/metrics");
    let mut source = testing::targets(vec![at(&hangs), at(&good)]);
    // Longer than the test has: whoever waits for the one that hangs never sees the other.
    source.timeout = Duration::from_secs(600);
    let (sender, mut seen) = mpsc::channel(8);
    let sources = Sources { metrics: Some(MetricsSource::Scrape(source)), kubernetes: None };
    let _collector =
        Collector::start(&sources, &Asked::default(), Clock::system(), sender).await.unwrap();
    for _ in 0..5 {
        let next = tokio::time::timeout(Duration::from_secs(30), seen.recv()).await.unwrap();
        let Some(Seen::Scrape(scrape)) = next else { panic!("{next:?}") };
        assert_eq!((scrape.target, scrape.failed), (at(&good), None));
    }
}
