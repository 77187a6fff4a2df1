//! What happens to a pod on its node: one task a pod, from binding to the end of its process.
//!
//! The order of changes and events is that of recorded transcripts of Kubernetes: see the tests
//! of `objects` and the page `docs/lab.md`.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    LabError, LabPlan,
    cluster::{Charge, Cluster, Orders},
    events::{About, Report, Reporter},
    lifecycle::{Container, Deletion, Ended, Exit},
    objects::{NODE, Spec},
    order::{Ailment, Order},
    serve,
    values::written,
};

/// What binding a pod and setting up its sandbox take, about as in the transcripts.
const STEP: Duration = Duration::from_millis(20);

/// How long a process may take to say its port.
const START: Duration = Duration::from_secs(20);

/// How long a probe waits for its answer.
const PROBE: Duration = Duration::from_secs(1);

/// How late the end of a process that was told to go is noticed, as in the transcripts. Its
/// replacement is there by then, so for a moment there are more pods than asked for.
const NOTICES: Duration = Duration::from_millis(250);

/// Failed probes in a row until they count, as is the default in Kubernetes.
const FAILURES: u32 = 3;

/// The first and the longest pause before a container that ended by itself starts again. The very
/// first restart comes at once.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// A container that ran this long starts again at once when it ends.
const FORGIVEN: Duration = Duration::from_secs(600);

/// Takes care of pods.
pub(super) struct Kubelet {
    cluster: Arc<Cluster>,
    plan: LabPlan,
    client: reqwest::Client,
    stop: CancellationToken,
}

/// Why a container is no longer running.
enum End {
    /// The pod was told to go.
    Deleted(Deletion),
    /// It ended by itself, or was killed for not being alive.
    Crashed,
    /// The lab stops.
    Stopped,
}

/// A pod's process. It hears orders on its stdin, and ends when that does.
struct Process {
    child: Child,
    stdin: ChildStdin,
    port: u16,
    metrics_port: u16,
}

impl Kubelet {
    /// A kubelet for the pods of a cluster.
    pub(super) fn new(
        cluster: Arc<Cluster>,
        plan: LabPlan,
        stop: CancellationToken,
    ) -> Result<Self, LabError> {
        // No idle connections: a probe must show that the pod still accepts one.
        Ok(Self { cluster, plan, client: serve::client(PROBE, 0)?, stop })
    }

    /// Takes care of a pod until it is gone. Its process starts after `delay`.
    pub(super) async fn care(&self, charge: Charge, delay: Duration) {
        let Charge { name, mut orders, mut ailment } = charge;
        let ready_to_start = Instant::now() + delay;
        if self.admit(&name, &mut orders, ready_to_start).await {
            loop {
                match self.run_container(&name, &mut orders, &mut ailment).await {
                    End::Deleted(_) => break,
                    End::Stopped => return,
                    End::Crashed => {}
                }
                if !self.back_off(&name, &mut orders).await {
                    break;
                }
            }
        }
        if !self.stop.is_cancelled() {
            self.cluster.remove(&name);
        }
    }

    /// From "created" to "its container may start". False when it has to go before that.
    async fn admit(&self, name: &str, orders: &mut Orders, start: Instant) -> bool {
        if !self.pause(orders, Instant::now() + STEP).await {
            return false;
        }
        let now = self.cluster.now();
        self.cluster.update(name, |pod| pod.scheduled = Some(now));
        let Spec { namespace, .. } = &self.cluster.spec;
        self.report(
            name,
            Reporter::Scheduler,
            "Scheduled",
            format!("Successfully assigned {namespace}/{name} to {NODE}"),
        );
        if !self.pause(orders, Instant::now() + STEP).await {
            return false;
        }
        let now = self.cluster.now();
        self.cluster.update(name, |pod| pod.accepted = Some(now));
        if !self.pause(orders, start).await {
            return false;
        }
        let now = self.cluster.now();
        self.cluster.update(name, |pod| pod.sandbox = Some(now));
        true
    }

