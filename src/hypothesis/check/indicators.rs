//! `indicators`: the numbers that are watched, each by its kind.

use std::{cell::Cell, time::Duration};

use super::{Context, SourceKind, fault, identifier, reason};
use crate::{
    hypothesis::{
        code::Code,
        fields::{self, Fields, closest, listed},
        model::{
            Absent, Aggregate, EventFilter, Indicator, IndicatorId, IndicatorKind, MinTraffic,
        },
        problem::{Problem, Span},
        raw::{Node, Value},
        selector::SeriesSelector,
    },
    number::{Share, Unit},
};

/// The keys of an indicator, one set a kind; the first says which kind it is.
pub(in crate::hypothesis) const KEYS: [&[&str]; 7] = [
    &["quantile", "histogram", "over", "unit", "traffic", "alive"],
    &["ratio", "of", "over", "unit", "traffic", "absent", "alive"],
    &["rate", "over", "unit", "alive"],
    &["gauge", "aggregate", "unit", "alive"],
    &["pods_ready"],
    &["event_count"],
    &["promql", "unit"],
];
/// The keys of `event_count`.
pub(in crate::hypothesis) const EVENT_KEYS: &[&str] = &["reason", "kind", "severity"];
/// The keys of `traffic`.
pub(in crate::hypothesis) const TRAFFIC_KEYS: &[&str] = &["at_least", "requests"];
/// What is written where any traffic will do.
pub(in crate::hypothesis) const ANY_TRAFFIC: &str = "any";
/// The words of `aggregate`.
pub(in crate::hypothesis) const AGGREGATES: &[&str] = &["sum", "min", "max", "avg"];
/// The words of `severity`, as Kubernetes writes them.
pub(in crate::hypothesis) const SEVERITIES: &[&str] = &["Normal", "Warning"];

/// Half of the traffic of *before*, where the file does not say: a fault that takes away more than
/// that changes who is measured.
const DEFAULT_TRAFFIC_SHARE: Share = Share::HALF;
/// A hundred requests, where the file does not say: of fewer, no single one may fail below 1 %.
const DEFAULT_TRAFFIC_REQUESTS: usize = 100;

/// The indicators of a hypothesis, also those that could not be read: to name one of them is not
/// a second mistake.
#[derive(Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

/// One indicator and where its parts stand.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) indicator: Option<Indicator>,
    pub(super) selectors: Vec<(SeriesSelector, Span)>,
    pub(super) over: Option<(Duration, Span)>,
    used: Cell<bool>,
}

impl Entry {
    /// Whether anything names it.
    pub(super) fn is_used(&self) -> bool {
        self.used.get()
    }
}

impl Table {
    /// The indicator that a node names; without the indicator itself when that could not be read.
    pub(super) fn find(
        &self,
        node: &Node,
        cx: &mut Context<'_>,
    ) -> Option<(IndicatorId, Option<&Indicator>)> {
        let name = fields::text(node, "`indicator`", &mut cx.problems)?;
        if let Some(place) = self.entries.iter().position(|entry| entry.name == name) {
            self.entries[place].used.set(true);
            return Some((IndicatorId(place), self.entries[place].indicator.as_ref()));
        }
        let names: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        let hint = match closest(name, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the indicators are {}", listed(&names, "and")),
        };
        let message = format!("there is no indicator `{name}`");
        cx.report(Problem::new(Code::UnknownIndicator, node.span, message).hint(hint));
        None
    }

    /// All indicators, if all could be read.
    pub(super) fn into_indicators(self) -> Option<Vec<Indicator>> {
        self.entries.into_iter().map(|entry| entry.indicator).collect()
    }
}

/// Reads the section.
pub(super) fn table(node: &Node, cx: &mut Context<'_>) -> Table {
    let entries = fields::map(node, "`indicators`", &mut cx.problems).unwrap_or_default();
    let read = entries.iter().map(|(key, node)| {
        let name = identifier(&key.text, key.span, '_', cx);
        let mut entry = Entry {
            name: key.text.clone(),
            span: key.span,
            indicator: None,
            selectors: Vec::new(),
            over: None,
            used: Cell::new(false),
        };
        let parts = kind(node, &mut entry, cx);
        entry.indicator = name.zip(parts).map(|(name, parts)| {
            let Parts { kind, unit, traffic, absent, alive } = parts;
            Indicator { name, unit, kind, traffic, absent, alive }
        });
        entry
    });
    Table { entries: read.collect() }
}

/// An indicator without its name.
struct Parts {
    kind: IndicatorKind,
    unit: Unit,
    traffic: MinTraffic,
    absent: Absent,
    alive: Option<SeriesSelector>,
}

