//! The process of one pod: the body of the hidden command `homeostat lab-pod`.
//!
//! It is a small web server that takes its time. It says its ports in one line on stdout, ends
//! well on SIGTERM, and ends at once when its stdin does: the other end is held by the lab, so a
//! pod never outlives it, however the lab died. Until then it hears orders there.

use std::{
    io::{BufRead as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    LabError,
    exporter::{Exporter, Exposure},
    leak::{self, Leak},
    metrics::{Page, Served},
    order::{Ailment, Order},
    serve::Bound,
    values::duration,
};
use crate::clock::Clock;

/// How long a pod waits for its requests in flight after SIGTERM.
const DRAIN: Duration = Duration::from_secs(5);

/// Where a pod says how much it has worked.
pub(super) const LOAD: &str = "/load";

/// Spread of the service time: the standard deviation of its logarithm. 0.4 puts the 99th
/// percentile at two and a half times the median, a mild tail.
const SPREAD: f64 = 0.4;

/// Arguments of `homeostat lab-pod`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PodArgs {
    /// Name of the pod
    #[arg(long)]
    pub name: String,

    /// Port it would like; any free one if that is taken, or 0
    #[arg(long, default_value_t = 0)]
    pub port: u16,

    /// Port of its metrics it would like; any free one if that is taken, or 0
    #[arg(long, default_value_t = 0)]
    pub metrics_port: u16,

    /// Median time of a request
    #[arg(long, value_parser = duration)]
    pub service_time: Duration,

    /// From the start to the first good answer of `/readyz`
    #[arg(long, value_parser = duration)]
    pub readiness_delay: Duration,

    /// Requests worked on at once
    #[arg(long)]
    pub concurrency: usize,

    /// Seed of the service times
    #[arg(long)]
    pub seed: u64,
}

/// Runs a pod until SIGTERM, the end of stdin, or the end of its memory.
pub(crate) async fn pod(args: PodArgs, clock: &Clock) -> Result<(), LabError> {
    let mut orders = orders();
    let mut asked_to_end = signal(SignalKind::terminate()).map_err(LabError::Signal)?;
    let bound = near(args.port).await?;
    let metrics = near(args.metrics_port).await?;
    let ports = (bound.address.port(), metrics.address.port());

    let drain = CancellationToken::new();
    let (expose, exposure) = watch::channel(Exposure::Served);
    let work = Arc::new(Work::new(args, clock));
    let shown = Arc::clone(&work);
    let exporter = Exporter::new(move || shown.page(), exposure);
    let server = async {
        let traffic = bound.serve(router(Arc::clone(&work), exporter.clone()), drain.clone());
        tokio::join!(traffic, exporter.clone().run(metrics, drain.clone()));
    };
    announce(ports).map_err(LabError::Announce)?;

    let drained = async {
        asked_to_end.recv().await;
        work.draining.store(true, Relaxed);
        drain.cancel();
        tokio::time::sleep(DRAIN).await;
    };
    let orphaned = async {
        while let Some(order) = orders.recv().await {
            match order {
                Order::Suffer(ailment) => work.suffer(ailment),
                Order::Expose(exposure) => drop(expose.send_replace(exposure)),
            }
        }
    };
    tokio::select! {
        () = server => Ok(()),
        () = drained => Ok(()),
        () = orphaned => Ok(()),
        () = work.leak.grow() => Err(LabError::OutOfMemory),
    }
}

/// A port, or any other if that one is taken.
async fn near(port: u16) -> Result<Bound, LabError> {
    match Bound::to(port, "a pod").await {
        Err(_) if port != 0 => Bound::to(0, "a pod").await,
        bound => bound,
    }
}

/// What the handlers share.
struct Work {
    name: String,
    median: Duration,
    slots: Semaphore,
    rng: std::sync::Mutex<fastrand::Rng>,
    ready_at: Instant,
    draining: AtomicBool,
    slow: watch::Sender<f64>,
    leak: Leak,
    /// Microseconds of work done.
    busy: AtomicU64,
    served: Arc<Served>,
}

