//! From pages to samples of series, as Prometheus makes them: target labels laid over, the
//! scraper's own series added, and a stale marker where a series ended.
//!
//! `honor_labels` is off unless asked for, `honor_timestamps` is on. Differs from Prometheus in one
//! thing: a series whose page gives it a time of its own ends, too, when a page no longer shows it,
//! as with `track_timestamps_staleness` there. Without that its last value would count for the
//! whole lookback, long after what exposed it had died.

use std::{collections::HashMap, time::Duration};

use super::{
    exposition::Why,
    page::{Page, PageSample},
};
use crate::{
    frame::RawRow,
    sample::{Labels, STALE},
    time::Time,
};

/// The series that every scrape writes, whatever came of it.
const REPORT: [&str; 3] = ["up", "scrape_duration_seconds", "scrape_samples_scraped"];

/// How far ahead of its scrape a sample's own time may be. Source: `maxAheadTime` in prometheus
/// `scrape/scrape.go`.
const MOST_AHEAD: Duration = Duration::from_mins(10);

/// How much older than its scrape a sample's own time may be. Prometheus refuses what is older than
/// half a block before its newest sample: an hour. Source: `appendableMinValidTime` in prometheus
/// `tsdb/head.go`.
const MOST_BEHIND: Duration = Duration::from_hours(1);

/// The series of one target, from scrape to scrape.
#[derive(Debug)]
pub(super) struct TargetSeries {
    target: Labels,
    /// Whether the labels of the page win over those of the target.
    honor_labels: bool,
    /// What the last scrape showed, and the time of its sample.
    live: HashMap<Labels, Time>,
    /// Whether anything was ever written.
    scraped: bool,
}

/// What a scrape was, for the series about itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scraped {
    pub(super) at: Time,
    pub(super) seconds: f64,
}

impl TargetSeries {
    pub(super) fn new(target: Labels, honor_labels: bool) -> Self {
        Self { target, honor_labels, live: HashMap::new(), scraped: false }
    }

    /// The rows of a page. Samples under the name and labels of the scraper's own series, and those
    /// whose own time is far from that of the scrape, are moved from the page's samples to its bad
    /// lines; the latter leave a NaN behind.
    pub(super) fn page(&mut self, scraped: Scraped, page: &mut Page) -> Vec<RawRow> {
        let mut rows = Vec::with_capacity(page.samples.len() + REPORT.len());
        let mut live = HashMap::with_capacity(page.samples.len());
        let mut samples = 0;
        for sample in std::mem::take(&mut page.samples) {
            let PageSample { line, labels, value, stamp, blank } = sample;
            let exposed = labels.metric().to_owned();
            let labels = self.laid(labels, &blank);
            if REPORT.contains(&exposed.as_str()) && labels == self.report(&exposed) {
                page.refuse(line, &exposed, Why::Reserved);
                continue;
            }
            let time = stamp.unwrap_or(scraped.at);
            if let Some(why) = out_of_bounds(time, scraped.at) {
                page.refuse(line, &exposed, why);
                // The series is there, and nobody knows its value: it must not look as if it were
                // not there, which for a counter of errors is as good as 0.
                let last = self.live.get(&labels).filter(|last| **last >= scraped.at);
                let time = last.map_or(scraped.at, |last| last.plus(Duration::from_millis(1)));
                live.insert(labels.clone(), time);
                rows.push(RawRow { labels, time, value: f64::NAN });
                continue;
            }
            samples += 1;
            live.insert(labels.clone(), time);
            rows.push(RawRow { labels, time, value });
        }
        // Without a time that could be read, theirs is that of the scrape.
        for labels in std::mem::take(&mut page.unreadable) {
            let labels = self.laid(labels, &[]);
            if !REPORT.contains(&labels.metric()) && !live.contains_key(&labels) {
                live.insert(labels.clone(), scraped.at);
                rows.push(RawRow { labels, time: scraped.at, value: f64::NAN });
            }
        }
        let mut ended = std::mem::replace(&mut self.live, live);
        ended.retain(|old, _| !self.live.contains_key(old));
        rows.extend(stale(ended, scraped.at));
        rows.extend(self.about(scraped, 1.0, samples));
        rows
    }

