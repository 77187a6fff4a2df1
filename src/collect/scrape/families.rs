//! A page seen through its types, in the model of the crate `prometheus-parse`.
//!
//! The samples that are judged are taken as they stand. But a histogram has to be seen whole to
//! know whether a quantile can be taken from it, and its values are those of the crate's model:
//! so a page is put together here once for each target, and what is odd is said in the report.

use std::collections::BTreeMap;

use prometheus_parse::{HistogramCount, SampleType, SummaryCount, Value};

use super::page::Page;
use crate::{number::Unit, sample::Labels, time::Time};

/// A value of a metric, put together from the samples that make it up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    /// The metric: of a histogram without `_bucket`.
    pub metric: String,
    /// What tells it from others of the metric: neither the name nor `le` or `quantile`.
    pub labels: Labels,
    /// Its value by its type; buckets and quantiles ascend.
    pub value: Value,
    /// The time that the page gives it.
    pub stamp: Option<Time>,
}

/// The readings of a page, scalars first in their order, then histograms and summaries by name.
///
/// `_sum` and `_count` of a histogram or a summary are untyped readings of their own, as in the
/// crate. A bucket without a number in `le` belongs to no histogram and is left out.
pub(crate) fn readings(page: &Page) -> Vec<Reading> {
    let mut scalars = Vec::new();
    let mut parts: BTreeMap<(String, Labels, Option<Time>), Value> = BTreeMap::new();
    for sample in &page.samples {
        let name = sample.labels.metric();
        let histogram = name.strip_suffix("_bucket").filter(|metric| {
            page.types.get(*metric) == Some(&SampleType::Histogram)
                && sample.labels.get("le").is_some()
        });
        let bare = sample.labels.without("__name__");
        let key = |metric: &str, part| (metric.to_owned(), bare.without(part), sample.stamp);
        if let Some(metric) = histogram {
            let Some(less_than) = bound(&sample.labels, "le") else { continue };
            let value = parts.entry(key(metric, "le")).or_insert(Value::Histogram(Vec::new()));
            if let Value::Histogram(buckets) = value {
                buckets.push(HistogramCount { less_than, count: sample.value });
            }
            continue;
        }
        let kind = page.types.get(name).copied().unwrap_or(SampleType::Untyped);
        let value = match kind {
            SampleType::Summary if sample.labels.get("quantile").is_some() => {
                let Some(quantile) = bound(&sample.labels, "quantile") else { continue };
                let value =
                    parts.entry(key(name, "quantile")).or_insert(Value::Summary(Vec::new()));
                if let Value::Summary(quantiles) = value {
                    quantiles.push(SummaryCount { quantile, count: sample.value });
                }
                continue;
            }
            SampleType::Counter => Value::Counter(sample.value),
            SampleType::Gauge => Value::Gauge(sample.value),
            SampleType::Histogram | SampleType::Summary | SampleType::Untyped => {
                Value::Untyped(sample.value)
            }
        };
        let metric = name.to_owned();
        scalars.push(Reading { metric, labels: bare, value, stamp: sample.stamp });
    }
    let whole = parts.into_iter().map(|((metric, labels, stamp), mut value)| {
        match &mut value {
            Value::Histogram(buckets) => {
                buckets.sort_by(|a, b| a.less_than.total_cmp(&b.less_than));
            }
            Value::Summary(quantiles) => {
                quantiles.sort_by(|a, b| a.quantile.total_cmp(&b.quantile));
            }
            Value::Counter(_) | Value::Gauge(_) | Value::Untyped(_) => {}
        }
        Reading { metric, labels, value, stamp }
    });
    scalars.into_iter().chain(whole).collect()
}

/// What is wrong with the histograms of a page, as sentences; one for each metric.
pub(crate) fn odd_histograms(page: &Page) -> Vec<String> {
    let mut odd = BTreeMap::new();
    for reading in readings(page) {
        let Value::Histogram(buckets) = &reading.value else { continue };
        let last = buckets.last().map_or(0.0, |bucket| bucket.less_than);
        let falls = buckets.windows(2).find(|pair| pair[1].count < pair[0].count);
        let why = if last < f64::INFINITY {
            Some("has no bucket `+Inf`, so no quantile can be taken from it".to_owned())
        } else {
            falls.map(|pair| {
                format!(
                    "counts less in the bucket {} than in the one below it, so its quantiles are doubtful",
                    Unit::None.show(pair[1].less_than)
                )
            })
        };
        if let Some(why) = why {
            odd.entry(reading.metric).or_insert(why);
        }
    }
    odd.into_iter().map(|(metric, why)| format!("histogram `{metric}` {why}")).collect()
}

