//! What makes an indicator doubtful although it has numbers: a selector that matches nothing
//! counts zero for ever, and a value that never moves may not be measured at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::{answered::Answered, indicator::series, left::left_its_page, words};
use crate::{
    frame::Observed,
    hypothesis::{
        model::{Absent, Indicator, IndicatorKind},
        selector::{LabelSelector, Matcher, SeriesSelector},
    },
    sample::{Labels, Series, is_stale},
    time::Time,
};

/// What makes an indicator doubtful although it has numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Doubt {
    /// A selector asks for a label that no series of its metric has.
    NoSuchLabel {
        /// The selector.
        selector: String,
        /// Its metric.
        metric: String,
        /// The label.
        label: String,
        /// The labels that there are.
        known: Vec<String>,
    },
    /// A selector matched no series in the whole run.
    NoSuchValue {
        /// The selector.
        selector: String,
        /// Its condition that nothing met.
        matcher: String,
        /// The label of that.
        label: String,
        /// The values that there were; an empty one where the label was absent.
        values: Vec<String>,
        /// Those in which its pattern is found, though it does not match all of them.
        within: Vec<String>,
    },
    /// A selector of pods matched none in the whole run, where there were pods.
    NoSuchPods {
        /// The selector.
        selector: String,
    },
    /// A counter fell as none does whose process begins again.
    CounterFalls {
        /// The series.
        series: String,
        /// How often it fell.
        falls: usize,
        /// In how many steps from one scrape to the next.
        steps: usize,
    },
    /// A counter left a page that was read on, where others beside it went on counting.
    LeftItsPage {
        /// The series.
        series: String,
        /// When.
        at: Time,
        /// One that stayed.
        beside: String,
    },
    /// The series of a histogram have different buckets.
    BucketsDiffer {
        /// Bounds that not all have.
        bounds: Vec<String>,
        /// A series that lacks the first of them.
        without: String,
    },
    /// An expression gave several series at one time.
    SeveralSeries {
        /// How many, at most.
        most: usize,
    },
    /// A gauge moved in *before*, and stood still from the fault on.
    StoodStill {
        /// Where it stood.
        value: f64,
        /// In how many samples.
        samples: usize,
    },
    /// A gauge had the same value, with a fraction, in all of its samples.
    NeverMoved {
        /// The value.
        value: f64,
        /// How many samples there were.
        samples: usize,
    },
}

impl Doubt {
    /// The code of the reason not to judge the indicator at all; none for what is only worth a
    /// note, such as a value that nothing has: there may have been no error.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::NoSuchLabel { .. } => Some("matches_nothing"),
            Self::NoSuchValue { within, .. } => (!within.is_empty()).then_some("matches_nothing"),
            Self::NoSuchPods { .. } => Some("matches_nothing"),
            Self::CounterFalls { .. } => Some("counter_falls"),
            Self::LeftItsPage { .. } => Some("left_its_page"),
            Self::SeveralSeries { .. } => Some("several_series"),
            Self::BucketsDiffer { .. } | Self::StoodStill { .. } | Self::NeverMoved { .. } => None,
        }
    }
}

