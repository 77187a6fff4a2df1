//! The process of one pod: the body of the hidden command `homeostat lab-pod`.
//!
//! It is a small web server that takes its time. It says its port in one line on stdout, ends
//! well on SIGTERM, and ends at once when its stdin does: the other end is held by the lab, so a
//! pod never outlives it, however the lab died.

use std::{
    io::{Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    LabError,
    args::duration,
    metrics::{Page, Served},
    serve::Bound,
};
use crate::clock::Clock;

/// How long a pod waits for its requests in flight after SIGTERM.
const DRAIN: Duration = Duration::from_secs(5);

/// Spread of the service time: the standard deviation of its logarithm. 0.4 puts the 99th
/// percentile at two and a half times the median, a mild tail.
const SPREAD: f64 = 0.4;

/// Arguments of `homeostat lab-pod`.
#[derive(Clone, Debug, clap::Args)]
pub struct PodArgs {
    /// Name of the pod
    #[arg(long)]
    pub name: String,

    /// Port it would like; any free one if that is taken, or 0
    #[arg(long, default_value_t = 0)]
    pub port: u16,

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

/// Runs a pod until SIGTERM or the end of stdin.
pub async fn pod(args: PodArgs, clock: &Clock) -> Result<(), LabError> {
    let orphaned = stdin_ended();
    let mut asked_to_end = signal(SignalKind::terminate()).map_err(LabError::Signal)?;
    let bound = match Bound::to(args.port, "a pod").await {
        Err(_) if args.port != 0 => Bound::to(0, "a pod").await?,
        bound => bound?,
    };
    let port = bound.address.port();

    let drain = CancellationToken::new();
    let work = Arc::new(Work::new(args, clock));
    let server = bound.serve(router(Arc::clone(&work)), drain.clone());
    announce(port).map_err(LabError::Announce)?;

    let drained = async {
        asked_to_end.recv().await;
        work.draining.store(true, Relaxed);
        drain.cancel();
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = server => {}
        () = drained => {}
        _ = orphaned => {}
    }
    Ok(())
}

/// What the handlers share.
struct Work {
    name: String,
    median: Duration,
    slots: Semaphore,
    rng: std::sync::Mutex<fastrand::Rng>,
    ready_at: Instant,
    draining: AtomicBool,
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
            served: Served::new("http", "", &[200, 500], clock.now()),
        }
    }

    fn service_time(&self) -> Duration {
        let mut rng = self.rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.median.mul_f64((SPREAD * normal(&mut rng)).exp())
    }
}

fn router(work: Arc<Work>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
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

async fn metrics(State(work): State<Arc<Work>>) -> Page {
    let mut page = Page::default();
    work.served.write(&mut page);
    page
}

/// One draw of the standard normal distribution, by Box and Muller.
fn normal(rng: &mut fastrand::Rng) -> f64 {
    // 1 − u lies in (0, 1], whose logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

fn announce(port: u16) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{port}")?;
    out.flush()
}

/// Resolves when stdin ends. A plain thread, because the runtime would wait for a blocking task
/// of its own before it let the process end.
fn stdin_ended() -> oneshot::Receiver<()> {
    let (ended, orphaned) = oneshot::channel();
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut ignored = [0; 64];
        while matches!(stdin.read(&mut ignored), Ok(1..)) {}
        ended.send(()).ok();
    });
    orphaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_times_have_the_median_asked_for_and_a_mild_tail() {
        let args = PodArgs {
            name: "p".to_owned(),
            port: 0,
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
    }
}
