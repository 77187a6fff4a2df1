//! The likelihood of a mean made of levels, slopes and changes, with errors that remember.
//!
//! Definition: the errors are a stationary first-order autoregression (AR(1)) over the run index,
//! so that two points `d` runs apart are correlated by `φ^d`: a gap is a longer distance, never a
//! filled value. For a given `φ` the exact Gaussian likelihood is that of least squares on
//! whitened numbers: `(yᵢ − φ^d yᵢ₋₁) / √(1 − φ^2d)`, the first one as it stands (Prais and Winsten
//! 1954; Jones 1980 for the irregular case). `φ` is kept within 0 and [`STRONGEST`]: a negative
//! memory would make a series worth more than its length.

/// Runs as the fits see them: only those with a number that is no outlier.
#[derive(Clone, Debug)]
pub(super) struct Points {
    /// The run index.
    pub(super) x: Vec<f64>,
    /// The value.
    pub(super) y: Vec<f64>,
}

impl Points {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.y.len()
    }

    /// The same with the middle of the index and the first value at 0: sums of squares stay small.
    /// Of equal values each is exactly 0 then.
    pub(super) fn centred(&self) -> Self {
        let ends = self.x.first().zip(self.x.last());
        let middle = ends.map_or(0.0, |(first, last)| f64::midpoint(*first, *last).round());
        let origin = self.y.first().copied().unwrap_or(0.0);
        Self {
            x: self.x.iter().map(|x| x - middle).collect(),
            y: self.y.iter().map(|y| y - origin).collect(),
        }
    }
}

/// A part of the mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// The level of the first regime.
    Level,
    /// The slope of the first regime.
    Slope,
    /// A change of the level, beginning with this point.
    Step(usize),
    /// A change of the slope, beginning at this point.
    Kink(usize),
}

impl Term {
    /// The point at which it begins.
    pub(super) fn place(self) -> Option<usize> {
        match self {
            Self::Level | Self::Slope => None,
            Self::Step(at) | Self::Kink(at) => Some(at),
        }
    }
}

/// The strongest memory that is fitted.
pub(super) const STRONGEST: f64 = 0.999;

/// The values of `φ` over which the likelihood is searched.
/// The last ones are as good as a random walk: only so can a change be told from one.
const GRID: [f64; 11] = [0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.85, 0.925, 0.97, 0.99, STRONGEST];

/// The spread of an independent error that every number is taken to have, as a part of the spread of
/// the values: numbers that fit exactly would otherwise have an infinite likelihood, and any memory.
const FLOOR: f64 = 1e-6;

/// The error of computing with numbers of a size, as a part of it.
const ROUNDING: f64 = 1e-12;

/// The points for one `φ`, whitened, with the sums that the likelihood of any mean is made of.
#[derive(Clone, Debug)]
pub(super) struct Whitened {
    pub(super) phi: f64,
    x: Vec<f64>,
    /// The whitened 1.
    one: Vec<f64>,
    /// The whitened run index.
    index: Vec<f64>,
    /// The whitened values.
    pub(super) value: Vec<f64>,
    /// What a step weighs at its own first point.
    first: Vec<f64>,
    /// `Σ log(1 − φ^2d)`.
    log_det: f64,
    /// Over the points after each one.
    later: Vec<Sums>,
    /// Over all points.
    all: Sums,
    /// The sum of squares of the whitened values.
    squares: f64,
    /// What an independent error of the spread [`FLOOR`] adds to a sum of squares.
    floor: f64,
}

/// Sums of products over some points.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    one_one: f64,
    one_index: f64,
    index_index: f64,
    one_value: f64,
    index_value: f64,
}

