//! Just enough HTTP to ask the lab directly, and to answer wrongly.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net,
};

/// The most bytes of a head.
const HEAD: usize = 64 << 10;

/// Asks and returns the body, or why there is none. For those who look from outside.
pub(super) fn get(address: SocketAddr, path: &str, within: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_read_timeout(Some(within))?;
    // A version 1.0 request is answered without chunks, and the connection closed.
    let head =
        format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = Answer::read(&answer)?;
    if answer.status != 200 {
        return Err(io::Error::other(format!("{path}: status {}", answer.status)));
    }
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}

/// A request, whole.
pub(super) struct Request {
    pub(super) method: String,
    /// With its query.
    pub(super) path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// Reads one; none when the connection was closed before it began.
    pub(super) async fn read(stream: &mut net::TcpStream) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let (head, mut body) = loop {
            if let Some(end) = find_blank_line(&bytes) {
                break (bytes[..end].to_vec(), bytes[end + 4..].to_vec());
            }
            if bytes.len() > HEAD {
                return Err(io::Error::other("a head without an end"));
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        };
        let (line, headers) = head_of(&head);
        let mut words = line.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let length = header(&headers, "content-length").and_then(|text| text.parse().ok());
        while body.len() < length.unwrap_or(0) {
            if stream.read_buf(&mut body).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
        }
        Ok(Some(Self { method, path, headers, body }))
    }

    /// Whether a watch is asked for.
    pub(super) fn is_watch(&self) -> bool {
        self.path.contains("watch=true") || self.path.contains("watch=1")
    }

    /// Sends it on to another server, which is to close when it has answered.
    pub(super) async fn send(&self, to: SocketAddr, version: &str) -> io::Result<net::TcpStream> {
        let mut stream = net::TcpStream::connect(to).await?;
        let mut text = format!("{} {} HTTP/{version}\r\nHost: {to}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            if !["host", "connection", "accept-encoding"].contains(&name.as_str()) {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        text.push_str("connection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await?;
        stream.write_all(&self.body).await?;
        Ok(stream)
    }

    /// What another server answers to it, whole.
    pub(super) async fn ask(&self, server: SocketAddr) -> io::Result<Answer> {
        let mut stream = self.send(server, "1.0").await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Answer::read(&bytes)
    }
}

/// An answer, whole.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// As it is sent; none is left out.
    pub(super) content_type: Option<String>,
    /// Any others.
    pub(super) more: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let content_type = Some(content_type.to_owned());
        Self { status, content_type, more: Vec::new(), body: body.into() }
    }

    /// The error body of a Kubernetes API.
    pub(super) fn refusal(status: u16, reason: &str) -> Self {
        Self::new(status, "application/json", refusal(status, reason))
    }

    fn read(bytes: &[u8]) -> io::Result<Self> {
        let end = find_blank_line(bytes).ok_or_else(|| io::Error::other("no head"))?;
        let (line, headers) = head_of(&bytes[..end]);
        let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("no status"))?;
        let body = bytes[end + 4..].to_vec();
        let length = header(&headers, "content-length").and_then(|text| text.parse().ok());
        if length.is_some_and(|length: usize| length > body.len()) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let content_type = header(&headers, "content-type").map(str::to_owned);
        Ok(Self { status, content_type, more: Vec::new(), body })
    }

    /// The status line and all headers but the length, the blank line not yet written.
    pub(super) fn head(&self) -> String {
        let mut text = format!("HTTP/1.1 {} Said\r\nconnection: close\r\n", self.status);
        if let Some(kind) = &self.content_type {
            text.push_str(&format!("content-type: {kind}\r\n"));
        }
        for (name, value) in &self.more {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text
    }

    /// All of it, as it should be.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let length = format!("content-length: {}\r\n\r\n", self.body.len());
        [self.head().as_bytes(), length.as_bytes(), &self.body].concat()
    }
}

/// A `Status` of Kubernetes as one line of JSON.
pub(super) fn refusal(status: u16, reason: &str) -> String {
    serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("the campaign says {reason}"), "reason": reason, "code": status,
    })
    .to_string()
}

fn find_blank_line(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n")
}

/// The first line, and the headers with their names in small letters.
fn head_of(bytes: &[u8]) -> (String, Vec<(String, String)>) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let pair = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    (first, lines.filter_map(pair).collect())
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}
