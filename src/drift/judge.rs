//! What of a finding is for the worse, and matters.
//!
//! A movement of the mean (a step, or a regime with a slope) is alerted when it is for the worse,
//! is not provisional, is at least the least that matters, and was not taken back: the mean is
//! still worse now than before it. What is certain and too small is a reason, not an alert.

use super::reason::Needs;
use super::{
    Alert, CHANGE_RUNS, Context, Family, Finding, Least, PROVISIONAL_RUNS, Reason, Regime,
    TREND_RUNS, TrendAnswer, outliers::median,
};

/// Adds alerts, and the reasons why there are not more.
pub(super) fn judge(context: &Context<'_>, finding: &mut Finding) {
    let kept = context.kept.len();
    if kept < CHANGE_RUNS {
        let what = Needs::Changes;
        finding.reasons.push(Reason::StillLearning { what, runs: kept, needed: CHANGE_RUNS });
    }
    let provisional = finding.changes.last().is_some_and(|change| change.provisional);
    let forming = finding.regimes.last().map_or(0, |regime| regime.runs);
    if provisional && forming <= PROVISIONAL_RUNS {
        let needed = PROVISIONAL_RUNS + 1;
        finding.reasons.push(Reason::Provisional { runs: forming, needed });
    }
    if finding.family == Family::CannotTell {
        return;
    }
    let settled = finding.regimes.len() - usize::from(provisional);
    let Some(now) = finding.regimes[..settled].last().map(|regime| regime.end.value) else {
        return;
    };
    let judgement = Judgement { context, now };
    for (at, change) in finding.changes.iter().enumerate() {
        let Some(jump) = change.jump else { continue };
        let before = finding.regimes[at + 1].start.value - jump.value;
        match judgement.movement(before, jump.value) {
            Movement::TooSmall(least) => {
                let (row, size) = (change.row, jump.value);
                finding.reasons.push(Reason::TooSmall { row, size, least });
            }
            Movement::Stands(by) if !change.provisional => {
                finding.alerts.push(Alert::Step { row: change.row, by });
            }
            Movement::Stands(_) | Movement::NotWorse => {}
        }
    }
    let trend = finding.trend.as_ref().map(|trend| trend.answer);
    for (at, regime) in finding.regimes.iter().enumerate() {
        let is_last = at + 1 == finding.regimes.len();
        if regime.slope.abs() > 0.0 && (!is_last || established(regime, trend)) {
            let size = regime.end.value - regime.start.value;
            match judgement.movement(regime.start.value, size) {
                Movement::TooSmall(least) => {
                    finding.reasons.push(Reason::TooSmall { row: regime.from, size, least });
                }
                Movement::Stands(by) => {
                    let (from, to) = (regime.from, regime.to);
                    finding.alerts.push(Alert::Drift { from, to, by });
                }
                Movement::NotWorse => {}
            }
        }
    }
}

/// Whether the slope of the last regime is more than a part of the mean that explains it best:
/// both slopes agree on it.
fn established(regime: &Regime, trend: Option<TrendAnswer>) -> bool {
    match trend {
        Some(TrendAnswer::Rises) => regime.slope > 0.0,
        Some(TrendAnswer::Falls) => regime.slope < 0.0,
        Some(TrendAnswer::Flat | TrendAnswer::CannotTell) => false,
        // Too few runs for a slope of their own: what the whole history says of it stands.
        None => regime.runs < TREND_RUNS && regime.runs > PROVISIONAL_RUNS,
    }
}

/// What a movement comes to.
enum Movement {
    /// It is not for the worse, or it was taken back.
    NotWorse,
    /// It is for the worse, and smaller than this.
    TooSmall(f64),
    /// The mean is worse by so much than before it.
    Stands(f64),
}

struct Judgement<'a> {
    context: &'a Context<'a>,
    /// The mean at the end of the last regime that is not provisional.
    now: f64,
}

impl Judgement<'_> {
    fn movement(&self, before: f64, size: f64) -> Movement {
        if !self.context.history.direction().is_worse(size) {
            return Movement::NotWorse;
        }
        let least = self.least(before);
        if size.abs() < least {
            return Movement::TooSmall(least);
        }
        let stands = (self.now - before) * size.signum();
        if stands > 0.0 && stands >= least { Movement::Stands(stands) } else { Movement::NotWorse }
    }

    /// The least change that matters from a level on: what was asked for, and no less than half the
    /// width of what one run can have been, where that is known.
    fn least(&self, before: f64) -> f64 {
        let asked = match self.context.settings.least {
            Least::Absolute(least) => least,
            Least::Share(share) => match self.context.history.boundary() {
                Some(boundary) => share * (boundary - before).abs(),
                None => share * before.abs(),
            },
        };
        let widths = self.context.kept.iter().filter_map(|run| run.range);
        let mut halves: Vec<f64> = widths.map(|(low, high)| (high - low) / 2.0).collect();
        let width = if halves.is_empty() { 0.0 } else { median(&mut halves) };
        asked.max(width)
    }
}
