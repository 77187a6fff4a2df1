//! The miniature cluster: real processes on loopback, disturbed for real.
//!
//! Pods are child processes that serve HTTP. A gateway spreads an open-loop load over the ready
//! ones and measures what callers see. Controllers replace what dies, roll out and scale. `kubectl`
//! and `kube` see all of it through a Kubernetes API, Prometheus and Homeostat through `http_sd`.
//! It belongs to demos and tests: nothing but `cli` may use it, and it listens on 127.0.0.1 only.
//!
//! Wall time comes from [`Clock`]; lengths of time are measured by the timer of the async
//! runtime.

mod api;
mod args;
mod autoscaler;
mod cluster;
mod control;
mod deployment;
mod discovery;
mod disturbance;
mod events;
mod exporter;
mod kubeconfig;
mod kubelet;
mod leak;
mod lifecycle;
mod load;
mod metrics;
mod objects;
mod order;
mod plan;
mod pod;
mod proxy;
mod sd;
mod selector;
mod serve;
mod status;
mod store;
mod table;
mod values;
mod watch;
mod workload;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    api::Api,
    autoscaler::Autoscaler,
    cluster::Cluster,
    control::Control,
    disturbance::Disturber,
    exporter::Exporter,
    kubelet::Kubelet,
    load::{Load, OUTSTANDING, Pace, Timetable},
    proxy::Gateway,
    sd::Directory,
    serve::Bound,
};
pub(crate) use self::{
    args::{LabArgs, Switch},
    plan::LabPlan,
    pod::{PodArgs, pod},
};
use crate::clock::Clock;

/// How long the lab may take to come up, beyond the readiness delay asked for.
const COMES_UP: Duration = Duration::from_secs(60);

/// How long the lab waits for its parts to end.
const GOES_DOWN: Duration = Duration::from_secs(10);

/// Between two looks at whether the lab is up.
const LOOK: Duration = Duration::from_millis(20);

