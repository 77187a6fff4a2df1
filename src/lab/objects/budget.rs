//! The disruption budget as Kubernetes writes it.

use serde_json::{Value, json};

use super::Spec;
use crate::{lab::table::seconds, time::Time};

/// What the budget's controller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lab) struct Budgeted {
    /// Pods that should be there.
    pub(in crate::lab) expected: usize,
    /// Pods that must be ready.
    pub(in crate::lab) desired: usize,
    /// Pods that are ready and stay.
    pub(in crate::lab) healthy: usize,
    /// Since when evictions are allowed, or are not.
    pub(in crate::lab) since: Time,
}

impl Budgeted {
    /// How many pods may be evicted now.
    pub(in crate::lab) fn allowed(&self) -> usize {
        self.healthy.saturating_sub(self.desired)
    }
}

/// A `policy/v1` PodDisruptionBudget over the deployment's pods.
pub(in crate::lab) fn budget(spec: &Spec, uid: &str, least: &Value, known: &Budgeted) -> Value {
    let allowed = known.allowed();
    let (status, reason) =
        if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    json!({
        "metadata": {
            "name": spec.app,
            "namespace": spec.namespace,
            "uid": uid,
            "generation": 1,
            "creationTimestamp": seconds(spec.created),
        },
        "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": spec.app}}},
        "status": {
            "observedGeneration": 1,
            "expectedPods": known.expected,
            "desiredHealthy": known.desired,
            "currentHealthy": known.healthy,
            "disruptionsAllowed": allowed,
            "conditions": [{
                "type": "DisruptionAllowed",
                "status": status,
                "observedGeneration": 1,
                "lastTransitionTime": seconds(known.since),
                "reason": reason,
                "message": "",
            }],
        },
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::policy::v1::PodDisruptionBudget;

    use super::*;
    use crate::lab::objects::testing::{NOW, spec};

    #[track_caller]
    fn check(healthy: usize, want: i32) {
        let known = Budgeted { expected: 10, desired: 8, healthy, since: NOW };
        let budget = budget(&spec(), "u", &json!("75%"), &known);
        let budget: PodDisruptionBudget = serde_json::from_value(budget).unwrap();
        assert_eq!(budget.status.unwrap().disruptions_allowed, Some(want));
    }

    #[test]
    fn what_is_above_the_least_may_go() {
        check(10, 2);
        check(8, 0);
        check(7, 0);
    }
}
