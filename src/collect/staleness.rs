//! From pages to samples of series, as Prometheus makes them: target labels laid over, the
//! scraper's own series added, and a stale marker where a series ended.
//!
//! Differs from Prometheus in nothing that is meant: `honor_labels` is off unless asked for,
//! `honor_timestamps` is on. A series whose page gives it a time of its own gets no stale marker, since its end is not
//! the scrape's to say.

use std::collections::HashSet;

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

/// The series of one target, from scrape to scrape.
#[derive(Debug)]
pub(super) struct TargetSeries {
    target: Labels,
    /// Whether the labels of the page win over those of the target.
    honor_labels: bool,
    /// What the last scrape showed, of the series that may get a stale marker.
    live: HashSet<Labels>,
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
        Self { target, honor_labels, live: HashSet::new(), scraped: false }
    }

    /// The rows of a page. Samples under the name and labels of the scraper's own series are
    /// moved from the page's samples to its bad lines.
    pub(super) fn page(&mut self, scraped: Scraped, page: &mut Page) -> Vec<RawRow> {
        let mut rows = Vec::with_capacity(page.samples.len() + REPORT.len());
        let mut live = HashSet::with_capacity(page.samples.len());
        for sample in std::mem::take(&mut page.samples) {
            let PageSample { line, labels, value, stamp, blank } = sample;
            let exposed = labels.metric().to_owned();
            let labels = if self.honor_labels {
                self.laid_under(labels, &blank)
            } else {
                self.laid_over(labels)
            };
            if REPORT.contains(&exposed.as_str()) && labels == self.report(&exposed) {
                page.refuse(line, &exposed, Why::Reserved);
                continue;
            }
            if stamp.is_none() {
                live.insert(labels.clone());
            }
            rows.push(RawRow { labels, time: stamp.unwrap_or(scraped.at), value });
        }
        let samples = rows.len();
        let ended = std::mem::replace(&mut self.live, live);
        rows.extend(stale(ended.into_iter().filter(|old| !self.live.contains(old)), scraped.at));
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
            ended.extend(REPORT.map(|name| self.report(name)));
        }
        stale(ended, at)
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

fn stale(ended: impl IntoIterator<Item = Labels>, at: Time) -> Vec<RawRow> {
    let mut rows: Vec<RawRow> =
        ended.into_iter().map(|labels| RawRow { labels, time: at, value: STALE }).collect();
    // A set has no order of its own, and a recording should be the same each time.
    rows.sort_by(|a, b| a.labels.cmp(&b.labels));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::exposition::Format, sample::is_stale};

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
    fn a_series_with_its_own_time_gets_no_stale_marker() {
        let mut target = Target::new(&[]);
        target.page("a 1 500", &["a 1@500", "up 1@1000"]);
        target.failed(&["up 0@2000"]);
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
