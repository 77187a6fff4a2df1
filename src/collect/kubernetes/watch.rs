//! One kind of object, listed and watched, with every moment in which we saw nothing.

use std::{
    fmt::Debug,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use kube::{
    Api, Resource, ResourceExt,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde::de::DeserializeOwned;

use super::answer::{is_forbidden, words};
use crate::{
    clock::Clock,
    collect::{outlet::Outlet, seen::Seen},
    frame::BlindSpan,
    time::Time,
};

/// A watch is renewed this often, so that a connection that died without a word is noticed.
const RENEWED_SECONDS: u32 = 20;

/// How long a full list may take.
const LIST_TIME: Duration = Duration::from_secs(30);

/// How long a server may take to begin its answer to a watch. What happens meanwhile is not seen
/// before it answers, and it does so at once, whether anything happens or not.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How many objects a page of a list has.
const PAGE: u32 = 500;

/// A watch that lasts this long is one, whether anything happens in it or not.
const STANDS: Duration = Duration::from_secs(5);

/// So many watches in a row that end sooner, without having shown anything, show nothing at all:
/// a server whose version is gone may end each one at once. (kubernetes#104171)
const FOR_NOTHING: usize = 3;

/// The first and the longest wait before a failed watch is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What a watch shows.
pub(in crate::collect) enum Step<K> {
    /// A full list begins.
    List,
    /// An object of the list.
    Listed(K),
    /// The list is complete: what is not in it does not exist.
    ListDone,
    /// An object changed, now.
    Changed(K),
    /// An object is gone, now.
    Deleted(K),
}

/// Makes rows of steps.
pub(in crate::collect) trait Fold<K> {
    /// Takes in what the watch showed at a time of our clock.
    fn step(&mut self, step: Step<K>, at: Time) -> Vec<Seen>;

    /// Takes note that the watch was alive at a time, though nothing happened.
    fn heard(&mut self, _at: Time) {}
}

/// How many watches have not yet answered for the first time.
#[derive(Clone, Debug)]
pub(super) struct Unanswered(Arc<AtomicUsize>);

impl Unanswered {
    pub(super) fn new(watches: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(watches)))
    }

    async fn answered(&self, outlet: &Outlet) {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            outlet.send(Seen::Connected).await;
        }
    }
}

/// A watch of all objects of one kind.
pub(super) struct Watch<K> {
    pub(super) api: Api<K>,
    /// `pods` or `events`, for the spans in which it was blind.
    pub(super) resource: &'static str,
    pub(super) clock: Clock,
    pub(super) outlet: Outlet,
    pub(super) unanswered: Unanswered,
}

