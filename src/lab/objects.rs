//! The lab's state as Kubernetes writes it: pods, the replica set, the deployment, namespaces.
//!
//! State goes in, JSON comes out; nothing here decides anything. Shapes and the order of
//! conditions are those of recorded transcripts of Kubernetes 1.36.

use serde_json::{Value, json};

use super::{
    lifecycle::{Container, Ended, Exit, PodState},
    table::seconds,
};
use crate::time::Time;

/// The lab's one node.
pub(super) const NODE: &str = "lab-node-1";

/// What stays the same as long as the lab runs.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    /// Namespace of everything.
    pub(super) namespace: String,
    /// Name of the deployment and of the container.
    pub(super) app: String,
    /// The pod template's hash, part of all names below the deployment.
    pub(super) hash: String,
    /// Pods asked for.
    pub(super) replicas: usize,
    /// Whole seconds between two probes, as a manifest can say them.
    pub(super) probe_seconds: u64,
    /// Uid of the replica set.
    pub(super) set_uid: String,
    /// Uid of the deployment.
    pub(super) deployment_uid: String,
    /// When both were created.
    pub(super) created: Time,
}

impl Spec {
    /// Name of the replica set.
    pub(super) fn set_name(&self) -> String {
        format!("{}-{}", self.app, self.hash)
    }

    /// The image the containers claim to run.
    pub(super) fn image() -> &'static str {
        concat!("homeostat.local/lab-pod:v", env!("CARGO_PKG_VERSION"))
    }
}

/// A pod.
pub(super) fn pod(spec: &Spec, pod: &PodState) -> Value {
    let mut metadata = json!({
        "name": pod.name,
        "generateName": format!("{}-", spec.set_name()),
        "namespace": spec.namespace,
        "uid": pod.uid,
        "generation": if pod.deletion.is_some() { 2 } else { 1 },
        "creationTimestamp": seconds(pod.created),
        "labels": {"app": spec.app, "pod-template-hash": spec.hash},
        "ownerReferences": [owner("ReplicaSet", &spec.set_name(), &spec.set_uid)],
    });
    if let Some(deletion) = pod.deletion {
        metadata["deletionTimestamp"] = seconds(deletion.at).into();
        metadata["deletionGracePeriodSeconds"] = deletion.grace.into();
    }
    if let Some(port) = pod.port {
        metadata["annotations"]["prometheus.io/scrape"] = "true".into();
        metadata["annotations"]["prometheus.io/port"] = port.to_string().into();
    }
    if let Some(pid) = pod.pid {
        metadata["annotations"]["lab.homeostat/pid"] = pid.to_string().into();
    }
    let mut object = json!({
        "metadata": metadata,
        "spec": pod_spec(spec),
        "status": pod_status(spec, pod),
    });
    if pod.scheduled.is_some() {
        object["spec"]["nodeName"] = NODE.into();
    }
    object
}

fn pod_spec(spec: &Spec) -> Value {
    let probe = |path: &str| {
        json!({
            "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
            "timeoutSeconds": 1,
            "periodSeconds": spec.probe_seconds,
            "successThreshold": 1,
            "failureThreshold": 3,
        })
    };
    json!({
        "containers": [{
            "name": spec.app,
            "image": Spec::image(),
            "imagePullPolicy": "IfNotPresent",
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "resources": {},
            "livenessProbe": probe("/healthz"),
            "readinessProbe": probe("/readyz"),
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        }],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    })
}

fn pod_status(spec: &Spec, pod: &PodState) -> Value {
    let mut status = json!({"phase": pod.phase(), "qosClass": "BestEffort"});
    let Some(scheduled) = pod.scheduled else { return status };
    let bound = condition("PodScheduled", true, scheduled, None);
    let Some(accepted) = pod.accepted else {
        status["conditions"] = json!([bound]);
        return status;
    };

    let (ready, since) = pod.ready;
    let unready = match pod.ended {
        _ if ready => None,
        Some(Ended::Succeeded) => Some("PodCompleted"),
        Some(Ended::Failed) => Some("PodFailed"),
        None => Some("ContainersNotReady"),
    };
    let sandboxed = pod.sandbox.is_some() && pod.ended.is_none();
    let initialized = (pod.ended == Some(Ended::Succeeded)).then_some("PodCompleted");
    let mut readiness = [
        condition("Ready", ready, since.max(accepted), unready),
        condition("ContainersReady", ready, since.max(accepted), unready),
    ];
    if unready == Some("ContainersNotReady") {
        for condition in &mut readiness {
            condition["message"] = format!("containers with unready status: [{}]", spec.app).into();
        }
    }
    let [ready_condition, containers_ready] = readiness;
    status["conditions"] = json!([
        condition(
            "PodReadyToStartContainers",
            sandboxed,
            if pod.ended.is_some() { since } else { pod.sandbox.unwrap_or(accepted) },
            None
        ),
        condition("Initialized", true, accepted, initialized),
        ready_condition,
        containers_ready,
        bound,
    ]);
    status["hostIP"] = "127.0.0.1".into();
    status["hostIPs"] = json!([{"ip": "127.0.0.1"}]);
    status["startTime"] = seconds(accepted).into();
    if pod.port.is_some() {
        status["podIP"] = "127.0.0.1".into();
        status["podIPs"] = json!([{"ip": "127.0.0.1"}]);
    }
    status["containerStatuses"] = json!([container_status(spec, pod)]);
    status
}

