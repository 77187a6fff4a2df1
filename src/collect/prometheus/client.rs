//! Asking a server: one query, answered, refused, or given up at a deadline.

use std::{io, sync::Arc, time::Duration};

use bytes::{Buf as _, Bytes};
use reqwest::{Response, StatusCode, Url, header};
use tokio::{
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    answer::{Answer, decode},
    error::QueryError,
};
use crate::{
    collect::{
        error::CollectError,
        http::{Http, failure, shown},
        secrets,
        seen::ScrapeFailure,
    },
    hypothesis::{
        model::{Login, PrometheusSource},
        queries::promql_duration,
    },
    time::Time,
};

/// How many queries a server is asked at once. Prometheus itself works at 20 at most
/// (`--query.max-concurrency`), and others want to be answered, too.
const AT_ONCE: usize = 4;
/// For how long nothing may be heard.
const SILENCE: Duration = Duration::from_secs(20);
/// The most bytes of one answer, after decompression.
const SIZE_LIMIT: u64 = 256 << 20;
/// The most bytes of an error that are read.
const ERROR_LIMIT: usize = 16 << 10;
/// How long the first pause is before a query is repeated; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A way to a server. Cheap to clone; all clones share its connections and the number of queries.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: Http,
    base: Url,
    login: Login,
    slots: Arc<Semaphore>,
    /// The most bytes of one answer, after decompression.
    limit: u64,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Question {
    /// The samples of the series of a selector in a stretch of time. A sample at its first instant
    /// may be among them: in Prometheus 2 it is.
    Samples { selector: String, after: Time, until: Time },
    /// An expression at one time.
    Instant { promql: String, at: Time },
    /// An expression at each step from one time to another, both included.
    Range { promql: String, from: Time, to: Time, step: Duration },
    /// The server's own time.
    Now,
}

impl Question {
    fn path(&self) -> &'static str {
        match self {
            Self::Samples { .. } | Self::Instant { .. } | Self::Now => "query",
            Self::Range { .. } => "query_range",
        }
    }

    /// The fields of the form. Times are in milliseconds: some servers answer nothing to finer ones.
    fn form(&self) -> Vec<(&'static str, String)> {
        let seconds = |at: &Time| format!("{:.3}", at.as_seconds());
        match self {
            Self::Samples { selector, after, until } => {
                let range = promql_duration(until.since(*after));
                vec![("query", format!("{selector}[{range}]")), ("time", seconds(until))]
            }
            Self::Instant { promql, at } => {
                vec![("query", promql.clone()), ("time", seconds(at))]
            }
            Self::Range { promql, from, to, step } => vec![
                ("query", promql.clone()),
                ("start", seconds(from)),
                ("end", seconds(to)),
                ("step", promql_duration(*step)),
            ],
            Self::Now => vec![("query", "time()".to_owned())],
        }
    }
}

/// An answer and what it cost.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered {
    pub(super) answer: Answer,
    /// The bytes of it, after decompression.
    pub(super) bytes: u64,
    /// From the question to the end of the answer, repetitions included.
    pub(super) took: Duration,
}

