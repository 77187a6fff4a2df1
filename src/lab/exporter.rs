//! A server of `/metrics` on a port of its own, which can be cut off while the traffic goes on.

use std::{fmt, net::SocketAddr, str::FromStr, sync::Arc, time::Duration};

use axum::{
    Router,
    response::{IntoResponse as _, Response},
    routing::get,
};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{LabError, metrics::Page, serve::Bound};

/// Between two attempts to take the port again.
const AGAIN: Duration = Duration::from_millis(100);

/// Whether metrics are shown, and how they are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Exposure {
    /// As ever
    #[default]
    #[value(skip)]
    Served,
    /// Nobody listens
    #[value(name = "refuse")]
    Refused,
    /// Connections are accepted and never answered
    #[value(name = "hang")]
    Hanging,
}

/// Pages of metrics, and whether they are shown.
#[derive(Clone)]
pub(super) struct Exporter {
    page: Arc<dyn Fn() -> Page + Send + Sync>,
    exposure: watch::Receiver<Exposure>,
}

impl Exporter {
    /// An exporter of pages that are made when asked for.
    pub(super) fn new(
        page: impl Fn() -> Page + Send + Sync + 'static,
        exposure: watch::Receiver<Exposure>,
    ) -> Self {
        Self { page: Arc::new(page), exposure }
    }

    /// Serves on a port until `stop`. While metrics are refused it gives the port up.
    pub(super) async fn run(mut self, mut bound: Bound, stop: CancellationToken) {
        let address = bound.address;
        while !stop.is_cancelled() {
            let cut = stop.child_token();
            let exporter = self.clone();
            let router = Router::new().route(
                "/metrics",
                get(move || {
                    let exporter = exporter.clone();
                    async move { exporter.answer().await }
                }),
            );
            let server = bound.serve(router, cut.clone());
            let refused = async {
                let gone = self.exposure.wait_for(|now| *now == Exposure::Refused).await.is_err();
                if gone {
                    std::future::pending::<()>().await;
                }
                cut.cancel();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = server => {}
                () = refused => {}
            }
            let shown = async {
                let shown = self.exposure.wait_for(|now| *now != Exposure::Refused).await.is_ok();
                if shown { take(address).await } else { std::future::pending().await }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                again = shown => bound = again,
            }
        }
    }

    /// One answer: the page, or nothing for as long as metrics are cut.
    pub(super) async fn answer(&self) -> Response {
        let mut exposure = self.exposure.clone();
        // A server that is going away has nobody to wait for.
        exposure.wait_for(|now| *now != Exposure::Hanging).await.ok();
        (self.page)().into_response()
    }
}

/// Takes a port that was given up. Another program may have it for a while.
async fn take(address: SocketAddr) -> Bound {
    loop {
        match Bound::to(address.port(), "metrics").await {
            Ok(bound) => return bound,
            Err(LabError::Bind { source, .. }) => tracing::warn!(%address, %source, "metrics"),
            Err(error) => tracing::warn!(%address, %error, "metrics"),
        }
        sleep(AGAIN).await;
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Served => "serve",
            Self::Refused => "refuse",
            Self::Hanging => "hang",
        })
    }
}

impl FromStr for Exposure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Served, Self::Refused, Self::Hanging];
        all.into_iter()
            .find(|exposure| exposure.to_string() == text)
            .ok_or_else(|| format!("`{text}` is none of `serve`, `refuse`, `hang`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::serve;

    #[tokio::test]
    async fn metrics_are_refused_or_hang_and_come_back_on_the_same_port() {
        let (expose, exposure) = watch::channel(Exposure::Served);
        let bound = Bound::to(0, "metrics").await.unwrap();
        let url = format!("http://{}/metrics", bound.address);
        let page = || {
            let mut page = Page::default();
            page.value("up", "gauge", "Is.", 1.0);
            page
        };
        let stop = CancellationToken::new();
        tokio::spawn(Exporter::new(page, exposure).run(bound, stop.clone()));
        let client = serve::client(Duration::from_millis(300), 0).unwrap();
        let asked = async || match client.get(&url).send().await {
            Ok(answer) => answer.status().to_string(),
            Err(error) if error.is_connect() => "refused".to_owned(),
            Err(error) if error.is_timeout() => "hangs".to_owned(),
            Err(error) => error.to_string(),
        };
        let until = async |want: &str| {
            while asked().await != want {
                sleep(Duration::from_millis(5)).await;
            }
        };
        for (exposure, want) in [
            (Exposure::Served, "200 OK"),
            (Exposure::Hanging, "hangs"),
            (Exposure::Refused, "refused"),
            (Exposure::Served, "200 OK"),
            (Exposure::Refused, "refused"),
            (Exposure::Hanging, "hangs"),
        ] {
            expose.send(exposure).unwrap();
            until(want).await;
        }
        stop.cancel();
    }
}
