//! Samples as Prometheus keeps them, and the points of an indicator.

use std::{collections::HashMap, fmt};

use crate::time::Time;

/// The value that says "this series ended here" (Prometheus' stale marker).
///
/// A NaN with its own bits, so it has to be told apart by [`is_stale`], never by comparing. On
/// disk it is a null, which no reader can mistake.
/// Source: prometheus `model/value/value.go`.
pub(crate) const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value is the stale marker.
pub(crate) fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// The labels of a series, sorted by name, the metric name among them as `__name__`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Vec<(String, String)>);

impl Labels {
    /// Labels from pairs in any order; of one name given twice, the last value counts, and an
    /// empty value is the same as no label (as in Prometheus).
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.set(&name, value);
        }
        labels
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        let place = self.0.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok()?;
        Some(&self.0[place].1)
    }

    /// The metric name; empty when there is none.
    pub fn metric(&self) -> &str {
        self.get("__name__").unwrap_or_default()
    }

    /// Sets a label, or removes it when the value is empty.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match (self.0.binary_search_by(|(n, _)| n.as_str().cmp(name)), value.is_empty()) {
            (Ok(place), false) => self.0[place].1 = value,
            (Ok(place), true) => drop(self.0.remove(place)),
            (Err(place), false) => self.0.insert(place, (name.to_owned(), value)),
            (Err(_), true) => {}
        }
    }

    /// The same labels without one of them.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(n, _)| n != name).cloned().collect())
    }

    /// Name and value pairs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// The labels without the metric name, as one JSON object: how they stand in Parquet.
    pub fn to_json(&self) -> String {
        let map: serde_json::Map<String, serde_json::Value> = self
            .iter()
            .filter(|(n, _)| *n != "__name__")
            .map(|(n, v)| (n.to_owned(), v.into()))
            .collect();
        serde_json::Value::Object(map).to_string()
    }

    /// Labels from a metric name and the text that [`Labels::to_json`] wrote.
    pub fn from_json(metric: &str, json: &str) -> Result<Self, serde_json::Error> {
        let map: HashMap<String, String> = serde_json::from_str(json)?;
        let mut labels = Self::new(map);
        labels.set("__name__", metric);
        Ok(labels)
    }
}

impl fmt::Display for Labels {
    /// `http_requests_total{code="200"}`, quoted as in PromQL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric())?;
        let mut open = false;
        for (name, value) in self.iter().filter(|(n, _)| *n != "__name__") {
            write!(f, "{}{name}={value:?}", if open { "," } else { "{" })?;
            open = true;
        }
        if open { f.write_str("}") } else { Ok(()) }
    }
}

/// One series: its labels and its samples in order of time. `times[i]` goes with `values[i]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What identifies it.
    pub labels: Labels,
    /// When each sample was taken; strictly increasing.
    pub times: Vec<Time>,
    /// The values; NaN is kept, the stale marker is [`STALE`].
    pub values: Vec<f64>,
    /// Whether it had samples before these; see [`SeriesSet::forget_until`].
    pub forgotten: bool,
}

impl Series {
    /// Appends a sample; one that is not after the last is left out, as Prometheus does.
    pub fn push(&mut self, time: Time, value: f64) {
        if self.times.last().is_none_or(|last| *last < time) {
            self.times.push(time);
            self.values.push(value);
        }
    }

    /// The same series with a sample before its first one.
    #[must_use]
    pub fn with_first(&self, time: Time, value: f64) -> Self {
        let mut longer = self.clone();
        longer.times.insert(0, time);
        longer.values.insert(0, value);
        longer
    }

    /// The same series with only the samples in `(after, until]`.
    #[cfg(test)]
    pub(crate) fn part(&self, after: Time, until: Time) -> Self {
        let places = self.range(after, until);
        Self {
            labels: self.labels.clone(),
            times: self.times[places.clone()].to_vec(),
            values: self.values[places].to_vec(),
            forgotten: self.forgotten,
        }
    }

    /// Drops the samples after a time.
    pub fn keep_until(&mut self, until: Time) {
        let kept = self.times.partition_point(|time| *time <= until);
        self.times.truncate(kept);
        self.values.truncate(kept);
    }

    /// The places of the samples in `(after, until]`.
    pub fn range(&self, after: Time, until: Time) -> std::ops::Range<usize> {
        let from = self.times.partition_point(|t| *t <= after);
        let to = self.times.partition_point(|t| *t <= until);
        from..to.max(from)
    }
}

/// Many series, found by their metric name.
#[derive(Clone, Debug, Default)]
pub struct SeriesSet {
    series: Vec<Series>,
    by_labels: HashMap<Labels, usize>,
    by_metric: HashMap<String, Vec<usize>>,
}