impl Client {
    /// A way to the server of a source. What it names on this machine has to be there.
    pub(super) fn new(source: &PrometheusSource) -> Result<Self, CollectError> {
        let refused = |address: String, why: String| CollectError::Server {
            server: address,
            source: QueryError::NotAsked(why),
        };
        let mut base = Url::parse(&source.url)
            .map_err(|error| refused(source.url.clone(), error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            let why = format!("`{}` is neither http nor https", base.scheme());
            return Err(refused(shown(&base), why));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let trusted = source.ca_file.as_deref().map(secrets::certificates).transpose()?;
        match &source.login {
            Login::None => {}
            Login::BearerToken { file } => drop(secrets::token("bearer_token_file", file)?),
            Login::Basic { password_file, .. } => {
                drop(secrets::token("password_file", password_file)?);
            }
        }
        let http = Http::new(trusted).map_err(CollectError::HttpClient)?;
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        Ok(Self { http, base, login: source.login.clone(), slots, limit: SIZE_LIMIT })
    }

    /// The same, for answers of so many bytes at most.
    #[cfg(test)]
    pub(super) fn limited_to(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// Its address, without secrets.
    pub(super) fn server(&self) -> String {
        shown(&self.base)
    }

    /// The answer to a question, asked again while that may help, until a deadline.
    pub(super) async fn ask(
        &self,
        question: &Question,
        deadline: Instant,
    ) -> Result<Answered, QueryError> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.ask_once(question, deadline).await {
                Ok((answer, bytes)) => {
                    return Ok(Answered { answer, bytes, took: began.elapsed() });
                }
                Err(error) => error,
            };
            let wanted = match &error {
                QueryError::Unavailable { after, .. } => *after,
                QueryError::Refused { .. }
                | QueryError::TooCostly { .. }
                | QueryError::Silent
                | QueryError::Unreachable(_)
                | QueryError::Broken(_)
                | QueryError::NotPrometheus(_)
                | QueryError::Partial(_)
                | QueryError::TooLarge(_)
                | QueryError::NotAsked(_) => None,
            };
            let again = Instant::now() + wanted.unwrap_or(pause).max(pause);
            if !error.may_pass() || again >= deadline {
                return Err(error);
            }
            tracing::debug!(error = &error as &dyn std::error::Error, "asking again");
            sleep_until(again).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn ask_once(
        &self,
        question: &Question,
        deadline: Instant,
    ) -> Result<(Answer, u64), QueryError> {
        // Never closed.
        let _slot = self.slots.acquire().await.map_err(|e| QueryError::NotAsked(e.to_string()))?;
        let mut url = self.base.clone();
        url.set_path(&format!("{}api/v1/{}", self.base.path(), question.path()));
        let client = self.http.client(&url).map_err(failed)?;
        let mut request = client.post(url).form(&question.form());
        // Over the loopback, packing takes longer than sending.
        if self.base.host_str().is_some_and(is_loopback) {
            request = request.header(header::ACCEPT_ENCODING, "identity");
        }
        let not_asked = |error: CollectError| QueryError::NotAsked(error.to_string());
        request = match &self.login {
            Login::None => request,
            Login::BearerToken { file } => {
                let token = secrets::token("bearer_token_file", file).map_err(not_asked)?;
                request.bearer_auth(token)
            }
            Login::Basic { username, password_file } => {
                let password = secrets::token("password_file", password_file).map_err(not_asked)?;
                request.basic_auth(username, Some(password))
            }
        };
        let response = heard(request.send(), deadline).await??;
        if response.status().is_success() {
            return read(response, self.limit, deadline).await;
        }
        Err(refusal(response, deadline).await)
    }
}

/// What comes before a deadline and before a silence is too long.
async fn heard<T>(
    work: impl Future<Output = Result<T, reqwest::Error>>,
    deadline: Instant,
) -> Result<Result<T, QueryError>, QueryError> {
    let patience = deadline.min(Instant::now() + SILENCE);
    match timeout_at(patience, work).await {
        Ok(Ok(done)) => Ok(Ok(done)),
        Ok(Err(error)) => Err(failed(failure(error, SILENCE))),
        Err(_elapsed) => Err(QueryError::Silent),
    }
}

fn failed(failure: ScrapeFailure) -> QueryError {
    match failure {
        ScrapeFailure::Refused => QueryError::Unreachable("connection refused".to_owned()),
        ScrapeFailure::Unreachable(why) => QueryError::Unreachable(why),
        ScrapeFailure::Timeout(_) => QueryError::Silent,
        ScrapeFailure::Redirect(why) => QueryError::NotPrometheus(why),
        ScrapeFailure::Broken(why) => QueryError::Broken(why),
        other @ (ScrapeFailure::Status(_)
        | ScrapeFailure::NotExposition(_)
        | ScrapeFailure::TooLarge(_)
        | ScrapeFailure::TooManySamples(_)
        | ScrapeFailure::NoRoom
        | ScrapeFailure::Other(_)) => QueryError::NotAsked(other.to_string()),
    }
}

/// Reads an answer while it arrives; decoding is work for another thread.
async fn read(
    mut response: Response,
    limit: u64,
    deadline: Instant,
) -> Result<(Answer, u64), QueryError> {
    let (chunks, arriving) = mpsc::channel(16);
    let body = io::BufReader::with_capacity(64 << 10, Body { arriving, chunk: Bytes::new() });
    let decoding = spawn_blocking(move || decode(body));
    let mut bytes = 0_u64;
    while let Some(chunk) = heard(response.chunk(), deadline).await?? {
        bytes += chunk.len() as u64;
        if bytes > limit {
            return Err(QueryError::TooLarge(limit));
        }
        // Whoever decodes has seen enough: it is no answer.
        if chunks.send(chunk).await.is_err() {
            break;
        }
    }
    drop(chunks);
    let decoded = decoding.await.map_err(|error| QueryError::Broken(error.to_string()))?;
    match decoded {
        Ok(answer) => match answer.error {
            None if answer.is_prometheus && !answer.has_result => {
                Err(QueryError::NotPrometheus("there is no `result` in it".to_owned()))
            }
            None if answer.is_prometheus => match answer.partial {
                Some(said) => Err(QueryError::Partial(said)),
                None => Ok((answer, bytes)),
            },
            None => Err(QueryError::NotPrometheus("JSON without a `status`".to_owned())),
            Some((_, said)) => Err(QueryError::Refused { status: 200, said }),
        },
        Err(error) if error.is_eof() && bytes > 0 => {
            Err(QueryError::Broken("it ends in the middle".to_owned()))
        }
        Err(error) => Err(QueryError::NotPrometheus(error.to_string())),
    }
}

/// What a server means by an answer that is no success.
async fn refusal(mut response: Response, deadline: Instant) -> QueryError {
    let status = response.status();
    let after = response.headers().get(header::RETRY_AFTER);
    let after = after.and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let mut body = Vec::new();
    while body.len() < ERROR_LIMIT
        && let Ok(Ok(Some(chunk))) = heard(response.chunk(), deadline).await
    {
        body.extend_from_slice(&chunk);
    }
    let told = decode(body.as_slice()).ok().and_then(|answer| answer.error);
    let text = String::from_utf8_lossy(&body);
    let first_line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let said = match &told {
        Some((_, said)) => said.clone(),
        None if first_line.is_empty() => "nothing else".to_owned(),
        None => first_line.trim().chars().take(200).collect(),
    };
    let kind = told.as_ref().map(|(kind, _)| kind.as_str());
    let too_costly = status != StatusCode::TOO_MANY_REQUESTS
        && (kind == Some("timeout")
            || ["too many samples", "deadline exceeded", "exceeded maximum resolution", "limit"]
                .iter()
                .any(|words| told.is_some() && said.contains(words)));
    let code = status.as_u16();
    if too_costly {
        QueryError::TooCostly { said }
    } else if status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || status.is_server_error()
    {
        QueryError::Unavailable { status: code, said, after }
    } else {
        QueryError::Refused { status: code, said }
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A body that arrives in chunks, for a reader that waits for them.
struct Body {
    arriving: mpsc::Receiver<Bytes>,
    chunk: Bytes,
}

impl io::Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !self.chunk.has_remaining() {
            match self.arriving.blocking_recv() {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let length = into.len().min(self.chunk.remaining());
        self.chunk.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}
