//! Pods as Kubernetes writes them.

use serde_json::{Value, json};

use super::{NODE, Spec, owner};
use crate::{
    lab::{
        lifecycle::{Container, Ended, Exit, PodState},
        table::seconds,
    },
    time::Time,
};

/// A pod.
pub(in crate::lab) fn pod(spec: &Spec, pod: &PodState) -> Value {
    let mut metadata = json!({
        "name": pod.name,
        "generateName": format!("{}-", spec.set_name(&pod.origin)),
        "namespace": spec.namespace,
        "uid": pod.uid,
        "generation": if pod.deletion.is_some() { 2 } else { 1 },
        "creationTimestamp": seconds(pod.created),
        "labels": {"app": spec.app, "pod-template-hash": pod.origin.hash},
        "ownerReferences":
            [owner("ReplicaSet", &spec.set_name(&pod.origin), &pod.origin.uid)],
    });
    for (name, value) in &pod.origin.template {
        metadata["annotations"][name] = value.as_str().into();
    }
    if let Some(deletion) = pod.deletion {
        metadata["deletionTimestamp"] = seconds(deletion.at).into();
        metadata["deletionGracePeriodSeconds"] = deletion.grace.into();
    }
    if let Some(port) = pod.metrics_port {
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

/// What the template says of the containers.
pub(super) fn pod_spec(spec: &Spec) -> Value {
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
    if let Some((since, message)) = &pod.disrupted
        && let Value::Array(conditions) = &mut status["conditions"]
    {
        let mut target = condition("DisruptionTarget", true, *since, Some("EvictionByEvictionAPI"));
        target["message"] = (*message).into();
        conditions.push(target);
    }
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

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;

    use super::*;
    use crate::lab::{
        lifecycle::Deletion,
        objects::testing::{origin, spec},
    };

    const NOW: Time = Time::from_millis(1_795_450_905_500);

    fn running() -> PodState {
        let mut pod =
            PodState::new("api-6895588688-lmqnl".to_owned(), "uid".to_owned(), origin(), NOW);
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
        let mut pod = PodState::new("a".to_owned(), "u".to_owned(), origin(), NOW);
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
}
