//! `fault`, `evidence` and `because`: what disturbs, what shows it, and what should absorb it.

use super::{Context, Scope, SourceKind, objectives, rules};
use crate::{
    hypothesis::model::IndicatorId,
    hypothesis::{
        code::Code,
        fields::{self, Fields, listed},
        fingerprint,
        model::{
            Amount, CommandFault, Evidence, Fault, KillMeans, KillPods, Level, Mechanism,
            PhasePlan, Since, Unowned,
        },
        problem::Problem,
        raw::{Node, Value},
        selector::{LabelSelector, SeriesSelector},
    },
};

/// The kinds of fault that have parameters.
pub(in crate::hypothesis) const KINDS: &[&str] =
    &["kill_pods", "command", "manifest", "toxiproxy", "observe"];
/// The keys of `kill_pods`.
pub(in crate::hypothesis) const KILL_PODS_KEYS: &[&str] =
    &["selector", "share", "count", "max", "grace", "evict", "unowned"];
/// The keys of `command`.
pub(in crate::hypothesis) const COMMAND_KEYS: &[&str] = &["argv", "timeout", "undo"];
/// The keys of an item of evidence, one set a kind.
pub(in crate::hypothesis) const EVIDENCE_KEYS: [&[&str]; 3] =
    [&["pods_lost", "at_least"], &["targets_lost", "at_least"], &["indicator", "during", "since"]];
/// The keys of an item of `because`, one set a kind.
pub(in crate::hypothesis) const BECAUSE_KEYS: [&[&str]; 4] =
    [&["replaced", "within"], &["indicator", "during", "since"], &["hpa_scaled"], &["rescheduled"]];
/// The words of `since`.
pub(in crate::hypothesis) const SINCE_WORDS: &[&str] = &["fault", "before"];

/// Reads `fault`.
pub(super) fn fault(node: &Node, phases: Option<PhasePlan>, cx: &mut Context<'_>) -> Option<Fault> {
    if let Value::Text(word) = &node.value {
        return match word.as_str() {
            "none" => Some(Fault::None),
            kind => {
                let message = format!("`{kind}` alone is no fault");
                let hint = format!(
                    "`none`, or one of {} with its parameters: `command: {{}}`",
                    listed(KINDS, "and")
                );
                cx.report(Problem::new(Code::UnknownWord, node.span, message).hint(hint));
                None
            }
        };
    }
    let fields = Fields::of(node, "`fault`", KINDS, &mut cx.problems)?;
    let (kind, node) = fields.exactly_one(KINDS, &mut cx.problems)?;
    let span = fields.key(kind).map_or(node.span, |key| key.span);
    match kind {
        "kill_pods" => kill_pods(node, cx).map(Fault::KillPods),
        "command" => command(node, phases, cx).map(Fault::Command),
        other => {
            let hint = "`kill_pods` and `command` are carried out; `command` runs any injector";
            cx.unsupported(span, &format!("the fault `{other}`"), hint);
            let raw = fingerprint::opaque(node);
            Some(match other {
                "manifest" => Fault::Manifest(raw),
                "toxiproxy" => Fault::Toxiproxy(raw),
                _ => Fault::Observe(raw),
            })
        }
    }
}

