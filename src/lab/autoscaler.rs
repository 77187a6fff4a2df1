//! The horizontal autoscaler: follows the real work of the pods, as Kubernetes follows CPU.
//!
//! The rule is Kubernetes': pods times utilisation over target, rounded up; nothing within a
//! tenth of the target; at most the double or four more at once; less only when it was less for
//! the whole of the patience. It looks each second, where Kubernetes looks every fifteen.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, interval};

use super::{
    LabError,
    cluster::Cluster,
    events::{About, Report, Reporter},
    objects::{self, Watched},
    plan::Autoscale,
    pod, serve,
    store::Kind,
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// How long a pod may take to say how much it worked.
const ANSWER: Duration = Duration::from_millis(500);

/// How far utilisation may be from its target without a change, as in Kubernetes.
const TOLERANCE: f64 = 0.1;

/// Looks at the pods and changes their number.
pub(super) struct Autoscaler {
    cluster: Arc<Cluster>,
    plan: Autoscale,
    concurrency: f64,
    client: reqwest::Client,
    uid: String,
    /// Work each pod had done by when.
    worked: HashMap<SocketAddr, (Instant, f64)>,
    wishes: Wishes,
    shown: Watched,
}

impl Autoscaler {
    /// An autoscaler of a cluster whose pods work on so many requests at once.
    pub(super) fn new(
        cluster: Arc<Cluster>,
        plan: Autoscale,
        concurrency: usize,
    ) -> Result<Self, LabError> {
        let replicas = cluster.replicas();
        let shown = Watched {
            least: plan.least,
            most: plan.most,
            target: plan.target,
            seen: None,
            current: replicas,
            desired: replicas,
            scaled: None,
            patience_seconds: plan.patience.as_secs(),
        };
        Ok(Self {
            uid: cluster.fresh_uid(),
            client: serve::client(ANSWER, 16)?,
            concurrency: concurrency as f64,
            worked: HashMap::new(),
            wishes: Wishes::new(plan.patience),
            cluster,
            plan,
            shown,
        })
    }

    /// Looks again and again.
    pub(super) async fn run(mut self) {
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            if let Some(utilisation) = self.utilisation().await {
                self.act(utilisation);
            }
            let object = objects::autoscaler(&self.cluster.spec, &self.uid, &self.shown);
            self.cluster.store.put_news(Kind::Autoscaler, object);
        }
    }

    /// The mean share of their places at which the ready pods worked since the last look.
    async fn utilisation(&mut self) -> Option<f64> {
        let pods = self.cluster.endpoints().borrow().clone();
        let asked = pods.iter().map(|pod| async {
            let url = format!("http://{}{}", pod.address, pod::LOAD);
            let text = self.client.get(url).send().await.ok()?.text().await.ok()?;
            Some((pod.address, (Instant::now(), text.parse().ok()?)))
        });
        let now: HashMap<_, (Instant, f64)> =
            futures::future::join_all(asked).await.into_iter().flatten().collect();
        let before = std::mem::replace(&mut self.worked, now);
        let shares = self.worked.iter().filter_map(|(pod, (at, worked))| {
            let (earlier, less) = before.get(pod)?;
            let seconds = (*at - *earlier).as_secs_f64();
            // A process that was started again has done less than before.
            (seconds > 0.0 && worked >= less).then(|| (worked - less) / seconds / self.concurrency)
        });
        let shares: Vec<f64> = shares.collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }

    fn act(&mut self, utilisation: f64) {
        let current = self.cluster.replicas();
        let wish = wish(current, utilisation, self.plan);
        let desired = self.wishes.settle(Instant::now(), wish, current);
        self.shown.seen = Some((utilisation * 100.0).round() as u32);
        (self.shown.current, self.shown.desired) = (current, desired);
        if desired == current {
            return;
        }
        let why = if desired > current {
            "cpu resource utilization (percentage of request) above target"
        } else {
            "All metrics below target"
        };
        self.cluster.scale(desired);
        self.shown.scaled = Some(self.cluster.now());
        self.cluster.report(Report {
            by: Reporter::Autoscaler,
            about: About::autoscaler(&self.cluster.spec, &self.uid),
            warning: false,
            reason: "SuccessfulRescale",
            message: format!("New size: {desired}; reason: {why}"),
        });
    }
}

/// The number of pods that would bring the utilisation to its target.
fn wish(current: usize, utilisation: f64, plan: Autoscale) -> usize {
    let ratio = utilisation * 100.0 / f64::from(plan.target);
    let wish = if (ratio - 1.0).abs() <= TOLERANCE {
        current
    } else {
        // The ratio is finite and not negative, and the cast saturates.
        ((current as f64 * ratio).ceil() as usize).min((current * 2).max(current + 4))
    };
    wish.clamp(plan.least, plan.most)
}

/// What was wished for lately.
struct Wishes {
    patience: Duration,
    /// Oldest first.
    recent: VecDeque<(Instant, usize)>,
    /// Before this nothing is known, and nothing is taken away.
    since: Option<Instant>,
}

impl Wishes {
    fn new(patience: Duration) -> Self {
        Self { patience, recent: VecDeque::new(), since: None }
    }

    /// More is wished for at once, less only when it was less all the time.
    fn settle(&mut self, now: Instant, wish: usize, current: usize) -> usize {
        let since = *self.since.get_or_insert(now);
        self.recent.push_back((now, wish));
        self.recent.retain(|(at, _)| now - *at <= self.patience);
        if now - since < self.patience {
            return wish.max(current);
        }
        let highest = self.recent.iter().map(|(_, wish)| *wish).max().unwrap_or(wish);
        highest.min(current).max(wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Autoscale =
        Autoscale { least: 2, most: 20, target: 50, patience: Duration::from_secs(30) };

    #[test]
    fn the_wish_brings_the_utilisation_to_its_target() {
        for (current, utilisation, want) in [
            (4, 0.5, 4),
            (4, 0.549, 4),
            (4, 0.56, 5),
            (4, 0.451, 4),
            (4, 0.25, 2),
            (10, 0.3, 6),
            (4, 0.0, 2),
            (4, 1.0, 8),
            (2, 5.0, 6),
            (8, 5.0, 16),
            (16, 1.0, 20),
        ] {
            assert_eq!(wish(current, utilisation, PLAN), want, "{current} pods at {utilisation}");
        }
    }

    #[test]
    fn more_comes_at_once_and_less_only_after_the_patience() {
        let start = Instant::now();
        let mut wishes = Wishes::new(PLAN.patience);
        let mut at = |second, wish, current| {
            wishes.settle(start + Duration::from_secs(second), wish, current)
        };
        assert_eq!(at(0, 2, 10), 10, "nothing is known of the time before");
        assert_eq!(at(10, 12, 10), 12);
        assert_eq!(at(35, 4, 12), 12, "12 was wished for 25 s ago");
        assert_eq!(at(41, 5, 12), 5, "the highest of the last 30 s");
        assert_eq!(at(42, 9, 5), 9);
    }
}
