//! A check in words: what was asked, what was seen, how much room was left.

use super::{
    super::{
        Subject,
        text::{count, percent, plain, plain_unit, seconds_text, unstarred},
    },
    answer::Tone,
    figure::Scene,
};
use crate::{
    hypothesis::model::{Hypothesis, Indicator, Level, Objective, Tolerance},
    number::{Share, Unit, length},
    verdict::{CheckVerdict, Gap, Interval, Measured, Outcome, Recovery},
    window::Phase,
};

/// A check, ready to be laid out. What does not apply is an empty text.
#[derive(Clone, Debug)]
pub(crate) struct CheckView {
    /// Its id.
    pub(crate) id: String,
    /// What it came to.
    pub(crate) outcome: Outcome,
    /// What must hold: `during: latency_p99 at most 200 ms`.
    pub(crate) objective: String,
    /// The number held against the bound: `166 ms`.
    pub(crate) observed: String,
    /// What that number can have been: `150 ms to 175 ms (bucket)`.
    pub(crate) interval: String,
    /// The margin: `17 %`.
    pub(crate) margin: String,
    /// What the margin can have been: `12 % to 25 %`.
    pub(crate) margin_interval: String,
    /// The margin as a sentence.
    pub(crate) room: String,
    /// The margin itself, for finding the least.
    pub(crate) margin_value: Option<f64>,
    /// The margin as a gauge.
    pub(crate) gauge: Option<Gauge>,
    /// Share of the phase in breach: `0 %`.
    pub(crate) breach: String,
    /// Longest stretch in breach: `0 s`.
    pub(crate) longest: String,
    /// The worst point: `166 ms`.
    pub(crate) worst: String,
    /// When it was: `02:15:09 (+9 s)`.
    pub(crate) worst_at: String,
    /// The phase's median.
    pub(crate) median: String,
    /// Points with a number of those on the grid: `40 of 40`.
    pub(crate) points: String,
    /// How many independent points they are worth.
    pub(crate) n_eff: String,
    /// How a recovery went that never came; one that came is the observed number.
    pub(crate) recovery: String,
    /// Why it could not be told, or what weakens it.
    pub(crate) reasons: Vec<Reason>,
}

impl CheckView {
    /// The word for what it came to.
    pub(crate) fn word(&self) -> &'static str {
        super::word(self.outcome)
    }

    /// The sign for it, which differs by shape.
    pub(crate) fn sign(&self) -> &'static str {
        Tone::of(self.outcome).sign()
    }
}

/// A stable code, and the sentence that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    /// The code.
    pub(crate) code: &'static str,
    /// The sentence.
    pub(crate) text: String,
}

/// A margin as a bar: how much of the room was used, and where the bound is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gauge {
    /// The room used: 0 is none, 1 is all of it, more is beyond the bound.
    pub(crate) used: f64,
    /// The least and the most it can have been.
    pub(crate) between: (f64, f64),
}

impl Gauge {
    /// How much of the bar is drawn: a quarter more than the room there is.
    pub(crate) const LONGEST: f64 = 1.25;

    fn new(margin: Measured) -> Option<Self> {
        let used = |margin: f64| (1.0 - margin).clamp(0.0, Self::LONGEST);
        (!margin.value.is_nan()).then(|| Self {
            used: used(margin.value),
            between: (used(margin.upper), used(margin.lower)),
        })
    }
}

/// The views of many verdicts.
pub(super) fn views(
    subject: &Subject<'_>,
    verdicts: &[CheckVerdict],
    scene: &Scene,
) -> Vec<CheckView> {
    verdicts.iter().map(|verdict| view(subject.hypothesis, verdict, scene)).collect()
}

/// The check with the least margin: the one that would break first.
pub(super) fn tightest(checks: &[CheckView]) -> Option<&CheckView> {
    let with_margin = checks.iter().filter(|check| check.margin_value.is_some());
    with_margin.min_by(|a, b| {
        let margin = |check: &CheckView| check.margin_value.unwrap_or(f64::INFINITY);
        margin(a).total_cmp(&margin(b))
    })
}

