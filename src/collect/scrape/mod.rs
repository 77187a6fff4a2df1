//! Scraping as a source: pages of metrics, and whoever names them.

mod discovery;
pub(crate) mod exposition;
pub(crate) mod families;
mod file_sd;
mod groups;
pub(super) mod open_files;
pub(crate) mod page;
mod pod_targets;
mod relabel;
mod staleness;
pub(super) mod target;
mod targets;
#[cfg(test)]
pub(super) mod testing;
mod worker;

use std::{sync::Arc, time::Duration};

use reqwest::Url;

use super::{
    error::CollectError,
    http::{Http, shown},
    kubernetes::pods::PodFold,
    outlet::SourceContext,
    secrets,
};
use crate::{frame::SourceNote, hypothesis::model::ScrapeSource, number::length, sample::Labels};
use discovery::Discovery;
use file_sd::Files;
use open_files::OpenFiles;
use pod_targets::{LivesAndTargets, PodDiscovery};
use relabel::Relabel;
use target::Target;
use targets::Targets;
use worker::Scraper;

/// A source of targets, checked and not yet begun.
pub(super) struct Scraping {
    context: SourceContext,
    scraper: Scraper,
    targets: Targets,
    relabel: Relabel,
    fixed: Vec<Target>,
    http_sd: Vec<Url>,
    file_sd: Vec<(String, Files)>,
}

impl Scraping {
    /// Checks all that a source names before anything of it is asked.
    pub(super) fn check(
        source: &ScrapeSource,
        context: &SourceContext,
    ) -> Result<Self, CollectError> {
        let trusted = source.ca_file.as_deref().map(secrets::certificates).transpose()?;
        if let Some(path) = &source.bearer_token_file {
            secrets::token("bearer_token_file", path)?;
        }
        let relabel = Relabel::of(source);
        let mut fixed = Vec::new();
        for address in &source.targets {
            let url = parsed(address)?;
            let target = relabel.target(url, Labels::default());
            fixed.extend(target.map_err(|why| refused(address, why))?);
        }
        let http_sd =
            source.http_sd.iter().map(|address| parsed(address)).collect::<Result<_, _>>()?;
        let mut file_sd = Vec::new();
        for pattern in &source.file_sd {
            file_sd.push((pattern.clone(), Files::open(pattern, relabel.clone())?));
        }
        let http = Http::new(trusted).map_err(CollectError::HttpClient)?;
        let scraper = Scraper {
            http,
            source: Arc::new(source.clone()),
            clock: context.clock.clone(),
            outlet: context.outlet.clone(),
        };
        let targets = Targets::new(scraper.clone(), context.tasks.clone(), OpenFiles::raise());
        let context = context.clone();
        Ok(Self { context, scraper, targets, relabel, fixed, http_sd, file_sd })
    }

    /// What follows the pods that are scraped, beside their lives; none when none is named.
    pub(super) fn pods(&self) -> Option<LivesAndTargets> {
        let pods = self.scraper.source.pods.clone();
        let (targets, relabel) = (self.targets.clone(), self.relabel.clone());
        (!pods.is_empty()).then(|| LivesAndTargets {
            lives: PodFold::default(),
            targets: PodDiscovery::new(pods, targets, relabel),
        })
    }

    /// Begins to scrape, and to ask the discoveries. Gives what is looked at; `server` is the
    /// cluster whose pods are followed.
    pub(super) fn start(self, server: Option<&str>) -> Result<Vec<SourceNote>, CollectError> {
        let every = format!("every {}", length(self.scraper.source.interval));
        let Self { context, scraper, targets, relabel, fixed, http_sd, file_sd } = self;
        let ScrapeSource { interval, timeout, ref pods, .. } = *scraper.source;
        let mut notes = Vec::new();
        let mut note = |kind, address, detail| notes.push(SourceNote::new(kind, address, detail));
        for (server, one) in server.into_iter().flat_map(|s| pods.iter().map(move |one| (s, one))) {
            note("pods", server.to_owned(), format!("{}, {every}", one.selector));
        }
        for target in fixed {
            let address = target.name();
            // A fixed target is never gone, so it is never released.
            if let Err(why) = targets.follow(&target) {
                return Err(CollectError::Address { address, why: why.to_string() });
            }
            note("scrape", address, every.clone());
        }
        let discovery =
            |name: String| Discovery::new(name, interval, targets.clone(), context.outlet.clone());
        for url in http_sd {
            let (name, http) = (shown(&url), scraper.http.clone());
            note("http_sd", name.clone(), every.clone());
            // An interval can be shorter than any discovery takes.
            let timeout = timeout.max(Duration::from_secs(1));
            context.tasks.spawn(discovery(name).ask(http, url, timeout, relabel.clone()));
        }
        for (name, files) in file_sd {
            note("file_sd", name.clone(), every.clone());
            context.tasks.spawn(discovery(name).look(files));
        }
        Ok(notes)
    }
}

fn parsed(address: &str) -> Result<Url, CollectError> {
    Url::parse(address).map_err(|error| refused(address, error.to_string()))
}

fn refused(address: &str, why: String) -> CollectError {
    let address = Url::parse(address).map_or_else(|_| address.to_owned(), |url| shown(&url));
    CollectError::Address { address, why }
}
