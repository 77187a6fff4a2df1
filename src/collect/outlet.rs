//! Where the collector's tasks put what they see, and how they learn that it is over.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::seen::Seen;
use crate::clock::Clock;

/// How long a last word may wait for room once the collector is being stopped.
const LAST_WORD: Duration = Duration::from_secs(2);

/// What every source is given to work with.
#[derive(Clone, Debug)]
pub(super) struct SourceContext {
    pub(super) clock: Clock,
    pub(super) outlet: Outlet,
    pub(super) tasks: TaskTracker,
}

/// The way out of every task. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    seen: mpsc::Sender<Seen>,
    stop: CancellationToken,
}

impl Outlet {
    pub(super) fn new(seen: mpsc::Sender<Seen>) -> Self {
        Self { seen, stop: CancellationToken::new() }
    }

    /// Hands over what was seen; waits while the reader is behind, so that a slow disk slows the
    /// collector instead of filling memory. Once the collector is being stopped it waits only a
    /// little: a reader that has gone away must not keep it alive.
    pub(super) async fn send(&self, seen: Seen) {
        let overdue = async {
            self.stop.cancelled().await;
            tokio::time::sleep(LAST_WORD).await;
        };
        tokio::select! {
            biased;
            sent = self.seen.send(seen) => if sent.is_err() {
                // Nobody will ever read again.
                self.stop.cancel();
            },
            () = overdue => tracing::warn!("what was seen last was not read in time and is lost"),
        }
    }

    /// Returns when the collector is to stop.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for `length`; false when the collector is to stop before.
    pub(super) async fn pause(&self, length: Duration) -> bool {
        tokio::select! {
            () = self.stopped() => false,
            () = tokio::time::sleep(length) => true,
        }
    }
}
