//! `checks` and `guard`: what must hold where, and when to stop.

use super::{Context, Scope, identifier, rules};
use crate::{
    hypothesis::{
        code::Code,
        fields::{self, Fields, bad},
        model::{
            Check, GapAllowance, Guard, Indicator, IndicatorKind, Level, Objective, Tolerance,
        },
        problem::{Problem, Span},
        raw::{Node, Value},
        units::{NotAQuantity, Quantity},
    },
    number::{Finite, Share, Unit},
    window::Phase,
};

/// The keys of a check.
pub(in crate::hypothesis) const CHECK_KEYS: &[&str] =
    &["indicator", "id", "before", "during", "after", "recovers"];
/// The keys that say where a check holds.
const PLACES: &[&str] = &["before", "during", "after", "recovers"];
/// The keys of a level.
pub(in crate::hypothesis) const LEVEL_KEYS: &[&str] = &["below", "above", "between"];
/// The keys of an objective in a phase.
pub(in crate::hypothesis) const OBJECTIVE_KEYS: &[&str] = &[
    "below",
    "above",
    "between",
    "total_at_most",
    "within",
    "of",
    "hold",
    "longest_breach",
    "scale",
    "gaps",
];
/// The keys that say what the objective is.
const OBJECTIVES: &[&str] = &["below", "above", "between", "total_at_most", "within"];
/// The keys of `recovers`.
pub(in crate::hypothesis) const RECOVERS_KEYS: &[&str] =
    &["below", "above", "between", "in", "gaps"];
/// The keys of `gaps`, when it is more than a share.
pub(in crate::hypothesis) const GAPS_KEYS: &[&str] = &["share", "longest"];
/// The keys of a guard.
pub(in crate::hypothesis) const GUARD_KEYS: &[&str] = &["indicator", "above", "below", "for"];

/// How much of a phase may be missing when nothing is said (design, section 6).
pub(in crate::hypothesis) const DEFAULT_GAP_SHARE: f64 = 0.05;
/// The longest run of missing points when nothing is said (design, section 6).
pub(in crate::hypothesis) const DEFAULT_GAP_STEPS: usize = 3;

/// Reads `checks`.
pub(super) fn checks(node: &Node, scope: &Scope<'_>, cx: &mut Context<'_>) -> Vec<Check> {
    let Some(items) = fields::list(node, "`checks`", &mut cx.problems) else { return Vec::new() };
    if items.is_empty() {
        let message = "without a check nothing is judged, and nothing can pass";
        let hint = "such as `checks: [{indicator: ready, after: {above: 10}}]`";
        cx.report(Problem::new(Code::NoChecks, node.span, message).hint(hint));
    }
    let mut checks: Vec<Check> = Vec::new();
    for item in items {
        let Some((check, span)) = check(item, scope, cx) else { continue };
        if checks.iter().any(|other| other.id == check.id) {
            let message = format!("another check has the id `{}`", check.id);
            let hint = "give one of them an `id:` of its own; it names its line in the history";
            cx.report(Problem::new(Code::DuplicateId, span, message).hint(hint));
        }
        checks.push(check);
    }
    checks
}

fn check(node: &Node, scope: &Scope<'_>, cx: &mut Context<'_>) -> Option<(Check, Span)> {
    let fields = Fields::of(node, "a check", CHECK_KEYS, &mut cx.problems)?;
    let found = fields.need("indicator", "indicator: ready", &mut cx.problems);
    let found = found.and_then(|node| scope.table.find(node, cx));
    let given = fields.get("id").map(|node| {
        let text = fields::text(node, "`id`", &mut cx.problems)?;
        Some((identifier(text, node.span, '.', cx)?, node.span))
    });
    let (place, inner) = fields.exactly_one(PLACES, &mut cx.problems)?;
    let known = found.and_then(|(_, indicator)| indicator);
    let objective = match Phase::ALL.into_iter().find(|phase| phase.name() == place) {
        Some(phase) => objective(phase, inner, known, scope, cx),
        None => recovers(inner, known, scope, cx),
    };
    let ((indicator, known), objective) = (found?, objective?);
    let (id, span) = match given {
        Some(given) => given?,
        None => (default_id(&known?.name, place, &objective), node.span),
    };
    Some((Check { id, indicator, objective }, span))
}

