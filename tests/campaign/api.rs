//! The Kubernetes API of the lab, passed on, and the ways in which such an API fails.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    http::{Answer, Request, refusal},
    later::{Forbidden, SlowWrite},
    plan::{ApiFault, DeleteFault},
    proxy::{LOOK, NEVER},
    switchboard::Switchboard,
};

/// How long a slow list takes.
const SLOW: Duration = Duration::from_secs(3);
/// How long a write takes that is slow: longer than replacing a pod, shorter than *during*.
const SLOW_WRITE: Duration = Duration::from_millis(3_500);

/// Serves one request.
pub(super) async fn serve(
    board: &Switchboard,
    mut stream: TcpStream,
    request: &Request,
    lab: SocketAddr,
) -> io::Result<()> {
    let answer = match (board.api(), request.is_watch()) {
        (None | Some(ApiFault::Cut), _) => None,
        (Some(ApiFault::SlowLists), watch) => {
            if !watch && request.method == "GET" {
                sleep(SLOW).await;
            }
            None
        }
        (Some(ApiFault::WatchDropped | ApiFault::GoneEvent), false) => None,
        (Some(ApiFault::WatchDropped), true) => Some(half_a_line()),
        (Some(ApiFault::GoneEvent), true) => {
            Some(Answer::new(200, "application/json", gone_event()))
        }
        (Some(ApiFault::GoneStatus), _) => Some(Answer::refusal(410, "Expired")),
        (Some(ApiFault::Status500), _) => Some(Answer::refusal(500, "InternalError")),
        (Some(ApiFault::TooMany), _) => {
            let mut answer = Answer::refusal(429, "TooManyRequests");
            answer.more.push(("retry-after", "1".to_owned()));
            Some(answer)
        }
        (Some(ApiFault::Html), _) => Some(Answer::new(200, "text/html", "<html>login</html>")),
        (Some(ApiFault::Hang), _) => {
            sleep(NEVER).await;
            return Ok(());
        }
    };
    if let Some(answer) = answer {
        return stream.write_all(&answer.bytes()).await;
    }
    if is_forbidden(board, request) {
        return stream.write_all(&Answer::refusal(403, "Forbidden").bytes()).await;
    }
    if request.method == "DELETE" || request.path.ends_with("/eviction") {
        return write(board, stream, request, lab).await;
    }
    if request.is_watch() {
        return watch(board, stream, request, lab).await;
    }
    let answer = request.ask(lab).await?;
    stream.write_all(&answer.bytes()).await
}

/// A pod is deleted or evicted.
async fn write(
    board: &Switchboard,
    mut stream: TcpStream,
    request: &Request,
    lab: SocketAddr,
) -> io::Result<()> {
    if board.writes() == Some(SlowWrite::Deed) {
        sleep(SLOW_WRITE).await;
    }
    let answer = match board.delete() {
        None => request.ask(lab).await?,
        Some(DeleteFault::AnswerLost) => return request.ask(lab).await.map(drop),
        Some(DeleteFault::Forbidden) => Answer::refusal(403, "Forbidden"),
        Some(DeleteFault::Conflict) => Answer::refusal(409, "Conflict"),
        Some(DeleteFault::Void) => Answer::new(
            200,
            "application/json",
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}"#,
        ),
    };
    match board.writes() {
        Some(SlowWrite::Answer | SlowWrite::EvictAnswer) => sleep(SLOW_WRITE).await,
        Some(SlowWrite::Deed) | None => {}
    }
    stream.write_all(&answer.bytes()).await
}

/// Whether an account may not ask for this. The list that a kill is planned with has a selector.
fn is_forbidden(board: &Switchboard, request: &Request) -> bool {
    let (resource, also_list) = match board.forbidden() {
        None => return false,
        Some(Forbidden::Pods) => ("/pods", true),
        Some(Forbidden::PodsWatch) => ("/pods", false),
        Some(Forbidden::Events) => ("/events", true),
        Some(Forbidden::EventsWatch) => ("/events", false),
    };
    let path = request.path.split('?').next().unwrap_or_default();
    let is_planning = request.path.contains("labelSelector=") && !request.is_watch();
    request.method == "GET"
        && path.ends_with(resource)
        && !is_planning
        && (also_list || request.is_watch())
}

/// Passes a watch on, byte for byte, until one side ends it or a fault does.
async fn watch(
    board: &Switchboard,
    mut stream: TcpStream,
    request: &Request,
    lab: SocketAddr,
) -> io::Result<()> {
    let mut from = request.send(lab, "1.1").await?;
    let mut bytes = vec![0; 256 << 10];
    loop {
        match board.api() {
            // What is open already does not hear of these.
            None
            | Some(
                ApiFault::Status500
                | ApiFault::TooMany
                | ApiFault::Html
                | ApiFault::SlowLists
                | ApiFault::Hang,
            ) => {}
            Some(ApiFault::Cut) => return Ok(()),
            Some(ApiFault::WatchDropped) => {
                // A chunk that was begun, in it a line that was begun.
                return stream.write_all(b"200\r\n{\"type\":\"MODIFIED\",\"object\":{\"ki").await;
            }
            Some(ApiFault::GoneEvent | ApiFault::GoneStatus) => {
                let line = gone_event();
                let chunk = format!("{:x}\r\n{line}\r\n0\r\n\r\n", line.len());
                return stream.write_all(chunk.as_bytes()).await;
            }
        }
        if is_forbidden(board, request) {
            // The server ends it, as it ends every watch in its time, and takes no other.
            return stream.write_all(b"0\r\n\r\n").await;
        }
        if let Ok(read) = timeout(LOOK, from.read(&mut bytes)).await {
            let length = read?;
            if length == 0 {
                return Ok(());
            }
            stream.write_all(&bytes[..length]).await?;
        }
    }
}

fn gone_event() -> String {
    format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", refusal(410, "Expired"))
}

fn half_a_line() -> Answer {
    Answer::new(200, "application/json", r#"{"type":"ADDED","object":{"kind":"Po"#)
}
