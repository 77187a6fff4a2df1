//! Kubernetes as a source: the pods and events of one namespace.

mod answer;
mod clocks;
mod cluster;
mod events;
pub(super) mod pods;
#[cfg(test)]
mod transcript;
pub(super) mod watch;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Api;

pub(crate) use answer::words;
pub(crate) use cluster::{cluster_address, kubernetes_client};

use super::{error::CollectError, outlet::SourceContext};
use crate::hypothesis::model::KubernetesSource;
use cluster::Cluster;
use events::EventFold;
use watch::{Fold, Unanswered, Watch};

/// Begins to watch the pods and events of a source, once its cluster answers; `fold` makes of the
/// pods what is wanted. Gives the address of the cluster.
pub(super) async fn start(
    source: &KubernetesSource,
    context: &SourceContext,
    fold: impl Fold<Pod> + Send + 'static,
) -> Result<String, CollectError> {
    let Cluster { client, server } = Cluster::that_answers(source).await?;
    let SourceContext { clock, outlet, tasks } = context;
    let (namespace, unanswered) = (&source.namespace, Unanswered::new(2));
    let since = clock.now();
    let pods = Watch::<Pod> {
        api: Api::namespaced(client.clone(), namespace),
        resource: "pods",
        clock: clock.clone(),
        outlet: outlet.clone(),
        unanswered: unanswered.clone(),
    };
    let events = Watch::<Event> {
        api: Api::namespaced(client, namespace),
        resource: "events",
        clock: clock.clone(),
        outlet: outlet.clone(),
        unanswered,
    };
    tasks.spawn(pods.follow(fold));
    tasks.spawn(events.follow(EventFold::new(since)));
    Ok(server)
}
