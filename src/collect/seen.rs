//! What was seen, as it is handed on.

use std::time::Duration;

use super::prometheus::QueryError;
use crate::{
    frame::{AnswerRow, BadLine, BlindSpan, EventRow, PodRow, QueryNote, RawRow},
    number::length,
    sample::Series,
    time::Time,
};

/// What a collector saw.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// A scrape, good or failed.
    Scrape(ScrapeSeen),
    /// A target is no longer named by its discovery: its series end here.
    TargetGone {
        /// Its address, without secrets.
        target: String,
        /// When.
        at: Time,
        /// The stale markers.
        rows: Vec<RawRow>,
    },
    /// The whole life of a pod so far; replaces the row of its uid.
    Pod(PodRow),
    /// Occurrences of an event.
    Event(EventRow),
    /// A watch sees nothing. Sent when the span begins, without an end, and once more when it ends.
    Blind(BlindSpan),
    /// A discovery could not be asked, or named something that cannot be followed.
    DiscoveryFailed {
        /// Its address, without secrets.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// Samples that a server has, each series in order of time, with the marks of their ends.
    Samples {
        /// The series.
        series: Vec<Series>,
        /// Whether they were asked for before.
        pass: Pass,
    },
    /// What a server answered to the expression of an indicator.
    Answers {
        /// In order of time.
        rows: Vec<AnswerRow>,
        /// Whether it was asked before.
        pass: Pass,
    },
    /// A query that was given up.
    QueryFailed {
        /// The selector or expression.
        query: String,
        /// What is wrong.
        why: QueryError,
    },
    /// What all queries cost so far, and what the server said besides since the last time.
    Queries {
        /// One for each query.
        costs: Vec<QueryNote>,
        /// Sentences.
        said: Vec<String>,
        /// Whether they were asked before.
        pass: Pass,
    },
    /// Each watch gave its first full list, or was refused for lack of permission. What comes
    /// after this was seen as it happened. Sent once, when there is a cluster to watch.
    Connected,
}

/// Which time it is that a server is asked for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// The first time.
    First,
    /// The whole run again, at its end: a server that was away has by then what it missed, and what
    /// comes now counts in place of what came before.
    Again,
}

/// What one scrape gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ScrapeSeen {
    /// The target's address, without secrets.
    pub target: String,
    /// When the scrape began.
    pub at: Time,
    /// Its samples, stale markers and the series about the scrape itself.
    pub rows: Vec<RawRow>,
    /// Why it gave no samples, when it failed.
    pub failed: Option<ScrapeFailure>,
    /// How many lines could not be read.
    pub bad_lines: u64,
    /// The first of them.
    pub bad_line_examples: Vec<BadLine>,
    /// What is odd about the page though every line can be read; said once for a target.
    pub notes: Vec<String>,
}

/// Why a scrape gave no samples.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScrapeFailure {
    /// Nobody listens at the address.
    #[error("connection refused")]
    Refused,
    /// No connection came about: a name that does not resolve, a certificate that is not trusted.
    #[error("not reachable: {0}")]
    Unreachable(String),
    /// There was no whole answer in time.
    #[error("no whole answer within {}", length(*.0))]
    Timeout(Duration),
    /// The answer was not a success.
    #[error("answered with status {0}")]
    Status(u16),
    /// The answer led to where nobody meant to ask, or in circles.
    #[error("{0}")]
    Redirect(String),
    /// The answer broke off, or was not HTTP.
    #[error("the answer is broken: {0}")]
    Broken(String),
    /// The answer was something else than samples.
    #[error("not exposition text: {0}")]
    NotExposition(String),
    /// The page is larger than allowed, after decompression.
    #[error("the page has more than {0} bytes")]
    TooLarge(u64),
    /// The page has more samples than allowed.
    #[error("the page has more than {0} samples")]
    TooManySamples(usize),
    /// All pages that are being read at once are larger than there is room for.
    #[error("the pages that are being read at once are too large: give a smaller `size_limit`")]
    NoRoom,
    /// It was not asked, for want of something that asking needs.
    #[error("{0}")]
    Other(String),
}

impl ScrapeFailure {
    /// The word for its kind in the ledger.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Timeout(_) => "timeout",
            Self::Status(_) => "status",
            Self::Redirect(_) => "redirect",
            Self::Broken(_) => "broken",
            Self::NotExposition(_) => "not_exposition",
            Self::TooLarge(_) => "too_large",
            Self::TooManySamples(_) => "too_many_samples",
            Self::NoRoom => "no_room",
            Self::Other(_) => "other",
        }
    }
}
