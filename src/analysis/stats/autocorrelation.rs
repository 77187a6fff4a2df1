//! How much a series repeats itself, and how many independent numbers it is worth.

/// The autocorrelation of lag 1, corrected for its bias; none when it cannot be estimated.
///
/// Definition: `φ̂ = Σ (xₜ − x̄)(xₜ₊₁ − x̄) / Σ (xₜ − x̄)²`. In a short series `φ̂` is too low, about
/// by `(1 + 3φ) / n`; solved for φ that is `(n φ̂ + 1) / (n − 3)` (Marriott and Pope 1954;
/// Kendall 1954). A negative result is taken as 0, so that a series is never worth more than its
/// length. The result may exceed 1.
///
/// A gap (NaN) belongs to no pair. To stay an estimate of the same quantity when pairs are
/// missing, the sum over pairs is scaled up to `n − 1` pairs.
///
/// None with fewer than 4 numbers (the correction has no meaning) or without any pair of
/// neighbours. A constant series repeats nothing that varies: 0.
pub(crate) fn lag_one(values: &[f64]) -> Option<f64> {
    let numbers: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    let n = numbers.len() as f64;
    let pairs = values.windows(2).filter(|pair| !pair[0].is_nan() && !pair[1].is_nan());
    let count = pairs.clone().count() as f64;
    if numbers.len() < 4 || count < 1.0 {
        return None;
    }
    let mean = mean(&numbers);
    let spread: f64 = numbers.iter().map(|x| (x - mean).powi(2)).sum();
    if spread <= 0.0 {
        return Some(0.0);
    }
    let together: f64 = pairs.map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    let raw = together / spread * ((n - 1.0) / count);
    Some(((n * raw + 1.0) / (n - 3.0)).max(0.0))
}

/// How many independent numbers a mean of `n` numbers is worth that follow each other with the
/// autocorrelation `phi`: `n (1 − φ) / (1 + φ)` for a first-order process, at most `n`, at least 0.
///
/// Reference: Bayley and Hammersley (1946), for long series.
pub(crate) fn effective_size(n: usize, phi: f64) -> f64 {
    let n = n as f64;
    (n * (1.0 - phi) / (1.0 + phi)).clamp(0.0, n)
}

/// The mean. Of equal numbers it is exactly that number; of none it is NaN.
pub(crate) fn mean(numbers: &[f64]) -> f64 {
    let Some(first) = numbers.first() else { return f64::NAN };
    // Around the first number: nothing is lost to rounding where nothing varies.
    first + numbers.iter().map(|x| x - first).sum::<f64>() / numbers.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    #[track_caller]
    fn check(values: &[f64], want: Option<f64>) {
        match (lag_one(values), want) {
            (Some(got), Some(want)) => assert!((got - want).abs() < 1e-12, "{got} is not {want}"),
            (got, want) => assert_eq!(got, want),
        }
    }

    #[test]
    fn a_ramp_is_corrected_upwards() {
        // Deviations −2.5 … 2.5: pairs 3.75 − 0.25 + … sum to 8.75, squares to 17.5.
        check(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], Some((6.0 * 0.5 + 1.0) / 3.0));
    }

    #[test]
    fn alternation_is_not_worth_more_than_its_length() {
        check(&[1.0, -1.0, 1.0, -1.0, 1.0, -1.0], Some(0.0));
    }

    #[test]
    fn a_constant_repeats_nothing() {
        check(&[0.1; 7], Some(0.0));
    }

    #[test]
    fn too_little_is_no_estimate() {
        check(&[1.0, 2.0, 3.0], None);
        check(&[1.0, NAN, 2.0, NAN, 3.0, NAN, 4.0], None);
        check(&[], None);
    }

    #[test]
    fn a_gap_belongs_to_no_pair() {
        // Closing the gap would make neighbours of the 5 and the 1.
        let with_gap = lag_one(&[1.0, 2.0, 3.0, 4.0, 5.0, NAN, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let closed = lag_one(&[1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!(with_gap > closed, "{with_gap} {closed}");
    }

    #[test]
    fn the_effective_size_shrinks_with_the_autocorrelation() {
        for (phi, want) in
            [(0.0, 60.0), (0.6, 15.0), (0.9, 60.0 * 0.1 / 1.9), (1.0, 0.0), (1.2, 0.0)]
        {
            let got = effective_size(60, phi);
            assert!((got - want).abs() < 1e-9, "{got} is not {want}");
        }
    }

    #[test]
    fn the_mean_of_equal_numbers_is_that_number() {
        assert_eq!(mean(&[0.1; 7]).to_bits(), 0.1_f64.to_bits());
        assert!(mean(&[]).is_nan());
    }
}