fn container_status(spec: &Spec, pod: &PodState) -> Value {
    let (state, started) = match &pod.container {
        Container::Waiting(reason) => (json!({"waiting": {"reason": reason}}), false),
        Container::Running(since) => (json!({"running": {"startedAt": seconds(*since)}}), true),
        Container::Terminated(exit) => (json!({"terminated": terminated(exit)}), false),
    };
    let last =
        pod.last.as_ref().map_or_else(|| json!({}), |e| json!({"terminated": terminated(e)}));
    let mut status = json!({
        "name": spec.app,
        "state": state,
        "lastState": last,
        "ready": pod.ready.0,
        "started": started,
        "restartCount": pod.restarts,
        "image": Spec::image(),
        "imageID": if pod.container_id.is_empty() { "" } else { Spec::image() },
    });
    if !pod.container_id.is_empty() {
        status["containerID"] = pod.container_id.as_str().into();
    }
    status
}

fn terminated(exit: &Exit) -> Value {
    json!({
        "exitCode": exit.code,
        "reason": if exit.code == 0 { "Completed" } else { "Error" },
        "startedAt": seconds(exit.started),
        "finishedAt": seconds(exit.finished),
        "containerID": exit.container_id,
    })
}

fn condition(kind: &str, holds: bool, since: Time, reason: Option<&str>) -> Value {
    let mut condition = json!({
        "type": kind,
        "status": if holds { "True" } else { "False" },
        "lastProbeTime": null,
        "lastTransitionTime": seconds(since),
    });
    if let Some(reason) = reason {
        condition["reason"] = reason.into();
    }
    condition
}

fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// How many of the replica set's pods are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Not told to go.
    pub(super) active: usize,
    /// Of those, ready.
    pub(super) ready: usize,
    /// Told to go, not gone.
    pub(super) terminating: usize,
}

/// The replica set.
pub(super) fn replica_set(spec: &Spec, counts: Counts) -> Value {
    let labels = json!({"app": spec.app, "pod-template-hash": spec.hash});
    json!({
        "metadata": {
            "name": spec.set_name(),
            "namespace": spec.namespace,
            "uid": spec.set_uid,
            "generation": 1,
            "creationTimestamp": seconds(spec.created),
            "labels": labels,
            "annotations": {
                "deployment.kubernetes.io/desired-replicas": spec.replicas.to_string(),
                "deployment.kubernetes.io/max-replicas":
                    (spec.replicas + spec.replicas.div_ceil(4)).to_string(),
                "deployment.kubernetes.io/revision": "1",
            },
            "ownerReferences": [owner("Deployment", &spec.app, &spec.deployment_uid)],
        },
        "spec": {
            "replicas": spec.replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(spec)},
        },
        "status": {
            "replicas": counts.active,
            "fullyLabeledReplicas": counts.active,
            "readyReplicas": counts.ready,
            "availableReplicas": counts.ready,
            "terminatingReplicas": counts.terminating,
            "observedGeneration": 1,
        },
    })
}

/// Since when the deployment's conditions are what they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Availability {
    /// Whether enough pods are ready: all but a quarter, rounded down.
    pub(super) available: bool,
    /// Since when.
    pub(super) since: Time,
}

impl Availability {
    /// Follows the counts; the time stays where nothing changed.
    pub(super) fn follow(&mut self, spec: &Spec, counts: Counts, now: Time) {
        let available = counts.ready >= spec.replicas - spec.replicas / 4;
        if available != self.available {
            *self = Self { available, since: now };
        }
    }
}