impl Whitened {
    /// Whitens points.
    pub(super) fn new(points: &Points, phi: f64) -> Self {
        let n = points.len();
        let column = || Vec::with_capacity(n);
        let (mut one, mut index, mut value, mut first) = (column(), column(), column(), column());
        let (mut log_det, mut independent) = (0.0, 0.0);
        for i in 0..n {
            let (carried, scale) = if i == 0 {
                (0.0, 1.0)
            } else {
                let carried = phi.powf(points.x[i] - points.x[i - 1]);
                (carried, (1.0 - carried * carried).sqrt())
            };
            let before = i.saturating_sub(1);
            one.push((1.0 - carried) / scale);
            index.push((points.x[i] - carried * points.x[before]) / scale);
            value.push((points.y[i] - carried * points.y[before]) / scale);
            first.push(1.0 / scale);
            log_det += 2.0 * scale.ln();
            independent += (1.0 + carried * carried) / (scale * scale);
        }
        let mut sums = Sums::default();
        let mut later = vec![sums; n];
        for i in (0..n).rev() {
            later[i] = sums;
            sums.one_one += one[i] * one[i];
            sums.one_index += one[i] * index[i];
            sums.index_index += index[i] * index[i];
            sums.one_value += one[i] * value[i];
            sums.index_value += index[i] * value[i];
        }
        let mean = points.y.iter().sum::<f64>() / n as f64;
        let spread = points.y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n as f64;
        let size = points.y.iter().fold(0.0, |most: f64, y| most.max(y.abs()));
        let rounding = (size * ROUNDING).powi(2).max(f64::MIN_POSITIVE);
        let floor = (spread * FLOOR * FLOOR).max(rounding) * independent;
        let (x, squares, all) = (points.x.clone(), dot(&value, &value), sums);
        Self { phi, x, one, index, value, first, log_det, later, all, squares, floor }
    }

    fn len(&self) -> usize {
        self.value.len()
    }

    /// The whitened column of a term.
    pub(super) fn column(&self, term: Term) -> Vec<f64> {
        let after = |at: usize, of: &dyn Fn(usize) -> f64| {
            (0..self.len()).map(|i| if i > at { of(i) } else { 0.0 }).collect::<Vec<f64>>()
        };
        match term {
            Term::Level => self.one.clone(),
            Term::Slope => self.index.clone(),
            Term::Step(at) => {
                let mut column = after(at, &|i| self.one[i]);
                column[at] = self.first[at];
                column
            }
            Term::Kink(at) => after(at, &|i| self.index[i] - self.x[at] * self.one[i]),
        }
    }

    /// Twice the negative restricted log-likelihood for a residual sum of squares and as many
    /// columns, without constants and without the determinant of the columns.
    pub(super) fn restricted_deviance(&self, squares: f64, columns: usize) -> f64 {
        let freedom = self.len() as f64 - columns as f64;
        freedom * ((squares.max(0.0) + self.floor) / freedom).ln() + self.log_det
    }

    /// Twice the negative log-likelihood for a residual sum of squares, without constants.
    pub(super) fn deviance(&self, squares: f64) -> f64 {
        let n = self.len() as f64;
        n * ((squares.max(0.0) + self.floor) / n).ln() + self.log_det
    }
}

impl Whitened {
    /// The product of the whitened columns of two terms.
    fn product(&self, a: Term, b: Term) -> f64 {
        match (a, b) {
            (Term::Level, Term::Level) => self.all.one_one,
            (Term::Level, Term::Slope) | (Term::Slope, Term::Level) => self.all.one_index,
            (Term::Slope, Term::Slope) => self.all.index_index,
            (Term::Step(at), Term::Level) | (Term::Level, Term::Step(at)) => {
                self.one[at] * self.first[at] + self.later[at].one_one
            }
            (Term::Step(at), Term::Slope) | (Term::Slope, Term::Step(at)) => {
                self.index[at] * self.first[at] + self.later[at].one_index
            }
            (Term::Kink(at), Term::Level) | (Term::Level, Term::Kink(at)) => self.bent(at, at),
            (Term::Kink(at), Term::Slope) | (Term::Slope, Term::Kink(at)) => {
                self.later[at].index_index - self.x[at] * self.later[at].one_index
            }
            (Term::Step(one), Term::Step(other)) if one == other => {
                self.first[one].powi(2) + self.later[one].one_one
            }
            (Term::Step(one), Term::Step(other)) => {
                let at = one.max(other);
                self.one[at] * self.first[at] + self.later[at].one_one
            }
            (Term::Step(step), Term::Kink(kink)) | (Term::Kink(kink), Term::Step(step)) => {
                if step <= kink {
                    self.bent(kink, kink)
                } else {
                    let here = self.index[step] - self.x[kink] * self.one[step];
                    self.first[step] * here + self.bent(step, kink)
                }
            }
            (Term::Kink(one), Term::Kink(other)) => {
                let (sums, x, z) = (&self.later[one.max(other)], self.x[one], self.x[other]);
                sums.index_index - (x + z) * sums.one_index + x * z * sums.one_one
            }
        }
    }

