//! Taking back: the program that a hypothesis names for it is run, to its end and in time.

use std::time::Duration;

use camino::Utf8Path;

use super::{FaultError, hold};
use crate::{
    clock::Clock,
    frame::{FaultAction, FaultRow},
    number::length,
    redact::Secrets,
};

/// Runs a program that takes back what a fault did. The row is `ok` when its exit status is 0;
/// what it says is kept. It is run under a supervisor too: cut short, it is to be run again.
pub(crate) async fn take_back(
    argv: &[String],
    within: Duration,
    homeostat: &Utf8Path,
    clock: &Clock,
    secrets: &Secrets,
) -> FaultRow {
    match run(argv, within, homeostat, clock, secrets).await {
        Ok(row) => FaultRow { action: FaultAction::Undone, ..row },
        Err(error) => {
            let cause = std::error::Error::source(&error);
            let detail = cause.map_or_else(|| error.to_string(), |why| format!("{error}: {why}"));
            let (at, object) = (clock.now(), secrets.redact(&argv.join(" ")));
            let detail = secrets.redact(&detail);
            FaultRow { at, action: FaultAction::Undone, object, uid: None, ok: false, detail }
        }
    }
}

async fn run(
    argv: &[String],
    within: Duration,
    homeostat: &Utf8Path,
    clock: &Clock,
    secrets: &Secrets,
) -> Result<FaultRow, FaultError> {
    let (mut running, started) = hold(argv, homeostat, clock, secrets.clone())?.start().await?;
    let in_time = tokio::time::timeout(within, running.wait()).await.ok();
    // What it left in the background goes with it, and changes nothing of the answer.
    let mut ending = running.end().await.into_iter();
    Ok(match in_time {
        Some(row) => row,
        None => {
            let row = ending.next().unwrap_or(started);
            let detail = format!("not done within {}; {}", length(within), row.detail);
            FaultRow { ok: false, detail, ..row }
        }
    })
}
