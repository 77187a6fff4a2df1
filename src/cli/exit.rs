//! Exit codes are interface (design, section 6): 1, 2 and 101 (a panic) are never verdicts, so
//! that a crash cannot be read as one.

use std::process::ExitCode;

use super::drift::TableError;
use crate::{
    collect::error::CollectError, fault::FaultError, hypothesis::load::LoadError,
    record::RecordError, store::LockError, verdict::Outcome,
};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Pass, or done.
    Success,
    /// Could not run.
    Error,
    /// The hypothesis is invalid.
    Usage,
    /// The hypothesis failed.
    Fail,
    /// It could not be told.
    Inconclusive,
    /// There is a change for the worse over many runs.
    Drifting,
    /// Stopped by a signal.
    Interrupted,
}

impl Exit {
    /// The code.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::Fail => Outcome::Fail.exit_code(),
            Self::Inconclusive => Outcome::Inconclusive.exit_code(),
            Self::Drifting => 12,
            Self::Interrupted => 130,
        }
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::Success,
            Outcome::Fail => Self::Fail,
            Outcome::Inconclusive => Self::Inconclusive,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A hypothesis that cannot be used; its problems were printed already.
#[derive(Debug, thiserror::Error)]
#[error("`{file}` cannot be run: {problems}")]
pub(super) struct Invalid {
    pub(super) file: String,
    pub(super) problems: String,
}

/// The code for an error that ended a command. A text that is no hypothesis is invalid; a file
/// that cannot be read is not known to be.
pub(super) fn code_of(error: &anyhow::Error) -> Exit {
    let text = error.downcast_ref::<LoadError>().is_some_and(LoadError::is_about_the_text);
    if text || error.is::<Invalid>() { Exit::Usage } else { Exit::Error }
}

/// The way out of an error, where one is known.
pub(super) fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let record =
            cause.downcast_ref::<RecordError>().and_then(RecordError::hint).map(str::to_owned);
        let collect =
            cause.downcast_ref::<CollectError>().and_then(CollectError::hint).map(str::to_owned);
        let lock = cause.downcast_ref::<LockError>().and_then(LockError::hint);
        let load = cause.downcast_ref::<LoadError>().map(|error| error.hint().to_owned());
        let table = cause.downcast_ref::<TableError>().and_then(TableError::hint);
        let record = record.or(collect).or(lock).or(load).or(table);
        record.or_else(|| cause.downcast_ref::<FaultError>().and_then(FaultError::hint))
    })
}
