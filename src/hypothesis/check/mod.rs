//! From the raw tree to the model. Every section is read whatever is wrong with the others, and
//! every problem is reported where it stands.
//!
//! A file a section; `rules` holds what concerns more than one of them.

pub(super) mod fault;
pub(super) mod indicators;
pub(super) mod objectives;
pub(super) mod phases;
mod reason;
mod rules;
pub(super) mod scrape;
pub(super) mod sources;
mod witness;

use std::{collections::BTreeMap, time::Duration};

use self::indicators::Table;
use super::{
    Reading,
    code::Code,
    fields::{self, Fields, bad},
    fingerprint,
    model::{Fault, Hypothesis, PhasePlan, Sources},
    problem::{Problem, Span},
    raw::{self, Node, Value},
};

/// The keys of a hypothesis.
pub(super) const KEYS: &[&str] = &[
    "version",
    "name",
    "claim",
    "because",
    "labels",
    "cadence",
    "phases",
    "sources",
    "fault",
    "evidence",
    "indicators",
    "checks",
    "guard",
];

/// What the sections share while they are read.
struct Context<'a> {
    reading: Reading<'a>,
    problems: Vec<Problem>,
    needs: Vec<Need>,
}

/// A place that needs a source, and what stands there.
struct Need {
    from: SourceKind,
    span: Span,
    what: String,
}

/// The kinds of source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SourceKind {
    /// Targets or a server.
    Metrics,
    /// A server: only that can evaluate an expression.
    Server,
    Kubernetes,
}

impl Context<'_> {
    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn need(&mut self, from: SourceKind, span: Span, what: impl Into<String>) {
        self.needs.push(Need { from, span, what: what.into() });
    }

    /// Says that a part of the format cannot be carried out, unless it need not be.
    fn unsupported(&mut self, span: Span, feature: &str, alternative: &str) {
        match self.reading {
            Reading::ToRun(_) => self.report(
                Problem::new(
                    Code::NotSupportedYet,
                    span,
                    format!(
                        "{feature} belongs to the format, and this version cannot carry it out"
                    ),
                )
                .hint(alternative),
            ),
            Reading::Recorded => {}
        }
    }
}

/// The sections that others refer to.
struct Scope<'s> {
    table: &'s Table,
    phases: Option<PhasePlan>,
    fault: Option<&'s Fault>,
}

/// Reads a text. Without a hypothesis there is at least one error among the problems.
pub(super) fn check(text: &str, reading: Reading<'_>) -> (Option<Hypothesis>, Vec<Problem>) {
    let mut cx = Context { reading, problems: Vec::new(), needs: Vec::new() };
    let root = raw::read(text, &mut cx.problems);
    let hypothesis = root.and_then(|root| hypothesis(text, &root, &mut cx));
    (hypothesis, cx.problems)
}

fn hypothesis(text: &str, root: &Node, cx: &mut Context<'_>) -> Option<Hypothesis> {
    if root.value == Value::Null {
        let message = "there is no hypothesis in this file: it is empty, or has only comments";
        let hint = "`hypotheses/` holds examples to start from";
        cx.report(Problem::new(Code::EmptyFile, Span::TOP, message).hint(hint));
        return None;
    }
    if !version_is_known(root, cx) {
        // Of a format that is not known, nothing else can be said.
        return None;
    }
    let fields = Fields::of(root, "a hypothesis", KEYS, &mut cx.problems)?;
    rules::nothing_is_substituted_outside(root, "sources", cx);

    let name = fields.need("name", "name: api-survives-pod-loss", &mut cx.problems);
    let name = name.and_then(|node| dns_label(node, cx));
    let claim = fields.need("claim", "claim: p99 stays under 200 ms", &mut cx.problems);
    let claim = claim.and_then(|node| fields::text(node, "`claim`", &mut cx.problems));
    let labels = fields.get("labels").map_or_else(BTreeMap::new, |node| labels(node, cx));
    let sources = match fields.get("sources") {
        Some(node) => sources::sources(node, cx),
        None => Some(Sources { metrics: None, kubernetes: None }),
    };
    let phases =
        fields.need("phases", "phases: {before: 5m, during: 2m, after: 5m}", &mut cx.problems);
    let phases = phases.and_then(|node| phases::phases(node, cx));
    let cadence = fields.get("cadence").and_then(|node| cadence(node, phases, cx));
    let fault = fields.need(
        "fault",
        "fault: {kill_pods: {selector: app=api, share: 30%}}",
        &mut cx.problems,
    );
    let fault = fault.and_then(|node| fault::fault(node, phases, cx));
    let table =
        fields.need("indicators", "indicators: {ready: {pods_ready: app=api}}", &mut cx.problems);
    let table = table.map_or_else(Table::default, |node| indicators::table(node, cx));

    let scope = Scope { table: &table, phases, fault: fault.as_ref() };
    let evidence = fault::evidence(&fields, &scope, cx);
    let because = fields.get("because").map_or_else(Vec::new, |n| fault::because(n, &scope, cx));
    let checks =
        fields.need("checks", "checks: [{indicator: ready, after: {above: 10}}]", &mut cx.problems);
    let checks = checks.map_or_else(Vec::new, |n| objectives::checks(n, &scope, cx));
    let guard = fields.get("guard").map_or_else(Vec::new, |n| objectives::guards(n, &scope, cx));

    rules::the_fault_is_judged(&fields, &scope, &checks, cx);
    rules::windows_fit(&scope, &checks, sources.as_ref(), cx);
    rules::witness_is_not_the_victim(&scope, cx);
    witness::discovered_witness_is_not_the_victim(&scope, sources.as_ref(), cx);
    rules::every_indicator_is_used(&table, cx);
    rules::sources_are_there(&fields, cx);

    let (phases, fault, indicators) = (phases?, fault?, table.into_indicators()?);
    Some(Hypothesis {
        name: name?,
        claim: claim?.trim().to_owned(),
        because,
        labels,
        cadence,
        phases,
        sources: sources?,
        evidence,
        checks,
        guard,
        text_fingerprint: fingerprint::of_text(text),
        comparable_fingerprint: fingerprint::of_experiment(&fault, &indicators, &phases),
        fault,
        indicators,
    })
}

