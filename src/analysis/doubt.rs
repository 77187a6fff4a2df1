//! What makes an indicator doubtful although it has numbers: a selector that matches nothing
//! counts zero for ever, and a value that never moves may not be measured at all.

use std::collections::BTreeSet;

use super::Doubt;
use crate::{
    frame::Observed,
    hypothesis::{
        model::{Absent, Indicator, IndicatorKind},
        selector::{Matcher, SeriesSelector},
    },
    sample::{Labels, Series, is_stale},
};

/// So many equal samples of a gauge are worth a note; fewer may well be equal by chance.
const STILL: usize = 10;

/// What makes an indicator doubtful, over the whole run.
pub(super) fn doubts(indicator: &Indicator, observed: &Observed) -> Vec<Doubt> {
    let unmatched = |selector: &SeriesSelector| unmatched(selector, observed);
    let may_be_absent = |doubt: &Doubt| match indicator.absent {
        Absent::Zero => matches!(doubt, Doubt::NoSuchLabel { .. }),
        Absent::Unknown => false,
    };
    match &indicator.kind {
        IndicatorKind::Quantile { histogram, .. } => {
            unmatched(&histogram.buckets()).into_iter().collect()
        }
        IndicatorKind::Ratio { part, whole, .. } => {
            let part = unmatched(part).filter(|doubt| !may_be_absent(doubt));
            part.into_iter().chain(unmatched(whole)).collect()
        }
        IndicatorKind::Rate { counter, .. } => unmatched(counter).into_iter().collect(),
        IndicatorKind::Gauge { gauge, .. } => {
            unmatched(gauge).into_iter().chain(still(gauge, observed)).collect()
        }
        IndicatorKind::PodsReady { .. }
        | IndicatorKind::EventCount { .. }
        | IndicatorKind::PromQl(_) => Vec::new(),
    }
}