impl<K> Watch<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// Watches until the end of the run.
    ///
    /// After any failure everything is listed again. Resuming where the watch broke off would
    /// cost less, but only a full list says when we see everything again, and a change that is
    /// replayed late would look like one that happened late.
    pub(super) async fn follow(self, mut fold: impl Fold<K>) {
        let mut blind: Option<BlindSpan> = None;
        let mut first_answer = Some(&self.unanswered);
        let mut retry = RETRY.0;
        loop {
            let seeing = self.see(&mut fold, &mut blind, &mut first_answer, &mut retry);
            let Some(why) = seeing.await else { break };
            if why.forbidden
                && let Some(unanswered) = first_answer.take()
            {
                unanswered.answered(&self.outlet).await;
            }
            tracing::debug!(resource = self.resource, why = %why.text, "the watch broke off");
            if blind.is_none() {
                let resource = self.resource.to_owned();
                let from = why.unseen_since.unwrap_or_else(|| self.clock.now());
                let span = BlindSpan { resource, from, to: None, why: why.text };
                self.outlet.send(Seen::Blind(blind.insert(span).clone())).await;
            }
            if !self.outlet.pause(retry).await {
                break;
            }
            retry = (retry * 2).min(RETRY.1);
        }
    }

    /// Lists and watches until something fails, or until the end of the run: then there is no
    /// failure. What has arrived is always handed over first.
    ///
    /// The library's own `watcher` takes up a watch that ended without a word, and says nothing of
    /// it; but a server that ends each one at once shows nothing either.
    async fn see(
        &self,
        fold: &mut impl Fold<K>,
        blind: &mut Option<BlindSpan>,
        first_answer: &mut Option<&Unanswered>,
        retry: &mut Duration,
    ) -> Option<Failure> {
        let mut version = match self.list(fold).await? {
            Ok(version) => version,
            Err(failure) => return Some(failure),
        };
        let mut heard_at = self.clock.now();
        if let Some(span) = blind.take() {
            self.outlet.send(Seen::Blind(BlindSpan { to: Some(heard_at), ..span })).await;
        }
        if let Some(unanswered) = first_answer.take() {
            unanswered.answered(&self.outlet).await;
        }
        let mut for_nothing = 0;
        while for_nothing < FOR_NOTHING {
            let begun = self.clock.now();
            let before = heard_at;
            let failure = self.watch(fold, &mut version, &mut heard_at).await?;
            // One that broke off may have been dead since it was last heard.
            let failure = failure.map(|why| Failure { unseen_since: Some(heard_at), ..why });
            let stood = self.clock.now().since(begun) >= STANDS;
            if stood && failure.is_none() {
                heard_at = self.clock.now();
                fold.heard(heard_at);
            }
            if heard_at > before || stood {
                for_nothing = 0;
                *retry = RETRY.0;
            } else {
                for_nothing += 1;
            }
            if failure.is_some() {
                return failure;
            }
        }
        let text = format!("the watch ended at once, {FOR_NOTHING} times, without a word");
        Some(Failure { text, forbidden: false, unseen_since: Some(heard_at) })
    }

    /// A full list, and the version that it is of; none at the end of the run.
    async fn list(&self, fold: &mut impl Fold<K>) -> Option<Result<String, Failure>> {
        let mut params = ListParams::default().limit(PAGE);
        self.show(fold, Step::List).await;
        loop {
            // A watch may well be silent, a list may not.
            let page = tokio::time::timeout(LIST_TIME, self.api.list(&params));
            let page = match self.unless_stopped(page).await? {
                Ok(Ok(page)) => page,
                Ok(Err(error)) => return Some(Err(Failure::of(&error))),
                Err(_) => return Some(Err(Failure::new("the list was not answered in time"))),
            };
            for object in page.items {
                self.show(fold, Step::Listed(object)).await;
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => {
                    self.show(fold, Step::ListDone).await;
                    let version = page.metadata.resource_version.filter(|text| !text.is_empty());
                    let none = || Failure::new("an answer without a resource version");
                    return Some(version.ok_or_else(none));
                }
            }
        }
    }

    /// What changes from a version on, until the server ends the watch, as it does after a while,
    /// or something fails. None at the end of the run.
    async fn watch(
        &self,
        fold: &mut impl Fold<K>,
        version: &mut String,
        heard_at: &mut Time,
    ) -> Option<Option<Failure>> {
        let params = WatchParams::default().timeout(RENEWED_SECONDS);
        let answer = tokio::time::timeout(ANSWER_TIME, self.api.watch(&params, version));
        let mut events = match self.unless_stopped(answer).await? {
            Ok(Ok(events)) => pin!(events),
            Ok(Err(error)) => return Some(Some(Failure::of(&error))),
            Err(_) => return Some(Some(Failure::new("the watch was not answered in time"))),
        };
        loop {
            let event = match self.unless_stopped(events.next()).await? {
                None => return Some(None),
                Some(Ok(event)) => event,
                Some(Err(error)) => return Some(Some(Failure::of(&error))),
            };
            let step = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => Step::Changed(object),
                WatchEvent::Deleted(object) => Step::Deleted(object),
                WatchEvent::Bookmark(bookmark) => {
                    *version = bookmark.metadata.resource_version;
                    *heard_at = self.clock.now();
                    fold.heard(*heard_at);
                    continue;
                }
                WatchEvent::Error(status) => return Some(Some(Failure::new(&status.message))),
            };
            if let Step::Changed(object) | Step::Deleted(object) = &step
                && let Some(newer) = object.resource_version()
            {
                *version = newer;
            }
            *heard_at = self.show(fold, step).await;
        }
    }

    /// Hands over what a step shows, and says when that was.
    async fn show(&self, fold: &mut impl Fold<K>, step: Step<K>) -> Time {
        let at = self.clock.now();
        for seen in fold.step(step, at) {
            self.outlet.send(seen).await;
        }
        at
    }

    /// Waits for an answer, unless the run ends first.
    async fn unless_stopped<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.outlet.stopped() => None,
            answer = answer => Some(answer),
        }
    }
}

