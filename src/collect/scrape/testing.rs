//! Sources for tests.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{open_files::OpenFiles, targets::Targets, worker::Scraper};
use crate::{
    clock::Clock,
    collect::{http::Http, outlet::Outlet, seen::Seen},
    hypothesis::model::ScrapeSource,
};

/// Targets that are not to be scraped within the time of a test.
pub(super) fn followed_by_nobody(open_files: OpenFiles) -> (Targets, mpsc::Receiver<Seen>) {
    let (sender, seen) = mpsc::channel(64);
    let source = ScrapeSource { interval: Duration::from_secs(1 << 30), ..targets(Vec::new()) };
    let scraper = Scraper {
        http: Http::new(None).unwrap(),
        source: Arc::new(source),
        clock: Clock::system(),
        outlet: Outlet::new(sender),
    };
    (Targets::new(scraper, TaskTracker::new(), open_files), seen)
}

/// Fixed targets with small pages, asked often.
pub(in crate::collect) fn targets(targets: Vec<String>) -> ScrapeSource {
    ScrapeSource {
        targets,
        http_sd: Vec::new(),
        file_sd: Vec::new(),
        pods: Vec::new(),
        labels: BTreeMap::new(),
        filters: Vec::new(),
        honor_labels: false,
        ca_file: None,
        bearer_token_file: None,
        interval: Duration::from_millis(50),
        timeout: Duration::from_secs(20),
        size_limit: 4096,
        sample_limit: 100,
    }
}
