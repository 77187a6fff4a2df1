//! Rules that concern more than one value: each a function, each with its code.

use std::time::Duration;

use super::{Context, Scope, SourceKind, indicators::Table};
use crate::{
    hypothesis::{
        Reading,
        code::Code,
        fields::Fields,
        model::{
            Amount, Check, Fault, Indicator, IndicatorKind, KillPods, Level, MetricsSource,
            PhasePlan, Sources,
        },
        problem::Problem,
        raw::{Node, Value},
        selector::{LabelSelector, MatchHow},
    },
    number::{Share, Unit, length},
    window::Phase,
};

/// The fewest windows that a comparison can say anything about: below it, the analysis finds
/// fewer than 4 independent points and answers "inconclusive".
const FEWEST_WINDOWS: f64 = 4.0;

/// A `${…}` that looks like a variable and is none.
pub(super) fn nothing_is_substituted_outside(root: &Node, section: &str, cx: &mut Context<'_>) {
    match &root.value {
        Value::Text(text) if text.contains("${") => {
            let message =
                format!("`${{…}}` is replaced only under `{section}`; here it stays as it is");
            let hint =
                format!("write the value itself; only `{section}` differs from place to place");
            cx.report(Problem::new(Code::SubstitutionNotHere, root.span, message).hint(hint));
        }
        Value::List(items) => {
            items.iter().for_each(|item| nothing_is_substituted_outside(item, section, cx));
        }
        Value::Map(entries) => entries
            .iter()
            .filter(|(key, _)| key.text != section)
            .for_each(|(_, value)| nothing_is_substituted_outside(value, section, cx)),
        Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

/// A run that takes longer than the time to the next one.
pub(super) fn cadence_outlasts_a_run(
    node: &Node,
    cadence: Duration,
    plan: &PhasePlan,
    cx: &mut Context<'_>,
) {
    let run = plan.before + plan.during + plan.after;
    if cadence <= run {
        let message =
            format!("a run takes {} and the next is due after {}", length(run), length(cadence));
        let hint = "`cadence` is how often it is meant to run, such as `1d`";
        cx.report(Problem::new(Code::CadenceTooShort, node.span, message).hint(hint));
    }
}

/// Checks that look only at what was before the fault: they would pass whatever it did. A
/// recording with such checks is still read; its verdict is inconclusive.
pub(super) fn the_fault_is_judged(
    root: &Fields<'_>,
    scope: &Scope<'_>,
    checks: &[Check],
    cx: &mut Context<'_>,
) {
    let recorded = matches!(cx.reading, Reading::Recorded);
    let disturbs = scope.fault.is_some_and(|fault| *fault != Fault::None);
    let judged = checks.iter().any(|check| check.phase() != Phase::Before);
    let Some(key) = root.key("checks") else { return };
    // One that could not be read may be about another phase.
    let all_read = match root.get("checks").map(|node| &node.value) {
        Some(Value::List(written)) => written.len() == checks.len() && !checks.is_empty(),
        Some(_) | None => false,
    };
    if disturbs && all_read && !judged && !recorded {
        let message = "every check is about *before*, so nothing is judged that the fault did";
        let hint = "hold an indicator to an objective in `during` or `after`; *before* is judged \
                    by the same objective anyway";
        cx.report(Problem::new(Code::OnlyBefore, key.span, message).hint(hint));
    }
}

/// Windows that hold no point, or leave samples out.
pub(super) fn windows_fit(
    scope: &Scope<'_>,
    checks: &[Check],
    sources: Option<&Sources>,
    cx: &mut Context<'_>,
) {
    let Some(plan) = scope.phases else { return };
    let interval = match sources.and_then(|sources| sources.metrics.as_ref()) {
        Some(MetricsSource::Scrape(scrape)) => Some(scrape.interval),
        Some(MetricsSource::Prometheus(_)) | None => None,
    };
    for (place, entry) in scope.table.entries.iter().enumerate() {
        let Some((over, span)) = entry.over else { continue };
        let mut too_short = |message: String, hint: &str| {
            cx.report(Problem::new(Code::OverTooShort, span, message).hint(hint));
        };
        if let Some(interval) = interval.filter(|interval| over < *interval * 2) {
            let message = format!(
                "a rate needs two samples in every {}, and they are {} apart",
                length(over),
                length(interval)
            );
            too_short(message, "`over` is at least twice `interval`, better four times");
        } else if over < plan.step {
            let message = format!(
                "points {} apart that look back {} never see what is between",
                length(plan.step),
                length(over)
            );
            too_short(message, "`over` is at least `step`");
        }
        // A phase without a point has its own problem.
        if over > plan.during && plan.during >= plan.step {
            let message = format!(
                "no window of {} is of *during* alone, which lasts {}: each is diluted with \
                 what was before or after",
                length(over),
                length(plan.during)
            );
            let hint = "shorten `over`, or lengthen `during`";
            cx.report(Problem::new(Code::OverTooLong, span, message).hint(hint));
        }
        // Every check needs a steady *before*; *after* only what is judged there.
        let mut judged = checks.iter().filter(|check| check.indicator.0 == place).peekable();
        let before = judged.peek().is_some().then_some((Phase::Before, plan.before));
        let after = judged.any(|check| check.phase() == Phase::After);
        let after = after.then_some((Phase::After, plan.after));
        for (phase, lasts) in [before, after].into_iter().flatten() {
            if lasts < over + plan.step {
                let message = format!(
                    "no window of {} lies wholly inside *{phase}*, which lasts {}",
                    length(over),
                    length(lasts)
                );
                let hint = format!("lengthen `{phase}`, or shorten `over`");
                cx.report(Problem::new(Code::PhaseTooShort, span, message).hint(hint));
            }
        }
    }
}

/// Metrics that the pods to be killed serve themselves miss what their death causes. Targets
/// cannot be asked offline; a label that both selectors name is the sign.
pub(super) fn witness_is_not_the_victim(scope: &Scope<'_>, cx: &mut Context<'_>) {
    let Some(Fault::KillPods(kill)) = scope.fault else { return };
    for entry in &scope.table.entries {
        for (selector, span) in &entry.selectors {
            let shared = kill.selector.known_labels().find_map(|(key, values)| {
                let positive = |how| matches!(how, MatchHow::Equal | MatchHow::Matches);
                let matcher =
                    selector.matchers.iter().find(|m| m.label == key && positive(m.how))?;
                values.iter().find(|value| matcher.holds_for(value)).map(|value| (key, value))
            });
            let Some((key, value)) = shared else { continue };
            let message = format!(
                "`{}` seems to be served by the pods that are killed: both are chosen by `{key}={value}`",
                selector.metric
            );
            let hint =
                "a pod that dies takes its last counts along; measure at the caller or the proxy";
            cx.report(Problem::new(Code::WitnessIsVictim, *span, message).hint(hint));
            break;
        }
    }
}

/// An indicator that is watched for nothing.
pub(super) fn every_indicator_is_used(table: &Table, cx: &mut Context<'_>) {
    for entry in table.entries.iter().filter(|entry| !entry.is_used()) {
        let message = format!("nothing uses the indicator `{}`", entry.name);
        let hint = "name it in a check, or leave it out";
        cx.report(Problem::new(Code::UnusedIndicator, entry.span, message).hint(hint));
    }
}

/// Sources that are needed and not named. One that is named but cannot be read has its own
/// problem.
pub(super) fn sources_are_there(root: &Fields<'_>, cx: &mut Context<'_>) {
    let named = |keys: &[&str]| {
        root.get("sources").is_some_and(|node| match &node.value {
            Value::Map(entries) => entries.iter().any(|(key, _)| keys.contains(&key.text.as_str())),
            // Not a mapping: reported as such.
            Value::Null
            | Value::Bool(_)
            | Value::Whole(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::List(_) => true,
        })
    };
    let rules = [
        (
            SourceKind::Kubernetes,
            named(&["kubernetes"]),
            Code::NoKubernetesSource,
            "a Kubernetes source",
            "such as `sources: {kubernetes: {namespace: shop}}`",
        ),
        (
            SourceKind::Metrics,
            named(&["scrape", "prometheus"]),
            Code::NoMetricsSource,
            "a source of metrics",
            "such as `sources: {scrape: {targets: [\"http://127.0.0.1:9100/metrics\"]}}`",
        ),
        (
            SourceKind::Server,
            named(&["prometheus"]),
            Code::NoMetricsSource,
            "a Prometheus server to evaluate it",
            "name one: `sources: {prometheus: {url: \"${PROMETHEUS_URL}\"}}`; or use `quantile`, \
             `ratio`, `rate` or `gauge`, which targets answer, too",
        ),
    ];
    for (kind, there, code, what, hint) in rules {
        let mut needs = cx.needs.iter().filter(|need| need.from == kind);
        let (Some(first), false) = (needs.next(), there) else { continue };
        let message = match needs.count() {
            0 => format!("{} needs {what}", first.what),
            more => format!("{} and {more} more need {what}", first.what),
        };
        let problem = Problem::new(code, first.span, message).hint(hint);
        cx.problems.push(problem);
    }
}

/// Evidence of more pods than are killed can never be seen.
pub(super) fn evidence_does_not_ask_for_more(
    node: &Node,
    selector: &LabelSelector,
    at_least: Amount,
    kill: &KillPods,
    cx: &mut Context<'_>,
) {
    let more = match (at_least, kill.amount) {
        (Amount::Share(least), Amount::Share(killed))
        | (Amount::Share(least), Amount::ShareAtMost { share: killed, .. }) => least > killed,
        (Amount::Count(least), Amount::Count(killed))
        | (Amount::Count(least), Amount::ShareAtMost { max: killed, .. }) => least > killed,
        // Evidence as it is written has no cap; and a share is of a number not known yet.
        (Amount::ShareAtMost { .. }, _)
        | (Amount::Share(_), Amount::Count(_))
        | (Amount::Count(_), Amount::Share(_)) => false,
    };
    if more && *selector == kill.selector {
        let message = "the evidence asks for more pods than the fault kills";
        let hint = "no run could pass; by default, the evidence is what the fault asks for";
        cx.report(Problem::new(Code::EvidenceBeyondFault, node.span, message).hint(hint));
    }
}

/// A `hold` between "all points" and "all but one" means the first.
pub(super) fn hold_is_not_too_fine(
    node: &Node,
    hold: Share,
    phase: Phase,
    plan: &PhasePlan,
    cx: &mut Context<'_>,
) {
    let points = (phase_length(phase, plan).as_secs_f64() / plan.step.as_secs_f64()).floor();
    let allowed = (1.0 - hold.get()) * points;
    if hold.get() < 1.0 && allowed < 1.0 - 1e-9 {
        let message = format!("{hold} of the {points} points of *{phase}* is all of them");
        let hint = format!("lengthen `{phase}`, shorten `step`, or leave `hold` out");
        cx.report(Problem::new(Code::HoldTooFine, node.span, message).hint(hint));
    }
}

/// With `hold` at 100 %, no breach may last at all.
pub(super) fn a_breach_is_allowed_at_all(node: &Node, hold: Option<Share>, cx: &mut Context<'_>) {
    if hold == Some(Share::ALL) {
        let message = "no breach is allowed at all, so it cannot be too long: `hold` is 100 %";
        let hint =
            "say how much may be in breach, such as `hold: 90%`, or leave `longest_breach` out";
        cx.report(Problem::new(Code::LongestBreachUnused, node.span, message).hint(hint));
    }
}

/// Points of a level overlap; their sum counts nothing.
pub(super) fn a_total_is_of_counts(
    node: &Node,
    indicator: Option<&Indicator>,
    cx: &mut Context<'_>,
) {
    let Some(indicator) = indicator else { return };
    match indicator.kind {
        IndicatorKind::EventCount { .. } => {}
        IndicatorKind::Quantile { .. }
        | IndicatorKind::Ratio { .. }
        | IndicatorKind::Rate { .. }
        | IndicatorKind::Gauge { .. }
        | IndicatorKind::PodsReady { .. }
        | IndicatorKind::PromQl(_) => {
            let message = format!(
                "the points of `{}` are not counts, so their sum means little",
                indicator.name
            );
            let hint = "`total_at_most` is for `event_count`; for others use `below`";
            cx.report(Problem::new(Code::TotalOfALevel, node.span, message).hint(hint));
        }
    }
}

/// A bound beyond what the indicator can reach.
pub(super) fn a_bound_can_be_crossed(
    node: &Node,
    level: Level,
    indicator: &Indicator,
    cx: &mut Context<'_>,
) {
    let (least, most) = natural_range(indicator);
    let said = match level {
        Level::Below(bound) if bound.get() >= most => "always holds",
        Level::Below(bound) if bound.get() < least => "can never hold",
        Level::Above(bound) if bound.get() <= least => "always holds",
        Level::Above(bound) if bound.get() > most => "can never hold",
        Level::Below(_) | Level::Above(_) | Level::Between(..) => return,
    };
    let message = format!(
        "this {said}: `{}` {}, and at the bound counts as inside",
        indicator.name,
        if most.is_finite() { "lies between 0 % and 100 %" } else { "is never below 0" }
    );
    let hint = match indicator.unit {
        Unit::Share => {
            "write a percentage, such as `1%`; one that may exceed 100 % takes `unit: \"1\"`"
        }
        Unit::PerSecond => "for \"any at all\" take a small bound, such as `above: 0.1/s`",
        Unit::None | Unit::Seconds | Unit::Bytes | Unit::Other(_) => {
            "choose a bound that can be crossed"
        }
    };
    cx.report(Problem::new(Code::BoundOutOfRange, node.span, message).hint(hint));
}

/// What an indicator can be at least and at most, by its kind and unit.
fn natural_range(indicator: &Indicator) -> (f64, f64) {
    let free = (f64::NEG_INFINITY, f64::INFINITY);
    match (&indicator.kind, &indicator.unit) {
        (IndicatorKind::Ratio { .. } | IndicatorKind::Gauge { .. }, Unit::Share) => (0.0, 1.0),
        (
            IndicatorKind::Ratio { .. }
            | IndicatorKind::Rate { .. }
            | IndicatorKind::PodsReady { .. }
            | IndicatorKind::EventCount { .. },
            _,
        ) => (0.0, f64::INFINITY),
        (IndicatorKind::Quantile { .. }, Unit::Seconds | Unit::Bytes) => (0.0, f64::INFINITY),
        (
            IndicatorKind::Quantile { .. } | IndicatorKind::Gauge { .. } | IndicatorKind::PromQl(_),
            _,
        ) => free,
    }
}

/// A comparison needs several windows that do not overlap in each phase.
pub(super) fn there_is_enough_to_compare(
    node: &Node,
    phase: Phase,
    indicator: Option<&Indicator>,
    scope: &Scope<'_>,
    cx: &mut Context<'_>,
) {
    let (Some(indicator), Some(plan)) = (indicator, scope.phases) else { return };
    let window = indicator.over().max(plan.step);
    let windows = phase_length(phase, &plan).as_secs_f64() / window.as_secs_f64();
    if windows < FEWEST_WINDOWS {
        let message = format!(
            "*{phase}* has room for {} of `{}`, and a comparison needs {FEWEST_WINDOWS}",
            match windows.floor() {
                n if n < 1.0 => "no window".to_owned(),
                n if n < 2.0 => "one window".to_owned(),
                n => format!("{n} windows"),
            },
            indicator.name,
        );
        let hint = format!("lengthen `{phase}` to more than {}", length(window * 4));
        cx.report(Problem::new(Code::BaselineTooShort, node.span, message).hint(hint));
    }
}

/// A time that is allowed should be over before the watching is.
pub(super) fn watched_long_enough(
    node: &Node,
    allowed: Duration,
    scope: &Scope<'_>,
    cx: &mut Context<'_>,
) {
    let Some(plan) = scope.phases else { return };
    let watched = plan.during + plan.after;
    if allowed > watched {
        let message = format!(
            "{} are allowed, and it is watched for {} from the injection on",
            length(allowed),
            length(watched)
        );
        let hint =
            "lengthen `after`: what has not recovered when the watching ends is inconclusive";
        cx.report(Problem::new(Code::RecoveryNotWatched, node.span, message).hint(hint));
    }
}

/// Recovery counts from the injection.
pub(super) fn there_is_something_to_recover_from(
    node: &Node,
    scope: &Scope<'_>,
    cx: &mut Context<'_>,
) {
    if scope.fault == Some(&Fault::None) {
        let message = "recovery counts from the injection, and the fault is `none`";
        let hint = "this check will be inconclusive; hold the indicator to a level instead";
        cx.report(Problem::new(Code::RecoveryWithoutFault, node.span, message).hint(hint));
    }
}

/// A guard also trips when it has been blind for its time, so that has to be longer than the
/// time between two points.
pub(super) fn a_guard_looks_twice(
    node: &Node,
    for_: Duration,
    scope: &Scope<'_>,
    cx: &mut Context<'_>,
) {
    let Some(plan) = scope.phases.filter(|plan| for_ < plan.step) else { return };
    let message = format!(
        "points are {} apart, so a guard is blind for longer than {} between any two",
        length(plan.step),
        length(for_)
    );
    let hint = "being blind trips it too: `for` is at least `step`";
    cx.report(Problem::new(Code::GuardTooQuick, node.span, message).hint(hint));
}

fn phase_length(phase: Phase, plan: &PhasePlan) -> Duration {
    match phase {
        Phase::Before => plan.before,
        Phase::During => plan.during,
        Phase::After => plan.after,
    }
}