    /// Starts the container and stays with it until it ends.
    async fn run_container(
        &self,
        name: &str,
        orders: &mut Orders,
        ailment: &mut watch::Receiver<Ailment>,
    ) -> End {
        let started = tokio::select! {
            started = self.start(name) => started,
            deletion = ordered(orders) => return End::Deleted(deletion),
            () = self.stop.cancelled() => return End::Stopped,
        };
        let mut process = match started {
            Ok(process) => process,
            Err(trouble) => {
                self.cluster.note_trouble(trouble.clone());
                self.warn(name, "Failed", format!("Error: {trouble}"));
                let waiting = Container::Waiting("RunContainerError");
                self.cluster.update(name, |pod| pod.container = waiting);
                return End::Crashed;
            }
        };
        let end = self.watch_over(name, orders, ailment, &mut process).await;
        match end {
            End::Deleted(deletion) => self.take_down(name, orders, deletion, &mut process).await,
            End::Stopped => {
                process.kill().await;
            }
            End::Crashed => {
                let status = process.kill().await;
                self.note_exit(name, status, false);
            }
        }
        end
    }

    async fn start(&self, name: &str) -> Result<Process, String> {
        let before = self.cluster.pod(name);
        let ports = before.map(|pod| [pod.port, pod.metrics_port].map(Option::unwrap_or_default));
        let process = self.spawn(name, ports.unwrap_or_default()).await?;
        let image = Spec::image();
        let already = format!(
            "Container image \"{image}\" already present on machine and can be accessed by the pod"
        );
        self.report(name, Reporter::Kubelet, "Pulled", already);
        self.report(name, Reporter::Kubelet, "Created", "Container created".to_owned());
        let now = self.cluster.now();
        let (port, metrics_port) = (Some(process.port), Some(process.metrics_port));
        let pid = process.child.id();
        self.cluster.update(name, |pod| {
            if let Container::Terminated(exit) = &pod.container {
                pod.last = Some(exit.clone());
            }
            if pod.last.is_some() {
                pod.restarts += 1;
            }
            pod.container = Container::Running(now);
            pod.container_id = format!("lab://{}/{}", pod.uid, pod.restarts);
            (pod.port, pod.metrics_port, pod.pid) = (port, metrics_port, pid);
        });
        self.report(name, Reporter::Kubelet, "Started", "Container started".to_owned());
        Ok(process)
    }

    /// Starts the process and waits for its ports. A container that starts again asks for those
    /// it had, since a pod keeps its address.
    async fn spawn(&self, name: &str, ports: [u16; 2]) -> Result<Process, String> {
        let plan = &self.plan;
        let text = |error: std::io::Error| format!("{}: {error}", plan.program);
        let seed = name
            .bytes()
            .fold(plan.seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut child = Command::new(plan.program.as_std_path())
            .arg("lab-pod")
            .args(["--name", name])
            .args(["--port", &ports[0].to_string()])
            .args(["--metrics-port", &ports[1].to_string()])
            .args(["--service-time", &written(plan.service_time)])
            .args(["--readiness-delay", &written(plan.readiness_delay)])
            .args(["--concurrency", &plan.concurrency.to_string()])
            .args(["--seed", &seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C goes to a whole process group: the pods must not die of it by themselves.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(text)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipes".to_owned());
        };
        let mut line = String::new();
        let mut lines = BufReader::new(stdout);
        timeout(START, lines.read_line(&mut line))
            .await
            .map_err(|_elapsed| format!("{} did not say its port", plan.program))?
            .map_err(text)?;
        let ports = line.trim().split_once(' ');
        let ports = ports.and_then(|(port, metrics)| port.parse().ok().zip(metrics.parse().ok()));
        let (port, metrics_port) =
            ports.ok_or_else(|| format!("{} ended before it said its port", plan.program))?;
        Ok(Process { child, stdin, port, metrics_port })
    }

    /// Probes a running container until something ends it.
    async fn watch_over(
        &self,
        name: &str,
        orders: &mut Orders,
        ailment: &mut watch::Receiver<Ailment>,
        process: &mut Process,
    ) -> End {
        let mut exposure = self.cluster.exposure.subscribe();
        // A new process knows of neither.
        ailment.mark_changed();
        exposure.mark_changed();
        let mut ticks = interval(self.plan.probe_period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut unready, mut dead) = (0, 0);
        let port = process.port;
        loop {
            let round = async {
                ticks.tick().await;
                tokio::join!(self.probe(port, "readyz"), self.probe(port, "healthz"))
            };
            let mut round = std::pin::pin!(round);
            let (readiness, liveness) = loop {
                let order = tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return End::Stopped,
                    deletion = ordered(orders) => return End::Deleted(deletion),
                    _ = process.child.wait() => return End::Crashed,
                    Ok(()) = ailment.changed() => Order::Suffer(*ailment.borrow_and_update()),
                    Ok(()) = exposure.changed() => Order::Expose(*exposure.borrow_and_update()),
                    round = &mut round => break round,
                };
                process.tell(order).await;
            };
            let ready = readiness.is_ok();
            if let Err(why) = readiness {
                unready += 1;
                self.warn(name, "Unhealthy", format!("Readiness probe failed: {why}"));
            } else {
                unready = 0;
            }
            if ready || unready == FAILURES {
                self.set_ready(name, ready);
            }
            if let Err(why) = liveness {
                dead += 1;
                self.warn(name, "Unhealthy", format!("Liveness probe failed: {why}"));
            } else {
                dead = 0;
            }
            if dead == FAILURES {
                let app = &self.cluster.spec.app;
                let message = format!("Container {app} failed liveness probe, will be restarted");
                self.report(name, Reporter::Kubelet, "Killing", message);
                return End::Crashed;
            }
        }
    }

    async fn probe(&self, port: u16, path: &str) -> Result<(), String> {
        let url = format!("http://127.0.0.1:{port}/{path}");
        match self.client.get(&url).send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => {
                let code = answer.status().as_u16();
                Err(format!("HTTP probe failed with statuscode: {code}"))
            }
            Err(error) if error.is_timeout() => {
                Err(format!("Get \"{url}\": context deadline exceeded"))
            }
            Err(_) => Err(format!("Get \"{url}\": connection refused")),
        }
    }