/// A running lab. Dropped without [`Lab::stop`], it ends soon after.
pub(crate) struct Lab {
    api: SocketAddr,
    directory: SocketAddr,
    gateway: SocketAddr,
    kubeconfig: Utf8PathBuf,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Why there is no lab, or no pod.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LabError {
    /// A port is taken, most likely by another lab.
    #[error("cannot listen on port {port} of 127.0.0.1 for {what}")]
    Bind {
        /// Who wanted it.
        what: &'static str,
        /// The port asked for; 0 for any.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The kubeconfig was not written.
    #[error("cannot write `{path}`")]
    Kubeconfig {
        /// Where to.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no HTTP client.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// The pods did not become ready in time.
    #[error("{ready} of {wanted} pods are ready after {waited:?}")]
    NotReady {
        /// How many were.
        ready: usize,
        /// How many were asked for.
        wanted: usize,
        /// How long that took.
        waited: Duration,
    },
    /// The process of a pod did not start.
    #[error("cannot start a pod: {trouble}")]
    NoPod {
        /// What is wrong with it.
        trouble: String,
    },
    /// No request came through the gateway.
    #[error("no request was answered through the gateway within {waited:?}")]
    NoTraffic {
        /// How long that took.
        waited: Duration,
    },
    /// A pod that leaks has nothing left to lose.
    #[error("out of memory: this pod has leaked all it may")]
    OutOfMemory,
    /// A pod could not ask to be told of SIGTERM.
    #[error("cannot wait for SIGTERM")]
    Signal(#[source] io::Error),
    /// A pod could not tell its port to the lab.
    #[error("cannot write to stdout")]
    Announce(#[source] io::Error),
}

impl Lab {
    /// Builds a lab; returns when all replicas are ready, the gateway knows them and, where a
    /// load is asked for, requests are being answered.
    pub(crate) async fn start(plan: LabPlan, clock: Clock) -> Result<Self, LabError> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let api_port = Bound::to(plan.api_port, "the Kubernetes API").await?;
        let directory_port = Bound::to(plan.sd_port, "service discovery").await?;
        let gateway_port = Bound::to(plan.proxy_port, "the gateway").await?;

        let cluster = Arc::new(Cluster::new(&plan, clock.clone()));
        let gateway = Gateway::new(plan.retries, &clock)?;
        let server = format!("http://{}", api_port.address);
        let lab = Self {
            api: api_port.address,
            directory: directory_port.address,
            gateway: gateway_port.address,
            kubeconfig: kubeconfig::write(&plan.dir, &server, &plan.namespace)?,
            tasks: tasks.clone(),
            // From here on a failure drops the lab, which stops what is already there.
            stop: stop.clone(),
        };

        let api = Api::new(Arc::clone(&cluster), lab.api.to_string(), stop.clone());
        api_port.spawn(api.router(), &tasks, &stop);
        let metrics_port = Bound::to(0, "the gateway's metrics").await?;
        let gateway_metrics = metrics_port.address;
        let shown = Arc::clone(&gateway);
        let exporter = Exporter::new(move || shown.page(), cluster.exposure.subscribe());
        gateway_port.spawn(Arc::clone(&gateway).router(exporter.clone()), &tasks, &stop);
        tasks.spawn(exporter.run(metrics_port, stop.clone()));
        tasks.spawn(Arc::clone(&gateway).follow(
            cluster.endpoints(),
            plan.probe_period,
            stop.clone(),
        ));
        let kubelet = Kubelet::new(Arc::clone(&cluster), plan.clone(), stop.clone())?;
        tasks.spawn(workload::keep(
            Arc::clone(&cluster),
            Arc::new(kubelet),
            plan.restart_delay,
            tasks.clone(),
            stop.clone(),
        ));
        until_known(&plan, &cluster, &gateway).await?;

        let pace = Arc::new(Pace::new(plan.load));
        let mut load_metrics = None;
        if plan.load > 0.0 {
            let port = Bound::to(0, "the load generator").await?;
            load_metrics = Some(port.address);
            let load = Load::new(lab.proxy_url(), OUTSTANDING, &clock)?;
            let shown = Arc::clone(&load);
            let exporter = Exporter::new(move || shown.page(), cluster.exposure.subscribe());
            tasks.spawn(exporter.run(port, stop.clone()));
            let timetable = Timetable::new(Arc::clone(&pace), plan.seed);
            tasks.spawn(load.run(timetable, tasks.clone(), stop.clone()));
        }
        let disturber = Disturber::new(Arc::clone(&cluster), pace, tasks.clone(), stop.clone());
        let directory = Directory::new(Arc::clone(&cluster), gateway_metrics, load_metrics);
        let control = Control::new(Arc::clone(&disturber));
        directory_port.spawn(directory.router().merge(control.router()), &tasks, &stop);
        if plan.load > 0.0 {
            until_answered(&gateway).await?;
        }
        if let Some(autoscale) = plan.autoscale {
            let autoscaler = Autoscaler::new(cluster, autoscale, plan.concurrency)?;
            let stop = stop.clone();
            tasks.spawn(async move { stop.run_until_cancelled(autoscaler.run()).await });
        }
        disturber.follow(&plan.schedule);
        Ok(lab)
    }

    /// Where the targets are listed, for Prometheus' `http_sd`.
    pub(crate) fn sd_url(&self) -> String {
        format!("http://{}/sd", self.directory)
    }

    /// The kubeconfig of the lab.
    pub(crate) fn kubeconfig(&self) -> &Utf8Path {
        &self.kubeconfig
    }

    /// Where callers send their requests.
    pub(crate) fn proxy_url(&self) -> String {
        format!("http://{}/", self.gateway)
    }

    /// The Kubernetes API.
    pub(crate) fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// Ends everything: load, servers, and every pod's process.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(GOES_DOWN, self.tasks.wait()).await.is_err() {
            tracing::warn!("parts of the lab did not end within {GOES_DOWN:?}");
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Waits until the gateway knows all replicas, which it does only once they are ready.
async fn until_known(plan: &LabPlan, cluster: &Cluster, gateway: &Gateway) -> Result<(), LabError> {
    let waited = COMES_UP + plan.readiness_delay + plan.probe_period;
    let deadline = Instant::now() + waited;
    while gateway.known() < plan.replicas {
        // Waiting would not help: the same program is started for every pod.
        if let Some(trouble) = cluster.trouble() {
            return Err(LabError::NoPod { trouble });
        }
        if Instant::now() >= deadline {
            let (ready, wanted) = (cluster.counts().ready, plan.replicas);
            return Err(LabError::NotReady { ready, wanted, waited });
        }
        sleep(LOOK).await;
    }
    Ok(())
}

async fn until_answered(gateway: &Gateway) -> Result<(), LabError> {
    let deadline = Instant::now() + COMES_UP;
    while gateway.answered() == 0 {
        if Instant::now() >= deadline {
            return Err(LabError::NoTraffic { waited: COMES_UP });
        }
        sleep(LOOK).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn failure(program: &str, api_port: u16) -> String {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        let plan = LabPlan { api_port, ..LabPlan::new(program.into(), dir) };
        Lab::start(plan, Clock::system()).await.err().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_program_that_is_no_pod_is_an_error_at_once() {
        let want = "cannot start a pod: /bin/true ended before it said its port";
        assert_eq!(failure("/bin/true", 0).await, want);
        let missing = failure("/nowhere/homeostat", 0).await;
        assert!(missing.starts_with("cannot start a pod: /nowhere/homeostat: "), "{missing}");
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_use() {
        let taken = Bound::to(0, "a test").await.unwrap();
        let port = taken.address.port();
        let want = format!("cannot listen on port {port} of 127.0.0.1 for the Kubernetes API");
        assert_eq!(failure("/bin/true", port).await, want);
    }
}
