//! Watches: a position in the store's history, turned into lines of JSON.

use std::{io, sync::Arc, time::Duration};

use axum::body::{Body, Bytes};
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    cluster::Cluster,
    discovery::{Group, Resource},
    events,
    selector::{FieldSelector, LabelSelector},
    status::Failure,
    store::{Change, Kind, What},
    table::{self, Include},
};

/// Between two bookmarks of a watch that asked for them.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// How long before its end a watch gets its last bookmark, as in the transcripts.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// How long a watch lasts that does not say.
const LASTS: Duration = Duration::from_secs(1800);

/// Which objects a request means.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// Of which namespace; all by default.
    pub(super) namespace: Option<String>,
    /// With which labels.
    pub(super) labels: LabelSelector,
    /// With which fields.
    pub(super) fields: FieldSelector,
}

impl Filter {
    /// Whether an object is meant.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let namespace = object["metadata"]["namespace"].as_str();
        self.namespace.as_deref().is_none_or(|wanted| namespace == Some(wanted))
            && self.labels.matches(object)
            && self.fields.matches(object)
    }

    /// What a change means to someone who sees only what is meant: an object that no longer
    /// matches is deleted to them, one that begins to is new.
    fn seen(&self, change: &Change) -> Option<What> {
        let now = self.matches(&change.object);
        let before = change.before.as_ref().is_some_and(|before| self.matches(before));
        match change.what {
            What::Added => now.then_some(What::Added),
            What::Deleted => before.then_some(What::Deleted),
            What::Modified => match (before, now) {
                (true, true) => Some(What::Modified),
                (false, true) => Some(What::Added),
                (true, false) => Some(What::Deleted),
                (false, false) => None,
            },
        }
    }
}

/// In which shape objects are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As they are.
    Object,
    /// As the rows of a table.
    Table(Include),
}

/// One object as a resource shows it, with kind and version.
pub(super) fn shown(resource: Resource, object: &Value) -> Value {
    let mut object = match resource.group {
        Group::Events => events::renamed(object),
        Group::Core | Group::Apps | Group::Policy | Group::Autoscaling => object.clone(),
    };
    object["kind"] = resource.kind_name().into();
    object["apiVersion"] = resource.group.api_version().into();
    object
}

/// What a watch is asked for.
pub(super) struct Request {
    /// The resource.
    pub(super) resource: Resource,
    /// Which of its objects.
    pub(super) filter: Filter,
    /// In which shape.
    pub(super) shape: Shape,
    /// From which version; from the objects there are, if not said.
    pub(super) from: Option<u64>,
    /// Whether the objects there are end with a bookmark that says so.
    pub(super) initial_events: bool,
    /// Whether bookmarks are welcome.
    pub(super) bookmarks: bool,
    /// How long it should last.
    pub(super) timeout: Option<Duration>,
}

/// Answers a watch with a body that goes on until its time is up or the lab stops.
pub(super) fn body(cluster: Arc<Cluster>, request: Request, stop: CancellationToken) -> Body {
    let now = Instant::now();
    let ends = now + request.timeout.unwrap_or(LASTS);
    let mut cuts = cluster.cuts.subscribe();
    let (seen, first) = match request.from {
        Some(version) => (version, Vec::new()),
        None => initial(&cluster, &request),
    };
    let watcher = Watcher {
        news: cluster.store.news(),
        ends,
        // Recorded servers sent none for events, in any case not within minutes.
        bookmark: (request.bookmarks && request.resource.kind != Kind::Event)
            .then(|| next_bookmark(now, ends)),
        cluster,
        request,
        seen,
        over: false,
    };
    let first = futures::stream::iter((!first.is_empty()).then_some(first));
    let rest = futures::stream::unfold(watcher, Watcher::next);
    let lines = first.chain(rest).take_until(stop.cancelled_owned());
    // An error in a body closes the connection without the end of the answer.
    let cut = async move {
        match cuts.changed().await {
            Ok(()) => Some(Err(io::Error::other("the watch is cut off"))),
            Err(_) => None,
        }
    };
    let lines = lines.map(|lines| Ok(Bytes::from(lines)));
    Body::from_stream(until_cut(lines, cut))
}