    /// The product of 1 and of a kink at `kink`, over the points after `at`.
    fn bent(&self, at: usize, kink: usize) -> f64 {
        self.later[at].one_index - self.x[kink] * self.later[at].one_one
    }

    /// The product of the whitened column of a term with the values.
    fn along(&self, term: Term) -> f64 {
        match term {
            Term::Level => self.all.one_value,
            Term::Slope => self.all.index_value,
            Term::Step(at) => self.first[at] * self.value[at] + self.later[at].one_value,
            Term::Kink(at) => self.later[at].index_value - self.x[at] * self.later[at].one_value,
        }
    }
}

/// A fit by least squares on whitened numbers, as the Cholesky root of the products of its columns.
///
/// All products come from the sums of [`Whitened`], so that a fit costs nothing for each point.
#[derive(Clone, Debug)]
pub(super) struct Basis<'a> {
    white: &'a Whitened,
    terms: Vec<Term>,
    /// The lower triangle of the root, row by row.
    root: Vec<Vec<f64>>,
    /// The product of the values with each orthonormal column.
    along: Vec<f64>,
    /// The residual sum of squares.
    pub(super) squares: f64,
}

impl<'a> Basis<'a> {
    /// Fits terms. A term that says nothing beyond the ones before it is left out.
    pub(super) fn new(white: &'a Whitened, terms: &[Term]) -> Self {
        let known = terms.len();
        let mut basis = Self {
            white,
            terms: Vec::with_capacity(known),
            root: Vec::with_capacity(known),
            along: Vec::with_capacity(known),
            squares: white.squares,
        };
        let mut room = Vec::with_capacity(known + 1);
        for term in terms {
            let (left, along) = basis.beyond(*term, &mut room);
            if left > 0.0 {
                let (size, along) = (left.sqrt(), along / left.sqrt());
                room.push(size);
                basis.terms.push(*term);
                basis.root.push(room.clone());
                basis.along.push(along);
                basis.squares -= along * along;
            }
        }
        basis
    }

    /// Twice the negative log-likelihood.
    pub(super) fn deviance(&self) -> f64 {
        self.white.deviance(self.squares)
    }

    /// What of a term's column is beyond the columns of the fit: its square, 0 when that is nothing,
    /// and its product with the values. Leaves its products with the orthonormal columns.
    fn beyond(&self, term: Term, products: &mut Vec<f64>) -> (f64, f64) {
        products.clear();
        let size = self.white.product(term, term);
        let (mut left, mut along) = (size, self.white.along(term));
        for (at, (known, row)) in self.terms.iter().zip(&self.root).enumerate() {
            let both = self.white.product(term, *known) - dot(&row[..at], products);
            let product = both / row[at];
            left -= product * product;
            along -= product * self.along[at];
            products.push(product);
        }
        (if left > size * ALIKE { left } else { 0.0 }, along)
    }

    /// What a term takes off the residual sum of squares.
    pub(super) fn gain(&self, term: Term, room: &mut Vec<f64>) -> f64 {
        let (left, along) = self.beyond(term, room);
        if left > 0.0 { along * along / left } else { 0.0 }
    }

    /// What a step at each of `places` is, beyond the columns of the fit: see [`Lift`].
    pub(super) fn lifts(&self, places: &[usize]) -> Vec<Lift> {
        let lift = |at: &usize| {
            let (step, mut columns) = (Term::Step(*at), Vec::with_capacity(self.terms.len()));
            let (_, along) = self.beyond(step, &mut columns);
            let own = self.white.product(step, step);
            let shared = self.white.product(step, Term::Level);
            Lift { columns, along, own, shared }
        };
        places.iter().map(lift).collect()
    }
}

/// A column of which less than this part is beyond others says the same as they do.
const ALIKE: f64 = 1e-9;

/// A step as a scan over pairs of steps needs it.
#[derive(Clone, Debug)]
pub(super) struct Lift {
    columns: Vec<f64>,
    along: f64,
    own: f64,
    /// Its product with any step that begins earlier.
    shared: f64,
}

