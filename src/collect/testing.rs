//! Sources for tests.

use std::{collections::BTreeMap, time::Duration};

use crate::hypothesis::model::ScrapeSource;

/// Fixed targets with small pages, asked often.
pub(super) fn targets(targets: Vec<String>) -> ScrapeSource {
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
