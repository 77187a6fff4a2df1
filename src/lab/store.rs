//! The objects of the lab's cluster, their versions, and a bounded history for watches.
//!
//! One counter versions everything, as in etcd. A watch is a position in the history: it reads
//! what came after it and waits for news. Who falls behind the history is told so (410) and has
//! to list again; nobody is ever skipped past a change.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::watch;

/// Kinds of objects there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// `v1` Pod
    Pod,
    /// `v1` Event; the same objects are read through `events.k8s.io/v1`
    Event,
    /// `v1` Namespace, which lies in no namespace
    Namespace,
    /// `apps/v1` ReplicaSet
    ReplicaSet,
    /// `apps/v1` Deployment
    Deployment,
    /// `policy/v1` PodDisruptionBudget
    Budget,
    /// `autoscaling/v2` HorizontalPodAutoscaler
    Autoscaler,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It is new.
    Added,
    /// It is another version of one that was there.
    Modified,
    /// It is gone; its last state is shown.
    Deleted,
}

/// One change.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The version it made.
    pub(super) version: u64,
    /// The kind of the object.
    pub(super) kind: Kind,
    /// What happened.
    pub(super) what: What,
    /// The object after it; for a deletion, at it.
    pub(super) object: Arc<Value>,
    /// The object before it.
    pub(super) before: Option<Arc<Value>>,
}

/// The history no longer reaches back to the version asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expired {
    /// The oldest version a watch may start from.
    pub(super) oldest: u64,
}

/// Namespace (empty where there is none) and name.
type Key = (Kind, String, String);

/// All objects.
pub(super) struct Store {
    inner: Mutex<Inner>,
    news: watch::Sender<u64>,
    keep: usize,
}

#[derive(Default)]
struct Inner {
    version: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
}

impl Store {
    /// An empty store that remembers the last `keep` changes.
    pub(super) fn new(keep: usize) -> Self {
        Self { inner: Mutex::default(), news: watch::Sender::new(0), keep }
    }

    /// Adds or replaces an object under its own namespace and name, and versions it.
    pub(super) fn put(&self, kind: Kind, mut object: Value) -> Arc<Value> {
        let key = key(kind, &object);
        let mut inner = self.lock();
        let version = inner.version + 1;
        object["metadata"]["resourceVersion"] = version.to_string().into();
        let object = Arc::new(object);
        let before = inner.objects.insert(key, Arc::clone(&object));
        let what = if before.is_some() { What::Modified } else { What::Added };
        self.record(inner, Change { version, kind, what, object: Arc::clone(&object), before });
        object
    }

    /// Like [`Store::put`], unless the object is already there as it is.
    pub(super) fn put_news(&self, kind: Kind, mut object: Value) {
        let (_, namespace, name) = key(kind, &object);
        if let Some(known) = self.get(kind, &namespace, &name) {
            object["metadata"]["resourceVersion"] = known["metadata"]["resourceVersion"].clone();
            if *known == object {
                return;
            }
        }
        self.put(kind, object);
    }

    /// Removes an object, if it is there.
    pub(super) fn delete(&self, kind: Kind, namespace: &str, name: &str) {
        let mut inner = self.lock();
        let Some(before) = inner.objects.remove(&(kind, namespace.to_owned(), name.to_owned()))
        else {
            return;
        };
        let version = inner.version + 1;
        let mut last = Value::clone(&before);
        last["metadata"]["resourceVersion"] = version.to_string().into();
        let (what, object) = (What::Deleted, Arc::new(last));
        self.record(inner, Change { version, kind, what, object, before: Some(before) });
    }

