//! What a Prometheus-compatible server is asked for, so that a hypothesis can be judged.
//!
//! Typed indicators are made of samples, whoever scraped them: a server is asked for the samples of
//! their series and not for a rate of its own. Only samples say what a rate does not count (what a
//! series had counted before its first sample, what was lost with a process), when they were taken,
//! and where a series ended. A `promql` indicator is evaluated by the server, point by point.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Hypothesis,
    model::{Aggregate, Evidence, Indicator, IndicatorKind},
    selector::{LabelSelector, SeriesSelector},
};

/// What a server is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Queries {
    /// The series whose samples are needed; none is contained in another.
    pub(crate) samples: Vec<SeriesSelector>,
    /// The expressions that the server evaluates.
    pub(crate) expressions: Vec<Expression>,
    /// The pods that are asked about, when there are any.
    pub(crate) pods: Option<PodQueries>,
}

/// Pods as a server knows them, from kube-state-metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodQueries {
    /// Their namespace.
    pub(crate) namespace: String,
    /// The labels that selectors ask for.
    pub(crate) labels: BTreeSet<String>,
}

/// An expression and the indicator that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expression {
    /// The indicator.
    pub(crate) indicator: String,
    /// The text as it is sent.
    pub(crate) promql: String,
}

impl Queries {
    /// What a hypothesis needs of a server, in the order of its text.
    pub(crate) fn of(hypothesis: &Hypothesis) -> Self {
        let mut queries = Self::default();
        for indicator in &hypothesis.indicators {
            for selector in samples_of(&indicator.kind) {
                queries.add(selector);
            }
            if let IndicatorKind::PromQl(promql) = &indicator.kind {
                let (indicator, promql) = (indicator.name.clone(), promql.clone());
                queries.expressions.push(Expression { indicator, promql });
            }
            if let Some(alive) = &indicator.alive {
                queries.add(alive.clone());
            }
        }
        for evidence in &hypothesis.evidence {
            match evidence {
                Evidence::TargetsLost { selector, .. } => queries.add(selector.clone()),
                Evidence::PodsLost { .. } | Evidence::Indicator { .. } => {}
            }
        }
        let selectors = selectors_of_pods(hypothesis);
        queries.pods = hypothesis.sources.kubernetes.as_ref().and_then(|cluster| {
            let labels = selectors.iter().flat_map(|one| one.keys()).map(str::to_owned).collect();
            let namespace = cluster.namespace.clone();
            (!selectors.is_empty()).then_some(PodQueries { namespace, labels })
        });
        queries
    }

    /// Adds a selector, unless all of its series are asked for already.
    fn add(&mut self, selector: SeriesSelector) {
        if self.samples.iter().any(|wide| contains(wide, &selector)) {
            return;
        }
        self.samples.retain(|narrow| !contains(&selector, narrow));
        self.samples.push(selector);
    }
}

/// Every selector of pods.
fn selectors_of_pods(hypothesis: &Hypothesis) -> Vec<&LabelSelector> {
    let of_indicators = hypothesis.indicators.iter().filter_map(|one| match &one.kind {
        IndicatorKind::PodsReady { selector } => Some(selector),
        IndicatorKind::Quantile { .. }
        | IndicatorKind::Ratio { .. }
        | IndicatorKind::Rate { .. }
        | IndicatorKind::Gauge { .. }
        | IndicatorKind::EventCount { .. }
        | IndicatorKind::PromQl(_) => None,
    });
    hypothesis.pods().chain(of_indicators).collect()
}

/// Whether all series of `narrow` are surely series of `wide`: it has each condition of `wide`.
fn contains(wide: &SeriesSelector, narrow: &SeriesSelector) -> bool {
    wide.metric == narrow.metric && wide.matchers.iter().all(|one| narrow.matchers.contains(one))
}

/// The series that an indicator is made of.
pub(crate) fn samples_of(kind: &IndicatorKind) -> Vec<SeriesSelector> {
    match kind {
        IndicatorKind::Quantile { histogram, .. } => vec![histogram.buckets(), histogram.count()],
        IndicatorKind::Ratio { part, whole, .. } => vec![part.clone(), whole.clone()],
        IndicatorKind::Rate { counter, .. } => vec![counter.clone()],
        IndicatorKind::Gauge { gauge, .. } => vec![gauge.clone()],
        IndicatorKind::PodsReady { .. }
        | IndicatorKind::EventCount { .. }
        | IndicatorKind::PromQl(_) => Vec::new(),
    }
}