/// Of indicator, phase and kind, never of the bound: a tightened bound stays the same series.
fn default_id(indicator: &str, place: &str, objective: &Objective) -> String {
    let kind = match objective {
        Objective::Recovers { level, .. } => level.kind(),
        Objective::Stays { .. } | Objective::Within { .. } | Objective::TotalAtMost { .. } => {
            objective.kind()
        }
    };
    format!("{indicator}.{place}.{kind}")
}

fn objective(
    phase: Phase,
    node: &Node,
    indicator: Option<&Indicator>,
    scope: &Scope<'_>,
    cx: &mut Context<'_>,
) -> Option<Objective> {
    let what = format!("`{phase}`");
    let fields = Fields::of(node, &what, OBJECTIVE_KEYS, &mut cx.problems)?;
    let gaps = gaps(&fields, cx);
    let (kind, value) = fields.exactly_one(OBJECTIVES, &mut cx.problems)?;
    let fitting: &[&str] = match kind {
        "within" => &["of"],
        "total_at_most" => &[],
        "between" => &["hold", "longest_breach"],
        _ => &["hold", "longest_breach", "scale"],
    };
    for key in ["of", "hold", "longest_breach", "scale"].iter().filter(|k| !fitting.contains(k)) {
        if let Some(key) = fields.key(key) {
            let message = format!("`{}` says nothing beside `{kind}`", key.text);
            cx.report(Problem::new(Code::KeyNotHere, key.span, message).hint("leave it out"));
        }
    }
    match kind {
        "within" => within(phase, &fields, value, indicator, gaps, scope, cx),
        "total_at_most" => {
            let limit = bound(value, "`total_at_most`", indicator, cx)?;
            rules::a_total_is_of_counts(value, indicator, cx);
            if limit.get() < 0.0 {
                let hint = "nothing can happen less than not at all: `total_at_most: 0`";
                cx.report(bad(value, "`total_at_most` is not below 0").hint(hint));
                return None;
            }
            Some(Objective::TotalAtMost { phase, limit, gaps: gaps? })
        }
        level_key => {
            let level = level(level_key, value, indicator, cx);
            let hold = match fields.get("hold") {
                Some(node) => {
                    let hold = fields::share(node, "`hold`", &mut cx.problems);
                    if let Some((hold, plan)) = hold.zip(scope.phases) {
                        rules::hold_is_not_too_fine(node, hold, phase, &plan, cx);
                    }
                    hold
                }
                None => Some(Share::ALL),
            };
            let longest_breach = fields.get("longest_breach").map(|node| {
                if fields.get("hold").is_some() {
                    rules::a_breach_is_allowed_at_all(node, hold, cx);
                }
                fields::duration(node, "`longest_breach`", &mut cx.problems)
            });
            let scale = match (fields.get("scale"), level) {
                (Some(node), _) => scale(node, indicator, cx),
                (None, Some(level)) => default_scale(level, indicator, value, cx),
                (None, None) => None,
            };
            let longest_breach = match longest_breach {
                Some(read) => Some(read?),
                None => None,
            };
            let (level, hold, scale, gaps) = (level?, hold?, scale?, gaps?);
            // Alone, `longest_breach` says how long a breach may last, however often; beside a
            // `hold: 100%` that was written, no breach is allowed and none can be too long.
            let all_written = fields.get("hold").is_some() && hold == Share::ALL;
            let longest_breach = longest_breach.filter(|_| !all_written);
            Some(Objective::Stays { phase, level, hold, longest_breach, gaps, scale })
        }
    }
}

fn within(
    phase: Phase,
    fields: &Fields<'_>,
    value: &Node,
    indicator: Option<&Indicator>,
    gaps: Option<GapAllowance>,
    scope: &Scope<'_>,
    cx: &mut Context<'_>,
) -> Option<Objective> {
    let tolerance = tolerance(value, indicator, cx);
    let node = fields.need("of", "of: before", &mut cx.problems)?;
    let names: Vec<&str> =
        Phase::ALL.iter().map(|p| p.name()).filter(|n| *n != phase.name()).collect();
    let of = fields::word(node, "`of`", &names, &mut cx.problems)?;
    let of = Phase::ALL.into_iter().find(|phase| phase.name() == of)?;
    for compared in [phase, of] {
        rules::there_is_enough_to_compare(node, compared, indicator, scope, cx);
    }
    Some(Objective::Within { phase, tolerance: tolerance?, of, gaps: gaps? })
}