fn kind(node: &Node, entry: &mut Entry, cx: &mut Context<'_>) -> Option<Parts> {
    let what = format!("the indicator `{}`", entry.name);
    let fields = fault::form(node, &what, &KEYS, cx)?;
    let kinds = KEYS.map(|keys| keys[0]);
    let (kind, value) = fields.exactly_one(&kinds, &mut cx.problems)?;
    let source = match kind {
        "pods_ready" | "event_count" => SourceKind::Kubernetes,
        "promql" => SourceKind::Server,
        _ => SourceKind::Metrics,
    };
    cx.need(source, entry.span, what.as_str());
    let unit = fields.get("unit").map(|node| {
        let text = fields::text(node, "`unit`", &mut cx.problems);
        text.map_or(Unit::None, Unit::from_text)
    });
    let traffic = match (kind, fields.get("traffic")) {
        (_, Some(node)) => min_traffic(node, cx),
        ("quantile" | "ratio", None) => Some(DEFAULT_TRAFFIC),
        // The others are no part of anything that could be missing.
        (_, None) => Some(MinTraffic::Any),
    };
    let absent = match fields.get("absent") {
        None => Some(Absent::Unknown),
        Some(node) => absent(node, cx),
    };
    let alive = fields.get("alive").map(|node| series(node, "`alive`", entry, cx));
    let read = match kind {
        "quantile" => quantile(value, &fields, entry, cx),
        "ratio" => ratio(value, &fields, entry, cx),
        "rate" => rate(value, &fields, entry, cx),
        "gauge" => gauge(value, &fields, entry, cx),
        "pods_ready" => {
            let selector = fault::pods(value, "`pods_ready`", cx)?;
            Some((IndicatorKind::PodsReady { selector }, Unit::None))
        }
        "event_count" => {
            Some((IndicatorKind::EventCount { filter: events(value, cx)? }, Unit::None))
        }
        _ => {
            let query = fields::text(value, "`promql`", &mut cx.problems)?;
            Some((IndicatorKind::PromQl(query.to_owned()), Unit::None))
        }
    };
    let (kind, default) = read?;
    let alive = match alive {
        None => None,
        Some(read) => Some(read?),
    };
    let unit = unit.unwrap_or(default);
    Some(Parts { kind, unit, traffic: traffic?, absent: absent?, alive })
}

/// Only one number can stand for what is not there.
fn absent(node: &Node, cx: &mut Context<'_>) -> Option<Absent> {
    if node.value == Value::Whole(0) {
        return Some(Absent::Zero);
    }
    let hint = "leave it out where a label that no series has is a mistake";
    cx.report(fields::bad(node, "`absent` can only be 0").hint(hint));
    None
}

/// What is asked for where the file does not say.
const DEFAULT_TRAFFIC: MinTraffic =
    MinTraffic::AtLeast { share: DEFAULT_TRAFFIC_SHARE, requests: DEFAULT_TRAFFIC_REQUESTS };

fn min_traffic(node: &Node, cx: &mut Context<'_>) -> Option<MinTraffic> {
    if node.value == Value::Text(ANY_TRAFFIC.to_owned()) {
        return Some(MinTraffic::Any);
    }
    let fields = Fields::of(node, "`traffic`", TRAFFIC_KEYS, &mut cx.problems)?;
    let share = match fields.get("at_least") {
        Some(node) => fields::share_or_zero(node, "`at_least`", &mut cx.problems),
        None => Some(DEFAULT_TRAFFIC_SHARE),
    };
    let requests = match fields.get("requests") {
        Some(node) => fields::count(node, "`requests`", 0, &mut cx.problems),
        None => Some(DEFAULT_TRAFFIC_REQUESTS),
    };
    Some(MinTraffic::AtLeast { share: share?, requests: requests? })
}

type Read = Option<(IndicatorKind, Unit)>;

fn quantile(value: &Node, fields: &Fields<'_>, entry: &mut Entry, cx: &mut Context<'_>) -> Read {
    let quantile = fields::share_or_zero(value, "`quantile`", &mut cx.problems);
    let node =
        fields.need("histogram", "histogram: http_request_duration_seconds", &mut cx.problems);
    let histogram = node.and_then(|node| {
        let selector = series(node, "`histogram`", entry, cx)?;
        histogram_is_whole(&selector, node, cx)?;
        Some(selector)
    });
    let over = over(fields, entry, cx);
    let (quantile, histogram, over) = (quantile?, histogram?, over?);
    let unit = unit_by_suffix(&histogram.metric);
    Some((IndicatorKind::Quantile { quantile, histogram, over }, unit))
}

fn ratio(value: &Node, fields: &Fields<'_>, entry: &mut Entry, cx: &mut Context<'_>) -> Read {
    let part = series(value, "`ratio`", entry, cx);
    let whole = fields.need("of", "of: http_requests_total", &mut cx.problems);
    let whole = whole.and_then(|node| series(node, "`of`", entry, cx));
    let over = over(fields, entry, cx);
    Some((IndicatorKind::Ratio { part: part?, whole: whole?, over: over? }, Unit::Share))
}