impl Lift {
    /// What this step and a later one take off the residual sum of squares together.
    pub(super) fn gain_with(&self, later: &Self) -> f64 {
        let (mut aa, mut ab, mut bb) = (self.own, later.shared, later.own);
        for (a, b) in self.columns.iter().zip(&later.columns) {
            aa -= a * a;
            ab -= a * b;
            bb -= b * b;
        }
        let det = aa * bb - ab * ab;
        if det <= 1e-9 * aa.abs() * bb.abs() {
            return 0.0;
        }
        let (a, b) = (self.along, later.along);
        (bb * a * a - 2.0 * ab * a * b + aa * b * b) / det
    }
}

/// The points whitened for each `φ` of the grid.
pub(super) fn whiten(points: &Points) -> Vec<Whitened> {
    GRID.iter().map(|phi| Whitened::new(points, *phi)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Points {
        Points {
            x: [0, 1, 2, 4, 5, 7, 8, 9, 12, 13, 14, 15].map(f64::from).to_vec(),
            y: vec![5.1, 4.8, 5.6, 5.2, 4.9, 5.3, 7.0, 7.4, 6.8, 7.1, 7.7, 7.2],
        }
    }

    /// Generalised least squares with the matrix `0.45^|xᵢ − xⱼ|`, in numpy.
    #[test]
    fn the_likelihood_is_that_of_the_whole_matrix() {
        let white = Whitened::new(&points(), 0.45);
        for (terms, want) in [
            (vec![Term::Level], -4.780_179_062_841_3),
            (vec![Term::Level, Term::Slope], -14.464_563_935_430_81),
            (vec![Term::Level, Term::Step(6)], -26.660_005_116_963_64),
            (vec![Term::Level, Term::Slope, Term::Kink(5)], -14.670_152_344_918_678),
            (vec![Term::Level, Term::Step(4), Term::Step(6)], -26.776_315_120_342_236),
        ] {
            let got = Basis::new(&white, &terms).deviance();
            assert!((got - want).abs() < 1e-8, "{terms:?}: {got} is not {want}");
        }
    }

    #[test]
    fn a_scan_gains_what_a_fit_gains() {
        let white = Whitened::new(&points(), 0.3);
        let base = [Term::Level, Term::Slope];
        let basis = Basis::new(&white, &base);
        let mut room = Vec::new();
        let fitted =
            |more: &[Term]| basis.squares - Basis::new(&white, &[&base[..], more].concat()).squares;
        let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-9, "{got} {want}");
        for at in 2..11 {
            close(basis.gain(Term::Step(at), &mut room), fitted(&[Term::Step(at)]));
            close(basis.gain(Term::Kink(at), &mut room), fitted(&[Term::Kink(at)]));
        }
        let lifts = basis.lifts(&[3, 7]);
        close(lifts[0].gain_with(&lifts[1]), fitted(&[Term::Step(3), Term::Step(7)]));
    }

    #[test]
    fn the_products_of_columns_are_those_of_the_columns() {
        let white = Whitened::new(&points(), 0.6);
        let terms =
            [Term::Level, Term::Slope, Term::Step(3), Term::Kink(3), Term::Step(8), Term::Kink(6)];
        for a in terms {
            for b in terms {
                let (got, want) = (white.product(a, b), dot(&white.column(a), &white.column(b)));
                assert!((got - want).abs() < 1e-9, "{a:?} {b:?}: {got} is not {want}");
            }
            let want = dot(&white.column(a), &white.value);
            assert!((white.along(a) - want).abs() < 1e-9, "{a:?}");
        }
    }

    #[test]
    fn what_says_nothing_new_is_left_out() {
        let white = Whitened::new(&points(), 0.3);
        let once = Basis::new(&white, &[Term::Level, Term::Step(6)]);
        let twice = Basis::new(&white, &[Term::Level, Term::Step(6), Term::Step(6)]);
        assert!((once.squares - twice.squares).abs() < 1e-12);
    }

    #[test]
    fn numbers_that_fit_exactly_have_a_finite_likelihood() {
        let points = Points { x: points().x, y: vec![3.0; 12] };
        let white = Whitened::new(&points, 0.0);
        assert!(Basis::new(&white, &[Term::Level]).deviance().is_finite());
    }
}
