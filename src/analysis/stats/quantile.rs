//! Quantiles of a sample.

/// The quantile of sorted numbers, linear between ranks.
///
/// Definition: Hyndman and Fan (1996), type 7, the default of R and numpy: with `h = (n − 1) p`,
/// the value at rank `h`, counted from 0, interpolated between its neighbours. One number is
/// every quantile of itself; of nothing there is no quantile (NaN). `p` outside 0 to 1 is taken
/// as the nearer end.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let rank = last as f64 * p.clamp(0.0, 1.0);
    let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    // Equal neighbours need no arithmetic, which would make NaN of two infinities.
    if low.total_cmp(&high).is_eq() { low } else { low + (high - low) * rank.fract() }
}

/// The least of sorted numbers that a share `p` of them do not exceed.
///
/// Definition: Hyndman and Fan (1996), type 1, the inverse of the empirical distribution: the
/// number of rank `⌈n p⌉`, counted from 1, and the least one for `p` = 0. Always one of the
/// numbers, and the only quantile that agrees with counting: it is at most a bound exactly when
/// at least the share `p` of the numbers are. Products that exceed a whole number by rounding
/// only (1e-9) count as that number. Of nothing there is none (NaN).
pub fn attained(sorted: &[f64], p: f64) -> f64 {
    let rank = (sorted.len() as f64 * p.clamp(0.0, 1.0) - 1e-9).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(sorted: &[f64], p: f64, want: f64) {
        let got = quantile(sorted, p);
        assert!((got - want).abs() < 1e-12 || got.is_nan() && want.is_nan(), "{got} is not {want}");
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8, 16], [0.1, 0.25, 0.5, 0.9, 0.99])
        let sorted = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (p, want) in [(0.1, 1.4), (0.25, 2.0), (0.5, 4.0), (0.9, 12.8), (0.99, 15.68)] {
            check(&sorted, p, want);
        }
    }

    #[test]
    fn the_ends_are_the_extremes() {
        check(&[1.0, 2.0], 0.0, 1.0);
        check(&[1.0, 2.0], 1.0, 2.0);
        check(&[1.0, 2.0], -1.0, 1.0);
        check(&[3.0], 0.7, 3.0);
        check(&[], 0.5, f64::NAN);
    }

    #[test]
    fn infinities_stay_what_they_are() {
        let infinite = quantile(&[1.0, f64::INFINITY, f64::INFINITY], 0.75);
        assert!(infinite.is_infinite() && infinite > 0.0);
    }

    #[track_caller]
    fn check_attained(p: f64, want: f64) {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!((attained(&hundred, p) - want).abs() < 1e-12);
    }

    #[test]
    fn the_attained_quantile_is_one_of_the_numbers() {
        check_attained(0.0, 1.0);
        check_attained(0.5, 50.0);
        check_attained(0.501, 51.0);
        check_attained(0.99, 99.0);
        check_attained(0.07, 7.0);
        check_attained(1.0, 100.0);
        assert!(attained(&[], 0.5).is_nan());
    }

    proptest! {
        #[test]
        fn the_attained_quantile_agrees_with_counting(
            mut values in prop::collection::vec(0.0..10.0_f64, 1..60), p in 0.0..=1.0_f64, bound in 0.0..10.0_f64,
        ) {
            values.sort_by(f64::total_cmp);
            let inside = values.iter().filter(|v| **v <= bound).count() as f64;
            let enough = inside >= (values.len() as f64 * p - 1e-9).max(1e-9);
            prop_assert_eq!(attained(&values, p) <= bound, enough);
        }
    }
}