/// A percentage is of the other phase's mean; anything else is in the indicator's unit.
fn tolerance(
    node: &Node,
    indicator: Option<&Indicator>,
    cx: &mut Context<'_>,
) -> Option<Tolerance> {
    let quantity = fields::quantity(node, "`within`", &mut cx.problems)?;
    if quantity.number() <= 0.0 {
        let hint = "such as `10%` of the other mean, or `20ms`";
        cx.report(bad(node, "`within` must be more than nothing").hint(hint));
        return None;
    }
    if let Quantity::Share(share) = quantity {
        return Some(Tolerance::Relative(share));
    }
    let absolute = in_unit(quantity, node, indicator?, cx)?;
    Some(Tolerance::Absolute(absolute))
}

fn recovers(
    node: &Node,
    indicator: Option<&Indicator>,
    scope: &Scope<'_>,
    cx: &mut Context<'_>,
) -> Option<Objective> {
    let fields = Fields::of(node, "`recovers`", RECOVERS_KEYS, &mut cx.problems)?;
    let gaps = gaps(&fields, cx);
    let within = fields.need("in", "in: 60s", &mut cx.problems);
    let length = within.and_then(|node| fields::duration(node, "`in`", &mut cx.problems));
    if let Some((node, length)) = within.zip(length) {
        rules::watched_long_enough(node, length, scope, cx);
    }
    rules::there_is_something_to_recover_from(node, scope, cx);
    let (key, value) = fields.exactly_one(LEVEL_KEYS, &mut cx.problems)?;
    let level = level(key, value, indicator, cx);
    Some(Objective::Recovers { level: level?, within: length?, gaps: gaps? })
}

/// Reads one of [`LEVEL_KEYS`] with its bound or bounds.
pub(super) fn level(
    key: &str,
    node: &Node,
    indicator: Option<&Indicator>,
    cx: &mut Context<'_>,
) -> Option<Level> {
    let level = match key {
        "below" => Level::Below(bound(node, "`below`", indicator, cx)?),
        "above" => Level::Above(bound(node, "`above`", indicator, cx)?),
        _ => {
            let ends = fields::list(node, "`between`", &mut cx.problems)?;
            let [low, high] = ends else {
                let problem =
                    Problem::new(Code::WrongType, node.span, "`between` takes two bounds");
                cx.report(problem.hint("such as `between: [50ms, 200ms]`"));
                return None;
            };
            let (low, high) =
                (bound(low, "`between`", indicator, cx), bound(high, "`between`", indicator, cx));
            let (low, high) = (low?, high?);
            if low >= high {
                let message = "the lower bound of `between` is not below the upper one";
                let hint = "the lower one stands first";
                cx.report(Problem::new(Code::EmptyRange, node.span, message).hint(hint));
                return None;
            }
            Level::Between(low, high)
        }
    };
    if let Some(indicator) = indicator {
        rules::a_bound_can_be_crossed(node, level, indicator, cx);
    }
    Some(level)
}

/// A bound in the unit of its indicator; without a usable indicator there is none.
fn bound(
    node: &Node,
    what: &str,
    indicator: Option<&Indicator>,
    cx: &mut Context<'_>,
) -> Option<Finite> {
    let quantity = fields::quantity(node, what, &mut cx.problems)?;
    Finite::new(in_unit(quantity, node, indicator?, cx)?)
}

fn in_unit(
    quantity: Quantity,
    node: &Node,
    indicator: &Indicator,
    cx: &mut Context<'_>,
) -> Option<f64> {
    let refuse = |why: NotAQuantity| {
        let hint = match (&indicator.unit, &indicator.kind) {
            (Unit::None, IndicatorKind::Quantile { .. } | IndicatorKind::Gauge { .. }) => {
                "give the indicator its unit: `unit: s`, `unit: B` or `unit: \"%\"`".to_owned()
            }
            (Unit::Seconds, _) => "write it like `200ms`".to_owned(),
            (Unit::Share, _) => "write it like `1%`, or `0.01`".to_owned(),
            (Unit::Bytes, _) => "write it like `10MiB`".to_owned(),
            (Unit::PerSecond, _) => "write it like `100/s`".to_owned(),
            (Unit::None | Unit::Other(_), _) => "write the bare number".to_owned(),
        };
        let message = format!("`{}` is {}: {why}", indicator.name, kind_in_words(&indicator.kind));
        Problem::new(Code::UnitMismatch, node.span, message).hint(hint)
    };
    quantity.in_unit(&indicator.unit).map_err(|why| cx.report(refuse(why))).ok()
}