fn kill_pods(node: &Node, cx: &mut Context<'_>) -> Option<KillPods> {
    let fields = Fields::of(node, "`kill_pods`", KILL_PODS_KEYS, &mut cx.problems)?;
    cx.need(SourceKind::Kubernetes, node.span, "the fault `kill_pods`");
    let selector = fields.need("selector", "selector: app=api", &mut cx.problems);
    let selector = selector.and_then(|node| pods(node, "`selector`", cx));
    let amount = fields.exactly_one(&["share", "count"], &mut cx.problems);
    let max = max(&fields, cx);
    let amount = amount.and_then(|(key, node)| match (key, max) {
        ("share", None) => fields::share(node, "`share`", &mut cx.problems).map(Amount::Share),
        ("share", Some(max)) => {
            let share = fields::share(node, "`share`", &mut cx.problems)?;
            Some(Amount::ShareAtMost { share, max: max? })
        }
        _ => fields::count(node, "`count`", 1, &mut cx.problems).map(Amount::Count),
    });
    let grace = fields.get("grace").map(|node| {
        let grace = fields::duration_or_zero(node, "`grace`", &mut cx.problems)?;
        if grace.subsec_nanos() != 0 {
            let message = "`grace` is in whole seconds, as Kubernetes takes it";
            cx.report(fields::bad(node, message).hint("such as `0s`, `5s` or `1m`"));
            return None;
        }
        Some(grace)
    });
    let grace = match grace {
        Some(read) => Some(read?),
        None => None,
    };
    let means = switch(&fields, "evict", [KillMeans::Delete, KillMeans::Evict], cx);
    let unowned = switch(&fields, "unowned", [Unowned::Refuse, Unowned::Take], cx);
    Some(KillPods { selector: selector?, amount: amount?, grace, means: means?, unowned: unowned? })
}

/// The cap of a share: none when there is no such key, and none inside when it cannot be read.
fn max(fields: &Fields<'_>, cx: &mut Context<'_>) -> Option<Option<usize>> {
    let node = fields.get("max")?;
    if let (Some(key), Some(_)) = (fields.key("max"), fields.key("count")) {
        let message = "`max` says nothing beside `count`";
        cx.report(Problem::new(Code::KeyNotHere, key.span, message).hint("leave it out"));
    }
    Some(fields::count(node, "`max`", 1, &mut cx.problems))
}

/// What `true` and `false` stand for; `false` is the default.
fn switch<T>(fields: &Fields<'_>, key: &str, [off, on]: [T; 2], cx: &mut Context<'_>) -> Option<T> {
    let Some(node) = fields.get(key) else { return Some(off) };
    fields::truth(node, &format!("`{key}`"), &mut cx.problems).map(|is| if is { on } else { off })
}

fn command(node: &Node, phases: Option<PhasePlan>, cx: &mut Context<'_>) -> Option<CommandFault> {
    let fields = Fields::of(node, "`command`", COMMAND_KEYS, &mut cx.problems)?;
    let argv = match fields.get("argv") {
        None => Some(Vec::new()),
        Some(node) => argv(node, "`argv`", cx),
    };
    let undo = match fields.get("undo") {
        None => Some(None),
        Some(node) => program(node, "`undo`", cx).map(Some),
    };
    let timeout = match fields.get("timeout") {
        Some(node) => fields::duration(node, "`timeout`", &mut cx.problems),
        None => phases.map(|plan| plan.during_at_most),
    };
    Some(CommandFault { argv: argv?, timeout: timeout?, undo: undo? })
}

/// A program that has to be there.
fn program(node: &Node, what: &str, cx: &mut Context<'_>) -> Option<Vec<String>> {
    let words = argv(node, what, cx)?;
    if words.is_empty() {
        let message = format!("{what} names no program");
        cx.report(Problem::new(Code::WrongType, node.span, message).hint("or leave it out"));
        return None;
    }
    Some(words)
}

fn argv(node: &Node, what: &str, cx: &mut Context<'_>) -> Option<Vec<String>> {
    if matches!(node.value, Value::Text(_)) {
        let message = format!("{what} is a list: no shell takes it apart");
        let hint = "such as `[kubectl, delete, pod, api-0]`";
        cx.report(Problem::new(Code::WrongType, node.span, message).hint(hint));
        return None;
    }
    let items = fields::list(node, what, &mut cx.problems)?;
    let item_of = format!("an item of {what}");
    let mut words = Vec::new();
    for (at, item) in items.iter().enumerate() {
        words.push(match &item.value {
            // An argument may be empty; a program may not.
            Value::Text(word) if at > 0 => Some(word.clone()),
            Value::Null
            | Value::Bool(_)
            | Value::Whole(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_) => fields::text(item, &item_of, &mut cx.problems).map(str::to_owned),
        });
    }
    words.into_iter().collect()
}