/// The deployment.
pub(super) fn deployment(spec: &Spec, counts: Counts, availability: Availability) -> Value {
    let labels = json!({"app": spec.app});
    let (holds, reason, message) = if availability.available {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    let since = seconds(availability.since);
    let mut status = json!({
        "observedGeneration": 1,
        "replicas": counts.active,
        "updatedReplicas": counts.active,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.ready,
        "terminatingReplicas": counts.terminating,
        "conditions": [
            {
                "type": "Available",
                "status": holds,
                "lastUpdateTime": since,
                "lastTransitionTime": since,
                "reason": reason,
                "message": message,
            },
            {
                "type": "Progressing",
                "status": "True",
                "lastUpdateTime": seconds(spec.created),
                "lastTransitionTime": seconds(spec.created),
                "reason": "NewReplicaSetAvailable",
                "message":
                    format!("ReplicaSet \"{}\" has successfully progressed.", spec.set_name()),
            },
        ],
    });
    let unavailable = spec.replicas.saturating_sub(counts.ready);
    if unavailable > 0 {
        status["unavailableReplicas"] = unavailable.into();
    }
    json!({
        "metadata": {
            "name": spec.app,
            "namespace": spec.namespace,
            "uid": spec.deployment_uid,
            "generation": 1,
            "creationTimestamp": seconds(spec.created),
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": "1"},
        },
        "spec": {
            "replicas": spec.replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(spec)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
            },
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
        "status": status,
    })
}

/// A namespace.
pub(super) fn namespace(name: &str, uid: String, created: Time) -> Value {
    json!({
        "metadata": {
            "name": name,
            "uid": uid,
            "creationTimestamp": seconds(created),
            "labels": {"kubernetes.io/metadata.name": name},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{Namespace, Pod},
    };

    use super::*;
    use crate::lab::lifecycle::Deletion;

    const NOW: Time = Time::from_millis(1_795_450_905_500);

    fn spec() -> Spec {
        Spec {
            namespace: "shop".to_owned(),
            app: "api".to_owned(),
            hash: "6895588688".to_owned(),
            replicas: 4,
            probe_seconds: 1,
            set_uid: "set".to_owned(),
            deployment_uid: "deployment".to_owned(),
            created: NOW,
        }
    }

    fn running() -> PodState {
        let mut pod = PodState::new("api-6895588688-lmqnl".to_owned(), "uid".to_owned(), NOW);
        (pod.scheduled, pod.accepted, pod.sandbox) = (Some(NOW), Some(NOW), Some(NOW));
        pod.container = Container::Running(NOW);
        pod.container_id = "lab://1".to_owned();
        (pod.port, pod.pid) = (Some(4000), Some(7));
        pod.set_ready(true, NOW);
        pod
    }

    /// The phase, and each condition with its status and reason.
    fn outline(state: &PodState) -> String {
        let typed: Pod = serde_json::from_value(pod(&spec(), state)).unwrap();
        let status = typed.status.unwrap();
        let conditions = status.conditions.unwrap_or_default();
        let conditions = conditions.iter().map(|c| {
            format!(
                " {}={}{}",
                c.type_,
                c.status,
                c.reason.as_ref().map_or(String::new(), |r| format!("({r})"))
            )
        });
        format!("{}{}", status.phase.unwrap(), conditions.collect::<String>())
    }

    #[test]
    fn a_pod_comes_up_as_in_the_transcript() {
        let mut pod = PodState::new("a".to_owned(), "u".to_owned(), NOW);
        assert_eq!(outline(&pod), "Pending");
        pod.scheduled = Some(NOW);
        assert_eq!(outline(&pod), "Pending PodScheduled=True");
        pod.accepted = Some(NOW);
        assert_eq!(
            outline(&pod),
            "Pending PodReadyToStartContainers=False Initialized=True \
             Ready=False(ContainersNotReady) ContainersReady=False(ContainersNotReady) \
             PodScheduled=True"
        );
        assert_eq!(
            outline(&running()),
            "Running PodReadyToStartContainers=True Initialized=True Ready=True \
             ContainersReady=True PodScheduled=True"
        );
    }

    #[test]
    fn a_pod_that_ended_well_says_completed() {
        let mut state = running();
        state.ended = Some(Ended::Succeeded);
        state.set_ready(false, NOW);
        assert_eq!(
            outline(&state),
            "Succeeded PodReadyToStartContainers=False Initialized=True(PodCompleted) \
             Ready=False(PodCompleted) ContainersReady=False(PodCompleted) PodScheduled=True"
        );
    }

    #[test]
    fn a_deletion_shows_its_end_and_its_grace() {
        let mut state = running();
        let at = NOW.plus(std::time::Duration::from_secs(30));
        state.deletion = Some(Deletion { grace: 30, at });
        let object = pod(&spec(), &state);
        assert_eq!(object["metadata"]["deletionTimestamp"], "2026-11-23T16:22:15Z");
        assert_eq!(object["metadata"]["deletionGracePeriodSeconds"], 30);
        assert_eq!(object["metadata"]["generation"], 2);
    }

    #[test]
    fn the_rest_reads_as_the_types_of_the_api() {
        let counts = Counts { active: 4, ready: 3, terminating: 1 };
        let mut availability = Availability { available: false, since: NOW };
        availability.follow(&spec(), counts, NOW);
        let set: ReplicaSet = serde_json::from_value(replica_set(&spec(), counts)).unwrap();
        assert_eq!(set.status.unwrap().ready_replicas, Some(3));
        let deployment = deployment(&spec(), counts, availability);
        let deployment: Deployment = serde_json::from_value(deployment).unwrap();
        assert_eq!(deployment.status.unwrap().unavailable_replicas, Some(1));
        let namespace = namespace("shop", "u".to_owned(), NOW);
        let namespace: Namespace = serde_json::from_value(namespace).unwrap();
        assert_eq!(namespace.metadata.name.as_deref(), Some("shop"));
    }

    #[test]
    fn a_deployment_is_available_with_a_quarter_missing_and_not_with_more() {
        let mut availability = Availability { available: false, since: NOW };
        let later = NOW.plus(std::time::Duration::from_secs(1));
        availability.follow(&spec(), Counts { ready: 3, ..Counts::default() }, NOW);
        assert!(availability.available);
        availability.follow(&spec(), Counts { ready: 2, ..Counts::default() }, later);
        assert!(!availability.available);
        assert_eq!(availability.since, later);
    }
}
