//! The gateway: spreads requests over the pods it knows, retries once, and measures what callers
//! see.
//!
//! It learns of pods only through its list of endpoints, which follows the cluster with a delay.
//! Between the death of a pod and that news it sends requests to nobody: what makes retries
//! necessary in real clusters, too.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    LabError,
    exporter::Exporter,
    metrics::{Page, Served},
    serve,
};
use crate::clock::Clock;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// A retry keeps away from a pod that failed this recently: without it, one retry in four would
/// meet another of three dead pods among ten.
const SUSPECT: Duration = Duration::from_secs(5);

/// The largest request body that is kept for a retry.
const LARGEST_BODY: usize = 1 << 20;

/// Where a ready pod answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The pod's name.
    pub(super) pod: String,
    /// Its address.
    pub(super) address: SocketAddr,
}

/// The gateway's state.
pub(super) struct Gateway {
    client: reqwest::Client,
    retries: bool,
    backends: RwLock<Vec<Arc<Backend>>>,
    next: AtomicUsize,
    retried: AtomicU64,
    served: Arc<Served>,
}

/// An endpoint and when it last failed.
struct Backend {
    endpoint: Endpoint,
    failed: Mutex<Option<Instant>>,
}

impl Gateway {
    /// A gateway that knows no pod yet.
    pub(super) fn new(retries: bool, clock: &Clock) -> Result<Arc<Self>, LabError> {
        Ok(Arc::new(Self {
            client: serve::client(ATTEMPT, 64)?,
            retries,
            backends: RwLock::default(),
            next: AtomicUsize::new(0),
            retried: AtomicU64::new(0),
            served: Served::new("gateway", "route=\"api\"", &[200, 502, 503, 504], clock.now()),
        }))
    }

    /// Every path is forwarded, except that `/metrics` is the gateway's own page here, too.
    pub(super) fn router(self: Arc<Self>, exporter: Exporter) -> Router {
        let metrics = get(move || {
            let exporter = exporter.clone();
            async move { exporter.answer().await }
        });
        Router::new().route("/metrics", metrics).fallback(forward).with_state(self)
    }

    /// The gateway's own page of metrics.
    pub(super) fn page(&self) -> Page {
        let mut page = Page::default();
        self.served.write(&mut page);
        let retried = self.retried.load(Relaxed) as f64;
        page.value("gateway_retries_total", "counter", "Requests tried on a second pod.", retried);
        let known = self.known() as f64;
        page.value("gateway_endpoints", "gauge", "Pods the gateway knows.", known);
        page
    }

    /// Follows the cluster's endpoints, each change `delay` after it happened.
    pub(super) async fn follow(
        self: Arc<Self>,
        mut news: watch::Receiver<Vec<Endpoint>>,
        delay: Duration,
        stop: CancellationToken,
    ) {
        let mut coming = VecDeque::from([(Instant::now(), news.borrow_and_update().clone())]);
        loop {
            let due = coming.front().map(|(due, _)| *due);
            let arrives = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = arrives => {
                    if let Some((_, endpoints)) = coming.pop_front() {
                        self.learn(endpoints);
                    }
                }
                changed = news.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let endpoints = news.borrow_and_update().clone();
                    coming.push_back((Instant::now() + delay, endpoints));
                }
            }
        }
    }

    /// How many pods it knows.
    pub(super) fn known(&self) -> usize {
        self.backends.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Requests answered well, so far.
    pub(super) fn answered(&self) -> u64 {
        self.served.answered(200)
    }

    /// Replaces the list; a pod that stays keeps its history.
    fn learn(&self, endpoints: Vec<Endpoint>) {
        let mut backends = self.backends.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::take(&mut *backends);
        let known = |endpoint: &Endpoint| old.iter().find(|old| old.endpoint == *endpoint).cloned();
        *backends = endpoints
            .into_iter()
            .map(|endpoint| known(&endpoint).unwrap_or_else(|| Arc::new(Backend::new(endpoint))))
            .collect();
    }

    /// The pod for a first attempt: whatever is next, as a plain load balancer does.
    fn first(&self) -> Option<Arc<Backend>> {
        let backends = self.backends.read().unwrap_or_else(PoisonError::into_inner);
        let turn = self.next.fetch_add(1, Relaxed) % backends.len().max(1);
        backends.get(turn).cloned()
    }

    /// The pod for a second attempt: not the one that was tried, and one that did not fail lately
    /// if there is any. Retries take turns of their own: if they took those of the first
    /// attempts, they would push these onto the dead pod again and again.
    fn second(&self, tried: &Arc<Backend>) -> Option<Arc<Backend>> {
        let backends = self.backends.read().unwrap_or_else(PoisonError::into_inner);
        let turn = usize::try_from(self.retried.load(Relaxed)).unwrap_or(0);
        let (before, after) = backends.split_at(turn % backends.len().max(1));
        let mut others = after.iter().chain(before).filter(|other| !Arc::ptr_eq(other, tried));
        let any = others.clone().next();
        others.find(|other| !other.is_suspect()).or(any).cloned()
    }

    async fn attempt(&self, backend: &Backend, request: &Kept) -> Result<Answer, Failure> {
        let uri = format!("http://{}{}", backend.endpoint.address, request.target);
        let sent = self
            .client
            .request(request.method.clone(), uri)
            .body(request.body.clone())
            .send()
            .await
            .map_err(Failure::of)?;
        let (code, headers) = (sent.status(), sent.headers().clone());
        let body = sent.bytes().await.map_err(Failure::of)?;
        let kind = headers.get(axum::http::header::CONTENT_TYPE).cloned();
        Ok(Answer { code, kind, body })
    }

    async fn answer(&self, request: &Kept) -> Answer {
        let Some(first) = self.first() else {
            return Answer::own(StatusCode::SERVICE_UNAVAILABLE, "no endpoint\n");
        };
        let outcome = self.attempt(&first, request).await;
        first.note(&outcome);
        if !self.retries || !may_retry(&request.method, &outcome) {
            return answer_of(outcome);
        }
        let Some(second) = self.second(&first) else { return answer_of(outcome) };
        self.retried.fetch_add(1, Relaxed);
        let outcome = self.attempt(&second, request).await;
        second.note(&outcome);
        answer_of(outcome)
    }
}