fn version_is_known(root: &Node, cx: &mut Context<'_>) -> bool {
    let Value::Map(entries) = &root.value else { return true };
    let Some((key, node)) = entries.iter().find(|(key, _)| key.text == "version") else {
        let problem = Problem::new(Code::MissingKey, root.span, "a hypothesis needs `version`");
        cx.report(problem.hint("such as `version: 1`"));
        return true;
    };
    if node.value == Value::Whole(1) {
        return true;
    }
    let message = "this program reads version `1` of the format, and no other";
    let hint = match &node.value {
        Value::Text(_) => format!("write it without quotes: `{}: 1`", key.text),
        Value::Null
        | Value::Bool(_)
        | Value::Whole(_)
        | Value::Number(_)
        | Value::List(_)
        | Value::Map(_) => format!("write `{}: 1`; a newer program may read this file", key.text),
    };
    cx.report(Problem::new(Code::BadVersion, node.span, message).hint(hint));
    false
}

fn dns_label(node: &Node, cx: &mut Context<'_>) -> Option<String> {
    let name = fields::text(node, "`name`", &mut cx.problems)?;
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fine = name.len() <= 63
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !fine {
        let message = format!("`{name}` is not a DNS label, and it becomes part of a path");
        let allowed =
            "at most 63 lower-case letters, digits and `-`, which stands neither first nor last";
        let hint = match as_label(name) {
            Some(label) => format!("such as `{label}`: {allowed}"),
            None => allowed.to_owned(),
        };
        cx.report(Problem::new(Code::BadName, node.span, message).hint(hint));
    }
    fine.then(|| name.to_owned())
}

/// A name as it may have been meant: in lower case, with `-` for what cannot stand in it.
fn as_label(name: &str) -> Option<String> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let label = words.collect::<Vec<_>>().join("-").to_lowercase();
    (name.is_ascii() && !label.is_empty() && label.len() <= 63).then_some(label)
}

/// A name of ours that stands in files and tables: of an indicator or a check.
fn identifier(text: &str, span: Span, extra: char, cx: &mut Context<'_>) -> Option<String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == extra;
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let fine = text.len() <= 63 && text.starts_with(first) && text.chars().all(inner);
    if !fine {
        let hint = "at most 63 letters, digits, `_` and `-`, the first a letter";
        let message = format!("`{text}` cannot be a name");
        cx.report(Problem::new(Code::BadName, span, message).hint(hint));
    }
    fine.then(|| text.to_owned())
}

fn labels(node: &Node, cx: &mut Context<'_>) -> BTreeMap<String, String> {
    let entries = fields::map(node, "`labels`", &mut cx.problems).unwrap_or_default();
    let mut labels = BTreeMap::new();
    for (key, value) in entries {
        let what = format!("the label `{}`", key.text);
        if let Some(text) = fields::text(value, &what, &mut cx.problems) {
            labels.insert(key.text.clone(), text.to_owned());
        }
    }
    labels
}

fn cadence(node: &Node, phases: Option<PhasePlan>, cx: &mut Context<'_>) -> Option<Duration> {
    let cadence = fields::duration(node, "`cadence`", &mut cx.problems)?;
    if let Some(plan) = phases {
        rules::cadence_outlasts_a_run(node, cadence, &plan, cx);
    }
    Some(cadence)
}

/// The spelled-out part of a message about a value that is out of range.
fn out_of_range(node: &Node, message: impl Into<String>, hint: &str, cx: &mut Context<'_>) {
    cx.report(bad(node, message).hint(hint));
}

#[cfg(test)]
pub(super) mod tests;
