//! What a supervisor and the one who started it say to each other, over one socket that is the
//! supervisor's stdin: lines of text one way, lines of JSON the other.
//!
//! The first line asks for the start. The end of the lines asks for the end of everything, and
//! comes by itself when the one who started it dies, however it died.

use serde::{Deserialize, Serialize};

/// The line that asks for the start.
pub(super) const GO: &str = "go";

/// What a supervisor says, in this order.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    /// The program runs.
    Started {
        /// Its process, which leads its group.
        pid: i32,
    },
    /// It could not be started; nothing more is said.
    NotStarted {
        /// The system's number for the reason, where it has one.
        os_error: Option<i32>,
        /// The reason in words.
        message: String,
    },
    /// The program has ended; what it started may still run.
    Ended {
        /// With what.
        status: Status,
        /// Because of whom.
        by: By,
    },
    /// All is over.
    Gone {
        /// What the program, having ended by itself, had left running until then.
        background: Vec<String>,
        /// What could not be ended.
        left: Vec<String>,
    },
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// By itself, with an exit status.
    Exit(i32),
    /// By a signal.
    Signal(i32),
}

/// What brought an end about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    /// Nothing of ours.
    Itself,
    /// It was asked to.
    Asked,
    /// It was killed.
    Killed,
}
