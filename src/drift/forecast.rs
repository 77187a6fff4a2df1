//! When the boundary is reached, and whether the next run is beyond it.

use super::{
    fit::{Fit, probability_below, quantile},
    history::Direction,
    trend::Line,
};

/// The confidence of the set of times at which the boundary may be reached.
pub const CONFIDENCE: f64 = 0.9;

/// When the mean of the last regime reaches the boundary, in runs after the last one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Forecast {
    /// Between these two.
    Between {
        /// The earliest.
        from: f64,
        /// The latest.
        to: f64,
    },
    /// Not before this, perhaps never.
    NotBefore {
        /// The earliest.
        from: f64,
    },
    /// No crossing is established.
    NotEstablished(NoCrossing),
}

/// Why no crossing is established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCrossing {
    /// The slope leads away from the boundary.
    Away,
    /// Any time fits, also never.
    AnyTime,
    /// The mean is beyond the boundary already.
    Beyond,
}

/// The runs ahead in which a line can cross the boundary.
///
/// Definition: Fieller's set (Fieller 1954) for the time at which a line reaches a level: all t that
/// the data do not exclude at [`CONFIDENCE`], `(a + b t − c)² ≤ q² (Vaa + 2 t Vab + t² Vbb)`. Only
/// where the slope is significant it is an interval; otherwise it is unbounded, which a ± around
/// the estimate would hide. Of the set, the part after the last run counts.
pub(super) fn forecast(line: &Line, boundary: f64, direction: Direction) -> Forecast {
    let now = line.level - boundary;
    let beyond = match direction {
        Direction::Below => now > 0.0,
        Direction::Above => now < 0.0,
        Direction::Either => false,
    };
    if beyond {
        return Forecast::NotEstablished(NoCrossing::Beyond);
    }
    let q = quantile(line.freedom, 0.5 + CONFIDENCE / 2.0).powi(2);
    let a = line.slope * line.slope - q * line.slope_variance;
    let b = line.slope * now - q * line.covariance;
    let c = now * now - q * line.level_variance;
    let root = b * b - a * c;
    if c <= 0.0 {
        // The level of the last run may already be at the boundary.
        return match roots(a, b, root) {
            Some((_, to)) if a > 0.0 && to > 0.0 => Forecast::Between { from: 0.0, to },
            Some(_) | None => Forecast::NotEstablished(NoCrossing::AnyTime),
        };
    }
    match roots(a, b, root) {
        None => Forecast::NotEstablished(NoCrossing::AnyTime),
        Some((from, to)) if a > 0.0 => {
            if from > 0.0 {
                Forecast::Between { from, to }
            } else {
                Forecast::NotEstablished(NoCrossing::Away)
            }
        }
        // The set is everything outside the two; now is inside them, for c > 0.
        Some((_, from)) => Forecast::NotBefore { from },
    }
}

/// The two roots of `a t² + 2 b t + c`, the lesser first.
fn roots(a: f64, b: f64, root: f64) -> Option<(f64, f64)> {
    if !(root >= 0.0 && a.abs() > 0.0) {
        return None;
    }
    let (one, other) = ((-b - root.sqrt()) / a, (-b + root.sqrt()) / a);
    Some((one.min(other), one.max(other)))
}

/// The probability that the next run is beyond the boundary: of the fitted mean with its memory,
/// or because it is one of the outliers, of which `broken` of `runs` were beyond it.
///
/// Definition: the tail of the predictive distribution ([`Fit::predict`]), and
/// beside it the share of runs that were outliers beyond the boundary, taken as independent of it.
/// None without a direction.
pub(super) fn breaks_next(
    fit: &Fit,
    last_value: f64,
    boundary: f64,
    direction: Direction,
    broken: usize,
    runs: usize,
) -> Option<f64> {
    let (center, error) = fit.predict(last_value, 1.0);
    let below = if error > 0.0 {
        probability_below(fit.freedom, (boundary - center) / error)
    } else {
        // Nothing varies: what is at the boundary holds.
        f64::from(u8::from(center <= boundary))
    };
    let beyond = match direction {
        Direction::Below => 1.0 - below,
        Direction::Above if error > 0.0 => below,
        Direction::Above => f64::from(u8::from(center < boundary)),
        Direction::Either => return None,
    };
    let rate = broken as f64 / runs as f64;
    Some(beyond + (1.0 - beyond) * rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that is known to within `error` at its last run, and its slope to within `slope_error`.
    fn line(level: f64, slope: f64, error: f64, slope_error: f64) -> Line {
        let (level_variance, slope_variance) = (error.powi(2), slope_error.powi(2));
        Line {
            level,
            slope,
            level_variance,
            covariance: 0.0,
            slope_variance,
            freedom: 1e6,
            phi: 0.0,
        }
    }

    fn ahead(line: &Line, direction: Direction) -> Forecast {
        forecast(line, 10.0, direction)
    }

    #[test]
    fn a_sure_slope_reaches_the_boundary_between_two_runs() {
        // (t − 5)² ≤ q² (0.1² + 0.1² t²) with q = 1.645: the roots of 0.97294 t² − 10 t + 24.97294.
        let found = ahead(&line(5.0, 1.0, 0.1, 0.1), Direction::Below);
        let Forecast::Between { from, to } = found else { panic!("{found:?}") };
        assert!((from - 4.27).abs() < 0.02 && (to - 6.01).abs() < 0.02, "{from} {to}");
    }

    #[test]
    fn an_unsure_slope_may_never_reach_it() {
        // 5 ± 0 now, slope 0.1 ± 0.1645: not before (5 / 0.2645), perhaps never.
        let found = ahead(&line(5.0, 0.1, 0.0, 0.1), Direction::Below);
        let Forecast::NotBefore { from } = found else { panic!("{found:?}") };
        assert!((from - 18.9).abs() < 0.02, "{from}");
    }

    #[test]
    fn what_leads_away_or_is_beyond_establishes_nothing() {
        let none = Forecast::NotEstablished;
        assert_eq!(ahead(&line(5.0, -1.0, 0.1, 0.1), Direction::Below), none(NoCrossing::Away));
        assert_eq!(ahead(&line(11.0, 1.0, 0.1, 0.1), Direction::Below), none(NoCrossing::Beyond));
        assert_eq!(ahead(&line(9.0, -1.0, 0.1, 0.1), Direction::Above), none(NoCrossing::Beyond));
        assert_eq!(ahead(&line(9.9, 0.0, 1.0, 1.0), Direction::Below), none(NoCrossing::AnyTime));
    }

    #[test]
    fn exactly_at_the_boundary_is_not_beyond_it() {
        let found = ahead(&line(10.0, 1.0, 0.1, 0.01), Direction::Below);
        assert!(matches!(found, Forecast::Between { from: 0.0, .. }), "{found:?}");
    }
}
