//! The sources of a hypothesis, as they were checked.

use std::{collections::BTreeMap, time::Duration};

use crate::hypothesis::selector::{LabelSelector, Matcher};

/// Where numbers and objects come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Sources {
    /// The source of the metrics.
    pub metrics: Option<MetricsSource>,
    /// The cluster whose pods and events are watched.
    pub kubernetes: Option<KubernetesSource>,
}

impl Sources {
    /// How far apart scrapes are, where the file says so; of a server, its samples do.
    pub fn scrape_interval(&self) -> Option<Duration> {
        match &self.metrics {
            Some(MetricsSource::Scrape(scrape)) => Some(scrape.interval),
            Some(MetricsSource::Prometheus(_)) | None => None,
        }
    }

    /// Whether a server is asked, which has its samples from scrapes of its own.
    pub fn has_server(&self) -> bool {
        matches!(self.metrics, Some(MetricsSource::Prometheus(_)))
    }

    /// How long after an instant its samples have arrived: one scrape interval and its timeout.
    pub fn settle(&self) -> Duration {
        match &self.metrics {
            Some(MetricsSource::Scrape(scrape)) => scrape.interval.max(scrape.timeout),
            Some(MetricsSource::Prometheus(_)) | None => Duration::from_millis(500),
        }
    }
}

/// Where samples come from.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricsSource {
    /// `/metrics` pages, scraped by us.
    Scrape(ScrapeSource),
    /// A Prometheus-compatible server.
    Prometheus(PrometheusSource),
}

/// Targets that are scraped directly.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeSource {
    /// Fixed targets: full URLs of `/metrics` pages.
    pub targets: Vec<String>,
    /// Addresses of Prometheus HTTP service discovery.
    pub http_sd: Vec<String>,
    /// Files of Prometheus file service discovery; a `*` may stand in the last part of a path.
    pub file_sd: Vec<String>,
    /// Pods of the cluster that ask to be scraped by their annotations.
    pub pods: Vec<PodTargets>,
    /// Laid over the labels of every target.
    pub labels: BTreeMap<String, String>,
    /// All must hold for the labels of a target, or it is not scraped.
    pub filters: Vec<Matcher>,
    /// Whether a label of the page wins over one of its target.
    pub honor_labels: bool,
    /// The certificates that `https` is trusted by; those of the machine when absent.
    pub ca_file: Option<String>,
    /// A file with the bearer token that targets are given, read again for every scrape.
    pub bearer_token_file: Option<String>,
    /// Time between two scrapes of a target, and between two looks at the discovery.
    pub interval: Duration,
    /// How long a scrape may take; at most the interval.
    pub timeout: Duration,
    /// The most bytes of one page, after decompression.
    pub size_limit: u64,
    /// The most samples of one page.
    pub sample_limit: usize,
}

/// Pods that are scraped: those that match and whose annotations ask for it.
#[derive(Clone, Debug, PartialEq)]
pub struct PodTargets {
    /// Which pods of the namespace that is watched.
    pub selector: LabelSelector,
    /// Their `job`; when absent, what their own labels call the application.
    pub job: Option<String>,
}

impl PodTargets {
    /// The labels of a pod that name its application, the first that is there counts.
    pub const APPLICATION_LABELS: [&str; 2] = ["app.kubernetes.io/name", "app"];
}

/// A Prometheus-compatible server.
#[derive(Clone, Debug, PartialEq)]
pub struct PrometheusSource {
    /// Its base URL, without `/api/v1`.
    pub url: String,
    /// How the server is told who asks.
    pub login: Login,
    /// The certificates that `https` is trusted by; those of the machine when absent.
    pub ca_file: Option<String>,
}

/// How a server is told who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    None,
    /// By the bearer token in a file, which is read again for every query.
    BearerToken {
        /// The file.
        file: String,
    },
    /// By a name and the password in a file, which is read again for every query.
    Basic {
        /// The name.
        username: String,
        /// The file.
        password_file: String,
    },
}

/// A cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct KubernetesSource {
    /// The namespace that is watched.
    pub namespace: String,
    /// A kubeconfig; `KUBECONFIG`, `~/.kube/config` or the pod's own account when absent.
    pub kubeconfig: Option<String>,
    /// A context of it; the current one when absent.
    pub context: Option<String>,
}