fn view(hypothesis: &Hypothesis, verdict: &CheckVerdict, scene: &Scene) -> CheckView {
    let check = hypothesis.checks.iter().find(|check| check.id == verdict.check_id);
    let indicator = check.map(|check| hypothesis.indicator(check.indicator));
    let judged = verdict.terms.as_ref().map(|terms| &terms.objective);
    let unit = unit(judged, indicator);
    let level_unit = indicator.map_or(Unit::None, |indicator| plain_unit(&indicator.unit));
    let censored = verdict.recovery.and_then(censored);
    let observed = match censored {
        Some(_) => "not back".to_owned(),
        None => verdict.observed.map(|seen| unit.show(seen.value)).unwrap_or_default(),
    };
    let margin = verdict.margin.filter(|margin| !margin.value.is_nan());
    CheckView {
        id: plain(&verdict.check_id),
        outcome: verdict.outcome,
        objective: indicator.map_or_else(String::new, |indicator| match judged {
            // What is compared or added up in another phase asks no more of *before*.
            None => format!("{}: {} was seen", verdict.phase, plain(&indicator.name)),
            Some(judged) => objective(judged, indicator, verdict.phase),
        }),
        interval: verdict
            .observed
            .filter(|seen| seen.upper.is_finite())
            .map(|seen| interval(seen, verdict.interval, judged, &unit))
            .unwrap_or_default(),
        margin: margin.map(margin_text).unwrap_or_default(),
        margin_interval: margin.map(margin_interval).unwrap_or_default(),
        room: margin
            .map(|margin| room(margin, &observed, judged, &level_unit, verdict, scene))
            .unwrap_or_default(),
        margin_value: margin.map(|margin| margin.value),
        gauge: margin.and_then(Gauge::new),
        breach: verdict.breach_share.map(percent).unwrap_or_default(),
        longest: verdict.longest_breach_s.map(seconds_text).unwrap_or_default(),
        worst: verdict.worst.map(|(_, value)| level_unit.show(value)).unwrap_or_default(),
        worst_at: verdict.worst.map(|(time, _)| scene.clock(time)).unwrap_or_default(),
        median: verdict.median.map(|median| level_unit.show(median)).unwrap_or_default(),
        points: match verdict.grid {
            0 => String::new(),
            grid => format!("{} of {grid}", verdict.n),
        },
        n_eff: verdict.n_eff.map(crate::number::digits).unwrap_or_default(),
        recovery: censored.unwrap_or_default(),
        reasons: verdict.gaps.iter().map(reason).collect(),
        observed,
    }
}

fn reason(gap: &Gap) -> Reason {
    Reason { code: gap.code(), text: unstarred(&gap.to_string()) }
}

/// What the observed number of a check counts: a recovery is a time.
fn unit(judged: Option<&Objective>, indicator: Option<&Indicator>) -> Unit {
    match judged {
        Some(Objective::Recovers { .. }) => Unit::Seconds,
        Some(
            Objective::Within { .. } | Objective::Stays { .. } | Objective::TotalAtMost { .. },
        )
        | None => indicator.map_or(Unit::None, |indicator| plain_unit(&indicator.unit)),
    }
}

/// A level in words; at the bound is inside, hence "at most".
pub(super) fn level(level: Level, unit: &Unit) -> String {
    match level {
        Level::Below(bound) => format!("at most {}", unit.show(bound.get())),
        Level::Above(bound) => format!("at least {}", unit.show(bound.get())),
        Level::Between(low, high) => {
            format!("{} to {}", unit.show(low.get()), unit.show(high.get()))
        }
    }
}

fn objective(objective: &Objective, indicator: &Indicator, judged: Phase) -> String {
    let (name, unit) = (plain(&indicator.name), &plain_unit(&indicator.unit));
    match objective {
        Objective::Stays { level: bound, hold, longest_breach, .. } => {
            let mut said = format!("{judged}: {name} {}", level(*bound, unit));
            if *hold < Share::ALL {
                said += &format!(", for {hold} of the time");
            }
            if let Some(longest) = longest_breach {
                said += &format!(", never outside for longer than {}", length(*longest));
            }
            said
        }
        Objective::Within { tolerance, of, .. } => {
            format!("{judged}: mean of {name} within {} of {of}", tolerance_text(*tolerance, unit))
        }
        Objective::Recovers { level: bound, within, .. } => {
            format!(
                "{name} back to {} within {} of the injection, to stay",
                level(*bound, unit),
                length(*within)
            )
        }
        Objective::TotalAtMost { limit, .. } => {
            format!("{judged}: {name} adds up to at most {}", unit.show(limit.get()))
        }
    }
}

fn tolerance_text(tolerance: Tolerance, unit: &Unit) -> String {
    match tolerance {
        Tolerance::Relative(share) => Unit::Share.show(share),
        Tolerance::Absolute(size) => unit.show(size),
    }
}

fn interval(seen: Measured, interval: Interval, judged: Option<&Objective>, unit: &Unit) -> String {
    let between = || format!("{} to {}", unit.show(seen.lower), unit.show(seen.upper));
    let recovers = matches!(judged, Some(Objective::Recovers { .. }));
    match interval {
        Interval::None => String::new(),
        Interval::Bucket | Interval::Uncounted if same(seen) => String::new(),
        Interval::Bucket if recovers => format!("{} (between two points)", between()),
        Interval::Bucket => format!("{} (bucket)", between()),
        Interval::Uncounted => format!("{} (by what was not counted)", between()),
        Interval::Sampling => format!("{} (95 % interval)", between()),
    }
}