/// Reads `evidence`, or fills in what the fault implies.
pub(super) fn evidence(
    root: &Fields<'_>,
    scope: &Scope<'_>,
    cx: &mut Context<'_>,
) -> Vec<Evidence> {
    let given = root.get("evidence").map(|node| {
        let items = fields::list(node, "`evidence`", &mut cx.problems).unwrap_or_default();
        let read: Vec<_> = items.iter().filter_map(|item| one_evidence(item, scope, cx)).collect();
        (node, items.is_empty(), read)
    });
    match (given, scope.fault) {
        (Some((node, false, _)), Some(Fault::None)) => {
            let message = "the fault is `none`, so its evidence is not looked for";
            let hint = "a placebo run shows what happens without a fault";
            cx.report(Problem::new(Code::EvidenceWithoutFault, node.span, message).hint(hint));
            Vec::new()
        }
        (Some((_, false, read)), _) => read,
        (None | Some((_, true, _)), Some(Fault::KillPods(kill))) => {
            vec![Evidence::PodsLost { selector: kill.selector.clone(), at_least: kill.amount }]
        }
        (None | Some((_, true, _)), Some(Fault::None) | None) => Vec::new(),
        (None | Some((_, true, _)), Some(fault)) => {
            let span = root.key("evidence").or(root.key("fault")).map_or(root.span, |key| key.span);
            let message = format!(
                "the fault `{}` has no evidence: that it ended well does not show that it did anything",
                fault.kind()
            );
            let hint = "such as `evidence: [{pods_lost: app=api, at_least: 1}]`";
            cx.report(Problem::new(Code::NoEvidence, span, message).hint(hint));
            Vec::new()
        }
    }
}

fn one_evidence(node: &Node, scope: &Scope<'_>, cx: &mut Context<'_>) -> Option<Evidence> {
    let what = "an item of `evidence`";
    let fields = form(node, what, &EVIDENCE_KEYS, cx)?;
    let kinds = EVIDENCE_KEYS.map(|keys| keys[0]);
    let (kind, value) = fields.exactly_one(&kinds, &mut cx.problems)?;
    if kind == "indicator" {
        let (indicator, level, since) = reached(&fields, value, scope, cx)?;
        return Some(Evidence::Indicator { indicator, level, since });
    }
    let least = fields.need("at_least", "at_least: 30%", &mut cx.problems);
    let at_least = least.and_then(|node| fields::amount(node, "`at_least`", &mut cx.problems));
    if kind == "targets_lost" {
        cx.need(SourceKind::Metrics, node.span, "the evidence `targets_lost`");
        let selector = targets(value, cx);
        return Some(Evidence::TargetsLost { selector: selector?, at_least: at_least? });
    }
    cx.need(SourceKind::Kubernetes, node.span, "the evidence `pods_lost`");
    let selector = pods(value, "`pods_lost`", cx);
    let (selector, at_least) = (selector?, at_least?);
    if let (Some(Fault::KillPods(kill)), Some(least)) = (scope.fault, least) {
        rules::evidence_does_not_ask_for_more(least, &selector, at_least, kill, cx);
    }
    Some(Evidence::PodsLost { selector, at_least })
}

/// Reads `because`.
pub(super) fn because(node: &Node, scope: &Scope<'_>, cx: &mut Context<'_>) -> Vec<Mechanism> {
    let items = fields::list(node, "`because`", &mut cx.problems).unwrap_or_default();
    items.iter().filter_map(|item| mechanism(item, scope, cx)).collect()
}