    fn set_ready(&self, name: &str, ready: bool) {
        let is_news = self.cluster.pod(name).is_some_and(|pod| pod.ready.0 != ready);
        if is_news {
            let now = self.cluster.now();
            self.cluster.update(name, |pod| pod.set_ready(ready, now));
        }
    }

    /// Ends a pod that was told to go: SIGTERM, and SIGKILL when its grace is over.
    async fn take_down(
        &self,
        name: &str,
        orders: &mut Orders,
        deletion: Deletion,
        process: &mut Process,
    ) {
        let message = format!("Stopping container {}", self.cluster.spec.app);
        if deletion.grace == 0 {
            // First the kill, then the talk: requests in flight are cut now.
            let ended = process.kill().await;
            tracing::debug!(pod = name, ?ended, "killed");
            self.report(name, Reporter::Kubelet, "Killing", message);
            return;
        }
        process.terminate();
        self.report(name, Reporter::Kubelet, "Killing", message);
        let status = self.wait_in_grace(orders, deletion, process).await;
        self.stop.run_until_cancelled(sleep(NOTICES)).await;
        self.note_exit(name, status, true);
        let done = Deletion { grace: 0, at: self.cluster.now() };
        self.cluster.update(name, |pod| pod.deletion = Some(done));
    }

    async fn wait_in_grace(
        &self,
        orders: &mut Orders,
        deletion: Deletion,
        process: &mut Process,
    ) -> Option<ExitStatus> {
        let mut deadline = Instant::now() + Duration::from_secs(deletion.grace);
        loop {
            tokio::select! {
                status = process.child.wait() => return status.ok(),
                () = sleep_until(deadline) => return process.kill().await,
                () = self.stop.cancelled() => return process.kill().await,
                changed = orders.changed() => {
                    let shorter = orders.borrow_and_update().map_or(0, |deletion| deletion.grace);
                    if changed.is_err() || shorter == 0 {
                        return process.kill().await;
                    }
                    deadline = deadline.min(Instant::now() + Duration::from_secs(shorter));
                }
            }
        }
    }