/// Whether nothing is uncertain about a number.
fn same(measured: Measured) -> bool {
    measured.lower.to_bits() == measured.upper.to_bits()
}

fn margin_text(margin: Measured) -> String {
    if margin.lower.is_finite() {
        percent(margin.value)
    } else {
        format!("at most {}", percent(margin.upper))
    }
}

fn margin_interval(margin: Measured) -> String {
    if same(margin) || !margin.lower.is_finite() || !margin.upper.is_finite() {
        return String::new();
    }
    format!("{} to {}", percent(margin.lower), percent(margin.upper))
}

/// `17 % of room left: 166 ms of 200 ms at worst, 02:15:09`.
fn room(
    margin: Measured,
    observed: &str,
    judged: Option<&Objective>,
    unit: &Unit,
    verdict: &CheckVerdict,
    scene: &Scene,
) -> String {
    let size = percent(margin.value.abs());
    let left = match margin.value {
        _ if !margin.lower.is_finite() && margin.upper < 0.0 => {
            format!("at least {size} beyond the bound")
        }
        _ if !margin.lower.is_finite() => format!("at most {size} of room left"),
        m if m > 0.0 => format!("{size} of room left"),
        m if m < 0.0 => format!("{size} beyond the bound"),
        _ => "no room left, exactly at the bound".to_owned(),
    };
    let Some(judged) = judged else { return left };
    let seen = match judged {
        Objective::Stays { level, hold, .. } => {
            let of = match level {
                Level::Below(bound) => format!("{observed} of {}", unit.show(bound.get())),
                Level::Above(bound) => {
                    format!("{observed}, at least {} needed,", unit.show(bound.get()))
                }
                Level::Between(low, high) => format!(
                    "{observed}, between {} and {} needed,",
                    unit.show(low.get()),
                    unit.show(high.get())
                ),
            };
            match verdict.worst {
                _ if *hold < Share::ALL => format!("{of} for {hold} of the time"),
                Some((time, _)) => format!("{of} at worst, {}", scene.clock(time)),
                None => format!("{of} at worst"),
            }
        }
        Objective::Within { tolerance, of, .. } => {
            let allowed = tolerance_text(*tolerance, unit);
            format!("differs from {of} by {observed}, {allowed} allowed")
        }
        Objective::Recovers { within, .. } => match verdict.recovery {
            Some(Recovery::Censored { .. }) => "not recovered while it was watched".to_owned(),
            Some(Recovery::Took { .. }) | None => {
                format!("back after {observed} of {}", length(*within))
            }
        },
        Objective::TotalAtMost { limit, .. } => {
            format!("{observed} in all, {} allowed", unit.show(limit.get()))
        }
    };
    format!("{left}: {seen}")
}

fn censored(recovery: Recovery) -> Option<String> {
    match recovery {
        Recovery::Took { .. } => None,
        Recovery::Censored { watched_s } => {
            Some(format!("not back within the {} that were watched", seconds_text(watched_s)))
        }
    }
}

/// `2 of 5 checks hold`; of a failed run, how many did not.
pub(super) fn held(checks: &[CheckView], outcome: Outcome) -> String {
    let number = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
    let all = count(checks.len(), "check");
    match (outcome, number(Outcome::Pass)) {
        (Outcome::Fail, _) => format!("{} of {all} did not hold", number(Outcome::Fail)),
        (Outcome::Pass | Outcome::Inconclusive, 1) if checks.len() == 1 => {
            "the one check holds".to_owned()
        }
        (Outcome::Pass | Outcome::Inconclusive, held) if held == checks.len() => {
            format!("all {all} hold")
        }
        (Outcome::Pass | Outcome::Inconclusive, held) => format!("{held} of {all} hold"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hypothesis::model::Check, report::fixture, verdict::Terms};

    #[test]
    fn what_is_compared_with_before_was_only_seen_there() {
        let sample = fixture::held();
        let is_within = |check: &&Check| matches!(check.objective, Objective::Within { .. });
        let check = sample.hypothesis.checks.iter().find(is_within).unwrap();
        let verdict = &sample.verdicts.checks[0];
        let scene = Scene::new(&sample.subject());
        let said = |phase, terms| {
            let verdict =
                CheckVerdict { check_id: check.id.clone(), phase, terms, ..verdict.clone() };
            view(&sample.hypothesis, &verdict, &scene).objective
        };
        let before = said(Phase::Before, None);
        assert!(before.ends_with(" was seen"), "{before}");
        let terms = Terms { objective: check.objective.clone(), base: None };
        let judged = said(check.phase(), Some(terms));
        assert!(judged.contains("mean of"), "{judged}");
    }
}
