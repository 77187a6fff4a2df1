//! Kubernetes events of the lab, in the two shapes real components write.
//!
//! The scheduler writes the new one: `eventTime`, and null where the old times were. Kubelet and
//! controllers write the old one: `firstTimestamp`, `lastTimestamp` and a `count` that grows when
//! the same thing happens again. An event lives for an hour.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    deployment::Origin,
    objects::{NODE, Spec},
    store::{Kind, Store},
    table::{micros, seconds},
};
use crate::time::Time;

/// How long an event is kept, as in Kubernetes.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Who reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reporter {
    /// Binds pods to nodes.
    Scheduler,
    /// Runs containers on the node.
    Kubelet,
    /// Keeps the number of pods.
    ReplicaSetController,
    /// Keeps the replica sets.
    DeploymentController,
    /// Changes the number of pods with their load.
    Autoscaler,
}

/// What an event is about.
#[derive(Clone, Debug)]
pub(super) struct About {
    kind: &'static str,
    api: &'static str,
    name: String,
    uid: String,
    container: bool,
}

impl About {
    /// A pod.
    pub(super) fn pod(name: &str, uid: &str) -> Self {
        let (name, uid) = (name.to_owned(), uid.to_owned());
        Self { kind: "Pod", api: "v1", name, uid, container: false }
    }

    /// The container of a pod.
    pub(super) fn container(name: &str, uid: &str) -> Self {
        Self { container: true, ..Self::pod(name, uid) }
    }

    /// A replica set.
    pub(super) fn replica_set(spec: &Spec, origin: &Origin) -> Self {
        let (name, uid) = (spec.set_name(origin), origin.uid.clone());
        Self { kind: "ReplicaSet", api: "apps/v1", name, uid, container: false }
    }

    /// The autoscaler.
    pub(super) fn autoscaler(spec: &Spec, uid: &str) -> Self {
        let (name, uid) = (spec.app.clone(), uid.to_owned());
        let kind = "HorizontalPodAutoscaler";
        Self { kind, api: "autoscaling/v2", name, uid, container: false }
    }

    /// The deployment.
    pub(super) fn deployment(spec: &Spec) -> Self {
        let (name, uid) = (spec.app.clone(), spec.deployment_uid.clone());
        Self { kind: "Deployment", api: "apps/v1", name, uid, container: false }
    }
}

/// One thing to report.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// Who says it.
    pub(super) by: Reporter,
    /// Of what.
    pub(super) about: About,
    /// Whether somebody should worry.
    pub(super) warning: bool,
    /// One word.
    pub(super) reason: &'static str,
    /// A sentence.
    pub(super) message: String,
}

