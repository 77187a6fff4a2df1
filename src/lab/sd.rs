//! Service discovery in the format of Prometheus' `http_sd`.
//!
//! Every target is the port where its metrics are: traffic has another, and goes on when metrics
//! are cut off.

use std::{net::SocketAddr, sync::Arc};

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use super::cluster::Cluster;

/// What is served.
pub(super) struct Directory {
    cluster: Arc<Cluster>,
    gateway: SocketAddr,
    load: Option<SocketAddr>,
}

impl Directory {
    /// The cluster's pods, the gateway, and the load generator where there is one.
    pub(super) fn new(
        cluster: Arc<Cluster>,
        gateway: SocketAddr,
        load: Option<SocketAddr>,
    ) -> Arc<Self> {
        Arc::new(Self { cluster, gateway, load })
    }

    /// `/sd`.
    pub(super) fn router(self: Arc<Self>) -> Router {
        Router::new().route("/sd", get(groups)).with_state(self)
    }
}

/// A pod is a target from its start until it is gone, ready or not: a target that refuses to
/// answer is news, one that is not asked is none.
async fn groups(State(directory): State<Arc<Directory>>) -> Json<Value> {
    let spec = &directory.cluster.spec;
    let pods = directory.cluster.running().into_iter().map(|running| {
        json!({
            "targets": [running.metrics.to_string()],
            "labels": {
                "job": spec.app,
                "namespace": spec.namespace,
                "app": spec.app,
                "pod": running.pod,
            },
        })
    });
    let single = |job: &str, address: SocketAddr| {
        json!({
            "targets": [address.to_string()],
            "labels": {"job": job, "namespace": spec.namespace},
        })
    };
    let load = directory.load.map(|address| single("loadgen", address));
    Json(pods.chain([single("gateway", directory.gateway)]).chain(load).collect())
}