impl Backend {
    fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, failed: Mutex::new(None) }
    }

    fn note(&self, outcome: &Result<Answer, Failure>) {
        let failed = match outcome {
            Ok(answer) => answer.code.is_server_error(),
            Err(_) => true,
        };
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed.then(Instant::now);
    }

    fn is_suspect(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < SUSPECT)
    }
}

/// A request as it can be sent twice.
struct Kept {
    method: Method,
    target: String,
    body: Bytes,
}

/// What goes back to the caller.
struct Answer {
    code: StatusCode,
    kind: Option<axum::http::HeaderValue>,
    body: Bytes,
}

impl Answer {
    fn own(code: StatusCode, text: &'static str) -> Self {
        Self { code, kind: None, body: Bytes::from_static(text.as_bytes()) }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.code, Body::from(self.body)).into_response();
        if let Some(kind) = self.kind {
            response.headers_mut().insert(axum::http::header::CONTENT_TYPE, kind);
        }
        response
    }
}

/// Why a pod gave no answer.
enum Failure {
    /// It was never reached: the request did nothing.
    Unreached,
    /// It was lost on the way: the request may have done something.
    Cut,
    /// It took too long.
    Slow,
}

impl Failure {
    fn of(error: reqwest::Error) -> Self {
        if error.is_connect() {
            Self::Unreached
        } else if error.is_timeout() {
            Self::Slow
        } else {
            Self::Cut
        }
    }
}

/// A request that may have done something is only sent again if doing it twice is harmless.
fn may_retry(method: &Method, outcome: &Result<Answer, Failure>) -> bool {
    match outcome {
        Ok(answer) => answer.code.is_server_error() && method.is_idempotent(),
        Err(Failure::Unreached) => true,
        Err(Failure::Cut | Failure::Slow) => method.is_idempotent(),
    }
}

fn answer_of(outcome: Result<Answer, Failure>) -> Answer {
    match outcome {
        Ok(answer) => answer,
        Err(Failure::Unreached) => Answer::own(StatusCode::BAD_GATEWAY, "the pod is unreachable\n"),
        Err(Failure::Cut) => Answer::own(StatusCode::BAD_GATEWAY, "the pod cut the request\n"),
        Err(Failure::Slow) => Answer::own(StatusCode::GATEWAY_TIMEOUT, "the pod is silent\n"),
    }
}