fn bound(labels: &Labels, name: &str) -> Option<f64> {
    labels.get(name)?.parse().ok().filter(|bound: &f64| !bound.is_nan())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::collect::scrape::exposition::Format;

    fn page(text: &str) -> Page {
        Page::read(text.as_bytes(), Format::Text).unwrap()
    }

    #[track_caller]
    fn check_odd(text: &str, want: &[&str]) {
        assert_eq!(odd_histograms(&page(text)), want);
    }

    #[test]
    fn buckets_are_put_together_in_order() {
        let text = "# TYPE h histogram\nh_bucket{a=\"1\",le=\"+Inf\"} 3\nh_bucket{a=\"1\",le=\"0.5\"} 2\nh_sum{a=\"1\"} 1\n";
        let readings = readings(&page(text));
        assert_eq!(readings[0].value, Value::Untyped(1.0));
        assert_eq!(
            (readings[1].metric.as_str(), readings[1].labels.to_string()),
            ("h", "{a=\"1\"}".to_owned())
        );
        let bucket = |less_than, count| HistogramCount { less_than, count };
        assert_eq!(
            readings[1].value,
            Value::Histogram(vec![bucket(0.5, 2.0), bucket(f64::INFINITY, 3.0)])
        );
    }

    #[test]
    fn a_histogram_that_cannot_carry_a_quantile_is_named() {
        check_odd(
            "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n",
            &["histogram `h` has no bucket `+Inf`, so no quantile can be taken from it"],
        );
        check_odd(
            "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\n",
            &[
                "histogram `h` counts less in the bucket ∞ than in the one below it, so its quantiles are doubtful",
            ],
        );
        check_odd("# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 2\n", &[]);
        check_odd("h_bucket{le=\"1\"} 2\n", &[]);
    }

    /// One metric of a generated page: its type, and for each series a label and its values.
    type Generated = (usize, Vec<(String, Vec<f64>)>);

    fn metric() -> impl Strategy<Value = Generated> {
        // Only values that the crate reads right: none of `}`, `,`, `=`, quotes or escapes.
        let series = ("[a-zA-Z0-9 /._:-]{1,8}", prop::collection::vec(-1e6..1e6f64, 3));
        (0..5usize, prop::collection::vec(series, 1..4))
    }

    fn exposition(metrics: &[Generated]) -> String {
        let mut text = String::new();
        for (at, (kind, series)) in metrics.iter().enumerate() {
            let kind = ["counter", "gauge", "histogram", "summary", "untyped"][*kind];
            text.push_str(&format!("# HELP m{at} some help\n# TYPE m{at} {kind}\n"));
            for (number, (label, values)) in series.iter().enumerate() {
                let own = format!("n=\"{number}\",l=\"{label}\"");
                for (place, value) in values.iter().enumerate() {
                    let bound = ["0.1", "2.5", "+Inf"][place];
                    let line = match kind {
                        "histogram" => format!("m{at}_bucket{{{own},le=\"{bound}\"}} {value}"),
                        "summary" => format!("m{at}{{{own},quantile=\"0.{}\"}} {value}", place + 1),
                        _ => format!("m{at}{{{own},p=\"{place}\"}} {value} 1395066363000"),
                    };
                    text.push_str(&line);
                    text.push('\n');
                }
            }
        }
        text
    }

    /// Readings in a form and an order that both parsers share.
    fn comparable(metric: &str, labels: BTreeMap<&str, &str>, value: &Value) -> String {
        format!("{metric} {labels:?} {value:?}")
    }

    proptest! {
        #[test]
        fn the_crate_reads_the_same_where_it_is_right(metrics in prop::collection::vec(metric(), 1..5)) {
            let text = exposition(&metrics);
            let lines = text.lines().map(|line| Ok(line.to_owned()));
            let oracle = prometheus_parse::Scrape::parse(lines).unwrap();
            let mut want: Vec<String> = oracle.samples.iter().map(|sample| {
                let labels = sample.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                comparable(&sample.metric, labels, &sample.value)
            }).collect();
            let page = page(&text);
            prop_assert_eq!(page.bad_lines, 0);
            let mut got: Vec<String> = readings(&page).iter().map(|reading| {
                comparable(&reading.metric, reading.labels.iter().collect(), &reading.value)
            }).collect();
            want.sort();
            got.sort();
            prop_assert_eq!(got, want);
        }
    }
}
