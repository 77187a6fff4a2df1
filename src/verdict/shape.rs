//! The shape of a degradation: how much of the time, how long at once, how deep, how bad at worst.

use std::time::Duration;

use super::{CheckVerdict, hold::Stretch, level, place::Place};
use crate::{hypothesis::model::Level, sample::Point, time::Time};

/// The shape of a degradation over a stretch of the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    /// Points in breach over points of the grid.
    breach_share: f64,
    /// The longest run of points in breach, as a length of time: a point stands for one step.
    longest_breach_s: f64,
    /// What the points in breach are beyond the bound, each for one step: unit × seconds.
    area: f64,
    /// The worst number, in breach or not.
    worst: Option<(Time, f64)>,
}

impl Shape {
    /// The shape of `grid`, whose points lie at `places`, and did at `at_once` at their own time.
    pub(super) fn of(
        level: Level,
        grid: &[(Time, Option<Point>)],
        places: &[Place],
        at_once: &[Place],
        step: Duration,
    ) -> Self {
        let step_s = step.as_secs_f64();
        let outside: Vec<Point> = grid
            .iter()
            .zip(places)
            .filter(|(_, place)| **place == Place::Outside)
            .filter_map(|((_, point), _)| *point)
            .collect();
        let numbers = grid.iter().filter_map(|(_, point)| *point).filter(|p| !p.value.is_nan());
        Self {
            breach_share: outside.len() as f64 / places.len().max(1) as f64,
            longest_breach_s: Stretch::at_once(places, at_once).proven as f64 * step_s,
            area: outside.iter().map(|p| level::beyond(level, p.value) * step_s).sum::<f64>() + 0.0,
            worst: numbers.min_by(|a, b| level::worse(level, a, b)).map(|p| (p.time, p.value)),
        }
    }

    /// Notes the shape in a verdict.
    pub(super) fn note(self, verdict: &mut CheckVerdict) {
        verdict.breach_share = Some(self.breach_share);
        verdict.longest_breach_s = Some(self.longest_breach_s);
        verdict.area = Some(self.area);
        verdict.worst = self.worst;
    }
}
