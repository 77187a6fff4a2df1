//! What a lab is to be made of.

use std::time::Duration;

use camino::Utf8PathBuf;
use serde_json::Value;

use super::disturbance::Scheduled;

/// What to build. See [`LabPlan::new`] for the defaults.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LabPlan {
    /// Namespace of everything.
    pub namespace: String,
    /// Name of the Deployment, and the value of its pods' label `app`.
    pub app: String,
    /// Pods the Deployment asks for.
    pub replicas: usize,
    /// Whether the gateway tries a second pod after a failure.
    pub retries: bool,
    /// From the loss of a pod to the start of its replacement's process.
    pub restart_delay: Duration,
    /// Between two probes of a pod; a change of endpoints reaches the gateway this much later.
    pub probe_period: Duration,
    /// From the start of a pod's process to its first good readiness answer.
    pub readiness_delay: Duration,
    /// Requests per second sent to the gateway; 0 sends none.
    pub load: f64,
    /// Median time a pod works on a request.
    pub service_time: Duration,
    /// Requests a pod works on at once; the rest queue.
    pub concurrency: usize,
    /// Pods a disruption budget keeps available; there is no budget by default.
    pub budget: Option<Least>,
    /// Whether the number of pods follows their load, and how.
    pub autoscale: Option<Autoscale>,
    /// Changes a watch may lag behind.
    pub history: usize,
    /// What happens by itself, counted from the moment the lab is ready.
    pub schedule: Vec<Scheduled>,
    /// Port of the Kubernetes API; 0 takes any free one.
    pub api_port: u16,
    /// Port of service discovery; 0 takes any free one.
    pub sd_port: u16,
    /// Port of the gateway; 0 takes any free one.
    pub proxy_port: u16,
    /// Directory the kubeconfig is written to.
    pub dir: Utf8PathBuf,
    /// The program that has the command `lab-pod`.
    pub program: Utf8PathBuf,
    /// Seed of names, arrivals and service times.
    pub seed: u64,
}

/// How many pods a budget keeps available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Least {
    /// So many.
    Pods(usize),
    /// So many of a hundred, rounded up.
    Percent(u8),
}

/// How the number of pods follows their load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Autoscale {
    /// The fewest pods.
    pub least: usize,
    /// The most pods.
    pub most: usize,
    /// The utilisation to aim at, in percent.
    pub target: u32,
    /// How long a lower number has to last until it counts.
    pub patience: Duration,
}

impl LabPlan {
    /// Ten replicas of `api` in `shop` under 200 requests per second, on any free ports.
    pub(crate) fn new(program: Utf8PathBuf, dir: Utf8PathBuf) -> Self {
        Self {
            namespace: "shop".to_owned(),
            app: "api".to_owned(),
            replicas: 10,
            retries: true,
            restart_delay: Duration::from_secs(2),
            probe_period: Duration::from_secs(1),
            readiness_delay: Duration::from_millis(500),
            load: 200.0,
            service_time: Duration::from_millis(10),
            concurrency: 4,
            budget: None,
            autoscale: None,
            history: 2000,
            schedule: Vec::new(),
            api_port: 0,
            sd_port: 0,
            proxy_port: 0,
            dir,
            program,
            seed: 1,
        }
    }
}

impl Least {
    /// Of so many pods.
    pub(super) fn of(self, pods: usize) -> usize {
        match self {
            Self::Pods(count) => count,
            Self::Percent(percent) => (pods * usize::from(percent)).div_ceil(100),
        }
    }

    /// As a manifest says it.
    pub(super) fn json(self) -> Value {
        match self {
            Self::Pods(count) => count.into(),
            Self::Percent(percent) => format!("{percent}%").into(),
        }
    }
}
