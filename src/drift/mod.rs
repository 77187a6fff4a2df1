//! From the numbers of many runs to: steady, stepped, drifting, or it cannot be told.
//!
//! Drift into failure is made of steps too small to see. [`find`] looks at a whole history at
//! once: it sets outliers apart (`outliers`), chooses the mean that explains the rest best
//! together with the memory of the errors (`likelihood`, `search`), fits it (`fit`), looks at the
//! slope of the last regime (`trend`) and at the boundary ahead (`forecast`), and says what of it
//! is for the worse and matters (`judge`). What the numbers cannot carry is a [`Reason`], never a
//! guess.
//!
//! Pure: the same history and settings give the same finding. See `docs/method.md`.

mod finding;
mod fit;
mod forecast;
mod history;
mod judge;
mod likelihood;
mod outliers;
mod reason;
mod search;
mod spread;
#[cfg(test)]
mod tests;
mod trend;

pub use finding::{Ahead, Alert, Change, Family, Finding, Outlier, Regime};
pub use fit::Estimate;
pub use forecast::{CONFIDENCE, Forecast, NoCrossing};
pub use history::{Direction, History, Row, Run};
pub use reason::{Needs, Reason};
pub(crate) use trend::TREND_RUNS;
pub use trend::{Trend, TrendAnswer};

use fit::Fit;
use likelihood::{Points, Term, whiten};
use search::{Model, Prices, Search};

/// Below so many runs nothing is said: any level could be chance (measured: the memory of fewer runs
/// cannot be told from a change).
pub(crate) const LEAST_RUNS: usize = 10;

/// Below so many runs a change is shown, and not alerted.
pub(crate) const CHANGE_RUNS: usize = 40;

/// A change is provisional until its regime has more runs than this.
pub(crate) const PROVISIONAL_RUNS: usize = 5;

/// From this memory on, values wander.
const NEAR_UNIT_ROOT: f64 = 0.95;

/// By how much a mean with slopes must explain a history better than a random walk does, in twice
/// the log-likelihood.
///
/// Measured: of random walks in which slopes were found, 10 to 25 % are beyond this; of ramps of 4 standard
/// deviations over 100 runs, at φ = 0.6, fewer than 5 % are not.
const BEYOND_WALK: f64 = 12.0;

/// At how many points ahead it is said what a run can be.
const AHEAD_POINTS: usize = 24;

/// How easily a change is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sensitivity {
    /// For a gate: few false alarms.
    #[default]
    Gate,
    /// To explore: more is found, and more of it is chance.
    Sensitive,
}

/// The least change that matters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Least {
    /// A part of the margin there was before the change; without a boundary, of the level.
    Share(f64),
    /// So much, in the unit of the values.
    Absolute(f64),
}

impl Least {
    /// The share that matters unless told otherwise: twenty such changes use up all there was.
    /// A choice, not a measurement: what matters is for people to say.
    pub const DEFAULT: Self = Self::Share(0.05);
}

impl Default for Least {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How a history is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// How easily a change is believed.
    pub sensitivity: Sensitivity,
    /// The least change that matters.
    pub least: Least,
}

/// What a history says.
pub fn find(history: &History, settings: Settings) -> Finding {
    let runs = history.runs();
    let marks = outliers::mark(runs);
    let kept: Vec<Run> =
        runs.iter().zip(&marks).filter(|(_, mark)| !**mark).map(|(run, _)| *run).collect();
    let mut finding = empty(history);
    if kept.len() < LEAST_RUNS {
        let what = Needs::Anything;
        let learning = Reason::StillLearning { what, runs: kept.len(), needed: LEAST_RUNS };
        finding.reasons.insert(0, learning);
        return finding;
    }
    let points = points(&kept);
    let white = whiten(&points.centred());
    let search = Search::new(&points, &white, prices(settings.sensitivity, kept.len()));
    let model = if kept.len() < CHANGE_RUNS { search.short() } else { search.best() };
    let Some(fit) = Fit::new(&points, &model.terms, model.phi) else { return finding };
    let context = Context { history, settings, kept: &kept, points: &points, fit: &fit };
    context.describe(&mut finding, &model, &search, &marks);
    context.look_ahead(&mut finding);
    if finding.family != Family::CannotTell {
        finding.ahead = context.ahead(finding.forecast);
    }
    judge::judge(&context, &mut finding);
    finding
}

/// What is known of a history while its finding is made.
struct Context<'a> {
    history: &'a History,
    settings: Settings,
    /// The runs that are no outliers.
    kept: &'a [Run],
    points: &'a Points,
    fit: &'a Fit,
}