    /// One object.
    pub(super) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.lock().objects.get(&(kind, namespace.to_owned(), name.to_owned())).cloned()
    }

    /// All objects of a kind by namespace and name, and the version they were read at.
    pub(super) fn list(&self, kind: Kind) -> (u64, Vec<Arc<Value>>) {
        let inner = self.lock();
        let of_kind = inner.objects.iter().filter(|((other, ..), _)| *other == kind);
        (inner.version, of_kind.map(|(_, object)| Arc::clone(object)).collect())
    }

    /// All objects of a kind as they were at a version that is still in the history.
    pub(super) fn list_at(&self, kind: Kind, version: u64) -> Result<Vec<Arc<Value>>, Expired> {
        let inner = self.lock();
        let oldest = inner.oldest();
        if version < oldest {
            return Err(Expired { oldest });
        }
        let of_kind = inner.objects.iter().filter(|((other, ..), _)| *other == kind);
        let mut objects: BTreeMap<Key, Arc<Value>> =
            of_kind.map(|(key, object)| (key.clone(), Arc::clone(object))).collect();
        let later = inner.history.iter().rev().take_while(|change| change.version > version);
        for change in later.filter(|change| change.kind == kind) {
            let key = key(kind, &change.object);
            match &change.before {
                Some(before) => objects.insert(key, Arc::clone(before)),
                None => objects.remove(&key),
            };
        }
        Ok(objects.into_values().collect())
    }

    /// Forgets the history: whoever has not followed to the end has to list again.
    pub(super) fn compact(&self) {
        self.lock().history.clear();
    }

    /// The newest version.
    pub(super) fn version(&self) -> u64 {
        self.lock().version
    }

    /// All changes after a version, oldest first, and the version they lead to.
    pub(super) fn since(&self, version: u64) -> Result<(u64, Vec<Change>), Expired> {
        let inner = self.lock();
        let oldest = inner.oldest();
        if version < oldest {
            return Err(Expired { oldest });
        }
        let start = inner.history.partition_point(|change| change.version <= version);
        Ok((inner.version, inner.history.range(start..).cloned().collect()))
    }

    /// Tells of each new version.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    fn record(&self, mut inner: MutexGuard<'_, Inner>, change: Change) {
        let version = change.version;
        inner.version = version;
        if inner.history.len() >= self.keep {
            inner.history.pop_front();
        }
        inner.history.push_back(change);
        drop(inner);
        // Two writers may get here in either order: the newer version wins.
        self.news.send_if_modified(|newest| {
            let is_news = version > *newest;
            *newest = version.max(*newest);
            is_news
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The oldest version from which every change is known.
    fn oldest(&self) -> u64 {
        self.history.front().map_or(self.version, |first| first.version - 1)
    }
}

fn key(kind: Kind, object: &Value) -> Key {
    let part = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    (kind, part("namespace"), part("name"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str) -> Value {
        json!({"metadata": {"namespace": "shop", "name": name}})
    }

    fn story(store: &Store, since: u64) -> Result<Vec<(u64, What)>, Expired> {
        let (_, changes) = store.since(since)?;
        Ok(changes.iter().map(|change| (change.version, change.what)).collect())
    }

    #[test]
    fn a_watch_sees_every_change_after_its_version() {
        let store = Store::new(10);
        store.put(Kind::Pod, pod("a"));
        store.put(Kind::Pod, pod("a"));
        store.delete(Kind::Pod, "shop", "a");
        let all = [(1, What::Added), (2, What::Modified), (3, What::Deleted)];
        assert_eq!(story(&store, 0).unwrap(), all);
        assert_eq!(story(&store, 2).unwrap(), all[2..]);
        assert_eq!(story(&store, 3).unwrap(), []);
    }

    #[test]
    fn a_watch_behind_the_history_is_told_so_and_one_at_its_edge_is_not() {
        let store = Store::new(2);
        for name in ["a", "b", "c"] {
            store.put(Kind::Pod, pod(name));
        }
        assert_eq!(story(&store, 0).unwrap_err(), Expired { oldest: 1 });
        assert_eq!(story(&store, 1).unwrap().len(), 2);
    }

    #[test]
    fn a_list_of_the_past_is_as_it_was_until_the_history_is_compacted() {
        let store = Store::new(10);
        for (name, delete) in [("a", false), ("b", false), ("a", true), ("c", false)] {
            if delete {
                store.delete(Kind::Pod, "shop", name);
            } else {
                store.put(Kind::Pod, pod(name));
            }
        }
        let names = |version| -> Result<String, Expired> {
            let pods = store.list_at(Kind::Pod, version)?;
            Ok(pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap()).collect())
        };
        let want = ["", "a", "ab", "b", "bc"].map(str::to_owned);
        assert_eq!([0, 1, 2, 3, 4].map(|version| names(version).unwrap()), want);
        store.compact();
        assert_eq!(names(3).unwrap_err(), Expired { oldest: 4 });
        assert_eq!(names(4).unwrap(), "bc");
        assert_eq!(story(&store, 4).unwrap(), [], "who was up to date is not disturbed");
    }

    #[test]
    fn an_object_that_says_nothing_new_gets_no_version() {
        let store = Store::new(10);
        store.put_news(Kind::Pod, pod("a"));
        store.put_news(Kind::Pod, pod("a"));
        assert_eq!(store.version(), 1);
        store.put_news(Kind::Pod, json!({"metadata": {"namespace": "shop", "name": "a"}, "x": 1}));
        assert_eq!(store.version(), 2);
    }

    #[test]
    fn a_deletion_carries_the_last_state_under_a_version_of_its_own() {
        let store = Store::new(10);
        store.put(Kind::Pod, pod("a"));
        store.delete(Kind::Pod, "shop", "a");
        let (_, changes) = store.since(1).unwrap();
        assert_eq!(changes[0].object["metadata"]["resourceVersion"], "2");
        assert_eq!(changes[0].object["metadata"]["name"], "a");
        assert!(store.get(Kind::Pod, "shop", "a").is_none());
    }

    #[test]
    fn deleting_nothing_is_no_change() {
        let store = Store::new(10);
        store.delete(Kind::Pod, "shop", "a");
        assert_eq!(store.version(), 0);
    }

    #[test]
    fn a_list_has_one_kind_and_the_version_it_was_read_at() {
        let store = Store::new(10);
        store.put(Kind::Pod, pod("a"));
        store.put(Kind::Event, pod("e"));
        let (version, pods) = store.list(Kind::Pod);
        assert_eq!((version, pods.len()), (2, 1));
    }
}