fn mechanism(node: &Node, scope: &Scope<'_>, cx: &mut Context<'_>) -> Option<Mechanism> {
    let what = "an item of `because`";
    let fields = form(node, what, &BECAUSE_KEYS, cx)?;
    let kinds = BECAUSE_KEYS.map(|keys| keys[0]);
    let (kind, value) = fields.exactly_one(&kinds, &mut cx.problems)?;
    match kind {
        "indicator" => {
            let (indicator, level, since) = reached(&fields, value, scope, cx)?;
            Some(Mechanism::Indicator { indicator, level, since })
        }
        "replaced" => {
            cx.need(SourceKind::Kubernetes, node.span, "the mechanism `replaced`");
            let selector = pods(value, "`replaced`", cx);
            let within = fields.need("within", "within: 30s", &mut cx.problems);
            let length = within.and_then(|n| fields::duration(n, "`within`", &mut cx.problems));
            let (selector, length) = (selector?, length?);
            if let Some(node) = within {
                rules::watched_long_enough(node, length, scope, cx);
            }
            Some(Mechanism::Replaced { selector, within: length })
        }
        other => {
            let hint = "`replaced`, or the level of an indicator, is looked for";
            cx.unsupported(node.span, &format!("the mechanism `{other}`"), hint);
            Some(Mechanism::Opaque { kind: other.to_owned(), raw: fingerprint::opaque(value) })
        }
    }
}

/// The fields of an item whose first key says which of several forms it has.
pub(super) fn form<'n>(
    node: &'n Node,
    what: &'n str,
    forms: &[&[&str]],
    cx: &mut Context<'_>,
) -> Option<Fields<'n>> {
    let entries = fields::map(node, what, &mut cx.problems)?;
    let chosen = forms.iter().find(|keys| entries.iter().any(|(key, _)| key.text == keys[0]));
    let all: Vec<&str> = forms.iter().flat_map(|keys| keys.iter().copied()).collect();
    // The first keys of the other forms stay known: `exactly_one` says more about them.
    let mut known: Vec<&str> = forms.iter().map(|keys| keys[0]).collect();
    known.extend(chosen.map_or(all.as_slice(), |keys| &keys[1..]));
    Fields::of(node, what, &known, &mut cx.problems)
}

/// An indicator, the level that it must have reached during the fault, and since when it may be
/// there.
fn reached(
    fields: &Fields<'_>,
    name: &Node,
    scope: &Scope<'_>,
    cx: &mut Context<'_>,
) -> Option<(IndicatorId, Level, Since)> {
    let found = scope.table.find(name, cx);
    let since = match fields.get("since") {
        None => Some(Since::Fault),
        Some(node) => {
            let word = fields::word(node, "`since`", SINCE_WORDS, &mut cx.problems);
            word.map(|word| if word == "before" { Since::Before } else { Since::Fault })
        }
    };
    let during = fields.need("during", "during: {above: 80%}", &mut cx.problems)?;
    let inner = Fields::of(during, "`during`", objectives::LEVEL_KEYS, &mut cx.problems)?;
    let (key, node) = inner.exactly_one(objectives::LEVEL_KEYS, &mut cx.problems)?;
    let (id, indicator) = found?;
    let level = objectives::level(key, node, indicator, cx)?;
    Some((id, level, since?))
}

/// A label selector of pods.
pub(super) fn pods(node: &Node, what: &str, cx: &mut Context<'_>) -> Option<LabelSelector> {
    let text = fields::text(node, what, &mut cx.problems)?;
    let refuse = |why| Problem::new(Code::BadSelector, node.span, format!("{what}: {why}"));
    let hint = "a label selector as `kubectl get pods -l` takes it: `app=api,tier in (web, edge)`";
    LabelSelector::parse(text).map_err(|why| cx.report(refuse(why).hint(hint))).ok()
}

/// A selector of scrape targets, by the labels of their `up`.
fn targets(node: &Node, cx: &mut Context<'_>) -> Option<SeriesSelector> {
    let text = fields::text(node, "`targets_lost`", &mut cx.problems)?;
    let why = match SeriesSelector::parse_or(text, "up") {
        Ok(selector) if selector.metric == "up" => return Some(selector),
        Ok(selector) => format!("targets are told apart by `up`, not by `{}`", selector.metric),
        Err(why) => why.to_string(),
    };
    let problem = Problem::new(Code::BadSelector, node.span, format!("`targets_lost`: {why}"));
    cx.report(problem.hint("such as `up{job=\"api\"}` or `{instance=~\"10\\\\.0\\\\..*\"}`"));
    None
}
