//! What a level says of a number: how far inside or beyond, and which of two is worse.

use std::cmp::Ordering;

use super::{Gap, Interval, Measured, place::Place};
use crate::{
    hypothesis::model::Level,
    margin,
    number::Unit,
    sample::{Bounds, Point},
    time::Time,
};

/// Orders two points, the worse first; of points that are equally bad, the earlier.
///
/// Where the values are equal the bounds decide: a quantile in the highest bucket has the value
/// of that bucket's lower bound, and is worse than one that lies just below it.
pub(super) fn worse(level: Level, a: &Point, b: &Point) -> Ordering {
    let rising = |of: fn(&Point) -> f64| of(a).total_cmp(&of(b));
    let by_badness = match level {
        Level::Below(_) => rising(|p| p.value).then(rising(|p| p.upper)).reverse(),
        Level::Above(_) => rising(|p| p.value).then(rising(|p| p.lower)),
        Level::Between(low, high) => {
            let room = |p: &Point| margin::between(p.value, low.get(), high.get());
            room(a).total_cmp(&room(b))
        }
    };
    by_badness.then(a.time.cmp(&b.time))
}

/// A point by the worst that is certain of it: what was seen between it and the next, or what was
/// seen of a value that is not known. As it is where that is no worse.
fn at_worst(level: Level, point: Point) -> Point {
    let (least, most) = point.certain();
    let exact = |value| Point::exact(point.time, value);
    let seen = match level {
        Level::Below(_) => [exact(most); 2],
        Level::Above(_) => [exact(least); 2],
        Level::Between(..) => [exact(least), exact(most)],
    };
    if point.value.is_nan() {
        let mut seen = seen.into_iter();
        seen.find(|seen| Place::of(level, Some(*seen)) == Place::Outside).unwrap_or(point)
    } else if point.bounds == Bounds::Seen {
        let all = seen.into_iter().chain([exact(point.value)]);
        all.min_by(|a, b| worse(level, a, b)).unwrap_or(point)
    } else {
        point
    }
}

/// A point as it was at its own time. What was seen of a value that is not known counts for it.
fn at_once(level: Level, point: Point) -> Point {
    if point.bounds == Bounds::Seen && !point.value.is_nan() {
        Point::exact(point.time, point.value)
    } else {
        at_worst(level, point)
    }
}

/// Points of a grid as a level sees them.
pub(super) struct Seen {
    /// Each by the worst that is certain of it.
    pub(super) grid: Vec<(Time, Option<Point>)>,
    /// Where those lie.
    pub(super) places: Vec<Place>,
    /// Each as it was at its own time.
    pub(super) at_once: Vec<Option<Point>>,
    /// Where those lie.
    pub(super) places_at_once: Vec<Place>,
}

impl Seen {
    pub(super) fn of<'p>(
        level: Level,
        points: impl Iterator<Item = &'p (Time, Option<Point>)> + Clone,
    ) -> Self {
        let worst = |point| at_worst(level, point);
        let once = |point| at_once(level, point);
        let grid: Vec<_> = points.clone().map(|(time, point)| (*time, point.map(worst))).collect();
        let at_once: Vec<_> = points.map(|(_, point)| point.map(once)).collect();
        Self {
            places: grid.iter().map(|(_, point)| Place::of(level, *point)).collect(),
            places_at_once: at_once.iter().map(|point| Place::of(level, *point)).collect(),
            grid,
            at_once,
        }
    }
}

/// Those points that have a number.
pub(super) fn numbers(points: impl IntoIterator<Item = Option<Point>>) -> Vec<Point> {
    points.into_iter().flatten().filter(|point| !point.value.is_nan()).collect()
}

/// How far a value is beyond the level, in its unit; zero when it is inside.
pub(super) fn beyond(level: Level, value: f64) -> f64 {
    let far = match level {
        Level::Below(bound) => value - bound.get(),
        Level::Above(bound) => bound.get() - value,
        Level::Between(low, high) => (low.get() - value).max(value - high.get()),
    };
    far.max(0.0)
}

/// The margin of a number to the level, on the scale of the objective (half the width for
/// `between`).
pub(super) fn margin_of(level: Level, scale: f64, observed: Measured) -> Measured {
    let Measured { value, lower, upper } = observed;
    match level {
        Level::Below(bound) => {
            let room = |v| margin::below(v, bound.get(), scale);
            Measured { value: room(value), lower: room(upper), upper: room(lower) }
        }
        Level::Above(bound) => {
            let room = |v| margin::above(v, bound.get(), scale);
            Measured { value: room(value), lower: room(lower), upper: room(upper) }
        }
        Level::Between(low, high) => {
            let room = |v| margin::between(v, low.get(), high.get());
            // Room is greatest in the middle and falls off on both sides.
            let roomiest = f64::midpoint(low.get(), high.get()).max(lower).min(upper);
            Measured {
                value: room(value),
                lower: room(lower).min(room(upper)),
                upper: room(roomiest),
            }
        }
    }
}

