//! The one place that reads the machine's clock.
//!
//! A run takes wall time once, when it starts, and counts from there on the monotonic clock: a
//! step of the machine's clock in the middle of a run moves no sample. That it was stepped is
//! noticed ([`StepWatch`]), because whoever compares the recording with other logs must know.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::time::{Time, millis};

/// Tells the time. Cheap to clone; all clones agree.
#[derive(Clone, Debug)]
pub struct Clock {
    anchor: Arc<Anchor>,
}

#[derive(Debug)]
struct Anchor {
    /// What this clock read when it was started, and what the machine's did.
    time: Time,
    wall: Time,
    instant: Instant,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        let wall = wall();
        Self::anchored(wall, wall)
    }

    /// A clock that reads `time` now and runs on from there.
    pub fn starting_at(time: Time) -> Self {
        Self::anchored(time, wall())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place")]
    fn anchored(time: Time, wall: Time) -> Self {
        Self { anchor: Arc::new(Anchor { time, wall, instant: Instant::now() }) }
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.anchor.time.plus(self.anchor.instant.elapsed())
    }

    /// How far the machine's clock is from where it would be, had it gone on as this one did,
    /// in milliseconds. None when the two could not be read close enough together just now.
    fn wall_off(&self) -> Option<i64> {
        let before = self.anchor.instant.elapsed();
        let wall = wall();
        let after = self.anchor.instant.elapsed();
        let expected = self.anchor.wall.plus(before);
        (after.saturating_sub(before) < READ_TOGETHER)
            .then(|| wall.as_millis().saturating_sub(expected.as_millis()))
    }
}

/// A machine this busy between two readings cannot compare them.
const READ_TOGETHER: Duration = Duration::from_millis(100);

/// A clock that is only being slewed (at most 0.5 ms a second) moves less than this between two
/// looks; one that is stepped by less does not matter to a person who compares logs.
const LEAST_STEP: Duration = Duration::from_millis(500);

#[expect(clippy::disallowed_methods, reason = "the one place")]
fn wall() -> Time {
    jiff::Timestamp::now().into()
}

/// Looks out for steps of the machine's clock. It has to look every few seconds: a slow drift
/// between two looks far apart would seem to be a step.
#[derive(Debug)]
pub(crate) struct StepWatch {
    clock: Clock,
    off: i64,
}

impl StepWatch {
    /// Steps count from now on.
    pub(crate) fn new(clock: Clock) -> Self {
        let off = clock.wall_off().unwrap_or(0);
        Self { clock, off }
    }

    /// By how many milliseconds the machine's clock was stepped since the last look, when it
    /// was. A machine that slept looks like one whose clock was set forward.
    pub(crate) fn look(&mut self) -> Option<i64> {
        let off = self.clock.wall_off()?;
        let step = stepped(self.off, off);
        self.off = off;
        step
    }
}

fn stepped(before: i64, now: i64) -> Option<i64> {
    let by = now.saturating_sub(before);
    (by.saturating_abs() >= millis(LEAST_STEP)).then_some(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_jumps_between_two_looks_is_a_step() {
        assert_eq!(stepped(0, 0), None);
        assert_eq!(stepped(-3, 496), None);
        assert_eq!(stepped(-3, 497), Some(500));
        assert_eq!(stepped(120, 120 - 3_600_000), Some(-3_600_000));
        assert_eq!(stepped(i64::MIN, i64::MAX), Some(i64::MAX));
    }

    #[test]
    fn a_pinned_clock_is_not_a_step() {
        let clock = Clock::starting_at(Time::from_millis(0));
        assert!(clock.now() < Time::from_millis(3_600_000));
        assert_eq!(StepWatch::new(clock).look(), None);
    }
}
