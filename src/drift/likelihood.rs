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

/// The points for one `φ`, whitened, with the sums that a scan over places needs.
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
    /// `Σ` over the later points of one², one · index, index².
    later: [Vec<f64>; 3],
    /// What an independent error of the spread [`FLOOR`] adds to a sum of squares.
    floor: f64,
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
        let later = [sums_after(&one, &one), sums_after(&one, &index), sums_after(&index, &index)];
        let mean = points.y.iter().sum::<f64>() / n as f64;
        let spread = points.y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n as f64;
        let size = points.y.iter().fold(0.0, |most: f64, y| most.max(y.abs()));
        let rounding = (size * ROUNDING).powi(2).max(f64::MIN_POSITIVE);
        let floor = (spread * FLOOR * FLOOR).max(rounding) * independent;
        Self { phi, x: points.x.clone(), one, index, value, first, log_det, later, floor }
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

    /// Twice the negative log-likelihood for a residual sum of squares, without constants.
    pub(super) fn deviance(&self, squares: f64) -> f64 {
        let n = self.len() as f64;
        n * ((squares.max(0.0) + self.floor) / n).ln() + self.log_det
    }
}

/// A fit by least squares on whitened numbers: an orthonormal basis and what is left over.
#[derive(Clone, Debug)]
pub(super) struct Basis<'a> {
    pub(super) white: &'a Whitened,
    columns: Vec<Vec<f64>>,
    rest: Vec<f64>,
    /// The residual sum of squares.
    pub(super) squares: f64,
    /// For each column and for the rest: `Σ` over the later points with one, and with index.
    later: Vec<[Vec<f64>; 2]>,
}

impl<'a> Basis<'a> {
    /// Fits terms. A term that says nothing beyond the ones before it is left out.
    pub(super) fn new(white: &'a Whitened, terms: &[Term]) -> Self {
        let mut columns: Vec<Vec<f64>> = Vec::with_capacity(terms.len());
        let mut rest = white.value.clone();
        for term in terms {
            let mut column = white.column(*term);
            let size = dot(&column, &column);
            for known in &columns {
                let along = dot(&column, known);
                subtract(&mut column, known, along);
            }
            let left = dot(&column, &column);
            if left > size * 1e-10 {
                let scale = 1.0 / left.sqrt();
                column.iter_mut().for_each(|value| *value *= scale);
                let along = dot(&rest, &column);
                subtract(&mut rest, &column, along);
                columns.push(column);
            }
        }
        let squares = dot(&rest, &rest);
        Self { white, columns, rest, squares, later: Vec::new() }
    }

    /// Twice the negative log-likelihood.
    pub(super) fn deviance(&self) -> f64 {
        self.white.deviance(self.squares)
    }

    /// Prepares for a scan over places.
    pub(super) fn with_sums(mut self) -> Self {
        let all = self.columns.iter().chain([&self.rest]);
        let sums = |column: &Vec<f64>| {
            [sums_after(column, &self.white.one), sums_after(column, &self.white.index)]
        };
        self.later = all.map(sums).collect();
        self
    }

    /// The products of a step at `at` with each column, and last with the rest.
    fn step_products(&self, at: usize, into: &mut Vec<f64>) {
        into.clear();
        let first = self.white.first[at];
        let all = self.columns.iter().chain([&self.rest]);
        into.extend(all.zip(&self.later).map(|(column, [one, _])| first * column[at] + one[at]));
    }

    fn kink_products(&self, at: usize, into: &mut Vec<f64>) {
        into.clear();
        let x = self.white.x[at];
        into.extend(self.later.iter().map(|[one, index]| index[at] - x * one[at]));
    }

    /// What a step at `at` takes off the residual sum of squares.
    pub(super) fn step_gain(&self, at: usize, room: &mut Vec<f64>) -> f64 {
        self.step_products(at, room);
        let size = self.white.first[at].powi(2) + self.white.later[0][at];
        gain(room, size)
    }

    /// What a kink at `at` takes off it.
    pub(super) fn kink_gain(&self, at: usize, room: &mut Vec<f64>) -> f64 {
        self.kink_products(at, room);
        let [one, both, index] = &self.white.later;
        let x = self.white.x[at];
        gain(room, index[at] - 2.0 * x * both[at] + x * x * one[at])
    }

    /// What a step at each of `places` is, beyond the columns of the fit: see [`Lift`].
    pub(super) fn lifts(&self, places: &[usize]) -> Vec<Lift> {
        let mut room = Vec::new();
        let lift = |at: &usize| {
            self.step_products(*at, &mut room);
            let along = room.pop().unwrap_or(0.0);
            let own = self.white.first[*at].powi(2) + self.white.later[0][*at];
            let shared = self.white.one[*at] * self.white.first[*at] + self.white.later[0][*at];
            Lift { columns: room.clone(), along, own, shared }
        };
        places.iter().map(lift).collect()
    }
}

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

/// What a column takes off, of which the products with the basis and, last, with the rest are
/// known, and its own size.
fn gain(products: &[f64], size: f64) -> f64 {
    let Some((along, columns)) = products.split_last() else { return 0.0 };
    let left = size - columns.iter().map(|product| product * product).sum::<f64>();
    if left > size * 1e-9 { along * along / left } else { 0.0 }
}

/// The points whitened for each `φ` of the grid.
pub(super) fn whiten(points: &Points) -> Vec<Whitened> {
    GRID.iter().map(|phi| Whitened::new(points, *phi)).collect()
}

/// `Σ` over the later places of the products of two columns.
fn sums_after(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; a.len()];
    let mut sum = 0.0;
    for i in (0..a.len()).rev() {
        sums[i] = sum;
        sum += a[i] * b[i];
    }
    sums
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn subtract(from: &mut [f64], column: &[f64], times: f64) {
    for (value, by) in from.iter_mut().zip(column) {
        *value -= times * by;
    }
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
        let basis = Basis::new(&white, &base).with_sums();
        let mut room = Vec::new();
        let fitted =
            |more: &[Term]| basis.squares - Basis::new(&white, &[&base[..], more].concat()).squares;
        let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-9, "{got} {want}");
        for at in 2..11 {
            close(basis.step_gain(at, &mut room), fitted(&[Term::Step(at)]));
            close(basis.kink_gain(at, &mut room), fitted(&[Term::Kink(at)]));
        }
        let lifts = basis.lifts(&[3, 7]);
        close(lifts[0].gain_with(&lifts[1]), fitted(&[Term::Step(3), Term::Step(7)]));
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
