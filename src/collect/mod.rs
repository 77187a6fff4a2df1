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
pub(crate) mod scrape;
mod secrets;
pub(crate) mod seen;
#[cfg(test)]
mod tests;

use reqwest::Url;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

pub(crate) use kubernetes::words;
pub(crate) use kubernetes::{cluster_address, kubernetes_client};

use crate::{
    clock::Clock,
    frame::SourceNote,
    hypothesis::model::{MetricsSource, Sources},
};
use error::CollectError;
use http::shown;
use kubernetes::pods::PodFold;
use outlet::{Outlet, SourceContext};
use scrape::Scraping;
use seen::Seen;

/// Sees all that the sources of a hypothesis show, until it is stopped.
#[derive(Debug)]
pub(crate) struct Collector {
    context: SourceContext,
    notes: Vec<SourceNote>,
}

impl Collector {
    /// Begins to look. What is seen goes into `seen`; while its reader is behind, the collector
    /// waits.
    ///
    /// A source that can never be observed is an error here. One that fails later, or a target
    /// that is not up yet, is something that was seen.
    pub(crate) async fn start(
        sources: &Sources,
        clock: Clock,
        seen: mpsc::Sender<Seen>,
    ) -> Result<Self, CollectError> {
        let (outlet, tasks) = (Outlet::new(seen), TaskTracker::new());
        let context = SourceContext { clock, outlet, tasks };
        let mut collector = Self { context, notes: Vec::new() };
        let context = &collector.context;
        // All that may refuse is asked before anything is begun.
        let scraping = match &sources.metrics {
            Some(MetricsSource::Scrape(source)) => Some(Scraping::check(source, context)?),
            Some(MetricsSource::Prometheus(source)) => {
                let server = Url::parse(&source.url).map_or_else(|_| "?".to_owned(), |u| shown(&u));
                return Err(CollectError::PrometheusServer { server });
            }
            None => None,
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
        collector.notes = scraped.into_iter().flatten().chain(watched).collect();
        Ok(collector)
    }

    /// What is looked at, without secrets.
    pub(crate) fn sources(&self) -> Vec<SourceNote> {
        self.notes.clone()
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