/// The PromQL whose value an indicator has; none for one that is not made of metrics.
pub(crate) fn promql(indicator: &Indicator) -> Option<String> {
    let rate = |selector: &SeriesSelector, over: Duration| {
        format!("rate({selector}[{}])", promql_duration(over))
    };
    Some(match &indicator.kind {
        IndicatorKind::Quantile { quantile, histogram, over } => {
            let rate = rate(&histogram.buckets(), *over);
            format!("histogram_quantile({}, sum by (le) ({rate}))", quantile.get())
        }
        IndicatorKind::Ratio { part, whole, over } => {
            let sum = format!("sum({})", rate(part, *over));
            // An error that was never counted has no series yet.
            let part =
                if part.metric == whole.metric { format!("({sum} or vector(0))") } else { sum };
            format!("{part} / sum({})", rate(whole, *over))
        }
        IndicatorKind::Rate { counter, over } => format!("sum({})", rate(counter, *over)),
        IndicatorKind::Gauge { gauge, aggregate } => {
            let aggregate = match aggregate {
                Aggregate::Sum => "sum",
                Aggregate::Min => "min",
                Aggregate::Max => "max",
                Aggregate::Avg => "avg",
            };
            format!("{aggregate}({gauge})")
        }
        IndicatorKind::PromQl(text) => text.clone(),
        IndicatorKind::PodsReady { .. } | IndicatorKind::EventCount { .. } => return None,
    })
}

/// A length of time as every version of PromQL reads it: `30s`, `1500ms`.
pub(crate) fn promql_duration(length: Duration) -> String {
    let millis = length.as_millis();
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypothesis::{Reading, check::tests::with, parse};

    fn hypothesis(indicators: &str) -> Hypothesis {
        let text = with(
            "scrape: {targets: [\"http://proxy:9100/metrics\"]}",
            "prometheus: {url: \"http://a\"}",
        );
        let text = text.replace("  ready: {pods_ready: app=api}\n", indicators);
        let text = text.replace(
            "{indicator: ready, during: {above: 7}}",
            "{indicator: p99, during: {below: 7}}",
        );
        parse(&text, "h.yaml", Reading::Recorded).map_err(|all| all.render(false)).unwrap()
    }

    fn samples(indicators: &str) -> Vec<String> {
        Queries::of(&hypothesis(indicators)).samples.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_series_is_asked_for_once() {
        // The part of the ratio is among the series of its whole.
        let of_the_rest = ["requests_total", "latency_seconds_bucket", "latency_seconds_count"];
        assert_eq!(samples(""), of_the_rest);
        let wide = "  all: {rate: 'x{a=\"1\",b=\"2\"}', over: 10s}\n  some: {rate: 'x{b=\"2\"}', over: 10s, alive: live}\n";
        assert_eq!(samples(wide)[..2], ["x{b=\"2\"}", "live"]);
    }

    #[test]
    fn an_expression_is_sent_as_it_stands() {
        let found = Queries::of(&hypothesis("  e: {promql: 'sum(x) or vector(0)'}\n"));
        let promql = "sum(x) or vector(0)".to_owned();
        assert_eq!(found.expressions, [Expression { indicator: "e".to_owned(), promql }]);
    }

    #[test]
    fn the_promql_of_an_indicator_can_be_pasted() {
        let of = |name: &str| {
            let hypothesis = hypothesis(
                "  g: {gauge: 'a{b=\"c\"}', aggregate: max}\n  r: {rate: c, over: 1500ms}\n  o: {ratio: a, of: b, over: 1m}\n",
            );
            promql(hypothesis.indicators.iter().find(|one| one.name == name).unwrap()).unwrap()
        };
        assert_eq!(
            of("p99"),
            "histogram_quantile(0.99, sum by (le) (rate(latency_seconds_bucket[10s])))"
        );
        assert_eq!(
            of("errors"),
            r#"(sum(rate(requests_total{code=~"5.."}[10s])) or vector(0)) / sum(rate(requests_total[10s]))"#
        );
        assert_eq!(of("o"), "sum(rate(a[60s])) / sum(rate(b[60s]))");
        assert_eq!(of("g"), r#"max(a{b="c"})"#);
        assert_eq!(of("r"), "sum(rate(c[1500ms]))");
    }
}
