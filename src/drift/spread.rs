//! Whether the values come to scatter more, or less, than they did.

use super::outliers::median;

/// The probability by chance below which a change of the spread is said. It is never alerted.
const SIGNIFICANT: f64 = 0.01;

/// The fewest runs of which it is said.
const LEAST_RUNS: usize = 40;

/// From which residual on the spread is another, and the later spread as a multiple of the
/// earlier one.
///
/// Definition: the test of Pettitt (1979) on the sizes of the residuals of the chosen mean: the
/// greatest `|U|` over all places, where U counts how often an earlier residual is smaller than a
/// later one, less how often it is larger; `p ≈ 2 exp(−6 U² / (n³ + n²))`. It uses ranks, so a
/// heavy tail is no change. The sizes are hardly correlated where the residuals are moderately so.
/// The ratio is that of the medians. None below [`LEAST_RUNS`], above [`SIGNIFICANT`], and when a
/// side does not scatter at all.
pub(super) fn change(residuals: &[f64]) -> Option<(usize, f64)> {
    let n = residuals.len();
    if n < LEAST_RUNS {
        return None;
    }
    let sizes: Vec<f64> = residuals.iter().map(|r| r.abs()).collect();
    let ranks = ranks(&sizes);
    let (mut sum, mut most, mut at) = (0.0, 0.0_f64, 0);
    for (i, rank) in ranks.iter().enumerate().take(n - 1) {
        sum += 2.0 * rank - (n as f64 + 1.0);
        if f64::abs(sum) > most {
            (most, at) = (sum.abs(), i + 1);
        }
    }
    let size = n as f64;
    let p = 2.0 * (-6.0 * most * most / (size.powi(3) + size.powi(2))).exp();
    if p > SIGNIFICANT {
        return None;
    }
    let (mut before, mut after) = (sizes[..at].to_vec(), sizes[at..].to_vec());
    let ratio = median(&mut after) / median(&mut before);
    (ratio.is_finite() && ratio > 0.0).then_some((at, ratio))
}

/// The ranks from 1; equal numbers share the mean of theirs.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut done = 0;
    for group in order.chunk_by(|a, b| numbers[*a].total_cmp(&numbers[*b]).is_eq()) {
        let shared = done as f64 + (group.len() as f64 + 1.0) / 2.0;
        group.iter().for_each(|at| ranks[*at] = shared);
        done += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn residuals(n: usize, size: impl Fn(usize) -> f64) -> Vec<f64> {
        (0..n).map(|i| ((i * 37 % 101) as f64 / 50.0 - 1.0) * size(i)).collect()
    }

    #[test]
    fn a_doubled_spread_is_seen_where_it_begins() {
        let (at, ratio) = change(&residuals(120, |i| if i < 60 { 1.0 } else { 3.0 })).unwrap();
        assert!(at.abs_diff(60) <= 8 && (2.0..4.5).contains(&ratio), "{at} {ratio}");
    }

    #[test]
    fn one_spread_is_no_change() {
        assert_eq!(change(&residuals(120, |_| 1.0)), None);
        assert_eq!(change(&residuals(39, |i| if i < 20 { 1.0 } else { 9.0 })), None, "too few");
        assert_eq!(change(&[0.0; 60]), None);
    }

    #[test]
    fn equal_numbers_share_a_rank() {
        assert_eq!(ranks(&[2.0, 1.0, 2.0, 3.0]), [2.5, 1.0, 2.5, 4.0]);
    }
}
