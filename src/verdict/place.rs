//! Where a point lies with respect to a level: the one comparison that every verdict rests on.

use crate::{hypothesis::model::Level, sample::Point};

/// Where a point of the grid lies with respect to a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the level, whatever its uncertainty; at the bound is inside.
    Inside,
    /// Beyond it, whatever its uncertainty.
    Outside,
    /// The bound lies inside the bucket that the value lies in.
    Straddles,
    /// Asked for, and there was no number.
    NoNumber,
    /// Nothing was seen.
    Nothing,
}

impl Place {
    /// The place of what stands at one time of the grid.
    ///
    /// A bucket is open below and closed above, as in Prometheus: a quantile in (100, 250] is
    /// more than 100 for certain, and may be 250. So it is outside `below 100`, inside
    /// `below 250`, inside `above 100`, and straddles `above 250`. A point whose bounds are equal
    /// is exact, and at the bound it is inside.
    pub(super) fn of(level: Level, point: Option<Point>) -> Self {
        match point {
            None => Self::Nothing,
            Some(point) if point.value.is_nan() => Self::NoNumber,
            Some(point) => match level {
                Level::Below(bound) => below(point, bound.get()),
                Level::Above(bound) => above(point, bound.get()),
                Level::Between(low, high) => {
                    let ends = [above(point, low.get()), below(point, high.get())];
                    if ends.contains(&Self::Outside) {
                        Self::Outside
                    } else if ends == [Self::Inside; 2] {
                        Self::Inside
                    } else {
                        Self::Straddles
                    }
                }
            },
        }
    }

    /// The place of what stands at one time of the grid when no level is asked about: every
    /// number is inside.
    pub(super) fn of_any(point: Option<Point>) -> Self {
        match point {
            None => Self::Nothing,
            Some(point) if point.value.is_nan() => Self::NoNumber,
            Some(_) => Self::Inside,
        }
    }

    /// Whether there is no number at all.
    pub(super) fn is_missing(self) -> bool {
        match self {
            Self::NoNumber | Self::Nothing => true,
            Self::Inside | Self::Outside | Self::Straddles => false,
        }
    }

    /// Whether it counts as neither inside nor outside.
    pub(super) fn is_gap(self) -> bool {
        self == Self::Straddles || self.is_missing()
    }
}

// In both, bounds that are NaN fail every comparison and end as `Straddles`.

fn below(point: Point, bound: f64) -> Place {
    let exact = point.upper <= point.lower;
    if point.upper <= bound {
        Place::Inside
    } else if point.lower > bound || (point.lower >= bound && !exact) {
        Place::Outside
    } else {
        Place::Straddles
    }
}

fn above(point: Point, bound: f64) -> Place {
    if point.lower >= bound {
        Place::Inside
    } else if point.upper < bound {
        Place::Outside
    } else {
        Place::Straddles
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
    fn check(level: Level, (lower, upper): (f64, f64), want: Place) {
        let value = (lower + upper) / 2.0;
        let point = Point::between(Time::from_millis(0), lower, value, upper);
        assert_eq!(Place::of(level, Some(point)), want);
    }

    #[test]
    fn an_exact_value_at_the_bound_is_inside() {
        check(Level::Below(at(0.2)), (0.2, 0.2), Place::Inside);
        check(Level::Below(at(0.2)), (0.200_000_1, 0.200_000_1), Place::Outside);
        check(Level::Above(at(0.2)), (0.2, 0.2), Place::Inside);
        check(Level::Above(at(0.2)), (0.199_999_9, 0.199_999_9), Place::Outside);
        check(Level::Between(at(1.0), at(2.0)), (1.0, 1.0), Place::Inside);
        check(Level::Between(at(1.0), at(2.0)), (2.0, 2.0), Place::Inside);
        check(Level::Between(at(1.0), at(2.0)), (0.9, 0.9), Place::Outside);
        check(Level::Between(at(1.0), at(2.0)), (2.1, 2.1), Place::Outside);
    }

    #[test]
    fn a_bucket_is_open_below_and_closed_above() {
        let bucket = (100.0, 250.0);
        check(Level::Below(at(99.0)), bucket, Place::Outside);
        check(Level::Below(at(100.0)), bucket, Place::Outside);
        check(Level::Below(at(200.0)), bucket, Place::Straddles);
        check(Level::Below(at(250.0)), bucket, Place::Inside);
        check(Level::Above(at(100.0)), bucket, Place::Inside);
        check(Level::Above(at(200.0)), bucket, Place::Straddles);
        check(Level::Above(at(250.0)), bucket, Place::Straddles);
        check(Level::Above(at(251.0)), bucket, Place::Outside);
    }

    #[test]
    fn between_is_both_of_its_ends() {
        let bucket = (100.0, 250.0);
        check(Level::Between(at(100.0), at(250.0)), bucket, Place::Inside);
        check(Level::Between(at(100.0), at(200.0)), bucket, Place::Straddles);
        check(Level::Between(at(150.0), at(250.0)), bucket, Place::Straddles);
        check(Level::Between(at(10.0), at(100.0)), bucket, Place::Outside);
    }

    #[test]
    fn the_highest_bucket_has_no_upper_bound() {
        let point = Point::between(Time::from_millis(0), 10.0, 10.0, f64::INFINITY);
        assert_eq!(Place::of(Level::Below(at(10.0)), Some(point)), Place::Outside);
        assert_eq!(Place::of(Level::Below(at(11.0)), Some(point)), Place::Straddles);
    }

    #[test]
    fn no_number_is_on_neither_side() {
        let nan = Point::no_number(Time::from_millis(0));
        assert_eq!(Place::of(Level::Below(at(1.0)), Some(nan)), Place::NoNumber);
        assert_eq!(Place::of(Level::Above(at(1.0)), None), Place::Nothing);
        let unbounded = Point { value: 0.5, ..nan };
        assert_eq!(Place::of(Level::Below(at(1.0)), Some(unbounded)), Place::Straddles);
    }
}