    /// The rows of a scrape that failed: every series ended, and `up` is 0.
    pub(super) fn failed(&mut self, scraped: Scraped) -> Vec<RawRow> {
        let mut rows = stale(std::mem::take(&mut self.live), scraped.at);
        rows.extend(self.about(scraped, 0.0, 0));
        rows
    }

    /// The rows of a target that is no more: every series ended, those about the scrape too.
    pub(super) fn gone(&mut self, at: Time) -> Vec<RawRow> {
        let mut ended = std::mem::take(&mut self.live);
        if std::mem::take(&mut self.scraped) {
            // Their last samples are those of the last scrape.
            let before = at.minus(Duration::from_millis(1));
            ended.extend(REPORT.map(|name| (self.report(name), before)));
        }
        stale(ended, at)
    }

    /// The labels of a sample, from those of the page (`blank` are the empty ones) and the target.
    fn laid(&self, labels: Labels, blank: &[String]) -> Labels {
        if self.honor_labels { self.laid_under(labels, blank) } else { self.laid_over(labels) }
    }

    /// The exposed labels with the target's laid over; one that clashes is kept as `exported_…`.
    fn laid_over(&self, mut labels: Labels) -> Labels {
        let mut clashes: Vec<(String, String)> = self
            .target
            .iter()
            .filter_map(|(name, _)| Some((name.to_owned(), labels.get(name)?.to_owned())))
            .collect();
        for (name, value) in self.target.iter() {
            labels.set(name, value);
        }
        // The shortest first, so that `a` and `exported_a` end up in the same places each time.
        clashes.sort_by_key(|(name, _)| name.len());
        for (name, value) in clashes {
            let mut free = format!("exported_{name}");
            while labels.get(&free).is_some() {
                free.insert_str(0, "exported_");
            }
            labels.set(&free, value);
        }
        labels
    }

    /// The exposed labels with those of the target's that the page does not mention.
    fn laid_under(&self, mut labels: Labels, blank: &[String]) -> Labels {
        for (name, value) in self.target.iter() {
            if labels.get(name).is_none() && !blank.iter().any(|mentioned| mentioned == name) {
                labels.set(name, value);
            }
        }
        labels
    }

    fn report(&self, name: &str) -> Labels {
        let mut labels = self.target.clone();
        labels.set("__name__", name);
        labels
    }

    fn about(&mut self, scraped: Scraped, up: f64, samples: usize) -> [RawRow; 3] {
        self.scraped = true;
        let [name_up, name_seconds, name_samples] = REPORT;
        [(name_up, up), (name_seconds, scraped.seconds), (name_samples, samples as f64)]
            .map(|(name, value)| RawRow { labels: self.report(name), time: scraped.at, value })
    }
}

/// What is wrong with the time of a sample that was scraped at a time.
fn out_of_bounds(time: Time, scraped_at: Time) -> Option<Why> {
    if time > scraped_at.plus(MOST_AHEAD) {
        Some(Why::Ahead)
    } else if time < scraped_at.minus(MOST_BEHIND) {
        Some(Why::Behind)
    } else {
        None
    }
}