/// Turns reports into events, and repeated reports into counts.
#[derive(Default)]
pub(super) struct Recorder {
    /// The event that already says the same.
    same: HashMap<(String, &'static str, String), String>,
    /// Events by the time they were last written, oldest first.
    written: VecDeque<(Time, String)>,
    serial: u64,
}

impl Recorder {
    /// Writes a report into the store.
    pub(super) fn record(
        &mut self,
        spec: &Spec,
        store: &Store,
        uid: String,
        now: Time,
        report: Report,
    ) {
        self.expire(spec, store, now);
        let key = (report.about.uid.clone(), report.reason, report.message.clone());
        let again =
            self.same.get(&key).and_then(|name| store.get(Kind::Event, &spec.namespace, name));
        let event = match again {
            Some(event) => repeated(&event, now),
            None => {
                self.serial += 1;
                // Real names end in the nanosecond; the serial keeps ours apart.
                let nanos = u64::try_from(now.as_millis()).unwrap_or(0) * 1_000_000 + self.serial;
                let name = format!("{}.{nanos:x}", report.about.name);
                self.same.insert(key, name.clone());
                event(spec, &name, uid, now, &report)
            }
        };
        let name = event["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.written.push_back((now, name));
        store.put(Kind::Event, event);
    }

    fn expire(&mut self, spec: &Spec, store: &Store, now: Time) {
        while self.written.front().is_some_and(|(at, _)| now.since(*at) > LIFETIME) {
            let Some((_, name)) = self.written.pop_front() else { return };
            let lives_on = self.written.iter().any(|(_, other)| *other == name);
            if !lives_on {
                store.delete(Kind::Event, &spec.namespace, &name);
                self.same.retain(|_, other| *other != name);
            }
        }
    }
}

fn repeated(event: &Value, now: Time) -> Value {
    let mut event = event.clone();
    let count = event["count"].as_u64().unwrap_or(1);
    event["count"] = (count + 1).into();
    event["lastTimestamp"] = seconds(now).into();
    event
}

fn event(spec: &Spec, name: &str, uid: String, now: Time, report: &Report) -> Value {
    let about = &report.about;
    let mut object = json!({
        "metadata": {
            "name": name,
            "namespace": spec.namespace,
            "uid": uid,
            "creationTimestamp": seconds(now),
        },
        "involvedObject": {
            "kind": about.kind,
            "namespace": spec.namespace,
            "name": about.name,
            "uid": about.uid,
            "apiVersion": about.api,
        },
        "reason": report.reason,
        "message": report.message,
        "type": if report.warning { "Warning" } else { "Normal" },
    });
    if about.container {
        object["involvedObject"]["fieldPath"] = format!("spec.containers{{{}}}", spec.app).into();
    }
    let rest = match report.by {
        Reporter::Scheduler => json!({
            "source": {},
            "firstTimestamp": null,
            "lastTimestamp": null,
            "eventTime": micros(now),
            "action": "Binding",
            "reportingComponent": "default-scheduler",
            "reportingInstance": "default-scheduler-lab",
        }),
        Reporter::Kubelet => {
            classic("kubelet", json!({"component": "kubelet", "host": NODE}), NODE, now)
        }
        Reporter::ReplicaSetController => {
            let by = "replicaset-controller";
            classic(by, json!({"component": by}), "", now)
        }
        Reporter::DeploymentController => {
            let by = "deployment-controller";
            classic(by, json!({"component": by}), "", now)
        }
        Reporter::Autoscaler => {
            let by = "horizontal-pod-autoscaler";
            classic(by, json!({"component": by}), "", now)
        }
    };
    if let (Value::Object(object), Value::Object(rest)) = (&mut object, rest) {
        object.extend(rest);
    }
    object
}

fn classic(component: &str, source: Value, instance: &str, now: Time) -> Value {
    json!({
        "source": source,
        "firstTimestamp": seconds(now),
        "lastTimestamp": seconds(now),
        "count": 1,
        "eventTime": null,
        "reportingComponent": component,
        "reportingInstance": instance,
    })
}

/// An event as the group `events.k8s.io/v1` shows it.
pub(super) fn renamed(event: &Value) -> Value {
    const NAMES: [(&str, &str); 7] = [
        ("involvedObject", "regarding"),
        ("message", "note"),
        ("source", "deprecatedSource"),
        ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"),
        ("count", "deprecatedCount"),
        ("reportingComponent", "reportingController"),
    ];
    let mut event = event.clone();
    if let Value::Object(fields) = &mut event {
        for (old, new) in NAMES {
            if let Some(value) = fields.remove(old) {
                fields.insert(new.to_owned(), value);
            }
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{core, events};

    use super::*;
    use crate::lab::objects::testing::spec;

    const NOW: Time = Time::from_millis(1_795_450_905_512);

    fn report(by: Reporter, reason: &'static str) -> Report {
        let about = About::container("api-h-x", "u");
        Report { by, about, warning: false, reason, message: "Said once.".to_owned() }
    }

    /// Records the reports, each at its second, and returns what the store has then.
    fn events(reports: &[(u64, Reporter, &'static str)]) -> Vec<Value> {
        let (store, mut recorder) = (Store::new(100), Recorder::default());
        for (second, by, reason) in reports {
            let now = NOW.plus(Duration::from_secs(*second));
            recorder.record(&spec(), &store, "e".to_owned(), now, report(*by, reason));
        }
        store.list(Kind::Event).1.iter().map(|event| Value::clone(event)).collect()
    }

    #[test]
    fn the_scheduler_writes_an_event_time_and_null_times() {
        let event = events(&[(0, Reporter::Scheduler, "Scheduled")]).remove(0);
        assert_eq!(event["eventTime"], "2026-11-23T16:21:45.512000Z");
        assert_eq!(event["lastTimestamp"], Value::Null);
        assert_eq!(event.get("count"), None);
        assert_eq!(event["source"], json!({}));
    }

    #[test]
    fn a_repeated_report_raises_the_count_of_its_event() {
        let events =
            events(&[(0, Reporter::Kubelet, "Killing"), (9, Reporter::Kubelet, "Killing")]);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["count"], 2);
        assert_eq!(events[0]["firstTimestamp"], "2026-11-23T16:21:45Z");
        assert_eq!(events[0]["lastTimestamp"], "2026-11-23T16:21:54Z");
    }

    #[test]
    fn an_event_is_gone_an_hour_after_it_was_last_written() {
        let kubelet = Reporter::Kubelet;
        let reasons = |events: Vec<Value>| -> Vec<String> {
            events.iter().map(|e| e["reason"].as_str().unwrap().to_owned()).collect()
        };
        let kept = events(&[(0, kubelet, "A"), (3600, kubelet, "B")]);
        assert_eq!(reasons(kept).len(), 2);
        let repeated = events(&[(0, kubelet, "A"), (1800, kubelet, "A"), (3700, kubelet, "B")]);
        assert_eq!(reasons(repeated).len(), 2);
        assert_eq!(reasons(events(&[(0, kubelet, "A"), (3601, kubelet, "B")])), ["B"]);
    }

    #[test]
    fn both_shapes_read_as_the_types_of_both_groups() {
        for by in [Reporter::Scheduler, Reporter::Kubelet, Reporter::Autoscaler] {
            let event = events(&[(0, by, "Reason")]).remove(0);
            let old: core::v1::Event = serde_json::from_value(event.clone()).unwrap();
            let new: events::v1::Event = serde_json::from_value(renamed(&event)).unwrap();
            assert_eq!(old.message, new.note);
            assert_eq!(old.involved_object.name, new.regarding.unwrap().name);
            assert_eq!(old.reporting_component.as_deref(), new.reporting_controller.as_deref());
        }
    }
}
