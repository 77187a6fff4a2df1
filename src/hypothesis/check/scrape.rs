//! `sources.scrape`: which pages are read, how often, and under which labels.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Context, SourceKind, fault,
    sources::{address, addresses, literal, optional, required, unresolved},
};
use crate::{
    hypothesis::{
        code::Code,
        fields::{self, Fields, bad},
        model::{PodTargets, ScrapeSource},
        problem::Problem,
        raw::{Key, Node, Value},
        selector::{MatchHow, Matcher},
        units::Quantity,
        url,
    },
    number::length,
};

/// The keys of `scrape`.
pub(in crate::hypothesis) const KEYS: &[&str] = &[
    "http_sd",
    "file_sd",
    "pods",
    "targets",
    "labels",
    "keep",
    "drop",
    "honor_labels",
    "ca_file",
    "bearer_token_file",
    "interval",
    "timeout",
    "size_limit",
    "sample_limit",
];
/// The keys that name targets; at least one is needed.
pub(in crate::hypothesis) const TARGET_KEYS: &[&str] = &["http_sd", "file_sd", "pods", "targets"];
/// The keys of an item of `pods`.
pub(in crate::hypothesis) const PODS_KEYS: &[&str] = &["selector", "job"];

/// Time between two scrapes when none is given.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// The longest timeout that is a default; Prometheus' own.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of one page when no limit is given.
const DEFAULT_SIZE_LIMIT: u64 = 16 * 1024 * 1024;
/// The most samples of one page when no limit is given: several times what the largest exporters
/// of a single process show.
const DEFAULT_SAMPLE_LIMIT: usize = 100_000;

/// Reads the section.
pub(super) fn scrape(node: &Node, cx: &mut Context<'_>) -> Option<ScrapeSource> {
    let fields = Fields::of(node, "`scrape`", KEYS, &mut cx.problems)?;
    let http_sd = one_or_more(&fields, "http_sd", cx, |node, cx| address(node, "`http_sd`", cx));
    let file_sd = one_or_more(&fields, "file_sd", cx, file);
    let pods = one_or_more(&fields, "pods", cx, pods);
    let targets = match fields.get("targets") {
        Some(node) => targets(node, cx),
        None => Some(Vec::new()),
    };
    if TARGET_KEYS.iter().all(|key| fields.get(key).is_none()) {
        let message = format!("`scrape` needs {}", fields::listed(TARGET_KEYS, "or"));
        let problem = Problem::new(Code::MissingKey, node.span, message);
        cx.report(problem.hint("such as `targets: [\"http://127.0.0.1:9100/metrics\"]`"));
        return None;
    }
    let labels = fields.get("labels").map_or_else(BTreeMap::new, |node| labels(node, cx));
    let mut filters = Vec::new();
    for (key, how) in [("keep", MatchHow::Matches), ("drop", MatchHow::MatchesNot)] {
        filters.extend(fields.get(key).map_or_else(Vec::new, |node| patterns(node, key, how, cx)));
    }
    let honor_labels = fields.get("honor_labels").is_some_and(|node| yes(node, cx));
    let ca_file = optional(&fields, "ca_file", cx);
    let bearer_token_file = optional(&fields, "bearer_token_file", cx);
    let (interval, timeout) = times(&fields, cx);
    let size_limit = match literal(&fields, "size_limit", cx) {
        Some(node) => size(node, cx),
        None => Some(DEFAULT_SIZE_LIMIT),
    };
    let sample_limit = match literal(&fields, "sample_limit", cx) {
        Some(node) => fields::count(node, "`sample_limit`", 1, &mut cx.problems),
        None => Some(DEFAULT_SAMPLE_LIMIT),
    };
    Some(ScrapeSource {
        targets: targets?,
        http_sd: http_sd?,
        file_sd: file_sd?,
        pods: pods?,
        labels,
        filters,
        honor_labels,
        ca_file,
        bearer_token_file,
        interval: interval?,
        timeout: timeout?,
        size_limit: size_limit?,
        sample_limit: sample_limit?,
    })
}

