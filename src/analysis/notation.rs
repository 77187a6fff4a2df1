//! Series for tests, in the notation of Prometheus' own tests.
//!
//! `1 2 3` are samples one interval apart, `0+10x5` is 0 and then five steps of 10, `1x4` is 1
//! and four more of it, `_` is no sample, `_x3` is three times none, `stale` ends the series,
//! `NaN` and `Inf` are what they say.

use std::time::Duration;

use crate::{
    sample::{Labels, STALE, Series, SeriesSet},
    time::Time,
};

/// So many seconds after the epoch, where every test begins.
pub(crate) fn at(seconds: i64) -> Time {
    Time::from_millis(seconds * 1000)
}

/// A length in seconds.
pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Labels from a text such as `http_requests_total{code="200",pod="a"}`.
pub(crate) fn labels(text: &str) -> Labels {
    let (metric, rest) = text.split_once('{').unwrap_or((text, "}"));
    let pairs = rest.strip_suffix('}').expect("labels end with a brace").split(',');
    let pairs = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').expect("a label has a value");
        (name.to_owned(), value.trim_matches('"').to_owned())
    });
    let mut labels = Labels::new(pairs);
    labels.set("__name__", metric);
    labels
}

/// The values of a notation; none where there is no sample.
pub(crate) fn values(text: &str) -> Vec<Option<f64>> {
    text.split_whitespace().flat_map(item).collect()
}

/// A series without labels whose samples are `interval` seconds apart, the first at 0 s.
pub(crate) fn one(interval: i64, text: &str) -> Series {
    let mut series = Series::default();
    for (place, value) in (0_i64..).zip(values(text)) {
        if let Some(value) = value {
            series.push(at(place * interval), value);
        }
    }
    series
}

/// Many series: their labels and their samples, `interval` seconds apart, the first at 0 s.
pub(crate) fn set(interval: i64, rows: &[(&str, &str)]) -> SeriesSet {
    let mut set = SeriesSet::default();
    for (name, text) in rows {
        let place = set.place(&labels(name));
        let series = one(interval, text);
        for (time, value) in series.times.iter().zip(&series.values) {
            set.push_at(place, *time, *value);
        }
    }
    set
}

fn item(text: &str) -> Vec<Option<f64>> {
    let number = |text: &str| text.parse::<f64>().unwrap_or_else(|_| panic!("no number: {text}"));
    match text.rsplit_once('x') {
        Some(("_", times)) => vec![None; times.parse().expect("how often")],
        Some((start, times)) => {
            // The sign of the step is the last one that does not begin the text.
            let (start, step) = match start.rfind(['+', '-']).filter(|place| *place > 0) {
                Some(place) => (number(&start[..place]), number(&start[place..])),
                None => (number(start), 0.0),
            };
            let times: u32 = times.parse().expect("how often");
            (0..=times).map(|n| Some(start + step * f64::from(n))).collect()
        }
        None if text == "_" => vec![None],
        None if text == "stale" => vec![Some(STALE)],
        None => vec![Some(number(text))],
    }
}

#[test]
fn the_notation_reads_as_prometheus_reads_it() {
    let numbers = |text: &str| values(text).into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(numbers("0+10x3"), [0.0, 10.0, 20.0, 30.0]);
    assert_eq!(numbers("-2-1x2 5"), [-2.0, -3.0, -4.0, 5.0]);
    assert_eq!(numbers("7x2"), [7.0; 3]);
    assert_eq!(values("1 _ 2 _x2"), [Some(1.0), None, Some(2.0), None, None]);
    assert!(crate::sample::is_stale(numbers("stale")[0]));
}

#[test]
fn a_set_has_a_series_for_each_row() {
    let set = set(10, &[("up{job=\"a\"}", "1 _ 0"), ("up{job=\"b\"}", "1x2")]);
    let found: Vec<(String, Vec<Time>)> =
        set.iter().map(|series| (series.labels.to_string(), series.times.clone())).collect();
    let want = [
        ("up{job=\"a\"}".to_owned(), vec![at(0), at(20)]),
        ("up{job=\"b\"}".to_owned(), vec![at(0), at(10), at(20)]),
    ];
    assert_eq!(found, want);
}
