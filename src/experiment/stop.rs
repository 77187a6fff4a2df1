//! The wish of the people at the terminal to stop a run early, and how much of a hurry they are in.

use tokio_util::sync::CancellationToken;

/// The wish to stop. Cheap to clone; all clones agree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    asked: CancellationToken,
    hurried: CancellationToken,
}

/// How urgent the wish has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// End the fault with its grace, take it back, wait for the last samples, close.
    Orderly,
    /// End the fault at once, take it back, and wait for nothing else; what was seen is saved.
    Hurried,
    /// Leave, whatever is left undone.
    AtOnce,
}

impl Stop {
    /// Asks to stop; whoever asks again is in more of a hurry. Returns what was understood.
    pub(crate) fn ask(&self) -> Urgency {
        if !self.asked.is_cancelled() {
            self.asked.cancel();
            Urgency::Orderly
        } else if !self.hurried.is_cancelled() {
            self.hurried.cancel();
            Urgency::Hurried
        } else {
            Urgency::AtOnce
        }
    }

    /// Whether it was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Returns when it is asked for.
    pub(crate) async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Returns when it is asked for a second time.
    pub(crate) async fn hurried(&self) {
        self.hurried.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_time_it_is_asked_for_is_more_urgent() {
        let stop = Stop::default();
        assert!(!stop.is_asked());
        assert_eq!(stop.clone().ask(), Urgency::Orderly);
        stop.asked().await;
        assert_eq!(stop.ask(), Urgency::Hurried);
        stop.hurried().await;
        assert_eq!([stop.ask(), stop.ask()], [Urgency::AtOnce; 2]);
    }
}
