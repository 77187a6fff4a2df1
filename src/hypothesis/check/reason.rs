//! Whether the reason of an event is one that Kubernetes writes.
//!
//! Any controller can write reasons of its own, so an unknown one is no mistake; one that is
//! nearly known is.

use crate::hypothesis::fields::closest;

/// The reasons that the components of Kubernetes write.
/// Source: `pkg/kubelet/events/event.go`, `pkg/controller/` and `pkg/scheduler/` of kubernetes.
const KNOWN: &[&str] = &[
    "BackOff",
    "BackoffLimitExceeded",
    "Completed",
    "ContainerGCFailed",
    "Created",
    "DeadlineExceeded",
    "DeletingNode",
    "ErrImageNeverPull",
    "EvictionThresholdMet",
    "Evicted",
    "ExceededGracePeriod",
    "Failed",
    "FailedAttachVolume",
    "FailedBinding",
    "FailedComputeMetricsReplicas",
    "FailedCreate",
    "FailedCreatePodSandBox",
    "FailedDelete",
    "FailedGetResourceMetric",
    "FailedKillPod",
    "FailedMount",
    "FailedPodSandBoxStatus",
    "FailedPostStartHook",
    "FailedPreStopHook",
    "FailedRescale",
    "FailedScheduling",
    "FailedSync",
    "FreeDiskSpaceFailed",
    "ImageGCFailed",
    "InspectFailed",
    "InvalidDiskCapacity",
    "Killing",
    "LeaderElection",
    "NetworkNotReady",
    "NodeHasDiskPressure",
    "NodeHasInsufficientMemory",
    "NodeHasNoDiskPressure",
    "NodeHasSufficientMemory",
    "NodeHasSufficientPID",
    "NodeNotReady",
    "NodeNotSchedulable",
    "NodeReady",
    "NodeSchedulable",
    "NoPods",
    "NotTriggerScaleUp",
    "OOMKilling",
    "Preempted",
    "Preempting",
    "ProbeWarning",
    "Pulled",
    "Pulling",
    "Rebooted",
    "RegisteredNode",
    "RemovingNode",
    "SandboxChanged",
    "SawCompletedJob",
    "ScalingReplicaSet",
    "Scheduled",
    "Started",
    "Starting",
    "SuccessfulAttachVolume",
    "SuccessfulCreate",
    "SuccessfulDelete",
    "SuccessfulRescale",
    "SystemOOM",
    "TaintManagerEviction",
    "TriggeredScaleUp",
    "Unhealthy",
];

/// Words of a container's status, which `kubectl get pods` shows, and the reason of the event
/// that goes with each.
const OF_STATUS: &[(&str, &str)] = &[
    ("CrashLoopBackOff", "BackOff"),
    ("CreateContainerConfigError", "Failed"),
    ("ErrImagePull", "Failed"),
    ("ImagePullBackOff", "BackOff"),
    ("OOMKilled", "OOMKilling"),
];

/// The reason that is meant; none when this one is known, or like none that is.
pub(super) fn meant(reason: &str) -> Option<&'static str> {
    if KNOWN.contains(&reason) {
        return None;
    }
    let same = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(reason));
    let of_status = OF_STATUS.iter().find(|(status, _)| status.eq_ignore_ascii_case(reason));
    of_status.map(|(_, known)| *known).or(same.copied()).or_else(|| closest(reason, KNOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_known_is_a_mistake_and_unknown_is_not() {
        for (reason, want) in [
            ("Backoff", Some("BackOff")),
            ("BACKOFF", Some("BackOff")),
            ("Kiling", Some("Killing")),
            ("CrashLoopBackOff", Some("BackOff")),
            ("OOMKilled", Some("OOMKilling")),
            ("BackOff", None),
            ("Preempted", None),
            ("WorkflowFailed", None),
        ] {
            assert_eq!(meant(reason), want, "{reason}");
        }
    }
}
