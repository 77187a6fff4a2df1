//! The open-loop load generator.
//!
//! Arrivals follow a timetable that no answer can move. A request that cannot be sent in time is
//! late, and its latency says so: it counts from the time it was *meant* to be sent. A closed
//! loop, which waits for one answer before it asks again, would measure a stall once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    LabError,
    metrics::{Histogram, Page},
    serve,
};
use crate::{clock::Clock, time::Time};

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Requests without an answer at any one time; beyond it arrivals are dropped and counted.
pub(super) const OUTSTANDING: usize = 1000;

/// Arrivals per second, which may be changed while they come.
#[derive(Debug)]
pub(super) struct Pace {
    rate: f64,
    /// The bits of an `f64`.
    factor: AtomicU64,
}

impl Pace {
    /// A pace of `rate` arrivals per second.
    pub(super) fn new(rate: f64) -> Self {
        Self { rate, factor: AtomicU64::new(1.0_f64.to_bits()) }
    }

    /// From the next arrival on, `factor` times the first rate.
    pub(super) fn multiply(&self, factor: f64) {
        self.factor.store(factor.to_bits(), Relaxed);
    }

    fn rate(&self) -> f64 {
        self.rate * f64::from_bits(self.factor.load(Relaxed))
    }
}

/// When requests are meant to be sent, counted from the start: a Poisson process, since users
/// do not agree on a beat.
#[derive(Clone, Debug)]
pub(super) struct Timetable {
    rng: fastrand::Rng,
    pace: Arc<Pace>,
    at: f64,
}

impl Timetable {
    /// A timetable of arrivals at a pace.
    pub(super) fn new(pace: Arc<Pace>, seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed), pace, at: 0.0 }
    }
}

impl Iterator for Timetable {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // 1 − u lies in (0, 1], whose logarithm is finite.
        self.at -= (1.0 - self.rng.f64()).ln() / self.pace.rate();
        Duration::try_from_secs_f64(self.at).ok()
    }
}

/// What became of the requests.
pub(super) struct Load {
    client: reqwest::Client,
    url: String,
    slots: Arc<Semaphore>,
    started: Time,
    ok: AtomicU64,
    error: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    latency: Histogram,
}

impl Load {
    /// A generator of requests to `url`, with at most `limit` of them without an answer.
    pub(super) fn new(url: String, limit: usize, clock: &Clock) -> Result<Arc<Self>, LabError> {
        Ok(Arc::new(Self {
            client: serve::client(PATIENCE, limit)?,
            url,
            slots: Arc::new(Semaphore::new(limit)),
            started: clock.now(),
            ok: AtomicU64::new(0),
            error: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            latency: Histogram::default(),
        }))
    }

    /// The generator's own page of metrics.
    pub(super) fn page(&self) -> Page {
        let mut page = Page::default();
        let name = "loadgen_requests_total";
        page.family(
            name,
            "counter",
            "Requests by what became of them; a dropped one was never sent.",
        );
        for (outcome, count) in [
            ("ok", &self.ok),
            ("error", &self.error),
            ("failed", &self.failed),
            ("dropped", &self.dropped),
        ] {
            page.sample(name, &format!("outcome=\"{outcome}\""), count.load(Relaxed) as f64);
        }
        page.histogram(
            "loadgen_latency_seconds",
            "Time from the moment a request was meant to be sent to its answer or failure.",
            "",
            &self.latency,
        );
        page.value(
            "process_start_time_seconds",
            "gauge",
            "Start of the process since the Unix epoch.",
            self.started.as_seconds(),
        );
        page
    }

