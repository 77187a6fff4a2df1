//! The replica-set loop: replaces what goes, and shows the counts.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    cluster::Cluster,
    events::{About, Report, Reporter},
    kubelet::Kubelet,
};

/// How late the loop acts: a real controller hears of a change through a watch and a queue. Pods
/// that go together are replaced together.
const REACTS: Duration = Duration::from_millis(10);

/// Keeps the number of pods until `stop`. The process of a pod that replaces another starts
/// `restart_delay` after the loss; those of the first generation start at once.
pub(super) async fn keep(
    cluster: Arc<Cluster>,
    kubelet: Arc<Kubelet>,
    restart_delay: Duration,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let set = cluster.spec.set_name();
    let wanted = cluster.spec.replicas;
    cluster.report(Report {
        by: Reporter::DeploymentController,
        about: About::deployment(&cluster.spec),
        warning: false,
        reason: "ScalingReplicaSet",
        message: format!("Scaled up replica set {set} from 0 to {wanted}"),
    });
    let mut delay = Duration::ZERO;
    while !stop.is_cancelled() {
        // A terminating pod no longer counts, so its replacement does not wait for its end. The
        // counts shown are those from before it, as the real controller's are.
        let counts = cluster.counts();
        let created: Vec<String> = (counts.active..wanted)
            .map(|_| {
                let (name, orders) = cluster.create_pod();
                let (kubelet, pod) = (Arc::clone(&kubelet), name.clone());
                tasks.spawn(async move { kubelet.care(pod, orders, delay).await });
                name
            })
            .collect();
        cluster.show(counts);
        for name in created {
            cluster.report(Report {
                by: Reporter::ReplicaSetController,
                about: About::replica_set(&cluster.spec),
                warning: false,
                reason: "SuccessfulCreate",
                message: format!("Created pod: {name}"),
            });
        }
        delay = restart_delay;
        tokio::select! {
            () = cluster.changed.notified() => sleep(REACTS).await,
            () = stop.cancelled() => {}
        }
    }
}
