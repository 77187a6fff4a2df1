//! A stretch of watching: what it waits for, and why it ended.

use std::time::Duration;

use super::guard::Sentry;
use crate::{analysis, frame::Observed, time::Time};

/// What a stretch of watching waits for.
pub(super) enum Until<'p> {
    /// So much time.
    Elapsed(Duration),
    /// Until a server has what happened up to a time, and at most `most`.
    Has { at: Time, most: Duration },
    /// At least `least`, then until `done` says so, and at most `most`. The guard is watched.
    Done {
        least: Duration,
        most: Duration,
        done: &'p mut (dyn FnMut(&Observed) -> bool + Send),
        sentry: &'p mut Sentry,
    },
}

impl Until<'_> {
    /// What is left of the planned time; beyond it, of the most that it may take.
    pub(super) fn left(&self, elapsed: Duration) -> Duration {
        let planned = match self {
            Self::Elapsed(length) => length,
            Self::Has { most, .. } => most,
            Self::Done { least, .. } if elapsed < *least => least,
            Self::Done { most, .. } => most,
        };
        planned.saturating_sub(elapsed)
    }

    /// Whether what is waited for has come.
    pub(super) fn is_done(&mut self, elapsed: Duration, observed: &Observed) -> bool {
        match self {
            Self::Elapsed(_) => false,
            Self::Has { at, .. } => analysis::has_until(observed, *at),
            Self::Done { least, done, .. } => elapsed >= *least && done(observed),
        }
    }

    /// The guard that looks meanwhile.
    pub(super) fn sentry(&mut self) -> Option<&mut Sentry> {
        match self {
            Self::Elapsed(_) | Self::Has { .. } => None,
            Self::Done { sentry, .. } => Some(sentry),
        }
    }

    pub(super) fn most(&self) -> Duration {
        match self {
            Self::Elapsed(length) => *length,
            Self::Has { most, .. } => *most,
            Self::Done { most, .. } => *most,
        }
    }

    /// How a stretch ended that took the most that it may take.
    pub(super) fn over(&self) -> Ended {
        match self {
            Self::Elapsed(_) => Ended::Elapsed,
            Self::Has { .. } | Self::Done { .. } => Ended::AtMost,
        }
    }
}

/// What came of work that is done beside the watch.
pub(super) enum Work<T> {
    /// It was done.
    Done(T),
    /// A signal or the guard came first, and it was dropped.
    Cut(Ended),
}

/// Why a stretch of watching ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Its time was over.
    Elapsed,
    /// What was waited for came true after the least time.
    Done,
    /// It did not, within the most time.
    AtMost,
    /// A signal.
    Interrupted,
    /// The guard, with its words.
    Guard(String),
}

impl Ended {
    pub(super) fn interrupted(&self) -> bool {
        *self == Self::Interrupted
    }
}