/// A stream that ends as it would, or with the cut if that comes before.
fn until_cut<T>(
    lines: impl Stream<Item = T>,
    cut: impl Future<Output = Option<T>>,
) -> impl Stream<Item = T> {
    let (lines, cut) = (Box::pin(lines), Box::pin(cut));
    futures::stream::unfold(Some((lines, cut)), async |state| {
        let (mut lines, mut cut) = state?;
        tokio::select! {
            biased;
            Some(cut) = &mut cut => Some((cut, None)),
            line = lines.next() => Some((line?, Some((lines, cut)))),
        }
    })
}

/// Once in a while, and just before the end: whoever watches again goes on from there.
fn next_bookmark(now: Instant, ends: Instant) -> Instant {
    let last = ends.checked_sub(LAST_BOOKMARK).filter(|last| *last > now);
    last.map_or(now + BOOKMARK_EVERY, |last| last.min(now + BOOKMARK_EVERY))
}

/// The objects there are, as ADDED, and the version they were read at.
fn initial(cluster: &Cluster, request: &Request) -> (u64, Vec<u8>) {
    let (version, objects) = cluster.store.list(request.resource.kind);
    let mut lines = Vec::new();
    for object in objects.iter().filter(|object| request.filter.matches(object)) {
        push(&mut lines, "ADDED", &sent(cluster, request, object));
    }
    if request.initial_events {
        let mut end = bookmark(request, version);
        end["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        push(&mut lines, "BOOKMARK", &end);
    }
    (version, lines)
}

struct Watcher {
    cluster: Arc<Cluster>,
    request: Request,
    news: watch::Receiver<u64>,
    seen: u64,
    ends: Instant,
    bookmark: Option<Instant>,
    over: bool,
}

impl Watcher {
    /// The next lines; none when the watch is over.
    async fn next(mut self) -> Option<(Vec<u8>, Self)> {
        while !self.over {
            // Marked as seen before the look, so that a change after the look wakes us.
            self.news.borrow_and_update();
            let lines = self.catch_up();
            if !lines.is_empty() {
                return Some((lines, self));
            }
            let due = self.bookmark;
            let bookmark_due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.news.changed() => self.over = changed.is_err(),
                () = sleep_until(self.ends) => self.over = true,
                () = bookmark_due => {
                    self.bookmark = Some(next_bookmark(Instant::now(), self.ends));
                    let mut lines = Vec::new();
                    push(&mut lines, "BOOKMARK", &bookmark(&self.request, self.seen));
                    return Some((lines, self));
                }
            }
        }
        None
    }

    fn catch_up(&mut self) -> Vec<u8> {
        let mut lines = Vec::new();
        match self.cluster.store.since(self.seen) {
            Ok((version, changes)) => {
                self.seen = version;
                for change in changes.iter().filter(|c| c.kind == self.request.resource.kind) {
                    let Some(what) = self.request.filter.seen(change) else { continue };
                    let what = match what {
                        What::Added => "ADDED",
                        What::Modified => "MODIFIED",
                        What::Deleted => "DELETED",
                    };
                    push(&mut lines, what, &sent(&self.cluster, &self.request, &change.object));
                }
            }
            Err(expired) => {
                let failure =
                    Failure::expired_watch(self.request.resource.kind, self.seen, expired.oldest);
                push(&mut lines, "ERROR", &failure.json());
                self.over = true;
            }
        }
        lines
    }
}

fn sent(cluster: &Cluster, request: &Request, object: &Value) -> Value {
    match request.shape {
        Shape::Object => shown(request.resource, object),
        Shape::Table(include) => {
            let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
            table::table(request.resource.kind, &[object], version, include, cluster.now())
        }
    }
}

fn bookmark(request: &Request, version: u64) -> Value {
    let version = version.to_string();
    match request.shape {
        Shape::Object => {
            let mut object =
                shown(request.resource, &json!({"metadata": {"resourceVersion": version}}));
            if request.resource.kind == Kind::Pod {
                // Without these it would not read as a pod.
                (object["spec"], object["status"]) = (json!({"containers": null}), json!({}));
            }
            object
        }
        Shape::Table(_) => {
            json!({
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": {"resourceVersion": version},
                "columnDefinitions": [],
                "rows": [],
            })
        }
    }
}

