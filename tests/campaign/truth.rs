//! What really happened, asked of the lab directly and past the proxy: the law trusts nothing
//! that homeostat says of itself.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use homeostat::internals::{clock::Clock, time::Time};
use serde_json::Value;

use super::{http::get, page::sum};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// One look at the gateway and at the pods.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) at: Time,
    /// Requests answered so far.
    pub(super) total: f64,
    /// Those answered with 5xx.
    pub(super) errors: f64,
    /// Those that took more than 2.5 s, which is the bound of the hypothesis.
    pub(super) slow: f64,
    /// Pods that are ready and that nobody deletes.
    pub(super) ready: usize,
}

/// Somebody who looks all the time, until dropped.
pub(super) struct Witness {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Vec<Look>>,
}

/// What was seen in a stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Worst {
    /// The greatest share of errors.
    pub(super) errors: f64,
    /// The greatest share of slow ones.
    pub(super) slow: f64,
}

impl Witness {
    /// Begins to look at a lab.
    pub(super) fn begin(clock: Clock, discovery: SocketAddr, api: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let gateway = gateway(discovery).expect("discovery names the gateway");
        let thread = thread::spawn(move || {
            let mut looks = Vec::new();
            while !until.load(Ordering::Relaxed) {
                // While the lab is frozen nothing can be seen.
                looks.extend(look(&clock, gateway, api));
                thread::sleep(PAUSE);
            }
            looks
        });
        Self { stop, thread }
    }

    /// Ends looking and tells all that was seen.
    pub(super) fn end(self) -> Vec<Look> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn look(clock: &Clock, gateway: SocketAddr, api: SocketAddr) -> Option<Look> {
    let page = get(gateway, "/metrics", PATIENCE).ok()?;
    let at = clock.now();
    let requests = |line: &str| line.starts_with("gateway_requests_total{");
    let total = sum(&page, requests)?;
    let errors = sum(&page, |line| requests(line) && line.contains("code=\"5")).unwrap_or(0.0);
    let bucket = |edge: &str| {
        sum(&page, |line| {
            line.starts_with("gateway_request_duration_seconds_bucket{") && line.contains(edge)
        })
    };
    let slow = bucket("le=\"+Inf\"")? - bucket("le=\"2.5\"")?;
    let ready = pods(api)?.iter().filter(|pod| pod.ready).count();
    Some(Look { at, total, errors, slow, ready })
}

/// A pod, as the API lists it.
pub(super) struct Pod {
    pub(super) uid: String,
    ready: bool,
}

/// The pods that there are; none when the lab does not say.
pub(super) fn pods(api: SocketAddr) -> Option<Vec<Pod>> {
    let list = get(api, "/api/v1/namespaces/shop/pods", PATIENCE).ok()?;
    let list: Value = serde_json::from_str(&list).ok()?;
    let pod = |item: &Value| {
        let conditions = item["status"]["conditions"].as_array();
        let is_ready =
            |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
        let deleted = !item["metadata"]["deletionTimestamp"].is_null();
        Some(Pod {
            uid: item["metadata"]["uid"].as_str()?.to_owned(),
            ready: !deleted && conditions.is_some_and(|all| all.iter().any(is_ready)),
        })
    };
    list["items"].as_array()?.iter().map(pod).collect()
}

fn gateway(discovery: SocketAddr) -> Option<SocketAddr> {
    let groups: Value = serde_json::from_str(&get(discovery, "/sd", PATIENCE).ok()?).ok()?;
    let gateway = groups.as_array()?.iter().find(|group| group["labels"]["job"] == "gateway")?;
    gateway["targets"][0].as_str()?.parse().ok()
}

/// How many requests were answered between the first and the last look of a stretch.
pub(super) fn answered(looks: &[Look], from: Time, to: Time) -> f64 {
    let mut inside = looks.iter().filter(|look| from <= look.at && look.at <= to);
    let first = inside.next().map_or(0.0, |look| look.total);
    inside.next_back().map_or(0.0, |look| look.total - first)
}

/// The worst that callers saw over any second or more of a stretch.
pub(super) fn worst(looks: &[Look], from: Time, to: Time) -> Worst {
    let inside: Vec<&Look> = looks.iter().filter(|look| from <= look.at && look.at <= to).collect();
    let mut worst = Worst::default();
    for (place, first) in inside.iter().enumerate() {
        let later = &inside[place + 1..];
        let long = |look: &&&Look| {
            let apart = look.at.since(first.at).as_secs_f64();
            (1.0..3.0).contains(&apart)
        };
        for last in later.iter().filter(long) {
            let total = last.total - first.total;
            if total >= 1.0 {
                worst.errors = worst.errors.max((last.errors - first.errors) / total);
                worst.slow = worst.slow.max((last.slow - first.slow) / total);
            }
        }
    }
    worst
}
