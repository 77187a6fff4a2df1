//! The way to a cluster, and what is watched there: the pods and events of one namespace.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio_util::task::TaskTracker;

use super::{
    CollectError,
    answer::{is_forbidden, words},
    events::EventFold,
    http::{chain, install_tls},
    outlet::Outlet,
    watch::{Fold, Unanswered, Watch},
};
use crate::{clock::Clock, hypothesis::model::KubernetesSource, number::length, time::Time};

/// How long a cluster may take for its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(15);

/// How long a connection may be silent: longer than a watch is open (20 s), since a quiet
/// namespace has nothing to say.
const SILENCE: Duration = Duration::from_secs(30);

/// A client for the cluster of a source: by its kubeconfig, else by `KUBECONFIG` or
/// `~/.kube/config`, else by the account of the pod we run in.
///
/// A proxy is used only when the kubeconfig names it; one that is only in the environment is
/// meant for the way out to the internet.
///
/// It is for those who change something: it asks once. A refusal is an answer to them, and the
/// library's own retries would turn "your budget does not allow it" into asking on until it does.
pub async fn kubernetes_client(source: &KubernetesSource) -> Result<Client, CollectError> {
    let mut config = configured(source).await?;
    config.default_retry = false;
    Ok(Cluster::at(config)?.client)
}

/// The address of a source's cluster, as its kubeconfig has it. Nothing is asked of the cluster.
pub async fn cluster_address(source: &KubernetesSource) -> Result<String, CollectError> {
    Ok(configured(source).await?.cluster_url.to_string())
}

/// A cluster and its address.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) server: String,
}

impl Cluster {
    pub(super) async fn of(source: &KubernetesSource) -> Result<Self, CollectError> {
        Self::at(configured(source).await?)
    }

    fn at(config: Config) -> Result<Self, CollectError> {
        install_tls();
        let server = config.cluster_url.to_string();
        match Client::try_from(config) {
            Ok(client) => Ok(Self { client, server }),
            Err(error) => Err(CollectError::Cluster { server, why: chain(&error) }),
        }
    }

    /// Whether the cluster answers at all. Not being allowed to list pods is an answer: it
    /// becomes a gap with the server's words, not an error.
    pub(super) async fn answers(&self, namespace: &str) -> Result<(), CollectError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = ListParams::default().limit(1);
        let why = match tokio::time::timeout(FIRST_ANSWER, pods.list(&params)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if is_forbidden(&error) => return Ok(()),
            Ok(Err(error)) => words(&error),
            Err(_) => format!("no answer within {}", length(FIRST_ANSWER)),
        };
        Err(CollectError::Cluster { server: self.server.clone(), why })
    }
}

async fn configured(source: &KubernetesSource) -> Result<Config, CollectError> {
    let place = source.kubeconfig.as_ref().map_or_else(
        || "of `KUBECONFIG` or `~/.kube/config`".to_owned(),
        |file| format!("`{file}`"),
    );
    let refused = |error: &dyn std::error::Error| CollectError::Kubeconfig {
        place: place.clone(),
        why: chain(error),
    };
    let read = match &source.kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let kubeconfig = match read {
        Ok(kubeconfig) => kubeconfig,
        // Only a file that nobody asked for may be missing.
        Err(error) if source.kubeconfig.is_some() || source.context.is_some() => {
            return Err(refused(&error));
        }
        Err(error) => {
            return Config::incluster().map_err(|inside| CollectError::NoCluster {
                why: format!("{}; not in a pod either: {}", chain(&error), chain(&inside)),
            });
        }
    };
    let proxied = kubeconfig
        .clusters
        .iter()
        .filter_map(|named| named.cluster.as_ref()?.proxy_url.as_ref())
        .any(|proxy| !proxy.is_empty());
    let options = KubeConfigOptions { context: source.context.clone(), ..Default::default() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| refused(&error))?;
    if !proxied {
        config.proxy_url = None;
    }
    // A watch is renewed more often than this, so only a server that hangs is silent for so long.
    config.read_timeout = Some(SILENCE);
    Ok(config)
}

/// Begins to watch the pods and events of a namespace; `fold` makes of the pods what is wanted.
pub(super) fn follow(
    client: Client,
    namespace: &str,
    clock: &Clock,
    outlet: &Outlet,
    tasks: &TaskTracker,
    fold: impl Fold<Pod> + Send + 'static,
) {
    let unanswered = Unanswered::new(2);
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
}

/// A time of the API; its own library is another version of ours.
pub(super) fn time(stamp: k8s_openapi::jiff::Timestamp) -> Time {
    Time::from_millis(stamp.as_millisecond())
}