    /// Writes down how the container ended, and with it the pod if that is to go.
    fn note_exit(&self, name: &str, status: Option<ExitStatus>, for_good: bool) {
        let now = self.cluster.now();
        let code = status
            .and_then(|status| status.code().or_else(|| status.signal().map(|signal| 128 + signal)))
            .unwrap_or(137);
        self.cluster.update(name, |pod| {
            let started = match pod.container {
                Container::Running(since) => since,
                Container::Waiting(_) | Container::Terminated(_) => now,
            };
            let container_id = pod.container_id.clone();
            let exit = Exit { code, started, finished: now, container_id };
            pod.container = Container::Terminated(exit);
            pod.set_ready(false, now);
            pod.pid = None;
            if for_good {
                pod.ended = Some(if code == 0 { Ended::Succeeded } else { Ended::Failed });
            }
        });
    }

    /// Waits before a container starts again: not at all the first time, then 10 s, doubling.
    async fn back_off(&self, name: &str, orders: &mut Orders) -> bool {
        let Some(state) = self.cluster.pod(name) else { return false };
        let failed_to_start = matches!(state.container, Container::Waiting(_));
        let ran_long = match &state.container {
            Container::Terminated(exit) => exit.finished.since(exit.started) >= FORGIVEN,
            Container::Waiting(_) | Container::Running(_) => false,
        };
        let doublings = match state.restarts.checked_sub(u32::from(!failed_to_start)) {
            Some(doublings) if !ran_long => doublings,
            Some(_) | None => return self.pause(orders, Instant::now()).await,
        };
        let pause = BACK_OFF.0.saturating_mul(2_u32.saturating_pow(doublings)).min(BACK_OFF.1);
        let Spec { app, namespace, .. } = &self.cluster.spec;
        let uid = &state.uid;
        self.warn(
            name,
            "BackOff",
            format!("Back-off restarting failed container {app} in pod {name}_{namespace}({uid})"),
        );
        self.cluster.update(name, |pod| {
            if let Container::Terminated(exit) = &pod.container {
                pod.last = Some(exit.clone());
            }
            pod.container = Container::Waiting("CrashLoopBackOff");
        });
        self.pause(orders, Instant::now() + pause).await
    }

    /// Waits; false when the pod has to go or the lab stops before that.
    async fn pause(&self, orders: &mut Orders, until: Instant) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            _ = ordered(orders) => false,
            () = sleep_until(until) => true,
        }
    }

    fn report(&self, name: &str, by: Reporter, reason: &'static str, message: String) {
        self.tell(name, by, false, reason, message);
    }

    fn warn(&self, name: &str, reason: &'static str, message: String) {
        tracing::debug!(pod = name, reason, message);
        self.tell(name, Reporter::Kubelet, true, reason, message);
    }

    fn tell(&self, name: &str, by: Reporter, warning: bool, reason: &'static str, message: String) {
        let Some(pod) = self.cluster.pod(name) else { return };
        let about = match by {
            Reporter::Kubelet => About::container(name, &pod.uid),
            Reporter::Scheduler
            | Reporter::ReplicaSetController
            | Reporter::DeploymentController
            | Reporter::Autoscaler => About::pod(name, &pod.uid),
        };
        self.cluster.report(Report { by, about, warning, reason, message });
    }
}

impl Process {
    /// Gives an order, unless the process has ended. A line always fits into the pipe.
    async fn tell(&mut self, order: Order) {
        if let Err(error) = self.stdin.write_all(format!("{order}\n").as_bytes()).await {
            tracing::debug!(%error, %order, "not heard");
        }
    }

    /// SIGTERM, unless it has ended.
    fn terminate(&self) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid
            && let Err(error) = kill_process(pid, Signal::TERM)
        {
            tracing::debug!(%error, "SIGTERM");
        }
    }

    /// SIGKILL, unless it has ended, and its status.
    async fn kill(&mut self) -> Option<ExitStatus> {
        if let Err(error) = self.child.start_kill() {
            tracing::debug!(%error, "SIGKILL");
        }
        self.child.wait().await.ok()
    }
}

/// Resolves when the pod has been told to go.
async fn ordered(orders: &mut Orders) -> Deletion {
    match orders.wait_for(Option::is_some).await.map(|deletion| *deletion) {
        Ok(Some(deletion)) => deletion,
        // The cluster forgot the pod: the lab is going.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}
