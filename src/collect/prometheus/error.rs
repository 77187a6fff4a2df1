//! What can go wrong with one query.

use std::time::Duration;

/// Why a query has no answer. The server's own words are kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    /// The server will never answer this: the expression is wrong, or it does not let us in.
    #[error("refused with status {status}: {said}")]
    Refused {
        /// The status of HTTP.
        status: u16,
        /// What the server said.
        said: String,
    },
    /// More than the server is willing to do for one query.
    #[error("too costly for the server: {said}")]
    TooCostly {
        /// What the server said.
        said: String,
    },
    /// The server is there, and cannot answer now.
    #[error("unavailable, status {status}: {said}")]
    Unavailable {
        /// The status of HTTP.
        status: u16,
        /// What the server said.
        said: String,
        /// When it wants to be asked again.
        after: Option<Duration>,
    },
    /// Nothing came for so long.
    #[error("nothing was heard in time")]
    Silent,
    /// No connection came about.
    #[error("not reachable: {0}")]
    Unreachable(String),
    /// The answer broke off.
    #[error("the answer is broken: {0}")]
    Broken(String),
    /// The answer is not one of Prometheus' API.
    #[error("not an answer of Prometheus' API: {0}")]
    NotPrometheus(String),
    /// The answer is not whole: a part of the server's storage did not answer, or a limit cut it.
    #[error("the answer is partial: {0}")]
    Partial(String),
    /// The answer is larger than allowed, after decompression.
    #[error("the answer has more than {} MiB", .0 >> 20)]
    TooLarge(u64),
    /// It was not asked, for want of something that asking needs.
    #[error("{0}")]
    NotAsked(String),
}

impl QueryError {
    /// The word for its kind in the ledger.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::TooCostly { .. } => "too_costly",
            Self::Unavailable { .. } => "unavailable",
            Self::Silent => "silent",
            Self::Unreachable(_) => "unreachable",
            Self::Broken(_) => "broken",
            Self::NotPrometheus(_) => "not_prometheus",
            Self::Partial(_) => "partial",
            Self::TooLarge(_) => "too_large",
            Self::NotAsked(_) => "not_asked",
        }
    }

    /// Whether the same query may be answered a little later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::Silent
            | Self::Unreachable(_)
            | Self::Broken(_)
            // A proxy in front of it may say so for a while.
            | Self::NotPrometheus(_)
            | Self::Partial(_)
            | Self::NotAsked(_) => true,
            Self::Refused { .. } | Self::TooCostly { .. } | Self::TooLarge(_) => false,
        }
    }

    /// Whether a shorter stretch of time may be answered.
    pub(super) fn may_be_less(&self) -> bool {
        match self {
            Self::TooCostly { .. } | Self::TooLarge(_) | Self::Silent => true,
            Self::Refused { .. }
            | Self::Unavailable { .. }
            | Self::Unreachable(_)
            | Self::Broken(_)
            | Self::NotPrometheus(_)
            | Self::Partial(_)
            | Self::NotAsked(_) => false,
        }
    }

    /// What may help.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused { status: 401 | 403, .. } => {
                Some("give `bearer_token_file` or `basic_auth` under `sources.prometheus`")
            }
            Self::Refused { status: 404, .. } | Self::NotPrometheus(_) => Some(
                "`sources.prometheus.url` is the address before `/api/v1`: \
                 `http://prometheus:9090`, or with the prefix that the server is under",
            ),
            Self::Refused { .. } => None,
            Self::TooCostly { .. } | Self::TooLarge(_) => {
                Some("select fewer series, or let the server compute the number: `promql: …`")
            }
            Self::Unavailable { .. } | Self::Silent | Self::Unreachable(_) | Self::Broken(_) => {
                Some("is the server up, and reachable from here?")
            }
            Self::Partial(_) => Some("is all of the server's storage up?"),
            Self::NotAsked(_) => None,
        }
    }
}
