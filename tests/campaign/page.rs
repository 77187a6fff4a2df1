//! The many ways in which a page of metrics can be wrong.

use std::{fmt::Write as _, io, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

use super::{http::Answer, plan::PageFault, proxy::NEVER};

const TEXT: &str = "text/plain; version=0.0.4";
const ERROR_PAGE: &str =
    "<!doctype html><html><title>502 Bad Gateway</title><body>requests_total 1</body></html>\n";

/// A trickle: so many pieces, so far apart. Together longer than the timeout of a scrape.
const PIECES: usize = 8;
const APART: Duration = Duration::from_millis(250);

/// The sum of the samples whose lines are `such`; none when there is no such line.
pub(super) fn sum(page: &str, such: impl Fn(&str) -> bool) -> Option<f64> {
    let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    page.lines().filter(|line| such(line)).filter_map(value).reduce(|a, b| a + b)
}

/// Whether a page that is spoilt in this way still holds samples that may be taken for true.
pub(super) fn is_readable(fault: PageFault) -> bool {
    match fault {
        PageFault::NoType | PageFault::Frozen | PageFault::Doubled => true,
        PageFault::Cut
        | PageFault::Hang
        | PageFault::Closed
        | PageFault::Short
        | PageFault::ChunkCut
        | PageFault::Torn
        | PageFault::Html
        | PageFault::HtmlAsText
        | PageFault::Protobuf
        | PageFault::OpenMetrics
        | PageFault::NotGzip
        | PageFault::Status500
        | PageFault::Status503
        | PageFault::Garbage
        | PageFault::Empty
        | PageFault::NaN
        | PageFault::OldStamps
        | PageFault::Trickle => false,
    }
}

/// Answers with a page, spoilt.
pub(super) async fn spoil(
    stream: &mut TcpStream,
    mut page: Answer,
    fault: PageFault,
) -> io::Result<()> {
    match fault {
        // A page of a moment ago is chosen by whoever has kept it.
        PageFault::Cut | PageFault::Closed | PageFault::Frozen => return Ok(()),
        PageFault::Hang => {
            sleep(NEVER).await;
            return Ok(());
        }
        PageFault::Short => {
            let text = format!("{}content-length: {}\r\n\r\n", page.head(), page.body.len());
            return write_half(stream, &text, &page).await;
        }
        PageFault::ChunkCut => {
            let length = page.body.len();
            let text = format!("{}transfer-encoding: chunked\r\n\r\n{length:x}\r\n", page.head());
            return write_half(stream, &text, &page).await;
        }
        PageFault::Torn => {
            let text = format!("{}\r\n", page.head());
            return write_half(stream, &text, &page).await;
        }
        PageFault::Trickle => return trickle(stream, &page.bytes()).await,
        PageFault::Html => page = Answer::new(200, "text/html; charset=utf-8", ERROR_PAGE),
        PageFault::HtmlAsText => page = Answer::new(200, TEXT, ERROR_PAGE),
        PageFault::NoType => page.content_type = None,
        PageFault::Protobuf => {
            page.content_type = Some("application/vnd.google.protobuf".to_owned());
        }
        PageFault::OpenMetrics => {
            page.content_type = Some("application/openmetrics-text; version=1.0.0".to_owned());
        }
        PageFault::NotGzip => page.more.push(("content-encoding", "gzip".to_owned())),
        PageFault::Status500 => page.status = 500,
        PageFault::Status503 => page.status = 503,
        PageFault::Garbage => {
            page.body =
                (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        }
        PageFault::Empty => page.body.clear(),
        PageFault::NaN => page.body = each_sample(&page.body, |name, _| format!("{name} NaN\n")),
        PageFault::Doubled => {
            page.body =
                each_sample(&page.body, |name, value| format!("{name} {value}\n{name} 1000000\n"));
        }
        PageFault::OldStamps => {
            // 2026-01-01: older than any run.
            page.body =
                each_sample(&page.body, |name, value| format!("{name} {value} 1767225600000\n"));
        }
    }
    stream.write_all(&page.bytes()).await
}

/// The head, and the first half of the body, which ends within a number.
async fn write_half(stream: &mut TcpStream, head: &str, page: &Answer) -> io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&page.body[..half(&page.body)]).await?;
    stream.shutdown().await
}

/// A place about the middle, just behind the first digit of a value.
fn half(body: &[u8]) -> usize {
    let middle = body.len() / 2;
    let value = |pair: &[u8]| pair[0] == b' ' && pair[1].is_ascii_digit();
    body[middle..].windows(2).position(value).map_or(middle, |place| middle + place + 2)
}

async fn trickle(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(bytes.len().div_ceil(PIECES)) {
        stream.write_all(piece).await?;
        sleep(APART).await;
    }
    Ok(())
}

/// The page with each sample written anew from its series and its value.
fn each_sample(page: &[u8], write: impl Fn(&str, &str) -> String) -> Vec<u8> {
    let mut text = String::new();
    for line in String::from_utf8_lossy(page).lines() {
        match line.rsplit_once(' ') {
            Some((series, value)) if !line.starts_with('#') => text.push_str(&write(series, value)),
            Some(_) | None => writeln!(text, "{line}").unwrap(),
        }
    }
    text.into_bytes()
}

#[test]
fn half_a_page_ends_within_a_number() {
    let body =
        b"gateway_requests_total{code=\"200\"} 1234\ngateway_requests_total{code=\"502\"} 567\n";
    assert!(body[..half(body)].ends_with(b"{code=\"502\"} 5"));
}