impl SeriesSet {
    /// Appends a sample to the series with these labels.
    pub fn push(&mut self, labels: &Labels, time: Time, value: f64) {
        let place = self.place(labels);
        self.series[place].push(time, value);
    }

    /// The place of the series with these labels, which is made if it is new.
    ///
    /// A caller that appends many samples of one series asks once and uses [`SeriesSet::push_at`].
    pub fn place(&mut self, labels: &Labels) -> usize {
        if let Some(place) = self.by_labels.get(labels) {
            return *place;
        }
        let place = self.series.len();
        self.series.push(Series { labels: labels.clone(), ..Series::default() });
        self.by_labels.insert(labels.clone(), place);
        self.by_metric.entry(labels.metric().to_owned()).or_default().push(place);
        place
    }

    /// Appends a sample to the series at a place from [`SeriesSet::place`].
    pub fn push_at(&mut self, place: usize, time: Time, value: f64) {
        self.series[place].push(time, value);
    }

    /// Appends the samples of series.
    pub fn extend(&mut self, all: &[Series]) {
        for series in all {
            let place = self.place(&series.labels);
            for (time, value) in series.times.iter().zip(&series.values) {
                self.push_at(place, *time, *value);
            }
        }
    }

    /// The series of one metric, in order of first appearance.
    pub fn of_metric(&self, metric: &str) -> impl Iterator<Item = &Series> {
        self.by_metric.get(metric).into_iter().flatten().map(|place| &self.series[*place])
    }

    /// All series, in order of first appearance.
    pub fn iter(&self) -> impl Iterator<Item = &Series> {
        self.series.iter()
    }

    /// Drops the samples up to `time`, for a collector that keeps only what it still needs.
    pub fn forget_until(&mut self, time: Time) {
        for series in &mut self.series {
            let old = series.times.partition_point(|t| *t <= time);
            series.times.drain(..old);
            series.values.drain(..old);
            series.forgotten |= old > 0;
        }
    }
}

/// What the bounds of a point bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds {
    /// What the value can have been.
    Possible,
    /// What was seen from the point up to the next.
    Seen,
}

/// The value of an indicator at one time of its grid.
///
/// A NaN `value` says "asked, and there was no number" (no traffic, say); a time for which there
/// is no point at all says "nothing was seen". Neither is ever taken for a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub time: Time,
    /// The value, or NaN.
    pub value: f64,
    /// The least it can have been: by a quantile's bucket, and by what was not counted. The value
    /// itself if exact. Where `bounds` says so, the least that was seen up to the next point.
    pub lower: f64,
    /// The most it can have been, or the most that was seen. Of a value that is NaN, because a part
    /// of it could not be read, either may still be known.
    pub upper: f64,
    /// Which of the two the bounds are.
    pub bounds: Bounds,
    /// How many increments of its counters no sample shows, at most. The bounds make up for them.
    pub uncounted: f64,
    /// How much was counted a second in its window by the counters behind a ratio or a quantile.
    pub traffic: Option<f64>,
}

impl Point {
    /// A point without measurement uncertainty.
    pub fn exact(time: Time, value: f64) -> Self {
        Self::between(time, value, value, value)
    }

    /// A point in which all was counted, whose value is known to lie between two bounds.
    pub fn between(time: Time, lower: f64, value: f64, upper: f64) -> Self {
        let bounds = Bounds::Possible;
        Self { time, value, lower, upper, bounds, uncounted: 0.0, traffic: None }
    }

    /// A point that was asked for and has no number.
    pub fn no_number(time: Time) -> Self {
        Self::exact(time, f64::NAN)
    }

    /// What is known for certain from this point up to the next: it was at most the first once, and
    /// at least the second once. Infinite or NaN where nothing is known.
    pub fn certain(&self) -> (f64, f64) {
        match self.bounds {
            Bounds::Possible => (self.upper, self.lower),
            Bounds::Seen => (self.lower, self.upper),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn labels_are_a_set_by_name() {
        let some = labels(&[("b", "2"), ("__name__", "up"), ("a", "say \"hi\""), ("gone", "")]);
        assert_eq!(some.to_string(), r#"up{a="say \"hi\"",b="2"}"#);
        assert_eq!(some.get("gone"), None);
        assert_eq!(Labels::from_json("up", &some.to_json()).unwrap(), some);
    }

    #[test]
    fn a_stale_marker_is_not_any_nan() {
        assert!(is_stale(STALE) && STALE.is_nan() && !is_stale(f64::NAN));
    }

    #[test]
    fn a_range_is_open_on_the_left() {
        let mut series = Series::default();
        for t in [0, 10, 10, 20] {
            series.push(Time::from_millis(t), 1.0);
        }
        assert_eq!(series.range(Time::from_millis(0), Time::from_millis(20)), 1..3);
    }
}
