//! The way to a cluster.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::answer::{is_forbidden, words};
use crate::{
    causes::with_causes,
    collect::{error::CollectError, http::install_tls},
    hypothesis::model::KubernetesSource,
    number::length,
};

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
pub(crate) async fn kubernetes_client(source: &KubernetesSource) -> Result<Client, CollectError> {
    let mut config = configured(source).await?;
    config.default_retry = false;
    Ok(Cluster::at(config)?.client)
}

/// The address of a source's cluster, as its kubeconfig has it. Nothing is asked of the cluster.
pub(crate) async fn cluster_address(source: &KubernetesSource) -> Result<String, CollectError> {
    Ok(configured(source).await?.cluster_url.to_string())
}

/// A cluster and its address.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) server: String,
}

impl Cluster {
    /// The cluster of a source, once it answers at all.
    pub(super) async fn that_answers(source: &KubernetesSource) -> Result<Self, CollectError> {
        let cluster = Self::at(configured(source).await?)?;
        cluster.answers(&source.namespace).await?;
        Ok(cluster)
    }

    fn at(config: Config) -> Result<Self, CollectError> {
        install_tls();
        let server = config.cluster_url.to_string();
        match Client::try_from(config) {
            Ok(client) => Ok(Self { client, server }),
            Err(error) => Err(CollectError::Cluster { server, why: with_causes(&error) }),
        }
    }

    /// Whether the cluster answers at all. Not being allowed to list pods is an answer: it
    /// becomes a gap with the server's words, not an error.
    async fn answers(&self, namespace: &str) -> Result<(), CollectError> {
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
        why: with_causes(error),
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
                why: format!(
                    "{}; not in a pod either: {}",
                    with_causes(&error),
                    with_causes(&inside)
                ),
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
