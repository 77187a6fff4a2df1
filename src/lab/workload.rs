//! The controllers' loop: looks whenever something changed, and hands new pods to the kubelet.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{cluster::Cluster, kubelet::Kubelet};

/// How late the loop acts: a real controller hears of a change through a watch and a queue. Pods
/// that go together are replaced together.
const REACTS: Duration = Duration::from_millis(10);

/// Keeps the pods that are asked for until `stop`. The process of a pod that replaces another
/// starts `restart_delay` after the loss; those of the first generation start at once.
pub(super) async fn keep(
    cluster: Arc<Cluster>,
    kubelet: Arc<Kubelet>,
    restart_delay: Duration,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let mut delay = Duration::ZERO;
    while !stop.is_cancelled() {
        // After a step there may be another, which the next look takes.
        if cluster.roll() {
            cluster.changed.notify_one();
        }
        // A terminating pod no longer counts, so its replacement does not wait for its end.
        let mut made = Vec::new();
        for charge in cluster.staff() {
            made.push(charge.name.clone());
            let kubelet = Arc::clone(&kubelet);
            tasks.spawn(async move { kubelet.care(charge, delay).await });
        }
        if !made.is_empty() {
            delay = restart_delay;
        }
        cluster.show();
        made.iter().for_each(|name| cluster.tell_made(name));
        tokio::select! {
            () = cluster.changed.notified() => sleep(REACTS).await,
            () = stop.cancelled() => {}
        }
    }
}