impl Context<'_> {
    /// The first points of the regimes, the first one's too.
    fn starts(&self) -> Vec<usize> {
        let mut starts: Vec<usize> =
            self.fit.terms.iter().filter_map(|term| term.place()).chain([0]).collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    fn describe(&self, finding: &mut Finding, model: &Model, search: &Search<'_>, marks: &[bool]) {
        let (fit, kept) = (self.fit, self.kept);
        let starts = self.starts();
        let ends = starts.iter().skip(1).copied().chain([kept.len()]);
        for (start, end) in starts.iter().copied().zip(ends) {
            let (first, last) = (kept[start], kept[end - 1]);
            finding.regimes.push(Regime {
                from: first.row,
                to: last.row,
                indices: (first.index, last.index),
                runs: end - start,
                start: fit.level(self.points.x[start], start),
                end: fit.level(self.points.x[end - 1], start),
                slope: if self.slopes(start) { fit.slope(start) } else { 0.0 },
            });
            if start > 0 {
                finding.changes.push(self.change(start, end, model, search));
            }
        }
        finding.family = family(&fit.terms);
        finding.phi = Some(fit.phi);
        finding.sd = Some(fit.sd);
        let sloped = fit.terms.iter().any(|term| matches!(term, Term::Slope | Term::Kink(_)));
        let like_a_walk = sloped && search.walk() - model.score < BEYOND_WALK;
        if fit.phi >= NEAR_UNIT_ROOT || like_a_walk {
            finding.family = Family::CannotTell;
            finding.reasons.push(Reason::Wanders { phi: fit.phi });
        }
        self.outliers(finding, marks);
        let runs = self.history.runs();
        let residuals: Vec<f64> = runs.iter().map(|run| run.value - self.expected(run)).collect();
        finding.reasons.extend(finding::spread_reason(&residuals, |at| runs[at].row));
    }

    /// The mean at a run, also at one that is an outlier.
    fn expected(&self, run: &Run) -> f64 {
        let regime = self.kept.partition_point(|kept| kept.row <= run.row).saturating_sub(1);
        self.fit.mean((run.index - self.kept[0].index) as f64, regime)
    }

    /// Whether the mean has a slope in the regime of a point.
    fn slopes(&self, of: usize) -> bool {
        self.fit.terms.iter().any(|term| match term {
            Term::Slope => true,
            Term::Kink(at) => *at <= of,
            Term::Level | Term::Step(_) => false,
        })
    }

    fn change(&self, start: usize, end: usize, model: &Model, search: &Search<'_>) -> Change {
        let (first, kept) = (self.kept[start], self.kept);
        let has = |term: Term| self.fit.terms.contains(&term);
        let jump = has(Term::Step(start)).then(|| self.fit.jump(start));
        let (from, to) = search.range_of(model, start);
        let recent = end == kept.len() && end - start <= PROVISIONAL_RUNS;
        Change {
            row: first.row,
            index: first.index,
            time: first.time,
            // Before it may be outliers and gaps, of which nobody knows where they belong.
            rows: (kept[from - 1].row + 1, kept[to].row),
            in_sd: jump.map(|jump| jump.value.abs() / self.fit.sd),
            jump,
            bend: has(Term::Kink(start)).then(|| self.fit.bend(start)),
            provisional: recent || kept.len() < CHANGE_RUNS,
        }
    }

    fn outliers(&self, finding: &mut Finding, marks: &[bool]) {
        let runs = self.history.runs();
        let mut worse_places = Vec::new();
        for (place, (run, _)) in runs.iter().zip(marks).enumerate().filter(|(_, (_, mark))| **mark)
        {
            let expected = self.expected(run);
            let worse = self.history.direction().is_worse(run.value - expected);
            if worse {
                worse_places.push(place);
            }
            finding.outliers.push(Outlier { row: run.row, value: run.value, expected, worse });
        }
        if marks.last() == Some(&true) {
            finding.reasons.push(Reason::LastIsOutlier);
        }
        if outliers::rate_rises(&worse_places, runs.len()) {
            let outliers = worse_places.len();
            finding.reasons.push(Reason::OutliersRise { outliers });
            finding.alerts.push(Alert::Outliers);
        }
    }

    /// What the runs ahead can be: as many as a third of the history is long, or up to the boundary
    /// when that is no farther than the history is long.
    fn ahead(&self, forecast: Option<Forecast>) -> Vec<Ahead> {
        let last = self.kept[self.kept.len() - 1];
        let length = (last.index - self.kept[0].index) as f64;
        let horizon = match forecast {
            Some(Forecast::Between { to, .. }) if to <= length => 1.1 * to,
            Some(_) | None => length / 3.0,
        }
        .max(5.0);
        let half = fit::quantile(self.fit.freedom, 0.5 + CONFIDENCE / 2.0);
        let point = |step: usize| {
            let runs = (horizon * step as f64 / AHEAD_POINTS as f64).max(1e-9);
            let (center, error) = self.fit.predict(last.value, runs);
            let (lower, upper) = (center - half * error, center + half * error);
            Ahead { index: last.index as f64 + runs, center, lower, upper }
        };
        (0..=AHEAD_POINTS).map(point).collect()
    }

    /// The slope of the last regime, the boundary ahead and the next run.
    fn look_ahead(&self, finding: &mut Finding) {
        let start = *self.starts().last().unwrap_or(&0);
        let recent =
            Points { x: self.points.x[start..].to_vec(), y: self.points.y[start..].to_vec() };
        finding.days_a_run = days_a_run(&self.kept[start..]);
        let found = trend::trend(&recent);
        match &found {
            Some((trend, _)) => {
                if trend.answer == TrendAnswer::CannotTell {
                    let (slope, theil_sen) = (trend.slope.value, trend.theil_sen);
                    finding.reasons.push(Reason::SlopesDiffer { slope, theil_sen });
                }
                finding.trend = Some(*trend);
            }
            None => finding.reasons.push(Reason::StillLearning {
                what: Needs::Trend,
                runs: recent.len(),
                needed: TREND_RUNS,
            }),
        }
        let Some(boundary) = self.history.boundary() else {
            finding.reasons.push(Reason::NoBoundary);
            return;
        };
        let direction = self.history.direction();
        let known = found.filter(|(trend, _)| trend.answer != TrendAnswer::CannotTell);
        if let Some((_, line)) = known.filter(|_| finding.family != Family::CannotTell) {
            let forecast = forecast::forecast(&line, boundary, direction);
            if let Forecast::NotEstablished(why) = forecast {
                finding.reasons.push(Reason::NoCrossing(why));
            }
            finding.forecast = Some(forecast);
        }
        let beyond = |outlier: &&Outlier| match direction {
            Direction::Below => outlier.value > boundary,
            Direction::Above => outlier.value < boundary,
            Direction::Either => false,
        };
        let broken = finding.outliers.iter().filter(beyond).count();
        let value = self.kept[self.kept.len() - 1].value;
        let runs = self.history.runs().len();
        finding.breaks_next =
            forecast::breaks_next(self.fit, value, boundary, direction, broken, runs);
    }
}