/// The ends of series, each with the time of its last sample. One that is ahead of the scrape ends
/// right after that sample: a marker before it would be left out.
fn stale(ended: HashMap<Labels, Time>, at: Time) -> Vec<RawRow> {
    let after = |last: Time| last.plus(Duration::from_millis(1));
    let end = |(labels, last)| RawRow { labels, time: at.max(after(last)), value: STALE };
    let mut rows: Vec<RawRow> = ended.into_iter().map(end).collect();
    // A map has no order of its own, and a recording should be the same each time.
    rows.sort_by(|a, b| a.labels.cmp(&b.labels));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::scrape::exposition::Format, sample::is_stale};

    struct Target(TargetSeries, i64);

    impl Target {
        fn new(labels: &[(&str, &str)]) -> Self {
            let pairs = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            Self(TargetSeries::new(Labels::new(pairs), false), 0)
        }

        fn honoring(labels: &[(&str, &str)]) -> Self {
            let mut target = Self::new(labels);
            target.0.honor_labels = true;
            target
        }

        fn next(&mut self) -> Scraped {
            self.1 += 1000;
            Scraped { at: Time::from_millis(self.1), seconds: 0.25 }
        }

        #[track_caller]
        fn page(&mut self, text: &str, want: &[&str]) -> Page {
            let mut page = Page::read(text.as_bytes(), Format::Text).unwrap();
            let scraped = self.next();
            assert_eq!(said(&self.0.page(scraped, &mut page)), want);
            page
        }

        #[track_caller]
        fn failed(&mut self, want: &[&str]) {
            let scraped = self.next();
            assert_eq!(said(&self.0.failed(scraped)), want);
        }

        #[track_caller]
        fn gone(&mut self, want: &[&str]) {
            let scraped = self.next();
            assert_eq!(said(&self.0.gone(scraped.at)), want);
        }
    }

    /// `series value@time`; the scraper's own series only by `up`.
    fn said(rows: &[RawRow]) -> Vec<String> {
        let own = |row: &&RawRow| !row.labels.metric().starts_with("scrape_");
        rows.iter()
            .filter(own)
            .map(|row| {
                let value =
                    if is_stale(row.value) { "stale".to_owned() } else { row.value.to_string() };
                format!("{} {value}@{}", row.labels, row.time.as_millis())
            })
            .collect()
    }

    #[test]
    fn a_series_that_is_missing_next_time_ended() {
        let mut target = Target::new(&[]);
        target.page("a 1\nb 2", &["a 1@1000", "b 2@1000", "up 1@1000"]);
        target.page("a 3", &["a 3@2000", "b stale@2000", "up 1@2000"]);
        target.page("a 3", &["a 3@3000", "up 1@3000"]);
    }

    #[test]
    fn a_failed_scrape_ends_every_series_once() {
        let mut target = Target::new(&[]);
        target.page("a 1", &["a 1@1000", "up 1@1000"]);
        target.failed(&["a stale@2000", "up 0@2000"]);
        target.failed(&["up 0@3000"]);
    }

    #[test]
    fn a_target_that_is_gone_ends_its_own_series_too() {
        let mut target = Target::new(&[]);
        target.page("a 1", &["a 1@1000", "up 1@1000"]);
        target.gone(&["a stale@2000", "up stale@2000"]);
        Target::new(&[]).gone(&[]);
    }

    #[test]
    fn a_series_with_its_own_time_ends_like_any_other() {
        let mut target = Target::new(&[]);
        target.page("a 1 500", &["a 1@500", "up 1@1000"]);
        target.page("b 2 900", &["b 2@900", "a stale@2000", "up 1@2000"]);
        target.failed(&["b stale@3000", "up 0@3000"]);
        target.page("b 2 3900", &["b 2@3900", "up 1@4000"]);
        target.gone(&["b stale@5000", "up stale@5000"]);
    }

    #[test]
    fn a_series_that_is_ahead_ends_after_its_last_sample() {
        let mut target = Target::new(&[]);
        target.page("a 1 60000", &["a 1@60000", "up 1@1000"]);
        target.failed(&["a stale@60001", "up 0@2000"]);
    }

    #[test]
    fn a_time_far_from_that_of_the_scrape_is_refused_and_its_series_has_no_number() {
        let mut target = Target::new(&[]);
        target.1 = 4_000_000;
        let page = target.page(
            "ahead 1 4601000\nold 1 401000",
            &["ahead 1@4601000", "old 1@401000", "up 1@4001000"],
        );
        assert_eq!(page.bad_lines, 0);
        let page = target.page(
            "ahead 1 4602001\nold 1 401999",
            &["ahead NaN@4601001", "old NaN@4002000", "up 1@4002000"],
        );
        let whys: Vec<Why> = page.bad.iter().map(|bad| bad.why).collect();
        assert_eq!(whys, [Why::Ahead, Why::Behind]);
    }

    #[test]
    fn a_value_that_cannot_be_read_is_no_number_and_its_series_does_not_end() {
        let mut target = Target::new(&[]);
        target.page("m 1", &["m 1@1000", "up 1@1000"]);
        target.page("m 1,5\nn 1", &["n 1@2000", "m NaN@2000", "up 1@2000"]);
        target.page("n 1", &["n 1@3000", "m stale@3000", "up 1@3000"]);
    }

    #[test]
    fn target_labels_win_and_what_they_hide_is_kept() {
        let mut target = Target::new(&[("instance", "h:1"), ("job", "api")]);
        target.page("a{job=\"own\",exported_job=\"older\"} 1", &[
            "a{exported_exported_job=\"own\",exported_job=\"older\",instance=\"h:1\",job=\"api\"} 1@1000",
            "up{instance=\"h:1\",job=\"api\"} 1@1000",
        ]);
    }

    #[test]
    fn labels_of_the_page_win_when_they_are_honoured_empty_ones_too() {
        let mut target = Target::honoring(&[("instance", "h:1"), ("job", "push")]);
        target.page(
            "a{job=\"own\"} 1\nb{instance=\"\",job=\"own\"} 2\nup{instance=\"\"} 3",
            &[
                "a{instance=\"h:1\",job=\"own\"} 1@1000",
                "b{job=\"own\"} 2@1000",
                "up{job=\"push\"} 3@1000",
                "up{instance=\"h:1\",job=\"push\"} 1@1000",
            ],
        );
        let page = target.page(
            "up 7",
            &[
                "a{instance=\"h:1\",job=\"own\"} stale@2000",
                "b{job=\"own\"} stale@2000",
                "up{job=\"push\"} stale@2000",
                "up{instance=\"h:1\",job=\"push\"} 1@2000",
            ],
        );
        assert_eq!(page.bad[0].why, Why::Reserved);
    }

    #[test]
    fn a_name_that_is_taken_is_exported_again_until_one_is_free() {
        let mut target = Target::new(&[("exported_job", "b"), ("job", "a")]);
        target.page("m{job=\"x\",exported_job=\"y\",exported_exported_job=\"z\"} 1", &[
            "m{exported_exported_exported_exported_job=\"y\",exported_exported_exported_job=\"x\",exported_exported_job=\"z\",exported_job=\"b\",job=\"a\"} 1@1000",
            "up{exported_job=\"b\",job=\"a\"} 1@1000",
        ]);
    }

    #[test]
    fn a_page_cannot_write_its_own_up() {
        let mut target = Target::new(&[("job", "api")]);
        let page = target.page(
            "up 7\nup{of=\"db\"} 1",
            &["up{job=\"api\",of=\"db\"} 1@1000", "up{job=\"api\"} 1@1000"],
        );
        assert_eq!((page.bad_lines, page.bad[0].why), (1, Why::Reserved));
    }

    #[test]
    fn a_scrape_says_how_long_it_took_and_what_it_gave() {
        let mut page = Page::read(b"a 1\nb 2", Format::Text).unwrap();
        let mut series = TargetSeries::new(Labels::default(), false);
        let scraped = Scraped { at: Time::from_millis(0), seconds: 0.25 };
        let rows = series.page(scraped, &mut page);
        let about = |name| rows.iter().find(|row| row.labels.metric() == name).unwrap().value;
        assert_eq!(
            (about("scrape_duration_seconds"), about("scrape_samples_scraped")),
            (0.25, 2.0)
        );
    }
}
