//! What is known of the quality of the data: kept in `run.json`, shown in every report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// What is known of the quality of the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Scrapes that gave samples.
    pub scrapes_ok: u64,
    /// Scrapes that failed, by class: `refused`, `unreachable`, `timeout`, `status`, `redirect`,
    /// `broken`, `not_exposition`, `too_large`, `too_many_samples`, `no_room`, `other`.
    pub scrapes_failed: BTreeMap<String, u64>,
    /// Lines of exposition text that could not be read: how many in all.
    pub bad_lines: u64,
    /// The first of them, at most [`Ledger::KEPT_LINES`].
    pub bad_line_examples: Vec<BadLine>,
    /// Failed looks at a discovery, and targets that it named and that cannot be scraped.
    pub discovery_failed: u64,
    /// Whether pods and events were watched.
    pub kubernetes_watched: bool,
    /// When a watch was not connected: resource, from, to.
    pub blind: Vec<BlindSpan>,
    /// What a server was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<QueryNote>,
    /// Anything else that a reader must know, as sentences.
    pub notes: Vec<String>,
}

impl Ledger {
    /// How many bad lines are kept as examples.
    pub const KEPT_LINES: usize = 20;

    /// Adds what a query cost that may have been asked before.
    pub(crate) fn add_query(&mut self, more: &QueryNote) {
        let Some(known) = self.queries.iter_mut().find(|known| known.query == more.query) else {
            self.queries.push(more.clone());
            return;
        };
        known.answered += more.answered;
        known.series = known.series.max(more.series);
        known.samples += more.samples;
        known.bytes += more.bytes;
        known.seconds += more.seconds;
        for (class, times) in &more.failed {
            *known.failed.entry(class.clone()).or_default() += times;
        }
    }
}

/// A line of exposition text that could not be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BadLine {
    /// The target's URL.
    pub target: String,
    /// When it was scraped.
    pub at: Time,
    /// Its number in the page, from 1.
    pub line: u64,
    /// Its text, capped.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// A stretch in which a watch saw nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlindSpan {
    /// `pods` or `events`.
    pub resource: String,
    /// From when.
    pub from: Time,
    /// To when; absent when it never came back.
    pub to: Option<Time>,
    /// What happened.
    pub why: String,
}

/// A query that a server was asked, and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueryNote {
    /// The selector or expression.
    pub query: String,
    /// How often it was answered: for one stretch of time after the other.
    pub answered: u64,
    /// How often it was given up, by class: `refused`, `too_costly`, `unavailable`, `silent`,
    /// `unreachable`, `broken`, `not_prometheus`, `partial`, `too_large`, `not_asked`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, u64>,
    /// The most series of one answer.
    pub series: u64,
    /// Samples of all answers.
    pub samples: u64,
    /// Bytes of all answers, after decompression.
    pub bytes: u64,
    /// From question to answer, all together; queries run at the same time.
    pub seconds: f64,
}

/// A source of data, without its secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceNote {
    /// `scrape`, `http_sd`, `file_sd`, `pods`, `prometheus`,
    /// `kube-state-metrics`, `kubernetes`.
    pub kind: String,
    /// Its address, user information and query removed.
    pub address: String,
    /// What else is known: namespace, interval.
    pub detail: String,
}

impl SourceNote {
    pub(crate) fn new(kind: &str, address: String, detail: String) -> Self {
        Self { kind: kind.to_owned(), address, detail }
    }
}