impl Doubt {
    /// Since when it is doubtful; none when it is so all along. What was counted before was counted,
    /// and a breach that was seen is one.
    pub(crate) fn since(&self) -> Option<Time> {
        match self {
            Self::LeftItsPage { at, .. } => Some(*at),
            Self::NoSuchLabel { .. }
            | Self::NoSuchValue { .. }
            | Self::NoSuchPods { .. }
            | Self::CounterFalls { .. }
            | Self::SeveralSeries { .. }
            | Self::BucketsDiffer { .. }
            | Self::StoodStill { .. }
            | Self::NeverMoved { .. } => None,
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchLabel { selector, metric, label, known } => {
                let quoted = |name: &String| format!("`{name}`");
                let known = words::listed(known, quoted);
                write!(
                    f,
                    "`{selector}` matched nothing: no series of `{metric}` has the label `{label}`; the labels are {known}"
                )
            }
            Self::NoSuchValue { selector, matcher, label, values, within } => {
                let shown = |value: &String| {
                    if value.is_empty() { "absent".to_owned() } else { value.clone() }
                };
                let was = words::listed(values, shown);
                write!(f, "`{selector}` matched nothing: `{label}` was {was}")?;
                let Some(near) = within.first() else { return Ok(()) };
                write!(
                    f,
                    ", and a pattern has to match all of a value: `{matcher}` does not match {near}"
                )
            }
            Self::SeveralSeries { most } => {
                write!(
                    f,
                    "the expression gave {most} series at one time, and one is needed: add them up, or select one"
                )
            }
            Self::NoSuchPods { selector } => {
                write!(f, "`{selector}` matched no pod in the whole run")
            }
            Self::CounterFalls { series, falls, steps } => {
                write!(
                    f,
                    "{series} fell in {falls} of {steps} scrapes: is it a counter, and of one process only?"
                )
            }
            Self::LeftItsPage { series, at, beside } => {
                write!(
                    f,
                    "{series} left its page at {} UTC, and {beside} went on: what it counted since is not known, and not 0 (`absent: 0` says that it is)",
                    at.clock_text()
                )
            }
            Self::BucketsDiffer { bounds, without } => {
                let bounds = words::listed(bounds, String::clone);
                write!(
                    f,
                    "the buckets differ: {without} has no bound {bounds}, so that only the bounds that all have are facts"
                )
            }
            Self::StoodStill { value, samples } => {
                write!(
                    f,
                    "moved in *before*, and exactly {value} in all {samples} samples since the fault: is it still measured?"
                )
            }
            Self::NeverMoved { value, samples } => {
                write!(f, "exactly {value} in all {samples} samples: is it measured?")
            }
        }
    }
}

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
            let buckets = histogram.buckets();
            let found = unmatched(&buckets).into_iter().chain(buckets_differ(&buckets, observed));
            let found = found.chain(falls(&buckets, observed));
            found.chain(left_its_page(indicator, observed)).collect()
        }
        IndicatorKind::Ratio { part, whole, .. } => {
            let named = unmatched(part).filter(|doubt| !may_be_absent(doubt));
            let found = named.into_iter().chain(unmatched(whole));
            let falls = falls(whole, observed).or_else(|| falls(part, observed));
            found.chain(falls).chain(left_its_page(indicator, observed)).collect()
        }
        IndicatorKind::Rate { counter, .. } => {
            let found = unmatched(counter).into_iter().chain(falls(counter, observed));
            found.chain(left_its_page(indicator, observed)).collect()
        }
        IndicatorKind::Gauge { gauge, .. } => {
            let found = unmatched(gauge).into_iter().chain(still(gauge, observed));
            found.chain(stood_still(gauge, observed)).collect()
        }
        IndicatorKind::PodsReady { selector } => no_pods(selector, observed).into_iter().collect(),
        IndicatorKind::EventCount { .. } => Vec::new(),
        IndicatorKind::PromQl(_) => {
            let answered = Answered::of(&indicator.name, observed, Duration::ZERO);
            let most = answered.and_then(|answered| answered.several());
            most.map(|most| Doubt::SeveralSeries { most }).into_iter().collect()
        }
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

/// A selector that no pod matched, where some were seen.
fn no_pods(selector: &LabelSelector, observed: &Observed) -> Option<Doubt> {
    let matches = observed.pods.iter().any(|pod| selector.matches(&pod.labels));
    let none = !observed.pods.is_empty() && !matches;
    none.then(|| Doubt::NoSuchPods { selector: selector.text().to_owned() })
}

/// A counter that falls in a fifth of its scrapes, and more than twice, or once to where no process
/// that began again can be: it is not one counter but several, which answer in turn, or none at
/// all, and a rate over it counts what never happened.
fn falls(counters: &SeriesSelector, observed: &Observed) -> Option<Doubt> {
    let fell = |series: &Series| {
        let real: Vec<f64> = real_values(&series.values).filter(|value| !value.is_nan()).collect();
        let falls = real.windows(2).filter(|pair| pair[1] < pair[0]).count();
        let steps = real.len().saturating_sub(1);
        // One that began again counts from 0: it cannot be near where it was at once.
        let rose: f64 = real.windows(2).map(|pair| (pair[1] - pair[0]).max(0.0)).sum();
        let dips = |pair: &[f64]| pair[1] < pair[0] && pair[1] > pair[0] / 2.0 && pair[1] > rose;
        let several = falls > 2 && falls * 5 >= steps || real.windows(2).any(dips);
        several.then(|| (falls, steps, series.labels.to_string()))
    };
    let (falls, steps, series) = series(counters, observed).into_iter().filter_map(fell).max()?;
    Some(Doubt::CounterFalls { series, falls, steps })
}