/// A finding without an answer, with what is odd about the history itself.
fn empty(history: &History) -> Finding {
    let mut reasons = Vec::new();
    match history.direction() {
        _ if history.direction_is_given() => {}
        Direction::Either => reasons.push(Reason::NoDirection),
        known @ (Direction::Below | Direction::Above) => {
            reasons.push(Reason::DirectionFromBoundary { direction: known.name() });
        }
    }
    if history.gaps() > 0 {
        reasons.push(Reason::Gaps { gaps: history.gaps(), rows: history.rows() });
    }
    if history.not_numbers() > 0 {
        reasons.push(Reason::NotNumbers { rows: history.not_numbers() });
    }
    if history.last_gap() > 0 {
        reasons.push(Reason::EndsWithGap { rows: history.last_gap() });
    }
    let bounded = history.runs().iter().filter_map(|run| Some((run.row, run.boundary?)));
    let bounded: Vec<(usize, f64)> = bounded.collect();
    for pair in bounded.windows(2) {
        let (from, (row, to)) = (pair[0].1, pair[1]);
        if from.total_cmp(&to).is_ne() {
            reasons.push(Reason::BoundaryMoved { row, from, to });
        }
    }
    let values = || history.runs().iter().map(|run| run.value);
    let same = values().all(|value| values().next().is_some_and(|v| v.total_cmp(&value).is_eq()));
    if same && history.runs().len() > 1 {
        reasons.push(Reason::Constant);
    }
    Finding {
        family: Family::CannotTell,
        changes: Vec::new(),
        regimes: Vec::new(),
        phi: None,
        sd: None,
        trend: None,
        forecast: None,
        days_a_run: None,
        breaks_next: None,
        ahead: Vec::new(),
        outliers: Vec::new(),
        alerts: Vec::new(),
        reasons,
    }
}

/// The runs as the fits see them, their indices counted from the first.
fn points(kept: &[Run]) -> Points {
    let origin = kept.first().map_or(0, |run| run.index);
    Points {
        x: kept.iter().map(|run| (run.index - origin) as f64).collect(),
        y: kept.iter().map(|run| run.value).collect(),
    }
}

fn family(terms: &[Term]) -> Family {
    let steps = terms.iter().any(|term| matches!(term, Term::Step(_)));
    let slopes = terms.iter().any(|term| matches!(term, Term::Slope | Term::Kink(_)));
    match (steps, slopes) {
        (false, false) => Family::Steady,
        (true, false) => Family::Stepped,
        (false, true) => Family::Drifting,
        (true, true) => Family::Mixed,
    }
}

/// The median time from one run index to the next, in days.
fn days_a_run(runs: &[Run]) -> Option<f64> {
    let mut days: Vec<f64> = runs
        .windows(2)
        .filter_map(|pair| {
            let seconds = pair[1].time?.seconds_from(pair[0].time?);
            Some(seconds / 86_400.0 / (pair[1].index - pair[0].index) as f64)
        })
        .collect();
    Some(outliers::median(&mut days)).filter(|days| *days > 0.0)
}

fn prices(sensitivity: Sensitivity, runs: usize) -> Prices {
    match sensitivity {
        Sensitivity::Gate if runs < CHANGE_RUNS => Prices::SHORT,
        Sensitivity::Gate => Prices::GATE,
        Sensitivity::Sensitive => Prices::SENSITIVE,
    }
}
