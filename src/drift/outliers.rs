//! Outliers: single runs far from their neighbours, and whether they become more.

use super::history::Run;

/// How many runs a neighbourhood has, the run itself among them.
const WINDOW: usize = 7;

/// How many robust standard deviations from its neighbours an outlier is away.
///
/// Of Gaussian runs about one in 10,000 is when they are independent, one in 1,000 when φ is 0.9
/// (measured).
const FAR: f64 = 4.5;

/// The longest row of outliers that still counts as single runs.
const ISOLATED: usize = 3;

/// More outliers than this are no outliers: the values are spread that way.
const MOST: f64 = 0.2;

/// The median absolute deviation of a Gaussian, as a part of its standard deviation.
const MAD_OF_GAUSSIAN: f64 = 0.674_489_750_196_082;

/// The mean absolute deviation of a Gaussian, as a part of its standard deviation.
const MEAN_DEVIATION_OF_GAUSSIAN: f64 = 0.797_884_560_802_865;

/// The fewest outliers of which a rising rate is said, and how many standard errors it takes.
const RISING_OUTLIERS: usize = 5;
const RISING_ERRORS: f64 = 3.0;

/// For each run, whether it is an outlier.
///
/// Definition: Hampel's identifier (Hampel 1974; Davies and Gather 1993): a run is marked when it
/// is more than [`FAR`] robust standard deviations from the median of the [`WINDOW`] runs around
/// it. The deviation is the median of all absolute distances from such medians, or that of all
/// differences of neighbours over √2, whichever is more: in a history with a memory or a slope many
/// runs are the median of their neighbourhood themselves, and their distance is 0. When both are 0
/// because most runs are equal, it is the mean distance. The median of a neighbourhood
/// follows a step and a drift, so neither makes outliers. A row of more than [`ISOLATED`] marked
/// runs is none, and neither are [`super::search::FORMING_RUNS`] at the end on one side: they may
/// be a beginning. Of a constant history none is marked.
pub(super) fn mark(runs: &[Run]) -> Vec<bool> {
    let n = runs.len();
    let mut marks = vec![false; n];
    if n < WINDOW {
        return marks;
    }
    // At the ends a neighbourhood is on one side: a slope would take them away from its median.
    let apart = |i: usize| {
        let (from, to) = (&runs[i], &runs[i + WINDOW]);
        (to.value - from.value) / (to.index - from.index) as f64
    };
    let mut slopes: Vec<f64> = (0..n - WINDOW).map(apart).collect();
    let slope = if slopes.is_empty() { 0.0 } else { median(&mut slopes) };
    let level = |i: usize| runs[i].value - slope * (runs[i].index - runs[0].index) as f64;
    let distance = |i: usize| {
        let from = i.saturating_sub(WINDOW / 2).min(n - WINDOW);
        let mut near: Vec<f64> = (from..from + WINDOW).map(level).collect();
        level(i) - median(&mut near)
    };
    let distances: Vec<f64> = (0..n).map(distance).collect();
    let mut sizes: Vec<f64> = distances.iter().map(|d| d.abs()).collect();
    let mean = sizes.iter().sum::<f64>() / n as f64;
    let mut steps: Vec<f64> =
        runs.windows(2).map(|pair| (pair[1].value - pair[0].value).abs()).collect();
    let middle = median(&mut sizes).max(median(&mut steps) / std::f64::consts::SQRT_2);
    let scale =
        if middle > 0.0 { middle / MAD_OF_GAUSSIAN } else { mean / MEAN_DEVIATION_OF_GAUSSIAN };
    for (mark, distance) in marks.iter_mut().zip(&distances) {
        *mark = scale > 0.0 && distance.abs() > FAR * scale;
    }
    keep_isolated(&mut marks, &distances);
    let share = marks.iter().filter(|mark| **mark).count() as f64 / n as f64;
    if share > MOST { vec![false; n] } else { marks }
}

fn keep_isolated(marks: &mut [bool], distances: &[f64]) {
    let n = marks.len();
    let mut start = 0;
    while start < n {
        let same = |i: usize| marks[i] && (distances[i] > 0.0) == (distances[start] > 0.0);
        let end = (start..n).find(|i| !same(*i)).unwrap_or(n);
        let forming = end == n && end - start >= super::search::FORMING_RUNS;
        if end - start > ISOLATED || forming {
            marks[start..end].fill(false);
        }
        start = end.max(start + 1);
    }
}

