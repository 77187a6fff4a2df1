//! The slope of a regime, with what memory does to its uncertainty.

use super::{
    fit::{Estimate, probability_below, quantile},
    likelihood::{Points, Term, Whitened},
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

/// The memories over which a line is averaged, and how much of the whole each stands for.
const MEMORIES: [f64; 23] = [
    0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8,
    0.85, 0.9, 0.93, 0.96, 0.98, 0.99,
];

/// A straight line with the uncertainty of its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// At the last run.
    pub(super) level: f64,
    pub(super) slope: f64,
    pub(super) level_variance: f64,
    pub(super) covariance: f64,
    pub(super) slope_variance: f64,
    pub(super) freedom: f64,
    /// The memory of the errors.
    pub(super) phi: f64,
}

/// A line through some runs.
///
/// Definition: generalised least squares with first-order autoregressive errors (Prais and Winsten
/// 1954) for each memory φ, averaged over φ with the weights of the restricted likelihood
/// (Harville 1977) and no other preference (Zellner and Tiao 1964): means of the coefficients,
/// and the mean of their covariances with that of the coefficients among the φ added. Degrees of
/// freedom are `n (1 − φ) / (1 + φ) − 2` for the mean φ, at least 1. The single best φ, even
/// corrected for its bias, makes intervals of a short history too short: it is often too low
/// (measured, `docs/method.md`).
fn line(points: &Points) -> Option<Line> {
    let n = points.len();
    let last = points.x[n - 1];
    let shifted = Points { x: points.x.iter().map(|x| x - last).collect(), y: points.y.clone() };
    let fits: Vec<(f64, Line)> =
        MEMORIES.iter().filter_map(|phi| line_with(&shifted, *phi)).collect();
    let least = fits.iter().map(|(deviance, _)| *deviance).fold(f64::INFINITY, f64::min);
    let weigh = |(at, (deviance, line)): (usize, &(f64, Line))| {
        let before = fits.get(at.wrapping_sub(1)).map_or(line.phi, |(_, one)| one.phi);
        let after = fits.get(at + 1).map_or(line.phi, |(_, one)| one.phi);
        (after - before) * (-0.5 * (deviance - least)).exp()
    };
    let weights: Vec<f64> = fits.iter().enumerate().map(weigh).collect();
    let whole: f64 = weights.iter().sum();
    let mean = |of: &dyn Fn(&Line) -> f64| {
        fits.iter().zip(&weights).map(|((_, line), weight)| of(line) * weight).sum::<f64>() / whole
    };
    let (level, slope, phi) = (mean(&|l| l.level), mean(&|l| l.slope), mean(&|l| l.phi));
    let near = phi.powf((last - points.x[0]) / (n as f64 - 1.0));
    let found = Line {
        level,
        slope,
        level_variance: mean(&|l| l.level_variance + (l.level - level).powi(2)),
        covariance: mean(&|l| l.covariance + (l.level - level) * (l.slope - slope)),
        slope_variance: mean(&|l| l.slope_variance + (l.slope - slope).powi(2)),
        freedom: (n as f64 * (1.0 - near) / (1.0 + near) - 2.0).max(1.0),
        phi,
    };
    found.slope.is_finite().then_some(found)
}

/// The line for one memory, and twice its negative restricted log-likelihood.
fn line_with(points: &Points, phi: f64) -> Option<(f64, Line)> {
    let white = Whitened::new(points, phi);
    let (one, index) = (white.column(Term::Level), white.column(Term::Slope));
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (aa, ab, bb) = (sum(&one, &one), sum(&one, &index), sum(&index, &index));
    let det = aa * bb - ab * ab;
    if det.is_nan() || det <= 0.0 {
        return None;
    }
    let (ay, by) = (sum(&one, &white.value), sum(&index, &white.value));
    let (level, slope) = ((bb * ay - ab * by) / det, (aa * by - ab * ay) / det);
    let rests = one.iter().zip(&index).zip(&white.value);
    let squares: f64 = rests.map(|((a, b), y)| (y - level * a - slope * b).powi(2)).sum();
    let freedom = points.len() as f64 - 2.0;
    let variance = squares / freedom;
    let line = Line {
        level,
        slope,
        level_variance: variance * bb / det,
        covariance: -variance * ab / det,
        slope_variance: variance * aa / det,
        freedom,
        phi,
    };
    Some((white.restricted_deviance(squares, 2) + det.ln(), line))
}

/// The slope of some runs, and the line it belongs to.
///
/// Definition: the slope of `line` with its t interval. Beside it the median of
/// the slopes of all pairs (Theil 1950; Sen 1968), which single runs cannot turn. When the first
/// is significant and the second has the other sign, nothing is said. None below [`TREND_RUNS`],
/// or when the line cannot be fitted.
pub(super) fn trend(points: &Points) -> Option<(Trend, Line)> {
    if points.len() < TREND_RUNS {
        return None;
    }
    let line = line(points)?;
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
    let (phi, freedom, runs) = (line.phi, line.freedom, points.len());
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

    #[test]
    fn a_line_for_one_memory_is_that_of_generalised_least_squares() {
        let x = [0, 1, 2, 4, 5, 7, 8, 9, 12, 13, 14, 15].map(f64::from).to_vec();
        let y = vec![5.1, 4.8, 5.6, 5.2, 4.9, 5.3, 7.0, 7.4, 6.8, 7.1, 7.7, 7.2];
        let (_, line) = line_with(&Points { x, y }, 0.55).unwrap();
        // With the whole matrix 0.55^|xᵢ − xⱼ|, in numpy.
        for (got, want) in [
            (line.level, 4.869_233_116_965_527),
            (line.slope, 0.172_939_652_278_702),
            (line.level_variance, 0.280_453_494_390_799),
            (line.covariance, -0.024_721_315_807_048),
            (line.slope_variance, 0.003_313_293_588_359),
        ] {
            assert!((got - want).abs() < 1e-9, "{got} is not {want}");
        }
    }

    fn rising(n: usize, noise: impl Fn(usize) -> f64) -> Option<Trend> {
        let x: Vec<f64> = (0..n).map(|i| i as f64).collect();
        let y = (0..n).map(|i| 0.1 * i as f64 + noise(i)).collect();
        trend(&Points { x, y }).map(|(trend, _)| trend)
    }

    #[test]
    fn too_few_runs_have_no_trend() {
        let small = |i: usize| (i * 7 % 11) as f64 / 100.0;
        assert!(rising(TREND_RUNS - 1, small).is_none());
        assert_eq!(rising(TREND_RUNS, small).unwrap().answer, TrendAnswer::Rises);
    }

    #[test]
    fn slopes_of_different_signs_are_no_answer() {
        // Every pair but those with the last three runs falls.
        let noise = |i: usize| if i < 37 { -0.102 * i as f64 } else { 4.0 };
        let trend = rising(40, noise).unwrap();
        assert!(trend.slope.value > 0.0 && trend.theil_sen < 0.0, "{trend:?}");
        let sure = Trend { p_value: trend.p_value, ..trend };
        assert!(sure.answer == TrendAnswer::CannotTell || sure.p_value > 0.05, "{sure:?}");
    }

    #[test]
    fn a_constant_has_no_slope() {
        let trend = rising(20, |i| -0.1 * i as f64).unwrap();
        assert_eq!(trend.answer, TrendAnswer::Flat, "{trend:?}");
    }

    #[test]
    fn an_exact_line_has_its_slope() {
        let trend = rising(20, |_| 0.0).unwrap();
        assert_eq!(trend.answer, TrendAnswer::Rises);
        assert!((trend.slope.value - 0.1).abs() < 1e-9);
    }
}