/// One item, or a list of them. All are read before one that is bad takes the list with it.
fn one_or_more<T>(
    fields: &Fields<'_>,
    key: &str,
    cx: &mut Context<'_>,
    read: impl Fn(&Node, &mut Context<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let Some(node) = fields.get(key) else { return Some(Vec::new()) };
    let found: Vec<Option<T>> = match &node.value {
        Value::List(items) => items.iter().map(|item| read(item, cx)).collect(),
        Value::Null
        | Value::Bool(_)
        | Value::Whole(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::Map(_) => vec![read(node, cx)],
    };
    found.into_iter().collect()
}

fn targets(node: &Node, cx: &mut Context<'_>) -> Option<Vec<String>> {
    let items = fields::list(node, "`targets`", &mut cx.problems)?;
    let found = addresses(items, "`targets`", cx)?;
    for (item, one) in items.iter().zip(&found) {
        if !url::has_path(one) && !unresolved(one, cx) {
            let message = "a target is a whole address, with its path";
            let problem = Problem::new(Code::BadUrl, item.span, message);
            cx.report(problem.hint("add `/metrics`"));
        }
    }
    Some(found)
}

/// A file of targets, or a pattern of such files: what Prometheus takes, so that one list of
/// files serves both.
fn file(node: &Node, cx: &mut Context<'_>) -> Option<String> {
    let path = required(node, "`file_sd`", cx)?;
    if unresolved(&path, cx) {
        return Some(path);
    }
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let why = if dir.contains('*') {
        "a `*` stands only in the last part of a path"
    } else if ![".json", ".yml", ".yaml"].iter().any(|end| name.to_lowercase().ends_with(end)) {
        "a file of targets ends in `.json`, `.yml` or `.yaml`, which says its format"
    } else {
        return Some(path);
    };
    let problem = Problem::new(Code::BadPath, node.span, format!("`file_sd`: {why}"));
    cx.report(problem.hint("such as `targets/api.json` or `targets/*.yaml`"));
    None
}

fn pods(node: &Node, cx: &mut Context<'_>) -> Option<PodTargets> {
    let fields = Fields::of(node, "`pods`", PODS_KEYS, &mut cx.problems)?;
    cx.need(SourceKind::Kubernetes, node.span, "`scrape.pods`");
    let selector = fields.need("selector", "selector: app=api", &mut cx.problems);
    let selector = selector.and_then(|node| fault::pods(node, "`selector`", cx));
    let job = match literal(&fields, "job", cx) {
        Some(node) => Some(fields::text(node, "`job`", &mut cx.problems)?.to_owned()),
        None => None,
    };
    Some(PodTargets { selector: selector?, job })
}

fn labels(node: &Node, cx: &mut Context<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (key, value) in fields::map(node, "`labels`", &mut cx.problems).unwrap_or_default() {
        let text = said(key, value, cx);
        if key.text.starts_with("__") {
            let message = format!("`{}` cannot be the label of a target", key.text);
            let hint = "names that begin with `__` are dropped before a scrape, as in Prometheus";
            cx.report(Problem::new(Code::BadName, key.span, message).hint(hint));
        } else if let Some(text) = text {
            labels.insert(key.text.clone(), text.to_owned());
        }
    }
    labels
}

fn patterns(node: &Node, what: &str, how: MatchHow, cx: &mut Context<'_>) -> Vec<Matcher> {
    let mut found = Vec::new();
    let what = format!("`{what}`");
    for (key, value) in fields::map(node, &what, &mut cx.problems).unwrap_or_default() {
        let Some(pattern) = said(key, value, cx) else { continue };
        match Matcher::new(&key.text, how, pattern) {
            Ok(matcher) => found.push(matcher),
            Err(why) => cx.report(
                Problem::new(Code::BadSelector, value.span, format!("{what}: {why}"))
                    .hint("the pattern is matched against the whole value, as in Prometheus"),
            ),
        }
    }
    found
}

/// The text beside a label. It takes no variable: the series that indicators are read from are
/// named by it, and a recording is judged by its text alone.
fn said<'n>(key: &Key, node: &'n Node, cx: &mut Context<'_>) -> Option<&'n str> {
    let text = fields::text(node, &format!("the label `{}`", key.text), &mut cx.problems)?;
    if text.contains("${") {
        let message = "labels take no variable: a recording is judged by its text alone";
        let problem = Problem::new(Code::BadSubstitution, node.span, message);
        cx.report(problem.hint("write the value itself"));
        return None;
    }
    Some(text)
}

fn yes(node: &Node, cx: &mut Context<'_>) -> bool {
    let Value::Bool(is) = node.value else {
        let message =
            format!("`honor_labels` must be `true` or `false`, and this is {}", node.value.kind());
        cx.report(Problem::new(Code::WrongType, node.span, message));
        return false;
    };
    is
}

/// `interval` and `timeout`.
fn times(fields: &Fields<'_>, cx: &mut Context<'_>) -> (Option<Duration>, Option<Duration>) {
    let interval = match literal(fields, "interval", cx) {
        Some(node) => fields::duration(node, "`interval`", &mut cx.problems),
        None => Some(DEFAULT_INTERVAL),
    };
    let Some(node) = literal(fields, "timeout", cx) else {
        return (interval, interval.map(|interval| interval.min(DEFAULT_TIMEOUT)));
    };
    let timeout = fields::duration(node, "`timeout`", &mut cx.problems);
    if let (Some(interval), Some(timeout)) = (interval, timeout)
        && timeout > interval
    {
        let message = format!(
            "a scrape may take {} and the next is due after {}",
            length(timeout),
            length(interval)
        );
        let problem = Problem::new(Code::TimeoutOverInterval, node.span, message);
        cx.report(problem.hint("`timeout` is at most `interval`, and that by default"));
    }
    (interval, timeout)
}

fn size(node: &Node, cx: &mut Context<'_>) -> Option<u64> {
    let quantity = fields::quantity(node, "`size_limit`", &mut cx.problems)?;
    let size = match quantity {
        Quantity::Bytes(bytes) if (1.0..=1e12).contains(&bytes) => Some(bytes as u64),
        Quantity::Plain(_)
        | Quantity::Share(_)
        | Quantity::Seconds(_)
        | Quantity::Bytes(_)
        | Quantity::PerSecond(_) => None,
    };
    if size.is_none() {
        let message = "`size_limit` is a size, at least a byte";
        cx.report(bad(node, message).hint("write it like `16MiB`"));
    }
    size
}
