//! Seeing: pages are scraped, pods and events are watched, and what was seen is handed on as
//! owned rows over one bounded channel, in order of arrival.
//!
//! A room a source: each has one function that starts it and gives back what it looks at. What all
//! of them may name are the files beside the rooms: what was [`seen`], the way `outlet`, `http`
//! and `secrets`, and the [`error`] of a source that can never be observed.
//!
//! This is where async ends. Nothing here judges, and nothing here writes to the systems it
//! looks at. Times of our own are from the run's clock; times that others give are turned into
//! [`Time`](crate::time::Time) here and nowhere else.

pub(crate) mod error;
mod held;
mod http;
mod kubernetes;
mod outlet;
pub(crate) mod prometheus;
pub(crate) mod scrape;
mod secrets;
pub(crate) mod seen;
#[cfg(test)]
mod tests;

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

pub(crate) use kubernetes::words;
pub(crate) use kubernetes::{cluster_address, kubernetes_client};

use crate::{
    clock::Clock,
    frame::SourceNote,
    hypothesis::model::{MetricsSource, Sources},
    window::Window,
};
use error::CollectError;
use kubernetes::pods::PodFold;
use outlet::{Outlet, SourceContext};
use prometheus::{Asked, Server};
use scrape::Scraping;
use seen::Seen;

/// Sees all that the sources of a hypothesis show, until it is stopped.
#[derive(Debug)]
pub(crate) struct Collector {
    context: SourceContext,
    notes: Vec<SourceNote>,
    server: Option<Server>,
    asked: Asked,
}

impl Collector {
    /// Begins to look; of a server, for what is `asked`. What is seen goes into `seen`; while its
    /// reader is behind, the collector waits.
    ///
    /// A source that can never be observed is an error here. One that fails later, or a target
    /// that is not up yet, is something that was seen.
    pub(crate) async fn start(
        sources: &Sources,
        asked: &Asked,
        clock: Clock,
        seen: mpsc::Sender<Seen>,
    ) -> Result<Self, CollectError> {
        let (outlet, tasks) = (Outlet::new(seen), TaskTracker::new());
        let context = SourceContext { clock, outlet, tasks };
        let mut collector = Self { context, notes: Vec::new(), server: None, asked: asked.clone() };
        let context = &collector.context;
        // All that may refuse is asked before anything is begun.
        let (scraping, server) = match &sources.metrics {
            Some(MetricsSource::Scrape(source)) => (Some(Scraping::check(source, context)?), None),
            Some(MetricsSource::Prometheus(source)) => {
                (None, Some(Server::connect(source, &context.clock).await?))
            }
            None => (None, None),
        };
        let cluster = match (&sources.kubernetes, scraping.as_ref().and_then(Scraping::pods)) {
            (Some(source), Some(fold)) => Some(kubernetes::start(source, context, fold).await?),
            (Some(source), None) => {
                Some(kubernetes::start(source, context, PodFold::default()).await?)
            }
            (None, _) => None,
        };
        let scraped = scraping.map(|scraping| scraping.start(cluster.as_deref())).transpose()?;
        let watched = sources.kubernetes.as_ref().zip(cluster).map(|(source, server)| {
            SourceNote::new("kubernetes", server, format!("namespace {}", source.namespace))
        });
        let followed = server.as_ref().map(|server| server.follow(asked, context));
        collector.notes = scraped.into_iter().flatten().chain(followed).chain(watched).collect();
        collector.server = server;
        Ok(collector)
    }

    /// What is looked at, without secrets.
    pub(crate) fn sources(&self) -> Vec<SourceNote> {
        self.notes.clone()
    }

    /// Asks a server for all of a window again, now that it has come to its end; of other sources,
    /// nothing more can be had. Keep reading the channel meanwhile.
    pub(crate) async fn again(&self, window: Window) {
        if let Some(server) = &self.server {
            server.again(&self.asked, window, &self.context.outlet).await;
        }
    }

    /// Ends all looking and hands over what is left to say. Keep reading the channel meanwhile:
    /// what finds no room in it within two seconds is lost.
    pub(crate) async fn stop(self) {
        self.context.outlet.stop();
        self.context.tasks.close();
        self.context.tasks.wait().await;
    }
}

impl Drop for Collector {
    /// A collector that is dropped stops looking, too; only its last words are not waited for.
    fn drop(&mut self) {
        self.context.outlet.stop();
    }
}