/// Why a watch broke off.
struct Failure {
    text: String,
    forbidden: bool,
    /// Since when nothing was seen, where that was before it broke off.
    unseen_since: Option<Time>,
}

impl Failure {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), forbidden: false, unseen_since: None }
    }

    fn of(error: &kube::Error) -> Self {
        Self { text: words(error), forbidden: is_forbidden(error), unseen_since: None }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, future::pending};

    use axum::{Json, Router, body::Body, extract::State, http::Uri, response::IntoResponse};
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};
    use tokio::sync::{Mutex, mpsc};

    use super::*;
    use crate::collect::kubernetes::pods::PodFold;

    /// What the server answers to one request after another.
    enum Answer {
        List(&'static [&'static str]),
        Lines(Vec<Value>),
        /// A watch that is answered, shows nothing for so long, and then breaks off.
        Hangs(Duration),
        Forbidden,
        Silence,
    }

    fn pod(name: &str) -> Value {
        let uid = format!("uid-{name}");
        let metadata = json!({"name": name, "uid": uid, "namespace": "n", "resourceVersion": "2"});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    }

    fn labelled(name: &str) -> Value {
        let mut pod = pod(name);
        pod["metadata"]["labels"] = json!({"a": "b"});
        pod
    }

    async fn answer(
        State(script): State<Arc<Mutex<VecDeque<Answer>>>>,
        uri: Uri,
    ) -> axum::response::Response {
        let is_watch = uri.query().unwrap_or_default().contains("watch=true");
        let next = script.lock().await.pop_front();
        match next {
            Some(Answer::List(names)) => {
                assert!(!is_watch, "{uri}");
                let items: Vec<Value> = names.iter().map(|name| pod(name)).collect();
                let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items});
                Json(list).into_response()
            }
            Some(Answer::Lines(lines)) => {
                assert!(is_watch, "{uri}");
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                Body::from(text).into_response()
            }
            Some(Answer::Hangs(length)) => {
                assert!(is_watch, "{uri}");
                let line = futures::stream::once(async move {
                    tokio::time::sleep(length).await;
                    Err::<String, _>(std::io::Error::other("cut"))
                });
                Body::from_stream(line).into_response()
            }
            Some(Answer::Forbidden) => {
                let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "pods is forbidden", "reason": "Forbidden", "code": 403});
                (axum::http::StatusCode::FORBIDDEN, Json(status)).into_response()
            }
            Some(Answer::Silence) | None => pending().await,
        }
    }

    /// What is seen of a server with this script, as far as `count` things, and after the stop.
    async fn seen(script: Vec<Answer>, count: usize) -> (Vec<Seen>, Vec<Seen>) {
        crate::collect::http::install_tls();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(VecDeque::from(script)));
        let app = Router::new().fallback(answer).with_state(script);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = kube::Config::new(server.parse().unwrap());
        let client = kube::Client::try_from(config).unwrap();
        let (sender, mut seen) = mpsc::channel(64);
        let outlet = Outlet::new(sender);
        let watch = Watch::<Pod> {
            api: Api::namespaced(client, "n"),
            resource: "pods",
            clock: Clock::system(),
            outlet: outlet.clone(),
            unanswered: Unanswered::new(1),
        };
        let task = tokio::spawn(watch.follow(PodFold::default()));
        let mut first = Vec::new();
        while first.len() < count {
            let next = tokio::time::timeout(Duration::from_secs(20), seen.recv()).await;
            first.push(next.unwrap().unwrap());
        }
        outlet.stop();
        task.await.unwrap();
        drop(outlet);
        let mut rest = Vec::new();
        while let Some(seen) = seen.recv().await {
            rest.push(seen);
        }
        (first, rest)
    }

    fn said(seen: &[Seen]) -> Vec<String> {
        seen.iter()
            .map(|seen| match seen {
                Seen::Pod(row) if row.gone_at.is_some() => format!("{} gone", row.name),
                Seen::Pod(row) => row.name.clone(),
                Seen::Connected => "connected".to_owned(),
                Seen::Blind(span) => format!(
                    "{} blind, {}: {}",
                    span.resource,
                    if span.to.is_some() { "ended" } else { "open" },
                    span.why
                ),
                Seen::Scrape(_)
                | Seen::TargetGone { .. }
                | Seen::Event(_)
                | Seen::Samples { .. }
                | Seen::Answers { .. }
                | Seen::QueryFailed { .. }
                | Seen::Queries { .. }
                | Seen::DiscoveryFailed { .. } => panic!("{seen:?}"),
            })
            .collect()
    }

    fn expired() -> Answer {
        let status = json!({"kind": "Status", "status": "Failure", "message": "too old resource version", "reason": "Expired", "code": 410});
        Answer::Lines(vec![json!({"type": "ERROR", "object": status})])
    }

    #[tokio::test]
    async fn changes_are_seen_after_the_first_list() {
        let changes = vec![
            json!({"type": "ADDED", "object": pod("b")}),
            json!({"type": "DELETED", "object": pod("a")}),
        ];
        let script = vec![Answer::List(&["a"]), Answer::Lines(changes), Answer::Silence];
        let (first, rest) = seen(script, 4).await;
        assert_eq!(said(&first), ["a", "connected", "b", "a gone"]);
        assert_eq!(said(&rest), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_watch_that_breaks_is_blind_until_the_next_full_list() {
        let script = vec![Answer::List(&["a"]), expired(), Answer::List(&["b"]), Answer::Silence];
        let (first, rest) = seen(script, 6).await;
        let (open, ended) = (
            "pods blind, open: too old resource version",
            "pods blind, ended: too old resource version",
        );
        assert_eq!(said(&first), ["a", "connected", open, "b", "a gone", ended]);
        assert_eq!(said(&rest), Vec::<String>::new());
        let Seen::Blind(span) = &first[5] else { panic!("a span") };
        assert!(span.to.is_some_and(|to| span.from < to));
    }

    #[tokio::test]
    async fn a_watch_that_ends_at_once_again_and_again_sees_nothing() {
        let nothing = || Answer::Lines(Vec::new());
        let script = vec![
            Answer::List(&["a"]),
            nothing(),
            // Something was said: that is no silence.
            Answer::Lines(vec![json!({"type": "MODIFIED", "object": labelled("a")})]),
            nothing(),
            nothing(),
            nothing(),
            Answer::List(&["b"]),
            Answer::Silence,
        ];
        let (first, _) = seen(script, 7).await;
        let why = "the watch ended at once, 3 times, without a word";
        let (open, ended) =
            (format!("pods blind, open: {why}"), format!("pods blind, ended: {why}"));
        assert_eq!(said(&first), ["a", "connected", "a", &open, "b", "a gone", &ended]);
    }

    #[tokio::test]
    async fn a_watch_that_hung_was_blind_since_it_was_last_heard() {
        let hung = Duration::from_secs(2);
        let script = vec![Answer::List(&["a"]), Answer::Hangs(hung), Answer::Silence];
        let (first, _) = seen(script, 3).await;
        let (Seen::Pod(listed), Seen::Blind(span)) = (&first[0], &first[2]) else {
            panic!("{:?}", said(&first));
        };
        let from = span.from.since(listed.first_seen_at);
        assert!(from < hung / 2, "blind from {from:?} after the list, and it hung at once");
    }

    #[tokio::test]
    async fn a_blindness_is_said_when_it_begins() {
        let (first, rest) = seen(vec![Answer::Forbidden], 2).await;
        // Not being allowed to look is an answer, so nobody waits for another.
        assert_eq!(said(&first), ["connected", "pods blind, open: pods is forbidden"]);
        assert_eq!(said(&rest), Vec::<String>::new());
    }
}