fn kind_in_words(kind: &IndicatorKind) -> &'static str {
    match kind {
        IndicatorKind::Quantile { .. } => "a quantile",
        IndicatorKind::Ratio { .. } => "a ratio",
        IndicatorKind::Rate { .. } => "a rate",
        IndicatorKind::Gauge { .. } => "a gauge",
        IndicatorKind::PodsReady { .. } => "a number of pods",
        IndicatorKind::EventCount { .. } => "a number of events",
        IndicatorKind::PromQl(_) => "an expression",
    }
}

fn scale(node: &Node, indicator: Option<&Indicator>, cx: &mut Context<'_>) -> Option<f64> {
    let quantity = fields::quantity(node, "`scale`", &mut cx.problems)?;
    let scale = in_unit(quantity, node, indicator?, cx)?;
    if scale > 0.0 {
        return Some(scale);
    }
    let hint = "the distance from the bound that counts as a margin of 1";
    cx.report(bad(node, "`scale` must be more than nothing").hint(hint));
    None
}

/// The length of 1 of margin when none is given (design, section 6).
fn default_scale(
    level: Level,
    indicator: Option<&Indicator>,
    node: &Node,
    cx: &mut Context<'_>,
) -> Option<f64> {
    let scale = match (level, &indicator?.unit) {
        (Level::Between(low, high), _) => (high.get() - low.get()) / 2.0,
        (Level::Above(bound), Unit::Share) => 1.0 - bound.get(),
        (Level::Below(bound) | Level::Above(bound), _) => bound.get().abs(),
    };
    if scale > 0.0 {
        return Some(scale);
    }
    let message =
        "the margin has no scale: it is measured by the size of the bound, which leaves none here";
    let hint = "give `scale:`, the distance from the bound that counts as a margin of 1";
    cx.report(Problem::new(Code::ScaleNeeded, node.span, message).hint(hint));
    None
}

fn gaps(fields: &Fields<'_>, cx: &mut Context<'_>) -> Option<GapAllowance> {
    let default = Share::new(DEFAULT_GAP_SHARE);
    let (share, longest) = match fields.get("gaps") {
        None => (default, Some(DEFAULT_GAP_STEPS)),
        Some(node) if matches!(node.value, Value::Map(_)) => {
            let fields = Fields::of(node, "`gaps`", GAPS_KEYS, &mut cx.problems)?;
            let share = match fields.get("share") {
                Some(node) => fields::share_or_zero(node, "`share`", &mut cx.problems),
                None => default,
            };
            let longest = match fields.get("longest") {
                Some(node) => fields::count(node, "`longest`", 0, &mut cx.problems),
                None => Some(DEFAULT_GAP_STEPS),
            };
            (share, longest)
        }
        Some(node) => {
            let share = fields::share_or_zero(node, "`gaps`", &mut cx.problems);
            (share, Some(DEFAULT_GAP_STEPS))
        }
    };
    Some(GapAllowance { share: share?, longest_steps: longest? })
}

/// Reads `guard`.
pub(super) fn guards(node: &Node, scope: &Scope<'_>, cx: &mut Context<'_>) -> Vec<Guard> {
    let items = fields::list(node, "`guard`", &mut cx.problems).unwrap_or_default();
    items.iter().filter_map(|item| guard(item, scope, cx)).collect()
}

fn guard(node: &Node, scope: &Scope<'_>, cx: &mut Context<'_>) -> Option<Guard> {
    let fields = Fields::of(node, "a guard", GUARD_KEYS, &mut cx.problems)?;
    let found = fields.need("indicator", "indicator: error_ratio", &mut cx.problems);
    let found = found.and_then(|node| scope.table.find(node, cx));
    let for_ = fields.need("for", "for: 10s", &mut cx.problems).and_then(|node| {
        let length = fields::duration(node, "`for`", &mut cx.problems)?;
        rules::a_guard_looks_twice(node, length, scope, cx);
        Some(length)
    });
    let (key, value) = fields.exactly_one(&["above", "below"], &mut cx.problems)?;
    let (indicator, known) = found?;
    let trips = level(key, value, known, cx);
    Some(Guard { indicator, trips: trips?, for_: for_? })
}