/// Why a selector matched no series, when its metric has some.
fn unmatched(selector: &SeriesSelector, observed: &Observed) -> Option<Doubt> {
    let all: Vec<&Labels> =
        observed.raw.of_metric(&selector.metric).map(|series| &series.labels).collect();
    if all.is_empty() || all.iter().any(|labels| selector.matches(labels)) {
        return None;
    }
    let text = selector.to_string();
    let asks_for_it = |matcher: &&Matcher| !matcher.holds_for("");
    let is_known = |label: &str| all.iter().any(|labels| labels.get(label).is_some());
    let mut asked = selector.matchers.iter().filter(asks_for_it);
    if let Some(matcher) = asked.find(|matcher| !is_known(&matcher.label)) {
        let names = all.iter().flat_map(|labels| labels.iter().map(|(name, _)| name));
        let known: BTreeSet<&str> =
            names.filter(|name| !matches!(*name, "__name__" | "le")).collect();
        let known = known.into_iter().map(str::to_owned).collect();
        let (metric, label) = (selector.metric.clone(), matcher.label.clone());
        return Some(Doubt::NoSuchLabel { selector: text, metric, label, known });
    }
    // The first condition that fits no value at all is what to look at; when each fits some, it
    // is their combination that nothing has.
    let values = |matcher: &Matcher| {
        let found = all.iter().map(|labels| labels.get(&matcher.label).unwrap_or_default());
        found.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let fits_none = |matcher: &&Matcher| !values(matcher).iter().any(|v| matcher.holds_for(v));
    let matcher = selector.matchers.iter().find(fits_none);
    let matcher = matcher.or(selector.matchers.first())?;
    let values = values(matcher);
    let within = values.iter().filter(|value| matcher.is_found_in(value)).cloned();
    Some(Doubt::NoSuchValue {
        selector: text,
        within: within.collect(),
        matcher: matcher.to_string(),
        label: matcher.label.clone(),
        values: values.into_iter().collect(),
    })
}

/// A gauge that has the same value, with a fraction, in every sample of the run: nothing that is
/// measured does that. (A whole number may well stay what it is.)
fn still(gauge: &SeriesSelector, observed: &Observed) -> Option<Doubt> {
    let of = observed.raw.of_metric(&gauge.metric);
    let of = of.filter(|series| gauge.matches(&series.labels));
    let samples = |series: &Series| {
        let real = series.values.iter().copied().filter(|value| !is_stale(*value));
        real.collect::<Vec<f64>>()
    };
    let mut most: Option<Doubt> = None;
    for values in of.map(samples) {
        let first = *values.first()?;
        let same = values.iter().all(|value| value.to_bits() == first.to_bits());
        if !same || first.fract().abs() == 0.0 || !first.is_finite() || values.len() < STILL {
            return None;
        }
        most.get_or_insert(Doubt::NeverMoved { value: first, samples: values.len() });
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            notation::{secs, set},
            scene::{hypothesis, watched},
        },
        hypothesis::model::Aggregate,
    };

    fn selector(text: &str) -> SeriesSelector {
        SeriesSelector::parse(text).unwrap()
    }

    fn said(kind: IndicatorKind, absent: Absent, rows: &[(&str, &str)]) -> Vec<String> {
        let indicator = Indicator { absent, ..hypothesis(vec![kind]).indicators.remove(0) };
        let observed = Observed { raw: set(5, rows), ..watched(Vec::new()) };
        doubts(&indicator, &observed).iter().map(Doubt::to_string).collect()
    }

    fn ratio(part: &str) -> IndicatorKind {
        IndicatorKind::Ratio { part: selector(part), whole: selector("r"), over: secs(20) }
    }

    #[track_caller]
    fn check(part: &str, rows: &[(&str, &str)], want: &[&str]) {
        assert_eq!(said(ratio(part), Absent::Unknown, rows), want);
    }

    const ROWS: [(&str, &str); 2] =
        [("r{code=\"200\",job=\"a\"}", "0+1x9"), ("r{code=\"503\",job=\"b\"}", "0+1x9")];

    #[test]
    fn a_label_that_no_series_has_is_named_with_those_that_there_are() {
        let want = "`r{status=~\"5..\"}` matched nothing: no series of `r` has the label `status`; the labels are `code`, `job`";
        check("r{status=~\"5..\"}", &ROWS, &[want]);
        assert!(said(ratio("r{status=~\"5..\"}"), Absent::Zero, &ROWS).is_empty());
    }

    #[test]
    fn a_value_that_no_series_has_is_named_with_those_that_there_are() {
        let want = "`r{code=\"404\"}` matched nothing: `code` was 200, 503";
        check("r{code=\"404\"}", &ROWS, &[want]);
        let want = "`r{code=\"503\",job=\"a\"}` matched nothing: `code` was 200, 503";
        check("r{code=\"503\",job=\"a\"}", &ROWS, &[want]);
    }

    #[test]
    fn a_pattern_that_is_not_anchored_is_explained() {
        let want = "`r{code=~\"5\"}` matched nothing: `code` was 200, 503, and a pattern has to match all of a value: `code=~\"5\"` does not match 503";
        check("r{code=~\"5\"}", &ROWS, &[want]);
    }

    #[test]
    fn what_matches_or_cannot_be_known_is_not_doubted() {
        check("r{code=~\"5..\"}", &ROWS, &[]);
        // Absent is what is asked for.
        check("r{status=\"\"}", &ROWS, &[]);
        check("other{status=\"5\"}", &ROWS, &[]);
    }

    #[track_caller]
    fn check_still(rows: &[(&str, &str)], want: &[&str]) {
        let kind = IndicatorKind::Gauge { gauge: selector("g"), aggregate: Aggregate::Sum };
        assert_eq!(said(kind, Absent::Unknown, rows), want);
    }

    #[test]
    fn a_fraction_that_never_moves_is_doubted() {
        let want = "exactly 0.734 in all 10 samples: is it measured?";
        check_still(&[("g", "0.734x9")], &[want]);
        check_still(&[("g{i=\"a\"}", "0.734x9"), ("g{i=\"b\"}", "0.1x20")], &[want]);
        check_still(&[("g", "0.734x8")], &[]);
        check_still(&[("g", "0.734x9 0.735")], &[]);
        check_still(&[("g", "7x20")], &[]);
        check_still(&[("g{i=\"a\"}", "0.734x9"), ("g{i=\"b\"}", "0+1x20")], &[]);
    }
}