async fn forward(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let flight = gateway.served.begin();
    let (head, body) = request.into_parts();
    let answer = match to_bytes(body, LARGEST_BODY).await {
        Ok(body) => {
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
            gateway.answer(&Kept { method: head.method, target, body }).await
        }
        Err(_) => Answer::own(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"),
    };
    flight.answer(answer.code.as_u16());
    answer.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::serve::Bound;

    /// A pod of the test: answers with one code, or nobody listens.
    async fn endpoint(pod: &str, code: Option<u16>) -> Endpoint {
        let bound = Bound::to(0, "a pod").await.unwrap();
        let address = bound.address;
        if let Some(code) = code {
            let code = StatusCode::from_u16(code).unwrap();
            let router = Router::new().fallback(move || async move { code });
            tokio::spawn(bound.serve(router, CancellationToken::new()));
        }
        Endpoint { pod: pod.to_owned(), address }
    }

    /// Sends ten requests to a gateway over pods with these codes; `None` is a dead pod.
    async fn check(retries: bool, method: Method, pods: &[Option<u16>], want: (u64, u64, u64)) {
        let gateway = Gateway::new(retries, &Clock::system()).unwrap();
        let mut endpoints = Vec::new();
        for (number, code) in pods.iter().enumerate() {
            endpoints.push(endpoint(&format!("p{number}"), *code).await);
        }
        gateway.learn(endpoints);
        for _ in 0..10 {
            let request =
                Request::builder().method(method.clone()).uri("/").body(Body::empty()).unwrap();
            forward(State(Arc::clone(&gateway)), request).await;
        }
        let served = |code| gateway.served.answered(code);
        let failed = served(502) + served(503) + served(500);
        assert_eq!((served(200), failed, gateway.retried.load(Relaxed)), want);
    }

    #[tokio::test]
    async fn requests_are_spread_and_a_dead_pod_costs_its_share() {
        check(false, Method::GET, &[Some(200), None], (5, 5, 0)).await;
    }

    #[tokio::test]
    async fn a_retry_saves_the_requests_of_a_dead_pod() {
        check(true, Method::GET, &[Some(200), None], (10, 0, 5)).await;
    }

    #[tokio::test]
    async fn a_retry_keeps_away_from_pods_that_failed_lately() {
        let gateway = Gateway::new(true, &Clock::system()).unwrap();
        let dead = [endpoint("a", None).await, endpoint("b", None).await];
        gateway.learn([dead[0].clone(), dead[1].clone(), endpoint("c", Some(200)).await].into());
        for backend in &gateway.backends.read().unwrap()[..2] {
            backend.note(&Err(Failure::Unreached));
        }
        for _ in 0..9 {
            let first = gateway.backends.read().unwrap()[0].clone();
            assert_eq!(gateway.second(&first).unwrap().endpoint.pod, "c");
        }
    }

    #[tokio::test]
    async fn a_retry_takes_a_pod_that_failed_lately_if_there_is_no_other() {
        let gateway = Gateway::new(true, &Clock::system()).unwrap();
        gateway.learn([endpoint("a", None).await, endpoint("b", None).await].into());
        let backends = gateway.backends.read().unwrap().clone();
        backends[1].note(&Err(Failure::Unreached));
        assert_eq!(gateway.second(&backends[0]).unwrap().endpoint.pod, "b");
        gateway.learn([backends[0].endpoint.clone()].into());
        assert!(gateway.second(&gateway.first().unwrap()).is_none(), "the same pod again");
    }

    #[tokio::test]
    async fn an_error_of_a_pod_is_retried_only_where_twice_is_harmless() {
        check(true, Method::GET, &[Some(200), Some(500)], (10, 0, 5)).await;
        check(true, Method::POST, &[Some(200), Some(500)], (5, 5, 0)).await;
    }

    #[tokio::test]
    async fn a_request_that_reached_nobody_is_retried_whatever_its_method() {
        check(true, Method::POST, &[Some(200), None], (10, 0, 5)).await;
    }

    #[tokio::test]
    async fn no_endpoint_is_an_error_without_a_retry() {
        check(true, Method::GET, &[], (0, 10, 0)).await;
    }

    #[tokio::test]
    async fn news_of_endpoints_arrives_late() {
        let pod = |port| Endpoint { pod: "a".to_owned(), address: ([127, 0, 0, 1], port).into() };
        let gateway = Gateway::new(false, &Clock::system()).unwrap();
        let (tell, news) = watch::channel(vec![pod(1)]);
        let (delay, stop) = (Duration::from_millis(300), CancellationToken::new());
        tokio::spawn(Arc::clone(&gateway).follow(news, delay, stop.clone()));
        let until = async |count| {
            while gateway.known() != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        until(1).await;
        let told = Instant::now();
        tell.send(vec![pod(1), pod(2)]).unwrap();
        until(2).await;
        assert!(told.elapsed() >= delay, "known after {:?}", told.elapsed());
        stop.cancel();
    }
}
