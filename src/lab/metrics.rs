//! Counters, histograms and the text page (Prometheus format 0.0.4) of everything the lab serves.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use crate::time::Time;

/// Upper edges of the latency buckets, in seconds. 0.2 is among them because the lab's own claim
/// is "under 200 ms": a bound inside a bucket could not be judged.
pub(super) const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0];

/// The code of a request whose caller went away before the answer, after nginx's custom.
const CALLER_LEFT: u16 = 499;

/// A histogram of durations over [`BUCKETS`].
#[derive(Debug, Default)]
pub(super) struct Histogram {
    counts: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    /// Counts one duration. A value on an edge belongs to the bucket below it.
    pub(super) fn observe(&self, length: Duration) {
        let seconds = length.as_secs_f64();
        let bucket = BUCKETS.partition_point(|edge| *edge < seconds);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.micros.fetch_add(u64::try_from(length.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How many durations lie in buckets beyond an edge.
    #[cfg(test)]
    pub(super) fn beyond(&self, edge: Duration) -> u64 {
        let bucket = BUCKETS.partition_point(|above| *above <= edge.as_secs_f64());
        self.counts[bucket..].iter().map(|count| count.load(Relaxed)).sum()
    }
}

/// What a server says of the requests it served: how many by code, how long, how many now.
#[derive(Debug)]
pub(super) struct Served {
    prefix: &'static str,
    labels: &'static str,
    started: Time,
    codes: Mutex<BTreeMap<u16, u64>>,
    durations: Histogram,
    in_flight: AtomicI64,
}

impl Served {
    /// Metrics named `prefix_…`. The codes named here are on the page from the start at 0, so
    /// that the first error is an increase and not a new series.
    pub(super) fn new(
        prefix: &'static str,
        labels: &'static str,
        codes: &[u16],
        started: Time,
    ) -> Arc<Self> {
        Arc::new(Self {
            prefix,
            labels,
            started,
            codes: Mutex::new(codes.iter().map(|code| (*code, 0)).collect()),
            durations: Histogram::default(),
            in_flight: AtomicI64::new(0),
        })
    }

    /// Notes the arrival of a request. Its time counts from here.
    pub(super) fn begin(self: &Arc<Self>) -> Flight {
        self.in_flight.fetch_add(1, Relaxed);
        Flight { served: Arc::clone(self), began: Instant::now(), code: CALLER_LEFT }
    }

    /// Requests answered with a code, so far.
    pub(super) fn answered(&self, code: u16) -> u64 {
        self.codes().get(&code).copied().unwrap_or(0)
    }

    /// Writes all of it.
    pub(super) fn write(&self, page: &mut Page) {
        let (prefix, labels) = (self.prefix, self.labels);
        let comma = if labels.is_empty() { "" } else { "," };
        let name = format!("{prefix}_requests_total");
        page.family(&name, "counter", "Requests answered, by status code.");
        for (code, count) in &*self.codes() {
            page.sample(&name, &format!("code=\"{code}\"{comma}{labels}"), *count as f64);
        }
        page.histogram(
            &format!("{prefix}_request_duration_seconds"),
            "Time from arrival to answer.",
            labels,
            &self.durations,
        );
        let in_flight = self.in_flight.load(Relaxed) as f64;
        page.value(&format!("{prefix}_requests_in_flight"), "gauge", "Requests now.", in_flight);
        page.value(
            "process_start_time_seconds",
            "gauge",
            "Start of the process since the Unix epoch.",
            self.started.as_seconds(),
        );
    }

    fn codes(&self) -> std::sync::MutexGuard<'_, BTreeMap<u16, u64>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request on its way. Dropped without an answer, it counts as "the caller left".
#[derive(Debug)]
pub(super) struct Flight {
    served: Arc<Served>,
    began: Instant,
    code: u16,
}

impl Flight {
    /// Notes the answer.
    pub(super) fn answer(mut self, code: u16) {
        self.code = code;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.served.durations.observe(self.began.elapsed());
        *self.served.codes().entry(self.code).or_default() += 1;
        self.served.in_flight.fetch_sub(1, Relaxed);
    }
}

/// A page in the text format.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// The two comment lines that open a family.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// One sample; `labels` is the text between the braces, escaped already.
    pub(super) fn sample(&mut self, name: &str, labels: &str, value: f64) {
        if labels.is_empty() {
            self.line(format_args!("{name} {value}"));
        } else {
            self.line(format_args!("{name}{{{labels}}} {value}"));
        }
    }

    /// A family of one sample without labels.
    pub(super) fn value(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }

    /// A histogram. The count is the sum of the buckets as read here, so that a page taken in
    /// the middle of a request still agrees with itself.
    pub(super) fn histogram(&mut self, name: &str, help: &str, labels: &str, of: &Histogram) {
        self.family(name, "histogram", help);
        let comma = if labels.is_empty() { "" } else { "," };
        let bucket = format!("{name}_bucket");
        let mut total = 0;
        for (index, count) in of.counts.iter().enumerate() {
            total += count.load(Relaxed);
            let edge = BUCKETS.get(index).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            self.sample(&bucket, &format!("{labels}{comma}le=\"{edge}\""), total as f64);
        }
        let seconds = of.micros.load(Relaxed) as f64 / 1e6;
        self.sample(&format!("{name}_sum"), labels, seconds);
        self.sample(&format!("{name}_count"), labels, total as f64);
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{text}").expect("a String takes every line");
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        ([(axum::http::header::CONTENT_TYPE, kind)], self.0).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(of: &Histogram) -> String {
        let mut page = Page::default();
        page.histogram("h", "Help.", "", of);
        page.0
    }

    #[test]
    fn a_duration_on_an_edge_belongs_to_the_bucket_below() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(200));
        let text = page(&histogram);
        assert!(text.contains("h_bucket{le=\"0.1\"} 0\nh_bucket{le=\"0.2\"} 1\n"), "{text}");
    }

    #[test]
    fn a_duration_beyond_all_edges_is_in_the_last_bucket_only() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_secs(6));
        insta::assert_snapshot!(page(&histogram), @r#"
        # HELP h Help.
        # TYPE h histogram
        h_bucket{le="0.005"} 0
        h_bucket{le="0.01"} 0
        h_bucket{le="0.025"} 0
        h_bucket{le="0.05"} 0
        h_bucket{le="0.1"} 0
        h_bucket{le="0.2"} 0
        h_bucket{le="0.5"} 0
        h_bucket{le="1"} 0
        h_bucket{le="2.5"} 0
        h_bucket{le="5"} 0
        h_bucket{le="+Inf"} 1
        h_sum 6
        h_count 1
        "#);
    }

    #[tokio::test]
    async fn a_caller_that_leaves_is_counted_as_499() {
        let served = Served::new("http", "", &[200], Time::from_millis(1500));
        drop(served.begin());
        served.begin().answer(200);
        assert_eq!((served.answered(499), served.answered(200)), (1, 1));
    }

    #[tokio::test]
    async fn a_page_names_code_and_route_and_every_code_from_the_start() {
        let served = Served::new("gateway", "route=\"api\"", &[200, 502], Time::from_millis(1500));
        let mut page = Page::default();
        served.write(&mut page);
        let text = page.0;
        for line in [
            "gateway_requests_total{code=\"502\",route=\"api\"} 0\n",
            "gateway_request_duration_seconds_bucket{route=\"api\",le=\"0.2\"} 0\n",
            "gateway_request_duration_seconds_count{route=\"api\"} 0\n",
            "gateway_requests_in_flight 0\n",
            "process_start_time_seconds 1.5\n",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