/// Histograms of one metric whose series do not have the same bounds.
fn buckets_differ(buckets: &SeriesSelector, observed: &Observed) -> Option<Doubt> {
    let mut bounds: BTreeMap<Labels, BTreeSet<&str>> = BTreeMap::new();
    for series in series(buckets, observed) {
        let le = series.labels.get("le").unwrap_or_default();
        bounds.entry(series.labels.without("le")).or_default().insert(le);
    }
    let every: BTreeSet<&str> = bounds.values().flatten().copied().collect();
    let lacks = |own: &BTreeSet<&str>| every.iter().any(|bound| !own.contains(bound));
    let (without, own) = bounds.iter().find(|(_, own)| lacks(own))?;
    let missing = every.difference(own).map(|bound| (*bound).to_owned()).collect();
    Some(Doubt::BucketsDiffer { bounds: missing, without: without.to_string() })
}

/// The values of a series, without the marks of its ends.
fn real_values(values: &[f64]) -> impl Iterator<Item = f64> {
    values.iter().copied().filter(|value| !is_stale(*value))
}

/// A gauge that has the same value, with a fraction, in every sample of the run: nothing that is
/// measured does that. (A whole number may well stay what it is.)
fn still(gauge: &SeriesSelector, observed: &Observed) -> Option<Doubt> {
    let mut found: Option<Doubt> = None;
    for series in series(gauge, observed) {
        let values: Vec<f64> = real_values(&series.values).collect();
        let first = *values.first()?;
        let same = values.iter().all(|value| value.to_bits() == first.to_bits());
        if !same || first.fract().abs() == 0.0 || !first.is_finite() || values.len() < STILL {
            return None;
        }
        found.get_or_insert(Doubt::NeverMoved { value: first, samples: values.len() });
    }
    found
}

