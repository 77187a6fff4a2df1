//! Why a source cannot be observed at all.

use super::prometheus::QueryError;

/// A source that cannot be observed at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    /// An address that makes no target or discovery.
    #[error("`{address}` cannot be scraped: {why}")]
    Address {
        /// The address, without secrets where it could be read.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that a source names and that cannot be used.
    #[error("`{key}` `{path}` cannot be used: {why}")]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A Prometheus-compatible server that cannot be asked.
    #[error("the server `{server}` cannot be asked")]
    Server {
        /// Its address, without secrets.
        server: String,
        /// What is wrong.
        #[source]
        source: QueryError,
    },
    /// A query that a server did not answer.
    #[error("the server `{server}` did not answer the query `{query}`")]
    Query {
        /// Its address, without secrets.
        server: String,
        /// The selector or expression.
        query: String,
        /// What is wrong.
        #[source]
        source: QueryError,
    },
    /// The HTTP client could not be made.
    #[error("no HTTP client could be made")]
    HttpClient(#[source] reqwest::Error),
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig {place} cannot be used: {why}")]
    Kubeconfig {
        /// Which file, in words.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// No way to a cluster was given or found.
    #[error("no cluster is configured: {why}")]
    NoCluster {
        /// What was looked for.
        why: String,
    },
    /// The cluster did not answer, or did not let us in.
    #[error("the cluster at `{server}` did not answer: {why}")]
    Cluster {
        /// Its address.
        server: String,
        /// What happened.
        why: String,
    },
}

impl CollectError {
    /// What may help, for a line of its own under the error.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Address { .. } => {
                Some("a target is the full URL of a page: `http://127.0.0.1:9100/metrics`")
            }
            Self::File { .. } => Some("a relative path begins where `homeostat` is started"),
            Self::Server { source, .. } | Self::Query { source, .. } => source.hint(),
            Self::HttpClient(_) => None,
            Self::Kubeconfig { .. } => {
                Some("`kubectl --kubeconfig FILE config get-contexts` shows what it holds")
            }
            Self::NoCluster { .. } => {
                Some("give `sources.kubernetes.kubeconfig` or set `KUBECONFIG`")
            }
            Self::Cluster { .. } => Some(
                "`kubectl get pods` with the same kubeconfig and context shows whether it answers",
            ),
        }
    }
}
