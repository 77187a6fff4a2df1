//! A chosen mean, fitted: its parts with their uncertainty, the memory of the errors, and what the
//! next run can be.
//!
//! Definition: generalised least squares with the correlation `φ^d` of `likelihood`, at a `φ` that is
//! corrected for its bias. Degrees of freedom are those of as many independent numbers as the
//! history is worth, `n (1 − φ) / (1 + φ)` (Bayley and Hammersley 1946), less the parts of the mean.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::likelihood::{Points, STRONGEST, Term, Whitened};

/// A fitted mean.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    pub(super) terms: Vec<Term>,
    /// One for each term.
    beta: Vec<f64>,
    /// Their covariance.
    covariance: Vec<Vec<f64>>,
    /// Corrected for its bias.
    pub(super) phi: f64,
    /// The standard deviation of the errors.
    pub(super) sd: f64,
    /// Degrees of freedom.
    pub(super) freedom: f64,
    /// The run index of each point.
    x: Vec<f64>,
}

/// A number with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// The lower end of its 95 % interval.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

impl Fit {
    /// Fits terms; none when there are not more points than terms.
    ///
    /// `φ` is corrected as for k parts of a mean: `(n φ̂ + k) / (n − k − 2)`. For a mean and for a line
    /// that is the bias of Marriott and Pope (1954) and Kendall (1954), solved for φ; for more
    /// parts it is the same series continued.
    pub(super) fn new(points: &Points, terms: &[Term], phi: f64) -> Option<Self> {
        let (n, k) = (points.len() as f64, terms.len() as f64);
        if n < k + 3.0 {
            return None;
        }
        let phi = ((n * phi + k) / (n - k - 2.0)).clamp(0.0, STRONGEST);
        let white = Whitened::new(points, phi);
        let columns: Vec<Vec<f64>> = terms.iter().map(|term| white.column(*term)).collect();
        let (beta, inverse) = least_squares(&columns, &white.value)?;
        let mut squares = 0.0;
        for i in 0..points.len() {
            let mean: f64 = columns.iter().zip(&beta).map(|(column, b)| column[i] * b).sum();
            squares += (white.value[i] - mean).powi(2);
        }
        let variance = squares / (n - k);
        let distance = (points.x[points.len() - 1] - points.x[0]) / (n - 1.0);
        let near = phi.powf(distance);
        let freedom = (n * (1.0 - near) / (1.0 + near) - k).max(1.0);
        let covariance =
            inverse.into_iter().map(|row| row.into_iter().map(|v| v * variance).collect());
        Some(Self {
            terms: terms.to_vec(),
            beta,
            covariance: covariance.collect(),
            phi,
            sd: variance.sqrt(),
            freedom,
            x: points.x.clone(),
        })
    }

    /// What each term adds at a run index, as it would be in the regime of the point `of`.
    fn row(&self, at: f64, of: usize) -> Vec<f64> {
        let value = |term: &Term| match term {
            Term::Level => 1.0,
            Term::Slope => at,
            Term::Step(from) => f64::from(u8::from(of >= *from)),
            Term::Kink(from) if of >= *from => at - self.x[*from],
            Term::Kink(_) => 0.0,
        };
        self.terms.iter().map(value).collect()
    }

    /// The mean at a run index, as it would be in the regime of the point `of`.
    pub(super) fn mean(&self, at: f64, of: usize) -> f64 {
        product(&self.row(at, of), &self.beta)
    }

    /// The slope of the regime of the point `of`, a run.
    pub(super) fn slope(&self, of: usize) -> f64 {
        self.mean(self.x[of] + 1.0, of) - self.mean(self.x[of], of)
    }

    /// The mean with its interval.
    pub(super) fn level(&self, at: f64, of: usize) -> Estimate {
        self.estimate(&self.row(at, of))
    }

    /// How far the mean jumps at the point `at`: what it is there, less what it would have been
    /// without the change.
    pub(super) fn jump(&self, at: usize) -> Estimate {
        let x = self.x[at];
        self.estimate(&difference(&self.row(x, at), &self.row(x, at.saturating_sub(1))))
    }

    /// By how much the slope changes at the point `at`.
    pub(super) fn bend(&self, at: usize) -> Estimate {
        let slope = |of: usize| difference(&self.row(1.0, of), &self.row(0.0, of));
        self.estimate(&difference(&slope(at), &slope(at.saturating_sub(1))))
    }

    fn estimate(&self, row: &[f64]) -> Estimate {
        let value = product(row, &self.beta);
        let half = quantile(self.freedom, 0.975) * self.variance(row).sqrt();
        Estimate { value, lower: value - half, upper: value + half }
    }

    fn variance(&self, row: &[f64]) -> f64 {
        let along = self.covariance.iter().map(|line| product(line, row));
        row.iter().zip(along).map(|(a, b)| a * b).sum::<f64>().max(0.0)
    }

    /// What a run `ahead` of the last can be: its expected value and the standard error of that,
    /// the noise of the run itself included.
    ///
    /// Definition: the predictive distribution of an AR(1) process around the mean of the last
    /// regime (Brockwell and Davis 2016, section 3.3), a Student t with the degrees of freedom of the fit.
    pub(super) fn predict(&self, last_value: f64, ahead: f64) -> (f64, f64) {
        let last = self.x.len() - 1;
        let carried = self.phi.powf(ahead);
        let then = self.row(self.x[last] + ahead, last);
        let now = self.row(self.x[last], last);
        let center =
            product(&then, &self.beta) + carried * (last_value - product(&now, &self.beta));
        let row: Vec<f64> = then.iter().zip(&now).map(|(a, b)| a - carried * b).collect();
        let noise = self.sd * self.sd * (1.0 - carried * carried);
        (center, (noise + self.variance(&row)).sqrt())
    }
}