/// Whether outliers become more frequent.
///
/// Definition: the test of Laplace (Cox and Lewis 1966, section 3.3): the outliers of a constant
/// rate lie anywhere, so their mean place among `n` runs is `n/2` with a standard error of
/// `n/√(12 k)`. Said of at least [`RISING_OUTLIERS`], beyond [`RISING_ERRORS`] standard errors: it
/// is asked every night, so it must be rare by chance.
pub(super) fn rate_rises(places: &[usize], n: usize) -> bool {
    let k = places.len() as f64;
    if places.len() < RISING_OUTLIERS {
        return false;
    }
    let mean = places.iter().map(|place| *place as f64 + 0.5).sum::<f64>() / k / n as f64;
    (mean - 0.5) * (12.0 * k).sqrt() > RISING_ERRORS
}

/// The median; of an even number the mean of the middle two, of none NaN. Reorders the numbers.
pub(super) fn median(numbers: &mut [f64]) -> f64 {
    let n = numbers.len();
    if n == 0 {
        return f64::NAN;
    }
    let (below, upper, _) = numbers.select_nth_unstable_by(n / 2, f64::total_cmp);
    let upper = *upper;
    if n % 2 == 1 {
        return upper;
    }
    let lower = below.iter().copied().max_by(f64::total_cmp).unwrap_or(upper);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places that are marked among values that follow a pattern of small differences.
    fn marked(change: impl Fn(usize) -> f64) -> Vec<usize> {
        let run = |row: usize| Run {
            row,
            index: row as i64,
            time: None,
            value: 10.0 + (row * row * 7 % 23) as f64 / 20.0 + change(row),
            range: None,
            boundary: None,
        };
        let runs: Vec<Run> = (0..40).map(run).collect();
        let marks = mark(&runs);
        (0..40).filter(|at| marks[*at]).collect()
    }

    fn peaks(at: &[usize], size: f64) -> Vec<usize> {
        marked(|row| if at.contains(&row) { size } else { 0.0 })
    }

    #[test]
    fn single_runs_are_marked_wherever_they_are() {
        assert_eq!(peaks(&[0, 17, 39], 9.0), [0, 17, 39]);
        assert_eq!(peaks(&[17], -9.0), [17]);
        assert_eq!(peaks(&[17, 18, 19], 9.0), [17, 18, 19]);
        assert_eq!(peaks(&[], 0.0), [0; 0]);
    }

    #[test]
    fn a_row_of_them_is_a_regime() {
        assert_eq!(peaks(&[17, 18, 19, 20], 9.0), [0; 0]);
        // At the end, three may be a beginning; two are not yet.
        assert_eq!(peaks(&[37, 38, 39], 9.0), [0; 0]);
        assert_eq!(peaks(&[38, 39], 9.0), [38, 39]);
    }

    #[test]
    fn a_step_and_a_drift_make_no_outliers() {
        assert_eq!(marked(|row| if row < 20 { 0.0 } else { 50.0 }), [0; 0]);
        assert_eq!(marked(|row| row as f64), [0; 0]);
    }

    #[test]
    fn what_is_spread_that_way_is_no_outlier() {
        // Every fourth run is 0 or 9: there is no other value to be far from.
        assert_eq!(marked(|row| if row % 4 == 0 { 90.0 } else { 0.0 }), [0; 0]);
    }

    #[test]
    fn outliers_that_come_late_are_a_rising_rate() {
        assert!(rate_rises(&[70, 75, 82, 90, 95, 99], 100));
        assert!(!rate_rises(&[75, 82, 90, 95], 100), "four are too few");
        assert!(!rate_rises(&[10, 30, 50, 70, 90, 95], 100));
        assert!(!rate_rises(&[0, 1, 2, 3, 4, 5], 100), "a falling rate is not for the worse");
    }

    #[test]
    fn the_median_is_that_of_both_middle_numbers() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]).to_bits(), 2.5_f64.to_bits());
        assert!(median(&mut []).is_nan());
    }
}