/// A gauge that moved in *before* and has had one value since: whoever exposes it may have lost
/// what it measures. At 0 it may well stay.
fn stood_still(gauge: &SeriesSelector, observed: &Observed) -> Option<Doubt> {
    let (before, fault) = (observed.phases.before?, observed.injected_at?);
    let distinct =
        |values: &[f64]| real_values(values).map(f64::to_bits).collect::<BTreeSet<u64>>().len();
    let stood = |series: &Series| {
        let split = series.range(before.start, fault);
        let since: Vec<f64> = real_values(&series.values[split.end..]).collect();
        let value = *since.first().filter(|value| value.abs() > 0.0)?;
        let still = since.len() >= STILL && distinct(&since) == 1;
        (still && distinct(&series.values[split]) > 2)
            .then_some(Doubt::StoodStill { value, samples: since.len() })
    };
    series(gauge, observed).into_iter().find_map(stood)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            notation::{secs, set},
            scene::{hypothesis, pod, watched},
        },
        hypothesis::model::Aggregate,
        number::Share,
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

    #[test]
    fn a_counter_that_falls_again_and_again_is_several() {
        let turns = "570 572 560 571 573 561 572 574 562 573";
        let want =
            "r{code=\"200\"} fell in 3 of 9 scrapes: is it a counter, and of one process only?";
        check("r{code=\"200\"}", &[("r{code=\"200\"}", turns)], &[want]);
        let want =
            "r{code=\"200\"} fell in 1 of 5 scrapes: is it a counter, and of one process only?";
        check("r{code=\"200\"}", &[("r{code=\"200\"}", "5000 5001 5000 5001 5002 5003")], &[want]);
        // A process that begins again, even twice.
        check("r{code=\"200\"}", &[("r{code=\"200\"}", "5 6 0 1 2 3 0 1 2")], &[]);
        check(
            "r{code=\"200\"}",
            &[("r{code=\"200\"}", "5 6 0 1 2 0 1 2 3 0 1 2 3 4 5 6 7 8")],
            &[],
        );
    }

    fn left(absent: Absent, rows: &[(&str, &str)]) -> Vec<String> {
        let up = [("up{i=\"a\"}", "1x9")];
        said(ratio("r{code=~\"5..\"}"), absent, &[rows, &up].concat())
    }

    #[test]
    fn a_counter_that_leaves_its_page_is_named_where_another_goes_on() {
        let rows = [("r{code=\"200\",i=\"a\"}", "0+1x9"), ("r{code=\"503\",i=\"a\"}", "7x5 stale")];
        let want = "r{code=\"503\",i=\"a\"} left its page at 00:00:30 UTC, and r{code=\"200\",i=\"a\"} went on: what it counted since is not known, and not 0 (`absent: 0` says that it is)";
        assert_eq!(left(Absent::Unknown, &rows), [want]);
        assert!(left(Absent::Zero, &rows).is_empty());
        // Its page was not read then.
        let ratio = || ratio("r{code=~\"5..\"}");
        let down = [rows[0], rows[1], ("up{i=\"a\"}", "1x5 0x4")];
        assert!(said(ratio(), Absent::Unknown, &down).is_empty());
        // Of a target that is not one of ours nothing is known.
        assert!(said(ratio(), Absent::Unknown, &rows).is_empty());
    }

    #[test]
    fn a_counter_that_leaves_for_a_reason_is_not_doubted() {
        let errors = ("r{code=\"503\",i=\"a\"}", "7x5 stale");
        for other in ["0+1x5 0+1x3", "0+1x5 stale", "_x10"] {
            let rows = [("r{code=\"200\",i=\"a\"}", other), errors];
            assert!(left(Absent::Unknown, &rows).is_empty(), "{other}");
        }
        // What goes on is something else.
        let rows = [("r{code=\"200\",i=\"a\",pod=\"b\"}", "0+1x9"), errors];
        assert!(left(Absent::Unknown, &rows).is_empty());
    }

    #[test]
    fn pods_that_are_not_there_are_no_zero() {
        let mut observed = watched(vec![pod("a")]);
        let doubts = |selector: &str, observed: &Observed| {
            let selector = LabelSelector::parse(selector).unwrap();
            let kind = IndicatorKind::PodsReady { selector };
            doubts(&hypothesis(vec![kind]).indicators[0], observed)
        };
        let said: Vec<String> =
            doubts("app=apii", &observed).iter().map(Doubt::to_string).collect();
        assert_eq!(said, ["`app=apii` matched no pod in the whole run"]);
        assert!(doubts("app=api", &observed).is_empty());
        // Of a namespace without pods, or one that was not seen, nothing is known.
        observed.pods.clear();
        assert!(doubts("app=apii", &observed).is_empty());
    }

    #[test]
    fn buckets_that_differ_are_named() {
        let (quantile, over) = (Share::new(0.5).unwrap(), secs(20));
        let kind = IndicatorKind::Quantile { quantile, histogram: selector("h"), over };
        let rows = [
            ("h_bucket{i=\"a\",le=\"0.5\"}", "0+1x9"),
            ("h_bucket{i=\"a\",le=\"1\"}", "0+1x9"),
            ("h_bucket{i=\"a\",le=\"+Inf\"}", "0+1x9"),
            ("h_bucket{i=\"b\",le=\"0.5\"}", "0+1x9"),
            ("h_bucket{i=\"b\",le=\"+Inf\"}", "0+1x9"),
        ];
        let want = "the buckets differ: h_bucket{i=\"b\"} has no bound 1, so that only the bounds that all have are facts";
        assert_eq!(said(kind.clone(), Absent::Unknown, &rows), [want]);
        assert!(said(kind, Absent::Unknown, &rows[..3]).is_empty());
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
        let want = "moved in *before*, and exactly 33 in all 11 samples since the fault: is it still measured?";
        check_still(&[("g", "20+1x12 33x10")], &[want]);
        check_still(&[("g", "20+1x12 33x9 34")], &[]);
        check_still(&[("g", "20+1x12 0x10")], &[]);
        check_still(&[("g", "33x23")], &[]);
        check_still(&[("g{i=\"a\"}", "0.734x9"), ("g{i=\"b\"}", "0+1x20")], &[]);
    }
}
