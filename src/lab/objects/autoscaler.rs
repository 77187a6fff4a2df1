//! The horizontal autoscaler as Kubernetes writes it.

use serde_json::{Value, json};

use super::Spec;
use crate::{lab::table::seconds, time::Time};

/// What the autoscaler was told and what it last saw.
#[derive(Clone, Debug)]
pub(in crate::lab) struct Watched {
    /// The fewest pods.
    pub(in crate::lab) least: usize,
    /// The most pods.
    pub(in crate::lab) most: usize,
    /// The utilisation it aims at, in percent.
    pub(in crate::lab) target: u32,
    /// The utilisation it last saw, in percent.
    pub(in crate::lab) seen: Option<u32>,
    /// Pods it last found.
    pub(in crate::lab) current: usize,
    /// Pods it last asked for.
    pub(in crate::lab) desired: usize,
    /// When it last changed the number.
    pub(in crate::lab) scaled: Option<Time>,
    /// How long a lower number has to last until it counts.
    pub(in crate::lab) patience_seconds: u64,
}

/// An `autoscaling/v2` HorizontalPodAutoscaler of the deployment.
pub(in crate::lab) fn autoscaler(spec: &Spec, uid: &str, watched: &Watched) -> Value {
    let mut status = json!({
        "observedGeneration": 1,
        "currentReplicas": watched.current,
        "desiredReplicas": watched.desired,
        "currentMetrics": null,
    });
    if let Some(percent) = watched.seen {
        let current =
            json!({"averageUtilization": percent, "averageValue": format!("{percent}0m")});
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "current": current}});
        status["currentMetrics"] = json!([metric]);
    }
    if let Some(scaled) = watched.scaled {
        status["lastScaleTime"] = seconds(scaled).into();
    }
    let target = json!({"type": "Utilization", "averageUtilization": watched.target});
    json!({
        "metadata": {
            "name": spec.app,
            "namespace": spec.namespace,
            "uid": uid,
            "creationTimestamp": seconds(spec.created),
        },
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": spec.app, "apiVersion": "apps/v1"},
            "minReplicas": watched.least,
            "maxReplicas": watched.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": {
                "scaleDown": {"stabilizationWindowSeconds": watched.patience_seconds},
            },
        },
        "status": status,
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

    use super::*;
    use crate::lab::objects::testing::{NOW, spec};

    #[test]
    fn it_reads_as_the_type_of_the_api_before_and_after_its_first_look() {
        for seen in [None, Some(80)] {
            let watched = Watched {
                least: 2,
                most: 8,
                target: 60,
                seen,
                current: 4,
                desired: 6,
                scaled: seen.map(|_| NOW),
                patience_seconds: 30,
            };
            let typed: HorizontalPodAutoscaler =
                serde_json::from_value(autoscaler(&spec(), "u", &watched)).unwrap();
            let status = typed.status.unwrap();
            assert_eq!(
                (status.desired_replicas, status.current_metrics.is_some()),
                (6, seen.is_some())
            );
        }
    }
}