impl Work {
    fn new(args: PodArgs, clock: &Clock) -> Self {
        Self {
            name: args.name,
            median: args.service_time,
            slots: Semaphore::new(args.concurrency),
            rng: std::sync::Mutex::new(fastrand::Rng::with_seed(args.seed)),
            ready_at: Instant::now() + args.readiness_delay,
            draining: AtomicBool::new(false),
            slow: watch::Sender::new(1.0),
            leak: Leak::default(),
            busy: AtomicU64::new(0),
            served: Served::new("http", "", &[200, 500], clock.now()),
        }
    }

    fn service_time(&self) -> Duration {
        let mut rng = self.rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let slow = *self.slow.borrow() * self.leak.slows();
        self.median.mul_f64((SPREAD * normal(&mut rng)).exp() * slow)
    }

    fn suffer(&self, ailment: Ailment) {
        self.slow.send_replace(ailment.slow);
        self.leak.set(ailment.leak);
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        self.served.write(&mut page);
        let name = "http_busy_seconds_total";
        let help = "Time spent on requests, summed over those worked on at once.";
        page.value(name, "counter", help, self.busy().as_secs_f64());
        if let Some(bytes) = leak::resident() {
            let help = "Resident memory.";
            page.value("process_resident_memory_bytes", "gauge", help, bytes as f64);
        }
        page
    }

    fn busy(&self) -> Duration {
        Duration::from_micros(self.busy.load(Relaxed))
    }
}

fn router(work: Arc<Work>, exporter: Exporter) -> Router {
    let metrics = get(move || {
        let exporter = exporter.clone();
        async move { exporter.answer().await }
    });
    Router::new()
        .route("/metrics", metrics)
        .route(LOAD, get(load))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .fallback(answer)
        .with_state(work)
}

async fn answer(State(work): State<Arc<Work>>) -> (StatusCode, String) {
    let flight = work.served.begin();
    // The time is drawn before the wait for a slot, so that queueing adds to it.
    let time = work.service_time();
    let Ok(_slot) = work.slots.acquire().await else {
        flight.answer(500);
        return (StatusCode::INTERNAL_SERVER_ERROR, "no slot\n".to_owned());
    };
    tokio::time::sleep(time).await;
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    work.busy.fetch_add(micros, Relaxed);
    flight.answer(200);
    (StatusCode::OK, format!("{}\n", work.name))
}

async fn readyz(State(work): State<Arc<Work>>) -> (StatusCode, &'static str) {
    if work.draining.load(Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "ending\n")
    } else if Instant::now() < work.ready_at {
        (StatusCode::SERVICE_UNAVAILABLE, "warming up\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

/// Seconds of work done so far. Like the kubelet's own figures, they are not among the metrics
/// that can be cut off.
async fn load(State(work): State<Arc<Work>>) -> String {
    work.busy().as_secs_f64().to_string()
}

/// One draw of the standard normal distribution, by Box and Muller.
fn normal(rng: &mut fastrand::Rng) -> f64 {
    // 1 − u lies in (0, 1], whose logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

fn announce((port, metrics): (u16, u16)) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{port} {metrics}")?;
    out.flush()
}

/// Orders from stdin; they end when it does. A plain thread, because the runtime would wait for a
/// blocking task of its own before it let the process end.
fn orders() -> mpsc::Receiver<Order> {
    let (give, orders) = mpsc::channel(8);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.parse() {
                Ok(order) => {
                    if give.blocking_send(order).is_err() {
                        return;
                    }
                }
                Err(error) => tracing::warn!(error, "an order that does not read"),
            }
        }
    });
    orders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_times_have_the_median_asked_for_and_a_mild_tail() {
        let args = PodArgs {
            name: "p".to_owned(),
            port: 0,
            metrics_port: 0,
            service_time: Duration::from_millis(10),
            readiness_delay: Duration::ZERO,
            concurrency: 1,
            seed: 7,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _inside = runtime.enter();
        let work = Work::new(args, &Clock::system());
        let mut times: Vec<_> = (0..10_000).map(|_| work.service_time().as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        assert!((0.0095..0.0105).contains(&times[5_000]), "median {}", times[5_000]);
        assert!((0.022..0.029).contains(&times[9_900]), "p99 {}", times[9_900]);
        work.suffer(Ailment { slow: 10.0, leak: 0.0 });
        let mut times: Vec<_> = (0..10_000).map(|_| work.service_time().as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        assert!((0.095..0.105).contains(&times[5_000]), "slow median {}", times[5_000]);
    }
}
