//! The state of a pod, as far as scheduler and kubelet have come with it.

use std::sync::Arc;

use super::deployment::Origin;
use crate::time::Time;

/// A pod, as far as scheduler and kubelet have come with it.
#[derive(Clone, Debug)]
pub(super) struct PodState {
    /// Its name.
    pub(super) name: String,
    /// Its uid.
    pub(super) uid: String,
    /// What it has of its replica set.
    pub(super) origin: Arc<Origin>,
    /// When the replica set created it.
    pub(super) created: Time,
    /// When it was bound to the node.
    pub(super) scheduled: Option<Time>,
    /// When the kubelet took it up.
    pub(super) accepted: Option<Time>,
    /// When its sandbox stood.
    pub(super) sandbox: Option<Time>,
    /// Its container now.
    pub(super) container: Container,
    /// The container's id, new at each start; empty before the first.
    pub(super) container_id: String,
    /// How often the container was started again.
    pub(super) restarts: u32,
    /// How the container before this one ended.
    pub(super) last: Option<Exit>,
    /// Whether it is ready, and since when that is so.
    pub(super) ready: (bool, Time),
    /// Set once it is to go.
    pub(super) deletion: Option<Deletion>,
    /// Since when, and in which words, something means to disrupt it.
    pub(super) disrupted: Option<(Time, &'static str)>,
    /// How the whole pod ended.
    pub(super) ended: Option<Ended>,
    /// Where its process listens.
    pub(super) port: Option<u16>,
    /// Where its process shows its metrics.
    pub(super) metrics_port: Option<u16>,
    /// Its process.
    pub(super) pid: Option<u32>,
}

/// A container's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// Not running, for a reason such as `ContainerCreating`.
    Waiting(&'static str),
    /// Running since.
    Running(Time),
    /// Ended.
    Terminated(Exit),
}

/// The end of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    /// Its code; 128 and the signal, if one killed it.
    pub(super) code: i32,
    /// When it had started.
    pub(super) started: Time,
    /// When it ended.
    pub(super) finished: Time,
    /// Its id.
    pub(super) container_id: String,
}

/// The order to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deletion {
    /// Seconds from SIGTERM to SIGKILL.
    pub(super) grace: u64,
    /// When they are over.
    pub(super) at: Time,
}

/// How a pod ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Its container exited with 0.
    Succeeded,
    /// It did not.
    Failed,
}

impl PodState {
    /// A pod the scheduler has not seen.
    pub(super) fn new(name: String, uid: String, origin: Arc<Origin>, created: Time) -> Self {
        Self {
            name,
            uid,
            origin,
            created,
            scheduled: None,
            accepted: None,
            sandbox: None,
            container: Container::Waiting("ContainerCreating"),
            container_id: String::new(),
            restarts: 0,
            last: None,
            ready: (false, created),
            deletion: None,
            disrupted: None,
            ended: None,
            port: None,
            metrics_port: None,
            pid: None,
        }
    }

    /// Sets readiness; the time of the change stays where nothing changed.
    pub(super) fn set_ready(&mut self, ready: bool, now: Time) {
        if self.ready.0 != ready {
            self.ready = (ready, now);
        }
    }

    /// Whether requests should go to it.
    pub(super) fn takes_requests(&self) -> bool {
        self.ready.0 && self.deletion.is_none()
    }

    /// The one word for it.
    pub(super) fn phase(&self) -> &'static str {
        match (self.ended, &self.container) {
            (Some(Ended::Succeeded), _) => "Succeeded",
            (Some(Ended::Failed), _) => "Failed",
            (None, Container::Running(_) | Container::Terminated(_)) => "Running",
            (None, Container::Waiting(_)) if self.last.is_some() => "Running",
            (None, Container::Waiting(_)) => "Pending",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lab::objects::testing::origin;

    const NOW: Time = Time::from_millis(1_795_450_905_500);

    fn ready() -> PodState {
        let mut pod = PodState::new("api-h-lmqnl".to_owned(), "uid".to_owned(), origin(), NOW);
        pod.container = Container::Running(NOW);
        pod.set_ready(true, NOW);
        pod
    }

    #[test]
    fn readiness_keeps_its_time_until_it_changes() {
        let mut pod = ready();
        let later = NOW.plus(Duration::from_secs(5));
        pod.set_ready(true, later);
        assert_eq!(pod.ready, (true, NOW));
        pod.set_ready(false, later);
        assert_eq!(pod.ready, (false, later));
    }

    #[test]
    fn a_pod_told_to_go_takes_no_requests() {
        let mut pod = ready();
        assert!(pod.takes_requests());
        pod.deletion = Some(Deletion { grace: 30, at: NOW });
        assert!(!pod.takes_requests());
    }

    #[test]
    fn a_pod_whose_container_waits_to_start_again_is_running_and_not_pending() {
        let mut pod = ready();
        assert_eq!(pod.phase(), "Running");
        pod.container = Container::Waiting("CrashLoopBackOff");
        assert_eq!(pod.phase(), "Pending");
        let container_id = String::new();
        pod.last = Some(Exit { code: 137, started: NOW, finished: NOW, container_id });
        assert_eq!(pod.phase(), "Running");
    }
}
