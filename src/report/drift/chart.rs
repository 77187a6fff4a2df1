//! The numbers behind the plot of a history. Drawing is the business of `plot`.

use super::{super::view::Dot, DriftSubject};
use crate::{
    drift::{Direction, Forecast, Regime},
    number::digits,
    time::Time,
};

/// A history as it is drawn, over the run index.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// The runs, in order; those that are no outliers.
    pub(crate) dots: Vec<Dot>,
    /// Outliers, and whether each is for the worse.
    pub(crate) outliers: Vec<(Dot, bool)>,
    /// The stretches between two runs that are further apart than one index.
    pub(crate) gaps: Vec<(f64, f64)>,
    /// The fitted mean of each regime: at its first and its last run.
    pub(crate) means: Vec<[Dot; 2]>,
    /// Where the mean changes.
    pub(crate) changes: Vec<ChartChange>,
    /// What the runs ahead can be.
    pub(crate) cone: Vec<Dot>,
    /// The boundary: from, to, level.
    pub(crate) boundaries: Vec<(f64, f64, f64)>,
    /// The level of the last of them, in words.
    pub(crate) boundary_text: String,
    /// When the mean reaches the boundary: from and, unless that is never, to.
    pub(crate) crossing: Option<(f64, Option<f64>)>,
    /// The first and the last index that is drawn.
    pub(crate) ends: (f64, f64),
    /// The index of the last run.
    pub(crate) last: f64,
    /// An index with its time, and the days from one to the next.
    calendar: Option<(f64, Time, f64)>,
    /// What the plot shows, for those who cannot see it.
    pub(crate) description: String,
}

/// A place at which the mean changes.
#[derive(Clone, Debug)]
pub(crate) struct ChartChange {
    /// The index of the first run after it.
    pub(crate) at: f64,
    /// Where it may have been.
    pub(crate) range: (f64, f64),
    /// What it is, short.
    pub(crate) text: String,
}

impl Chart {
    pub(super) fn new(subject: &DriftSubject<'_>, description: String) -> Self {
        let DriftSubject { history, finding, .. } = *subject;
        let runs = history.runs();
        let dot = |run: &crate::drift::Run| {
            let (lower, upper) = run.range.unwrap_or((run.value, run.value));
            Dot { at: run.index as f64, value: run.value, lower, upper }
        };
        let odd = |row: usize| finding.outliers.iter().find(|outlier| outlier.row == row);
        let (first, last) = (
            runs.first().map_or(0.0, |r| r.index as f64),
            runs.last().map_or(1.0, |r| r.index as f64),
        );
        let cone = finding.ahead.iter().map(|ahead| Dot {
            at: ahead.index,
            value: ahead.center,
            lower: ahead.lower,
            upper: ahead.upper,
        });
        let cone: Vec<Dot> = cone.collect();
        let horizon = cone.last().map_or(last, |dot| dot.at);
        let crossing = match finding.forecast {
            Some(Forecast::Between { from, to }) => Some((last + from, Some(last + to))),
            Some(Forecast::NotBefore { from }) => Some((last + from, None)),
            Some(Forecast::NotEstablished(_)) | None => None,
        };
        let index = |row: usize| {
            let run = runs.iter().find(|run| run.row >= row).or(runs.last());
            run.map_or(0.0, |run| run.index as f64)
        };
        Self {
            dots: runs.iter().filter(|run| odd(run.row).is_none()).map(dot).collect(),
            outliers: runs.iter().filter_map(|run| Some((dot(run), odd(run.row)?.worse))).collect(),
            gaps: runs
                .windows(2)
                .filter(|pair| pair[1].index - pair[0].index > 1)
                .map(|pair| (pair[0].index as f64 + 0.5, pair[1].index as f64 - 0.5))
                .collect(),
            means: finding.regimes.iter().map(mean).collect(),
            changes: finding
                .changes
                .iter()
                .map(|change| ChartChange {
                    at: change.index as f64,
                    range: (index(change.rows.0), index(change.rows.1)),
                    text: match (change.jump, change.bend) {
                        (Some(jump), _) if jump.value > 0.0 => format!("+{}", digits(jump.value)),
                        (Some(jump), _) => digits(jump.value),
                        (None, Some(bend)) if bend.value > 0.0 => {
                            format!("slope +{}", digits(bend.value))
                        }
                        (None, Some(bend)) => format!("slope {}", digits(bend.value)),
                        (None, None) => String::new(),
                    },
                })
                .collect(),
            cone,
            boundaries: boundaries(subject, horizon),
            boundary_text: history.boundary().map_or_else(String::new, |level| {
                match history.direction() {
                    Direction::Below => format!("at most {}", digits(level)),
                    Direction::Above => format!("at least {}", digits(level)),
                    Direction::Either => format!("boundary {}", digits(level)),
                }
            }),
            crossing,
            ends: (first - 0.5, horizon.max(first + 1.0) + 0.5),
            last,
            calendar: runs
                .iter()
                .rev()
                .find_map(|run| Some((run.index as f64, run.time?, finding.days_a_run?))),
            description,
        }
    }

    /// What stands on the axis at an index: the date, or the index.
    pub(crate) fn label(&self, index: f64) -> String {
        match self.calendar {
            Some((known, time, days)) => {
                let seconds = (index - known) * days * 86_400.0;
                let at = Time::from_millis(time.as_millis() + (seconds * 1000.0) as i64);
                let text = at.to_string();
                text.split('T').next().unwrap_or_default().to_owned()
            }
            None => digits(index),
        }
    }
}

fn mean(regime: &Regime) -> [Dot; 2] {
    let dot = |index: i64, at: crate::drift::Estimate| Dot {
        at: index as f64,
        value: at.value,
        lower: at.lower,
        upper: at.upper,
    };
    [dot(regime.indices.0, regime.start), dot(regime.indices.1, regime.end)]
}

/// The boundary over the index, in stretches of one level; the last one goes on ahead.
fn boundaries(subject: &DriftSubject<'_>, horizon: f64) -> Vec<(f64, f64, f64)> {
    let mut found: Vec<(f64, f64, f64)> = Vec::new();
    for run in subject.history.runs() {
        let (Some(level), index) = (run.boundary, run.index as f64) else { continue };
        match found.last_mut() {
            Some((_, to, known)) if known.total_cmp(&level).is_eq() => *to = index + 0.5,
            Some(_) | None => found.push((index - 0.5, index + 0.5, level)),
        }
    }
    if let Some((_, to, _)) = found.last_mut() {
        *to = horizon + 0.5;
    }
    found
}
