//! Disturbing: pods are deleted, programs are run, and what the injector says of it is kept.
//!
//! Nothing here is evidence. Only `run` comes here, and only for what the hypothesis names.

mod budgets;
mod capture;
mod command;
mod kill_pods;
mod leftover;
mod lifeline;
mod process;
mod supervisor;
mod undo;

pub(crate) use command::GRACE;
pub use command::{HeldCommand, RunningCommand, hold};
pub(crate) use kill_pods::{KillPlan, Killing, kill, plan_kill};
pub use leftover::Leftover;
pub(crate) use supervisor::{SuperviseArgs, supervise};
pub(crate) use undo::take_back;

use crate::listing::listed;

/// A fault that cannot be begun. Nothing was disturbed.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// The cluster could not be asked for the pods.
    #[error("the pods of namespace `{namespace}` could not be listed: {why}")]
    List {
        /// The namespace.
        namespace: String,
        /// The server's words.
        why: String,
    },
    /// Nothing could be hit.
    #[error(
        "no pod of namespace `{namespace}` that matches `{selector}` is alive and ready ({matching} match)"
    )]
    NoReadyPod {
        /// The namespace.
        namespace: String,
        /// The selector.
        selector: String,
        /// How many match, ready or not.
        matching: usize,
    },
    /// There are pods that nothing would put back.
    #[error(
        "{} {} no controller, so nothing would put {} back",
        named(pods),
        if pods.len() == 1 { "has" } else { "have" },
        if pods.len() == 1 { "it" } else { "them" }
    )]
    Unowned {
        /// The selector.
        selector: String,
        /// Their names.
        pods: Vec<String>,
    },
    /// The share is too small for so few pods.
    #[error("{asked}: nothing would be killed")]
    RoundsToNothing {
        /// What was asked for, with the rounding.
        asked: String,
        /// How many pods could be hit.
        population: usize,
    },
    /// There are fewer pods than were to be killed.
    #[error("{asked} were to be killed, and only {population} that match are alive and ready")]
    TooFewPods {
        /// How many were asked for.
        asked: usize,
        /// How many could be hit.
        population: usize,
    },
    /// No program was given.
    #[error("no program to run was given")]
    NoCommand,
    /// Our own program, which stands between us and the fault's, could not be used.
    #[error("the supervisor of the program could not be started")]
    Supervisor {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program could not be started.
    #[error("`{program}` could not be started")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl FaultError {
    /// What may help, for a line of its own under the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::List { .. } => {
                Some("the account needs `list`, `watch` and `delete` on pods".to_owned())
            }
            Self::NoReadyPod { selector, .. } => {
                Some(format!("`kubectl get pods -l '{selector}'` shows what matches"))
            }
            Self::Unowned { selector, .. } => Some(format!(
                "narrow the selector `{selector}`, or write `unowned: true` to kill them for good"
            )),
            Self::RoundsToNothing { population, .. } => {
                let least = 100usize.div_ceil((*population).max(1));
                Some(format!(
                    "a share is rounded down; take `share: {least}%` or more, or `count: 1`"
                ))
            }
            Self::TooFewPods { population, .. } => {
                Some(format!("take `count: {population}` or less, or a share"))
            }
            Self::NoCommand => Some("give it after `--`, or as `fault.command`".to_owned()),
            Self::Supervisor { .. } => Some(
                "it is this program itself, `homeostat supervise`; was it moved while it ran?"
                    .to_owned(),
            ),
            Self::Start { .. } => {
                Some("a program is looked up in `PATH`, without a shell".to_owned())
            }
        }
    }
}

/// The first few of some names.
fn named(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    listed(&quoted, 5, "")
}
