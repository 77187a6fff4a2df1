//! Loopback plumbing: binding, serving until told to stop, and a client that needs no CA store.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, serve::ListenerExt};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::LabError;

/// A bound listener, not yet serving, and its address.
pub(super) struct Bound {
    listener: TcpListener,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

impl Bound {
    /// Binds a port of 127.0.0.1; 0 takes any free one.
    pub(super) async fn to(port: u16, what: &'static str) -> Result<Self, LabError> {
        let failed = |source| LabError::Bind { what, port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Serves until `stop`, then lets requests in flight finish.
    pub(super) async fn serve(self, router: Router, stop: CancellationToken) {
        let listener = self.listener.tap_io(|stream| {
            // Without it a small answer may wait 40 ms for the other side's delayed ACK.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "no TCP_NODELAY");
            }
        });
        let stopped = stop.cancelled_owned();
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
            tracing::warn!(%error, "a server of the lab ended");
        }
    }

    /// Serves in a task of `tasks`.
    pub(super) fn spawn(self, router: Router, tasks: &TaskTracker, stop: &CancellationToken) {
        tasks.spawn(self.serve(router, stop.clone()));
    }
}

/// An HTTP client for loopback: no proxy of the environment, no redirects, no CA store.
pub(super) fn client(timeout: Duration, idle: usize) -> Result<reqwest::Client, LabError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing the race to another thread is fine: then there is a provider.
        rustls::crypto::ring::default_provider().install_default().ok();
    }
    reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(timeout)
        .pool_max_idle_per_host(idle)
        .build()
        .map_err(LabError::Client)
}