/// The quantile of Student's t.
pub(super) fn quantile(freedom: f64, share: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |t| t.inverse_cdf(share))
}

/// The probability that Student's t is below a value.
pub(super) fn probability_below(freedom: f64, value: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |t| t.cdf(value))
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// The coefficients, and the inverse of the matrix of products of the columns. None when columns
/// say the same.
///
/// Columns are made of length 1 first, then a Cholesky decomposition solves the normal equations:
/// there are few columns, and they begin at different places.
fn least_squares(columns: &[Vec<f64>], values: &[f64]) -> Option<(Vec<f64>, Vec<Vec<f64>>)> {
    let k = columns.len();
    let sizes: Vec<f64> = columns.iter().map(|column| product(column, column).sqrt()).collect();
    let mut root = vec![vec![0.0; k]; k];
    for i in 0..k {
        for j in 0..=i {
            let both = product(&columns[i], &columns[j]) / (sizes[i] * sizes[j]);
            let sum = both - product(&root[i][..j], &root[j][..j]);
            if i == j {
                if sum.is_nan() || sum < 1e-12 {
                    return None;
                }
                root[i][i] = sum.sqrt();
            } else {
                root[i][j] = sum / root[j][j];
            }
        }
    }
    let solve = |mut right: Vec<f64>| {
        for i in 0..k {
            let known = product(&root[i][..i], &right[..i]);
            right[i] = (right[i] - known) / root[i][i];
        }
        for i in (0..k).rev() {
            let below = root.iter().zip(&right).skip(i + 1);
            let known: f64 = below.map(|(line, value)| line[i] * value).sum();
            right[i] = (right[i] - known) / root[i][i];
        }
        right
    };
    let right = columns.iter().zip(&sizes).map(|(column, size)| product(column, values) / size);
    let mut beta = solve(right.collect());
    beta.iter_mut().zip(&sizes).for_each(|(b, size)| *b /= size);
    let mut inverse = Vec::with_capacity(k);
    for i in 0..k {
        let unit = (0..k).map(|j| f64::from(u8::from(i == j))).collect();
        let line = solve(unit);
        inverse.push(line.iter().zip(&sizes).map(|(v, size)| v / (size * sizes[i])).collect());
    }
    Some((beta, inverse))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(terms: &[Term]) -> Fit {
        let points = Points {
            x: [0, 1, 2, 4, 5, 7, 8, 9, 12, 13, 14, 15].map(f64::from).to_vec(),
            y: vec![5.1, 4.8, 5.6, 5.2, 4.9, 5.3, 7.0, 7.4, 6.8, 7.1, 7.7, 7.2],
        };
        Fit::new(&points, terms, 0.2).unwrap()
    }

    #[track_caller]
    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-9, "{got} is not {want}");
    }

    /// Generalised least squares with the whole matrix, in numpy; t quantiles of scipy.
    #[test]
    fn a_line_has_the_interval_of_generalised_least_squares() {
        let fit = fit(&[Term::Level, Term::Slope]);
        close(fit.phi, 0.55);
        close(fit.sd, 0.700_289_856_890_855_3);
        close(fit.freedom, 2.637_360_351_533_085_5);
        close(fit.level(0.0, 0).value, 4.869_233_116_965_527);
        close(fit.slope(11), 0.172_939_652_278_702);
        let level = fit.level(0.0, 0);
        let half = 3.444_909_263_524_373_4 * 0.280_453_494_390_799_f64.sqrt();
        close(level.upper - level.value, half);
        close(quantile(fit.freedom, 0.975), 3.444_909_263_524_373_4);
        let (center, error) = fit.predict(7.2, 1.0);
        close(center, 7.491_437_207_794_425);
        close(error, 0.652_244_934_718_987_5);
    }

    #[test]
    fn a_step_has_the_interval_of_generalised_least_squares() {
        let fit = fit(&[Term::Level, Term::Step(6)]);
        close(fit.sd, 0.434_346_018_003_711_4);
        let jump = fit.jump(6);
        close(jump.value, 1.898_491_554_269_031);
        close(jump.upper - jump.value, 3.444_909_263_524_373_4 * 0.302_227_676_422_291);
        close(jump.value - jump.lower, jump.upper - jump.value);
        close(fit.level(0.0, 0).value, 5.222_594_237_566_156);
        close(fit.level(15.0, 11).value, 5.222_594_237_566_156 + 1.898_491_554_269_031);
        let (center, error) = fit.predict(7.2, 1.0);
        close(center, 7.164_488_606_325_834);
        close(error, 0.379_224_020_470_091_2);
    }

    #[test]
    fn a_kink_bends_the_slope_and_does_not_jump() {
        let fit = fit(&[Term::Level, Term::Slope, Term::Kink(5)]);
        close(fit.jump(5).value, 0.0);
        close(fit.slope(11) - fit.slope(0), fit.bend(5).value);
        close(fit.mean(7.0, 4), fit.mean(7.0, 5));
    }

    #[test]
    fn more_parts_than_numbers_are_no_fit() {
        let points = Points { x: vec![0.0, 1.0, 2.0, 3.0], y: vec![1.0, 2.0, 1.0, 2.0] };
        assert!(Fit::new(&points, &[Term::Level, Term::Slope], 0.0).is_none());
        assert!(Fit::new(&points, &[Term::Level], 0.0).is_some());
    }
}
