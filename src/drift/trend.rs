//! The slope of a regime, with what memory does to its uncertainty.

use super::{
    fit::{Estimate, Fit, Line, probability_below, quantile},
    likelihood::{Basis, Points, Term, whiten},
    outliers::median,
};

/// The fewest runs of a regime for a slope and a forecast (measured: below, the intervals of a
/// forecast cover less than they say).
pub(crate) const TREND_RUNS: usize = 15;

/// Of more runs than this, Theil and Sen's slope takes every second, third, … run: the pairs grow with
/// the square of the runs, their median hardly changes.
const PAIRED_RUNS: usize = 600;

/// The one-sided probability below which a slope is believed.
const SIGNIFICANT: f64 = 0.025;

/// The slope of the last regime.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// The slope a run, by least squares that know the memory.
    pub slope: Estimate,
    /// The median of the slopes between all pairs of runs.
    pub theil_sen: f64,
    /// The probability of a slope as steep as this, either way, without any.
    pub p_value: f64,
    /// Degrees of freedom.
    pub freedom: f64,
    /// The memory of the errors in this regime.
    pub phi: f64,
    /// How many runs it is of.
    pub runs: usize,
    /// What that says.
    pub answer: TrendAnswer,
}

/// What a slope says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrendAnswer {
    /// It rises.
    Rises,
    /// It falls.
    Falls,
    /// No slope is established.
    Flat,
    /// The two slopes have different signs.
    CannotTell,
}

/// The slope of some runs, and the line it belongs to.
///
/// Definition: feasible generalised least squares with first-order autoregressive errors (Prais
/// and Winsten 1954), φ by maximum likelihood and then corrected for its bias ([`Fit::new`]), a t
/// interval with the degrees of freedom of the effective number of runs. Beside it the median of
/// the slopes of all pairs (Theil 1950; Sen 1968), which single runs cannot turn. When the first
/// is significant and the second has the other sign, nothing is said. None below [`TREND_RUNS`],
/// or when the line cannot be fitted.
pub(super) fn trend(points: &Points) -> Option<(Trend, Line)> {
    if points.len() < TREND_RUNS {
        return None;
    }
    let terms = [Term::Level, Term::Slope];
    let whites = whiten(points);
    let fits = whites.iter().map(|white| (white.phi, Basis::new(white, &terms).deviance()));
    let (phi, _) = fits.min_by(|a, b| a.1.total_cmp(&b.1))?;
    let fit = Fit::new(points, &terms, phi)?;
    let line = fit.line()?;
    let error = line.slope_variance.sqrt();
    let half = quantile(line.freedom, 0.975) * error;
    let ratio = if error > 0.0 { line.slope.abs() / error } else { f64::INFINITY };
    // A constant series has neither slope nor error.
    let p_value = if line.slope.abs() > 0.0 {
        2.0 * (1.0 - probability_below(line.freedom, ratio))
    } else {
        1.0
    };
    let theil_sen = theil_sen(points);
    let answer = if p_value.is_nan() || p_value / 2.0 > SIGNIFICANT {
        TrendAnswer::Flat
    } else if theil_sen * line.slope <= 0.0 {
        TrendAnswer::CannotTell
    } else if line.slope > 0.0 {
        TrendAnswer::Rises
    } else {
        TrendAnswer::Falls
    };
    let slope = Estimate { value: line.slope, lower: line.slope - half, upper: line.slope + half };
    let (phi, freedom, runs) = (fit.phi, line.freedom, points.len());
    Some((Trend { slope, theil_sen, p_value, freedom, phi, runs, answer }, line))
}

/// The median of the slopes between all pairs of runs.
fn theil_sen(points: &Points) -> f64 {
    let stride = points.len().div_ceil(PAIRED_RUNS).max(1);
    let kept: Vec<(f64, f64)> =
        points.x.iter().copied().zip(points.y.iter().copied()).step_by(stride).collect();
    let mut slopes = Vec::with_capacity(kept.len() * kept.len() / 2);
    for (i, (x, y)) in kept.iter().enumerate() {
        slopes.extend(kept[i + 1..].iter().map(|(later, then)| (then - y) / (later - x)));
    }
    median(&mut slopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_pairs_is_theil_and_sens() {
        let points = Points {
            x: [0, 1, 2, 4, 5, 7, 8, 9, 12, 13, 14, 15].map(f64::from).to_vec(),
            y: vec![5.1, 4.8, 5.6, 5.2, 4.9, 5.3, 7.0, 7.4, 6.8, 7.1, 7.7, 7.2],
        };
        // scipy.stats.theilslopes
        assert!((theil_sen(&points) - 0.183_766_233_766_233_8).abs() < 1e-12);
    }

    fn line(n: usize, noise: impl Fn(usize) -> f64) -> Option<Trend> {
        let x: Vec<f64> = (0..n).map(|i| i as f64).collect();
        let y = (0..n).map(|i| 0.1 * i as f64 + noise(i)).collect();
        trend(&Points { x, y }).map(|(trend, _)| trend)
    }

    #[test]
    fn too_few_runs_have_no_trend() {
        let small = |i: usize| (i * 7 % 11) as f64 / 100.0;
        assert!(line(TREND_RUNS - 1, small).is_none());
        assert_eq!(line(TREND_RUNS, small).unwrap().answer, TrendAnswer::Rises);
    }

    #[test]
    fn slopes_of_different_signs_are_no_answer() {
        // Every pair but those with the last three runs falls.
        let noise = |i: usize| if i < 37 { -0.102 * i as f64 } else { 4.0 };
        let trend = line(40, noise).unwrap();
        assert!(trend.slope.value > 0.0 && trend.theil_sen < 0.0, "{trend:?}");
        let sure = Trend { p_value: trend.p_value, ..trend };
        assert!(sure.answer == TrendAnswer::CannotTell || sure.p_value > 0.05, "{sure:?}");
    }

    #[test]
    fn a_constant_has_no_slope() {
        let trend = line(20, |i| -0.1 * i as f64).unwrap();
        assert_eq!(trend.answer, TrendAnswer::Flat, "{trend:?}");
    }

    #[test]
    fn an_exact_line_has_its_slope() {
        let trend = line(20, |_| 0.0).unwrap();
        assert_eq!(trend.answer, TrendAnswer::Rises);
        assert!((trend.slope.value - 0.1).abs() < 1e-9);
    }
}