    /// Sends by the timetable until `stop`.
    pub(super) async fn run(
        self: Arc<Self>,
        timetable: impl Iterator<Item = Duration> + Send,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) {
        let start = Instant::now();
        for offset in timetable {
            let meant = start + offset;
            tokio::select! {
                () = stop.cancelled() => return,
                // A time that has passed is due at once: nothing is skipped to catch up.
                () = tokio::time::sleep_until(meant) => {}
            }
            let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
                self.dropped.fetch_add(1, Relaxed);
                continue;
            };
            let (load, stop) = (Arc::clone(&self), stop.clone());
            tasks.spawn(async move {
                stop.run_until_cancelled(load.send(meant)).await;
                drop(slot);
            });
        }
    }

    async fn send(&self, meant: Instant) {
        let outcome = match self.client.get(&self.url).send().await {
            Ok(answer) => match (answer.status().is_success(), answer.bytes().await) {
                (true, Ok(_)) => &self.ok,
                (false, Ok(_)) => &self.error,
                (_, Err(_)) => &self.failed,
            },
            Err(_) => &self.failed,
        };
        self.latency.observe(meant.elapsed());
        outcome.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;

    use super::*;
    use crate::lab::serve::Bound;

    #[test]
    fn a_timetable_keeps_its_rate_and_is_the_same_for_the_same_seed() {
        let timetable = |seed| Timetable::new(Arc::new(Pace::new(200.0)), seed).take(20_000);
        let times: Vec<_> = timetable(3).collect();
        let seconds = times.last().unwrap().as_secs_f64();
        assert!((97.0..103.0).contains(&seconds), "20,000 arrivals took {seconds} s");
        assert!(times.is_sorted());
        assert_eq!(times, timetable(3).collect::<Vec<_>>());
        assert_ne!(times, timetable(4).collect::<Vec<_>>());
    }

    #[test]
    fn a_spike_multiplies_the_arrivals_and_ends() {
        let pace = Arc::new(Pace::new(100.0));
        let mut timetable = Timetable::new(Arc::clone(&pace), 3);
        let mut seconds = |factor| {
            pace.multiply(factor);
            let first = timetable.next().unwrap();
            (timetable.nth(1998).unwrap() - first).as_secs_f64()
        };
        let (before, spike, after) = (seconds(1.0), seconds(4.0), seconds(1.0));
        assert!((18.0..22.0).contains(&before), "{before}");
        assert!((4.5..5.5).contains(&spike), "{spike}");
        assert!((18.0..22.0).contains(&after), "{after}");
    }

    /// Sends by a timetable to a server that takes its time, and returns the generator.
    async fn run(limit: usize, answer_after: u64, timetable: &[u64]) -> Arc<Load> {
        let bound = Bound::to(0, "a server").await.unwrap();
        let url = format!("http://{}/", bound.address);
        let work = Duration::from_millis(answer_after);
        let router = Router::new().fallback(move || tokio::time::sleep(work));
        tokio::spawn(bound.serve(router, CancellationToken::new()));
        let load = Load::new(url, limit, &Clock::system()).unwrap();
        let timetable: Vec<_> = timetable.iter().map(|ms| Duration::from_millis(*ms)).collect();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        Arc::clone(&load).run(timetable.into_iter(), tasks.clone(), stop).await;
        tasks.close();
        tasks.wait().await;
        load
    }

    #[tokio::test]
    async fn arrivals_do_not_wait_for_answers() {
        let began = Instant::now();
        let load = run(10, 400, &[0, 1, 2, 3]).await;
        assert_eq!(load.ok.load(Relaxed), 4);
        assert!(began.elapsed() < Duration::from_millis(1200), "one after the other");
    }

    #[tokio::test]
    async fn arrivals_beyond_the_limit_are_counted_as_dropped() {
        let load = run(1, 400, &[0, 1, 2]).await;
        assert_eq!((load.ok.load(Relaxed), load.dropped.load(Relaxed)), (1, 2));
    }

    #[tokio::test]
    async fn latency_counts_from_the_time_the_request_was_meant_for() {
        let load = run(1, 0, &[]).await;
        let Some(meant) = Instant::now().checked_sub(Duration::from_secs(3)) else { return };
        load.send(meant).await;
        assert_eq!(load.latency.beyond(Duration::from_millis(2500)), 1);
    }
}
