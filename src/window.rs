//! Phases of a run and the windows of time they cover.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// The part of a run that a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The steady state, before anything is disturbed.
    Before,
    /// From the first injection until the fault and its replacements are over.
    During,
    /// What follows.
    After,
}

impl Phase {
    /// All phases in their order.
    pub const ALL: [Self; 3] = [Self::Before, Self::During, Self::After];

    /// The word for it in files, flags and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A half-open interval of time: `start` belongs to it, `end` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The first instant inside.
    pub start: Time,
    /// The first instant after it.
    pub end: Time,
}

impl Window {
    /// A window; one that would end before it starts is empty at `start`.
    pub fn new(start: Time, end: Time) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Its length.
    pub fn length(self) -> Duration {
        self.end.since(self.start)
    }

    /// Whether `time` lies inside.
    pub fn contains(self, time: Time) -> bool {
        self.start <= time && time < self.end
    }
}

/// The phases of one run, as far as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// The steady state before the fault.
    pub before: Option<Window>,
    /// From the first injection on; none when nothing was injected.
    pub during: Option<Window>,
    /// After the fault.
    pub after: Option<Window>,
}

impl Phases {
    /// The window of one phase, when the run came that far.
    pub fn window(&self, phase: Phase) -> Option<Window> {
        match phase {
            Phase::Before => self.before,
            Phase::During => self.during,
            Phase::After => self.after,
        }
    }

    /// From the first instant of the run to the last that was reached.
    pub fn whole(&self) -> Option<Window> {
        let windows = Phase::ALL.into_iter().filter_map(|phase| self.window(phase));
        windows.reduce(|all, one| Window::new(all.start.min(one.start), all.end.max(one.end)))
    }

    /// The phase that a point at `time` belongs to, when its value was taken over the
    /// `over` before it (zero for an instantaneous value).
    ///
    /// *During* takes every point whose window touches it, so that its fault can never be
    /// averaged into its neighbours; *before* and *after* take only points whose whole
    /// window lies inside. A point of neither is left out (design, section 3).
    pub fn of_point(&self, time: Time, over: Duration) -> Option<Phase> {
        // A range `(time − over, time]` is open on the left, as in Prometheus 3.
        let from = time.minus(over);
        let touches = |w: Window| {
            if over.is_zero() { w.contains(time) } else { from < w.end && w.start <= time }
        };
        let inside = |w: Window| w.start <= from && time < w.end;
        if self.during.is_some_and(touches) {
            return Some(Phase::During);
        }
        if self.before.is_some_and(inside) {
            return Some(Phase::Before);
        }
        self.after.is_some_and(inside).then_some(Phase::After)
    }

    /// The stretch of its phase that a point of the grid stands for, from just after the first time
    /// up to the second: to just before the next point, or the end of the phase. The first point of
    /// a phase stands for what is before it as well.
    pub fn stretch(&self, time: Time, step: Duration) -> (Time, Time) {
        let mut phases = Phase::ALL.into_iter().filter_map(|phase| self.window(phase));
        let Some(phase) = phases.find(|w| w.contains(time)) else { return (time, time) };
        let first = time.minus(step) < phase.start;
        let end = time.plus(step).min(phase.end).minus(Duration::from_millis(1));
        (if first { phase.start } else { time }, end.max(time))
    }

    /// The times of the grid that belong to `phase`: multiples of `step` since the epoch.
    ///
    /// This is what "the phase's grid has N points" means everywhere: points of it without a
    /// value are gaps.
    pub fn grid(&self, phase: Phase, over: Duration, step: Duration) -> Vec<Time> {
        let Some(whole) = self.whole() else { return Vec::new() };
        let mut time = whole.start.ceil_to(step);
        let mut times = Vec::new();
        while time < whole.end {
            if self.of_point(time, over) == Some(phase) {
                times.push(time);
            }
            time = time.plus(step.max(Duration::from_millis(1)));
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn phases() -> Phases {
        Phases {
            before: Some(Window::new(at(0), at(60))),
            during: Some(Window::new(at(60), at(90))),
            after: Some(Window::new(at(90), at(150))),
        }
    }

    #[track_caller]
    fn check(seconds: i64, over: u64, want: Option<Phase>) {
        assert_eq!(phases().of_point(at(seconds), Duration::from_secs(over)), want);
    }

    #[test]
    fn an_instant_belongs_where_it_lies() {
        check(59, 0, Some(Phase::Before));
        check(60, 0, Some(Phase::During));
        check(90, 0, Some(Phase::After));
        check(150, 0, None);
    }

    #[test]
    fn a_window_that_touches_the_fault_is_during() {
        check(60, 30, Some(Phase::During));
        check(119, 30, Some(Phase::During));
    }

    #[test]
    fn a_neighbour_takes_only_whole_windows() {
        check(29, 30, None);
        check(30, 30, Some(Phase::Before));
        check(59, 30, Some(Phase::Before));
        check(120, 30, Some(Phase::After));
    }

    #[test]
    fn every_grid_point_has_at_most_one_phase() {
        let (over, step) = (Duration::from_secs(10), Duration::from_secs(5));
        let count = |phase| phases().grid(phase, over, step).len();
        assert_eq!((count(Phase::Before), count(Phase::During), count(Phase::After)), (10, 8, 10));
    }
}
