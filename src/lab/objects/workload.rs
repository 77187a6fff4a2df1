//! Replica sets and the deployment as Kubernetes writes them.

use serde_json::{Value, json};

use super::{Spec, owner, pod::pod_spec};
use crate::{
    lab::{
        deployment::{Annotations, Counts, Deployment, Progress, Revision, Stage},
        table::seconds,
    },
    time::Time,
};

/// A replica set.
pub(in crate::lab) fn replica_set(
    spec: &Spec,
    deployment: &Deployment,
    revision: &Revision,
    counts: Counts,
) -> Value {
    let labels = json!({"app": spec.app, "pod-template-hash": revision.origin.hash});
    let mut status = counted(counts, "fullyLabeledReplicas");
    // Unlike the deployment's, it is there when it is 0.
    status["replicas"] = counts.active.into();
    status["observedGeneration"] = revision.generation.into();
    json!({
        "metadata": {
            "name": spec.set_name(&revision.origin),
            "namespace": spec.namespace,
            "uid": revision.origin.uid,
            "generation": revision.generation,
            "creationTimestamp": seconds(revision.created),
            "labels": labels,
            "annotations": {
                "deployment.kubernetes.io/desired-replicas": deployment.replicas.to_string(),
                "deployment.kubernetes.io/max-replicas": deployment.most().to_string(),
                "deployment.kubernetes.io/revision": revision.number.to_string(),
            },
            "ownerReferences": [owner("Deployment", &spec.app, &spec.deployment_uid)],
        },
        "spec": {
            "replicas": revision.wanted,
            "selector": {"matchLabels": labels},
            "template": template(spec, &labels, &revision.origin.template),
        },
        "status": status,
    })
}

/// The deployment, given the counts of all its pods and of those of the newest replica set.
pub(in crate::lab) fn deployment(
    spec: &Spec,
    deployment: &Deployment,
    all: Counts,
    newest: Counts,
) -> Value {
    let labels = json!({"app": spec.app});
    let mut status = counted(all, "replicas");
    if newest.active > 0 {
        status["updatedReplicas"] = newest.active.into();
    }
    let unavailable = deployment.wanted().saturating_sub(all.ready);
    if unavailable > 0 {
        status["unavailableReplicas"] = unavailable.into();
    }
    if deployment.observed > 0 {
        status["observedGeneration"] = deployment.observed.into();
    }
    if let Some(revision) = deployment.revisions.last() {
        status["conditions"] = json!([
            available(deployment),
            progressing(&spec.set_name(&revision.origin), deployment.progress, spec.created),
        ]);
    }
    let number = deployment.revisions.last().map_or(1, |revision| revision.number);
    json!({
        "metadata": {
            "name": spec.app,
            "namespace": spec.namespace,
            "uid": spec.deployment_uid,
            "generation": deployment.generation,
            "creationTimestamp": seconds(spec.created),
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": number.to_string()},
        },
        "spec": {
            "replicas": deployment.replicas,
            "selector": {"matchLabels": labels},
            "template": template(spec, &labels, &deployment.template),
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

/// The subresource `scale`, given the deployment as it is stored.
pub(in crate::lab) fn scale(deployment: &Value) -> Value {
    let labels = deployment["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let selector: Vec<String> =
        labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or(""))).collect();
    let metadata = &deployment["metadata"];
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": deployment["spec"]["replicas"]},
        "status": {
            "replicas": deployment["status"]["replicas"].as_u64().unwrap_or(0),
            "selector": selector.join(","),
        },
    })
}

/// The counts as both kinds write them: what is 0 is left out, but for those that go.
fn counted(counts: Counts, total: &str) -> Value {
    let mut status = json!({"terminatingReplicas": counts.terminating});
    for (name, count) in [
        (total, counts.active),
        ("readyReplicas", counts.ready),
        ("availableReplicas", counts.ready),
    ] {
        if count > 0 {
            status[name] = count.into();
        }
    }
    status
}

fn template(spec: &Spec, labels: &Value, annotations: &Annotations) -> Value {
    let mut metadata = json!({"labels": labels});
    if !annotations.is_empty() {
        metadata["annotations"] = json!(annotations);
    }
    json!({"metadata": metadata, "spec": pod_spec(spec)})
}

fn available(deployment: &Deployment) -> Value {
    let (status, reason, message) = if deployment.availability.available {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    let since = seconds(deployment.availability.since);
    json!({
        "type": "Available",
        "status": status,
        "lastUpdateTime": since,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    })
}

fn progressing(set: &str, progress: Progress, created: Time) -> Value {
    let (reason, message) = match progress.stage {
        Stage::Created => ("NewReplicaSetCreated", format!("Created new replica set \"{set}\"")),
        Stage::Updated => ("ReplicaSetUpdated", format!("ReplicaSet \"{set}\" is progressing.")),
        Stage::Available => {
            ("NewReplicaSetAvailable", format!("ReplicaSet \"{set}\" has successfully progressed."))
        }
    };
    json!({
        "type": "Progressing",
        "status": "True",
        "lastUpdateTime": seconds(progress.since),
        // It has been true all the time; only its reason changes.
        "lastTransitionTime": seconds(created),
        "reason": reason,
        "message": message,
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{apps::v1, autoscaling::v1::Scale};

    use super::*;
    use crate::lab::objects::testing::{NOW, origin, spec};

    #[test]
    fn they_read_as_the_types_of_the_api() {
        let counts = Counts { active: 4, ready: 3, terminating: 1 };
        let revision =
            Revision { origin: origin(), number: 2, wanted: 4, generation: 3, created: NOW };
        let wish = Deployment { revisions: vec![revision.clone()], ..Deployment::new(4, NOW) };
        let set = replica_set(&spec(), &wish, &revision, counts);
        let set: v1::ReplicaSet = serde_json::from_value(set).unwrap();
        assert_eq!(set.status.unwrap().ready_replicas, Some(3));
        assert_eq!(set.metadata.annotations.unwrap()["deployment.kubernetes.io/max-replicas"], "5");
        let stored = deployment(&spec(), &wish, counts, counts);
        let typed: v1::Deployment = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(typed.status.unwrap().unavailable_replicas, Some(1));
        let scale: Scale = serde_json::from_value(scale(&stored)).unwrap();
        assert_eq!(scale.status.unwrap().selector.as_deref(), Some("app=api"));
    }
}