fn push(lines: &mut Vec<u8>, what: &str, object: &Value) {
    let line = json!({"type": what, "object": object});
    lines.extend_from_slice(line.to_string().as_bytes());
    lines.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Clock, lab::LabPlan, time::Time};

    fn cluster() -> Arc<Cluster> {
        let plan = LabPlan::new("homeostat".into(), "dir".into());
        Arc::new(Cluster::new(&plan, Clock::starting_at(Time::from_millis(0))))
    }

    fn request(from: Option<u64>, labels: &str, fields: &str) -> Request {
        Request {
            resource: Resource { group: Group::Core, kind: Kind::Pod },
            filter: Filter {
                namespace: Some("shop".to_owned()),
                labels: LabelSelector::parse(labels).unwrap(),
                fields: FieldSelector::parse(fields, Kind::Pod).unwrap(),
            },
            shape: Shape::Object,
            from,
            initial_events: false,
            bookmarks: false,
            timeout: Some(Duration::ZERO),
        }
    }

    fn pod(name: &str, app: &str, phase: &str) -> Value {
        json!({
            "metadata": {"namespace": "shop", "name": name, "labels": {"app": app}},
            "status": {"phase": phase},
        })
    }

    /// What a watch shows of the cluster as it is: types and names.
    async fn outline(cluster: &Arc<Cluster>, request: Request) -> String {
        let body = body(Arc::clone(cluster), request, CancellationToken::new());
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let words = lines.map(|line| {
            let line: Value = serde_json::from_slice(line).unwrap();
            let (what, object) = (&line["type"], &line["object"]);
            let name = object["metadata"]["name"].as_str();
            format!(
                "{} {}",
                what.as_str().unwrap(),
                name.map_or(object["code"].to_string(), str::to_owned)
            )
        });
        words.collect::<Vec<_>>().join(", ")
    }

    #[tokio::test]
    async fn a_watch_from_a_version_shows_what_came_after_it() {
        let cluster = cluster();
        cluster.store.put(Kind::Pod, pod("a", "api", "Pending"));
        let from = cluster.store.version();
        cluster.store.put(Kind::Pod, pod("b", "api", "Pending"));
        cluster.store.put(Kind::Pod, pod("b", "api", "Running"));
        cluster.store.delete(Kind::Pod, "shop", "a");
        let shown = outline(&cluster, request(Some(from), "", "")).await;
        assert_eq!(shown, "ADDED b, MODIFIED b, DELETED a");
    }

    #[tokio::test]
    async fn a_watch_from_nowhere_begins_with_what_there_is() {
        let cluster = cluster();
        cluster.store.put(Kind::Pod, pod("a", "api", "Running"));
        assert_eq!(outline(&cluster, request(None, "", "")).await, "ADDED a");
        let streaming = Request { initial_events: true, ..request(None, "", "") };
        assert_eq!(outline(&cluster, streaming).await, "ADDED a, BOOKMARK null");
    }

    #[tokio::test]
    async fn an_object_that_ceases_to_match_is_deleted_to_the_watcher() {
        let cluster = cluster();
        let from = cluster.store.version();
        cluster.store.put(Kind::Pod, pod("a", "api", "Pending"));
        cluster.store.put(Kind::Pod, pod("a", "api", "Running"));
        cluster.store.put(Kind::Pod, pod("a", "api", "Failed"));
        let running = request(Some(from), "app=api", "status.phase=Running");
        assert_eq!(outline(&cluster, running).await, "ADDED a, DELETED a");
        assert_eq!(outline(&cluster, request(Some(from), "app=web", "")).await, "");
    }

    #[tokio::test]
    async fn a_dropped_watch_breaks_off_without_an_end() {
        let cluster = cluster();
        let endless = Request { timeout: None, ..request(Some(0), "", "") };
        let body = body(Arc::clone(&cluster), endless, CancellationToken::new());
        cluster.cuts.send_modify(|cuts| *cuts += 1);
        assert!(axum::body::to_bytes(body, usize::MAX).await.is_err());
    }

    #[test]
    fn bookmarks_come_each_minute_and_just_before_the_end() {
        let now = Instant::now();
        let check = |ends, want| {
            let next = next_bookmark(now, now + Duration::from_secs(ends));
            assert_eq!((next - now).as_secs(), want, "a watch of {ends} s");
        };
        check(150, 60);
        check(20, 18);
        check(61, 59);
        check(1, 60);
    }

    #[tokio::test]
    async fn a_watch_behind_the_history_gets_one_error_and_ends() {
        let cluster = cluster();
        for _ in 0..2100 {
            cluster.store.put(Kind::Pod, pod("a", "api", "Running"));
        }
        let slow = Request { timeout: None, ..request(Some(1), "", "") };
        assert_eq!(outline(&cluster, slow).await, "ERROR 410");
    }
}
