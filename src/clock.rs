//! The one place that reads the machine's clock.
//!
//! A run takes wall time once, when it starts, and counts from there on the monotonic clock: a
//! step of the machine's clock in the middle of a run moves no sample.

use std::{sync::Arc, time::Instant};

use crate::time::Time;

/// Tells the time. Cheap to clone; all clones agree.
#[derive(Clone, Debug)]
pub struct Clock {
    anchor: Arc<(Time, Instant)>,
}

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "the one place")]
    pub fn system() -> Self {
        Self::starting_at(jiff::Timestamp::now().into())
    }

    /// A clock that reads `time` now and runs on from there.
    #[expect(clippy::disallowed_methods, reason = "the one place")]
    pub fn starting_at(time: Time) -> Self {
        Self { anchor: Arc::new((time, Instant::now())) }
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.anchor.0.plus(self.anchor.1.elapsed())
    }
}
