//! What can happen to a running lab: the switches with a time say when, the control says now.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{cluster::Cluster, exporter::Exposure, load::Pace};

/// The annotation by which `kubectl rollout restart` makes a template a new one.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Disturbance {
    /// The deployment gets a new template.
    Rollout,
    /// The load is multiplied.
    Spike {
        /// By how much.
        factor: f64,
        /// For how long; for good if not said.
        lasts: Option<Duration>,
    },
    /// Pods take longer for each request.
    Slow {
        /// How many.
        pods: usize,
        /// How many times as long.
        factor: f64,
    },
    /// Pods lose memory, and slow down with it.
    Leak {
        /// How many.
        pods: usize,
        /// Mebibytes each second.
        rate: f64,
    },
    /// Nobody can read metrics.
    Cut {
        /// In which way.
        exposure: Exposure,
        /// For how long; for good if not said.
        lasts: Option<Duration>,
    },
    /// Every watch is cut off in the middle.
    DropWatches,
    /// The history that watches resume from is forgotten.
    Compact,
}

/// What happens by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scheduled {
    /// What.
    pub what: Disturbance,
    /// How long after the lab is ready.
    pub after: Duration,
    /// How long until it happens again.
    pub every: Option<Duration>,
}

/// Disturbs a lab.
pub(super) struct Disturber {
    cluster: Arc<Cluster>,
    pace: Arc<Pace>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Which spike and which cut was the last: only its end ends it.
    spikes: AtomicU64,
    exposures: AtomicU64,
}

impl Disturber {
    /// A disturber of a cluster and of the load on it.
    pub(super) fn new(
        cluster: Arc<Cluster>,
        pace: Arc<Pace>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let (spikes, exposures) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { cluster, pace, tasks, stop, spikes, exposures })
    }

    /// Does by the schedule until the lab stops.
    pub(super) fn follow(self: &Arc<Self>, schedule: &[Scheduled]) {
        let ready = Instant::now();
        for Scheduled { what, after, every } in schedule.iter().copied() {
            let disturber = Arc::clone(self);
            let turns = async move {
                let mut due = ready + after;
                loop {
                    sleep_until(due).await;
                    let done = disturber.disturb(what);
                    tracing::info!(done, "by the schedule");
                    let Some(every) = every else { return };
                    due += every;
                }
            };
            let stop = self.stop.clone();
            self.tasks.spawn(async move { stop.run_until_cancelled(turns).await });
        }
    }

    /// Does it now, and says what was done.
    pub(super) fn disturb(self: &Arc<Self>, what: Disturbance) -> String {
        match what {
            Disturbance::Rollout => {
                let now = self.cluster.now().to_string();
                self.cluster.annotate_template(RESTARTED, &now);
                format!("rollout of the template of {now}")
            }
            Disturbance::Spike { factor, lasts } => {
                self.pace.multiply(factor);
                let turn = self.spikes.fetch_add(1, Relaxed) + 1;
                self.afterwards(lasts, move |disturber| {
                    if disturber.spikes.load(Relaxed) == turn {
                        disturber.pace.multiply(1.0);
                    }
                });
                format!("{factor} times the load")
            }
            Disturbance::Slow { pods, factor } => {
                afflicted("slow", &self.cluster.afflict(pods, |ailment| ailment.slow = factor))
            }
            Disturbance::Leak { pods, rate } => {
                afflicted("leaking", &self.cluster.afflict(pods, |ailment| ailment.leak = rate))
            }
            Disturbance::Cut { exposure, lasts } => {
                self.cluster.exposure.send_replace(exposure);
                let turn = self.exposures.fetch_add(1, Relaxed) + 1;
                self.afterwards(lasts, move |disturber| {
                    if disturber.exposures.load(Relaxed) == turn {
                        disturber.cluster.exposure.send_replace(Exposure::Served);
                    }
                });
                format!("metrics: {exposure}")
            }
            Disturbance::DropWatches => {
                self.cluster.cuts.send_modify(|cuts| *cuts += 1);
                "every watch cut off".to_owned()
            }
            Disturbance::Compact => {
                self.cluster.store.compact();
                format!("history before version {} forgotten", self.cluster.store.version())
            }
        }
    }

    fn afterwards(
        self: &Arc<Self>,
        lasts: Option<Duration>,
        undo: impl FnOnce(&Self) + Send + 'static,
    ) {
        let Some(lasts) = lasts else { return };
        let (disturber, stop) = (Arc::clone(self), self.stop.clone());
        self.tasks.spawn(async move {
            if stop.run_until_cancelled(sleep(lasts)).await.is_some() {
                undo(&disturber);
            }
        });
    }
}

fn afflicted(how: &str, pods: &[String]) -> String {
    match pods {
        [] => "no pod is ready and well".to_owned(),
        pods => format!("{how}: {}", pods.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Clock, lab::LabPlan, time::Time};

    fn disturber() -> Arc<Disturber> {
        let plan = LabPlan::new("homeostat".into(), "dir".into());
        let clock = Clock::starting_at(Time::from_millis(0));
        let cluster = Arc::new(Cluster::new(&plan, clock));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        Disturber::new(cluster, Arc::new(Pace::new(1.0)), tasks, stop)
    }

    #[tokio::test]
    async fn the_end_of_an_earlier_cut_does_not_end_a_later_one() {
        let disturber = disturber();
        let short = Some(Duration::from_millis(20));
        let cut = |exposure, lasts| disturber.disturb(Disturbance::Cut { exposure, lasts });
        cut(Exposure::Refused, short);
        cut(Exposure::Hanging, None);
        sleep(Duration::from_millis(60)).await;
        assert_eq!(*disturber.cluster.exposure.borrow(), Exposure::Hanging);
        cut(Exposure::Refused, short);
        let mut exposure = disturber.cluster.exposure.subscribe();
        exposure.wait_for(|now| *now == Exposure::Served).await.unwrap();
    }

    #[tokio::test]
    async fn a_schedule_happens_and_happens_again() {
        let disturber = disturber();
        let (after, every) = (Duration::from_millis(1), Some(Duration::from_millis(1)));
        disturber.follow(&[Scheduled { what: Disturbance::DropWatches, after, every }]);
        let mut cuts = disturber.cluster.cuts.subscribe();
        cuts.wait_for(|cuts| *cuts > 2).await.unwrap();
        disturber.stop.cancel();
        disturber.tasks.close();
        disturber.tasks.wait().await;
    }

    #[tokio::test]
    async fn only_pods_that_are_ready_and_well_are_made_unwell() {
        let disturber = disturber();
        let slow = Disturbance::Slow { pods: 2, factor: 5.0 };
        assert_eq!(disturber.disturb(slow), "no pod is ready and well");
        for _ in 0..3 {
            let name = disturber.cluster.one_pod().name;
            let now = disturber.cluster.now();
            disturber.cluster.update(&name, |pod| pod.set_ready(true, now));
        }
        assert_eq!(disturber.disturb(slow).split(", ").count(), 2);
        assert_eq!(disturber.disturb(slow).split(", ").count(), 1);
        assert_eq!(disturber.disturb(slow), "no pod is ready and well");
    }
}