fn rate(value: &Node, fields: &Fields<'_>, entry: &mut Entry, cx: &mut Context<'_>) -> Read {
    let counter = series(value, "`rate`", entry, cx);
    let over = over(fields, entry, cx);
    Some((IndicatorKind::Rate { counter: counter?, over: over? }, Unit::PerSecond))
}

fn gauge(value: &Node, fields: &Fields<'_>, entry: &mut Entry, cx: &mut Context<'_>) -> Read {
    let gauge = series(value, "`gauge`", entry, cx);
    if let Some(gauge) = gauge.as_ref().filter(|gauge| gauge.metric.ends_with("_total")) {
        let message = format!("`{}` is named like a counter, which only ever grows", gauge.metric);
        let hint = "use `rate: …, over: 30s`";
        cx.report(Problem::new(Code::CounterAsGauge, value.span, message).hint(hint));
    }
    let aggregate = fields.need("aggregate", "aggregate: sum", &mut cx.problems);
    let aggregate = aggregate.and_then(|node| {
        let word = fields::word(node, "`aggregate`", AGGREGATES, &mut cx.problems)?;
        Some(match word {
            "sum" => Aggregate::Sum,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            _ => Aggregate::Avg,
        })
    });
    let (gauge, aggregate) = (gauge?, aggregate?);
    let unit = unit_by_suffix(&gauge.metric);
    Some((IndicatorKind::Gauge { gauge, aggregate }, unit))
}

fn events(node: &Node, cx: &mut Context<'_>) -> Option<EventFilter> {
    let fields = Fields::of(node, "`event_count`", EVENT_KEYS, &mut cx.problems)?;
    let mut text = |key: &str| {
        let node = fields.get(key)?;
        fields::text(node, &format!("`{key}`"), &mut cx.problems).map(str::to_owned)
    };
    let (reason, kind) = (text("reason"), text("kind"));
    let written = fields.get("reason").zip(reason.as_deref());
    if let Some((node, reason, meant)) =
        written.and_then(|(node, reason)| Some((node, reason, reason::meant(reason)?)))
    {
        let message = format!("Kubernetes writes no event with the reason `{reason}`");
        let hint = format!("did you mean `{meant}`? A reason of another controller may stay");
        cx.report(Problem::new(Code::UnlikelyReason, node.span, message).hint(hint));
    }
    let severity = fields.get("severity").and_then(|node| {
        fields::word(node, "`severity`", SEVERITIES, &mut cx.problems).map(str::to_owned)
    });
    Some(EventFilter { reason, kind, severity })
}

fn over(fields: &Fields<'_>, entry: &mut Entry, cx: &mut Context<'_>) -> Option<Duration> {
    let node = fields.need("over", "over: 30s", &mut cx.problems)?;
    let over = fields::duration(node, "`over`", &mut cx.problems)?;
    entry.over = Some((over, node.span));
    Some(over)
}

fn series(
    node: &Node,
    what: &str,
    entry: &mut Entry,
    cx: &mut Context<'_>,
) -> Option<SeriesSelector> {
    let text = fields::text(node, what, &mut cx.problems)?;
    match SeriesSelector::parse(text) {
        Ok(selector) => {
            entry.selectors.push((selector.clone(), node.span));
            Some(selector)
        }
        Err(why) => {
            let problem = Problem::new(Code::BadSelector, node.span, format!("{what}: {why}"));
            cx.report(
                problem.hint("a selector as PromQL has it: `http_requests_total{code=~\"5..\"}`"),
            );
            None
        }
    }
}

/// A histogram is named without `_bucket`, and all of its buckets are needed.
fn histogram_is_whole(selector: &SeriesSelector, node: &Node, cx: &mut Context<'_>) -> Option<()> {
    if let Some(name) = selector.metric.strip_suffix("_bucket") {
        let message = format!("`{}` names the buckets, not the histogram", selector.metric);
        let hint = format!("write `{name}`");
        cx.report(Problem::new(Code::BucketInName, node.span, message).hint(hint));
        return None;
    }
    if selector.matchers.iter().any(|matcher| matcher.label == "le") {
        let message = "a quantile needs every bucket, so `le` cannot be chosen";
        cx.report(Problem::new(Code::BadSelector, node.span, message).hint("leave `le` out"));
        return None;
    }
    Some(())
}

/// Prometheus' naming: the unit is the last word of a metric.
fn unit_by_suffix(metric: &str) -> Unit {
    match metric.rsplit('_').next() {
        Some("seconds") => Unit::Seconds,
        Some("bytes") => Unit::Bytes,
        Some("ratio") => Unit::Share,
        Some(_) | None => Unit::None,
    }
}