/// The scale of an objective that gives none: the size of the bound, or for `above` on a share
/// what is left to 1.
pub(super) fn default_scale(level: Level, unit: &Unit) -> f64 {
    let scale = match level {
        Level::Below(bound) => bound.get().abs(),
        Level::Above(bound) if *unit == Unit::Share && bound.get() < 1.0 => 1.0 - bound.get(),
        Level::Above(bound) => bound.get().abs(),
        Level::Between(low, high) => (high.get() - low.get()) / 2.0,
    };
    if scale > 0.0 { scale } else { 1.0 }
}

/// Why points straddle the level: the bound lies inside a bucket, or what was not counted decides;
/// each with the first point of its kind.
pub(super) fn straddling(level: Level, unit: &Unit, points: &[Point]) -> Vec<Gap> {
    let straddles = |point: &&Point| Place::of(level, Some(**point)) == Place::Straddles;
    let (uncounted, bucket): (Vec<Point>, Vec<Point>) =
        points.iter().filter(straddles).partition(|point| point.uncounted > 0.0);
    let mut gaps = Vec::new();
    if let Some(first) = bucket.first() {
        gaps.push(Gap::BoundInsideBucket {
            points: bucket.len(),
            bound: bound_within(level, first),
            lower: first.lower,
            upper: first.upper,
            unit: unit.clone(),
        });
    }
    if let Some(first) = uncounted.first() {
        gaps.push(Gap::Uncounted {
            points: uncounted.len(),
            most: uncounted.iter().map(|point| point.uncounted).fold(0.0, f64::max),
            bound: bound_within(level, first),
            lower: first.lower,
            upper: first.upper,
            unit: unit.clone(),
        });
    }
    gaps
}

/// The bound of a level that a point straddles.
fn bound_within(level: Level, point: &Point) -> f64 {
    match level {
        Level::Below(bound) | Level::Above(bound) => bound.get(),
        Level::Between(low, high) => {
            let (low, high) = (low.get(), high.get());
            if point.lower <= high && high < point.upper { high } else { low }
        }
    }
}

/// Where the uncertainty of numbers read from these points comes from.
pub(super) fn interval_of(points: &[Point]) -> Interval {
    if points.iter().any(|point| point.uncounted > 0.0 && point.lower < point.upper) {
        Interval::Uncounted
    } else if points.iter().any(|point| point.lower < point.upper) {
        Interval::Bucket
    } else {
        Interval::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{number::Finite, time::Time};

    fn at(bound: f64) -> Finite {
        Finite::new(bound).unwrap()
    }

    #[track_caller]
    fn check(level: Level, scale: f64, (lower, value, upper): (f64, f64, f64), want: [f64; 3]) {
        let got = margin_of(level, scale, Measured { value, lower, upper });
        for (got, want) in [got.lower, got.value, got.upper].into_iter().zip(want) {
            assert!((got - want).abs() < 1e-9, "{got} is not {want}");
        }
    }

    #[test]
    fn a_margin_carries_the_bounds_of_its_number() {
        check(Level::Below(at(200.0)), 200.0, (100.0, 150.0, 250.0), [-0.25, 0.25, 0.5]);
        check(Level::Above(at(0.9)), 0.1, (0.8, 0.95, 1.0), [-1.0, 0.5, 1.0]);
        check(Level::Between(at(0.0), at(10.0)), 1.0, (2.0, 3.0, 4.0), [0.4, 0.6, 0.8]);
        check(Level::Between(at(0.0), at(10.0)), 1.0, (4.0, 7.0, 8.0), [0.4, 0.6, 1.0]);
    }

    #[test]
    fn the_worst_point_is_the_earliest_of_the_worst() {
        let point = |s, value, upper| Point::between(Time::from_millis(s), value, value, upper);
        let points =
            [point(1, 3.0, 3.0), point(2, 5.0, 5.0), point(3, 5.0, 9.0), point(4, 5.0, 9.0)];
        let worst =
            |level| points.iter().min_by(|a, b| worse(level, a, b)).unwrap().time.as_millis();
        assert_eq!(worst(Level::Below(at(1.0))), 3);
        assert_eq!(worst(Level::Above(at(1.0))), 1);
        assert_eq!(worst(Level::Between(at(2.0), at(5.0))), 2);
    }

    #[test]
    fn nothing_is_beyond_at_the_bound() {
        let far = |level, value| beyond(level, value);
        assert!(far(Level::Below(at(2.0)), 2.0) <= 0.0);
        assert!((far(Level::Below(at(2.0)), 2.5) - 0.5).abs() < 1e-9);
        assert!((far(Level::Above(at(2.0)), 1.5) - 0.5).abs() < 1e-9);
        assert!((far(Level::Between(at(2.0), at(3.0)), 1.5) - 0.5).abs() < 1e-9);
        assert!((far(Level::Between(at(2.0), at(3.0)), 3.5) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_scale_is_never_zero() {
        let scale = |level| default_scale(level, &Unit::Share);
        assert!((scale(Level::Above(at(0.99))) - 0.01).abs() < 1e-9);
        assert!((scale(Level::Above(at(1.0))) - 1.0).abs() < 1e-9);
        assert!((scale(Level::Below(at(0.0))) - 1.0).abs() < 1e-9);
    }
}
