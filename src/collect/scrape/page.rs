//! A whole page of exposition text as samples we own.
//!
//! What only shows when a page is seen as a whole is decided here: duplicates, and whether it is
//! exposition text at all.

use std::collections::{HashMap, HashSet};

use prometheus_parse::SampleType;

use super::exposition::{Format, Item, Sample, Why, scan, series};
use crate::{frame::Ledger, sample::Labels, time::Time};

/// The most characters that are kept of a bad line.
const KEPT_TEXT: usize = 200;

/// What a page said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    /// Its samples, in order; no series occurs twice at the same time.
    pub samples: Vec<PageSample>,
    /// The series of lines whose value or time could not be read. They are there, and nobody knows
    /// their value: they must not look as if they were not there, which for a counter of errors is
    /// as good as 0.
    pub(super) unreadable: Vec<Labels>,
    /// The types it declares, by metric.
    pub types: HashMap<String, SampleType>,
    /// How many lines could not be read.
    pub bad_lines: u64,
    /// The first of them.
    pub bad: Vec<BadPageLine>,
}

/// One sample of a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PageSample {
    /// The number of its line, from 1.
    pub line: u64,
    /// Its labels as exposed, the name among them.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
    /// The time that the page gives it.
    pub stamp: Option<Time>,
    /// The labels that it was given with an empty value. They are none of its labels, but with
    /// `honor_labels` they keep those of the target away (a Pushgateway's `instance=""`).
    pub blank: Vec<String>,
}

/// A line of a page that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadPageLine {
    /// Its number, from 1.
    pub line: u64,
    /// Its text, capped.
    pub text: String,
    /// What is wrong with it.
    pub why: Why,
}

/// A page without a single sample but with text, such as an error page or a login form; or one
/// that says by its format that it was cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no whole page of samples; line {}, `{}`: {}", .first.line, .first.text, .first.why)]
pub(crate) struct NotExposition {
    /// The first line that could not be read.
    pub first: BadPageLine,
}

impl Page {
    /// Reads a page. A series given twice for the same time counts once, and has no number (NaN)
    /// when its values differ: which of them comes first may change from page to page, and a
    /// counter would rise and fall that never did. Every good line of a page with bad ones counts.
    /// Of a page that was cut nothing counts, as in Prometheus:
    /// what is missing of it would look like a system that said nothing.
    ///
    /// None as soon as it has more than `most` samples: their memory is then never taken.
    pub(super) fn read_up_to(
        text: &[u8],
        format: Format,
        most: usize,
    ) -> Result<Option<Self>, NotExposition> {
        let mut page = Self::default();
        let mut read = Vec::new();
        for item in scan(text, format) {
            match item {
                Item::Sample(_) if read.len() + page.unreadable.len() == most => return Ok(None),
                Item::Sample(sample) => {
                    let mut blank = Vec::new();
                    let pairs = sample.labels.iter().map(|(n, v)| (n.into_owned(), v.into_owned()));
                    let mut count = 1;
                    let mut labels = Labels::new(pairs.inspect(|(n, v)| {
                        // An empty value is the same as no label, so it is not missed below.
                        if v.is_empty() {
                            blank.push(n.clone());
                        } else {
                            count += 1;
                        }
                    }));
                    labels.set("__name__", sample.name.as_ref());
                    if labels.iter().count() < count {
                        page.refuse(sample.line, sample.text, Why::LabelTwice);
                        continue;
                    }
                    let Sample { line, text, value, stamp, .. } = sample;
                    read.push((text, PageSample { line, labels, value, stamp, blank }));
                }
                Item::Type { metric, kind } => {
                    page.types.insert(metric.into_owned(), kind);
                }
                Item::Bad(bad) if bad.why == Why::NoEnd => {
                    let text = bad.text.chars().take(KEPT_TEXT).collect();
                    let first = BadPageLine { line: bad.line, text, why: bad.why };
                    return Err(NotExposition { first });
                }
                Item::Bad(bad) => {
                    let of_series = matches!(
                        bad.why,
                        Why::NoValue | Why::Value | Why::Range | Why::Stamp | Why::Trailing
                    );
                    if of_series && let Some((name, labels)) = series(&bad.text) {
                        let pairs = labels.iter().map(|(n, v)| (n.into_owned(), v.into_owned()));
                        let mut labels = Labels::new(pairs);
                        labels.set("__name__", name.as_ref());
                        page.unreadable.push(labels);
                        if read.len() + page.unreadable.len() > most {
                            return Ok(None);
                        }
                    }
                    page.refuse(bad.line, &bad.text, bad.why);
                }
            }
        }
        let mut first = HashMap::with_capacity(read.len());
        let places = read.iter().enumerate();
        let places: Vec<usize> = places
            .map(|(at, (_, sample))| *first.entry((&sample.labels, sample.stamp)).or_insert(at))
            .collect();
        let values: Vec<f64> = read.iter().map(|(_, sample)| sample.value).collect();
        let differs = |at: usize| values[at].to_bits() != values[places[at]].to_bits();
        let unclear: HashSet<usize> =
            (0..values.len()).filter(|at| differs(*at)).map(|at| places[at]).collect();
        for (at, (text, mut sample)) in read.into_iter().enumerate() {
            if places[at] == at {
                if unclear.contains(&at) {
                    sample.value = f64::NAN;
                }
                page.samples.push(sample);
            } else {
                let why = if differs(at) { Why::Differs } else { Why::Duplicate };
                page.refuse(sample.line, text, why);
            }
        }
        page.bad.sort_by_key(|bad| bad.line);
        page.bad.truncate(Ledger::KEPT_LINES);
        match page.bad.first() {
            Some(first) if page.samples.is_empty() => Err(NotExposition { first: first.clone() }),
            Some(_) | None => Ok(Some(page)),
        }
    }

    /// Counts a line that cannot be read, or whose sample is not the page's to give.
    pub(super) fn refuse(&mut self, line: u64, text: &str, why: Why) {
        self.bad_lines += 1;
        // Bad lines come in order, duplicates in order after them: twice the number is enough
        // to hold the first of both.
        if self.bad.len() < 2 * Ledger::KEPT_LINES {
            let text = text.chars().take(KEPT_TEXT).collect();
            self.bad.push(BadPageLine { line, text, why });
        }
    }
}

#[cfg(test)]
impl Page {
    /// A page of any size.
    pub(super) fn read(text: &[u8], format: Format) -> Result<Self, NotExposition> {
        Self::read_up_to(text, format, usize::MAX).map(Option::unwrap_or_default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page::read(text.as_bytes(), Format::Text).unwrap()
    }

    #[track_caller]
    fn check(text: &str, samples: &[&str], bad: &[(u64, Why)]) {
        let page = page(text);
        let said: Vec<String> =
            page.samples.iter().map(|s| format!("{} {}", s.labels, s.value)).collect();
        assert_eq!(said, samples);
        let lines: Vec<(u64, Why)> = page.bad.iter().map(|b| (b.line, b.why)).collect();
        assert_eq!(lines, bad);
        assert_eq!(page.bad_lines, bad.len() as u64);
    }

    #[test]
    fn a_series_given_twice_counts_once() {
        check(
            "m{a=\"1\",b=\"2\"} 1\nm{b=\"2\",a=\"1\"} 1\nm{a=\"1\",b=\"2\",c=\"\"} 1\nm 4",
            &["m{a=\"1\",b=\"2\"} 1", "m 4"],
            &[(2, Why::Duplicate), (3, Why::Duplicate)],
        );
    }

    #[test]
    fn a_series_given_twice_with_two_values_has_no_number() {
        let differs = [(2, Why::Duplicate), (3, Why::Differs)];
        check("m 7\nm 7\nm 8\nn 1", &["m NaN", "n 1"], &differs);
    }

    #[test]
    fn a_series_whose_value_cannot_be_read_is_known_to_be_there() {
        let page = page("m 1\nn{a=\"b\"} 1,5\no 1 soon\np{a=b} 2\n<q> 1");
        let named: Vec<String> = page.unreadable.iter().map(Labels::to_string).collect();
        assert_eq!(named, ["n{a=\"b\"}", "o"]);
        assert_eq!((page.samples.len(), page.bad_lines), (1, 4));
    }

    #[test]
    fn a_series_at_two_times_is_no_duplicate() {
        check("m 1 1000\nm 2 2000\nm 2 2000", &["m 1", "m 2"], &[(3, Why::Duplicate)]);
    }

    #[test]
    fn a_label_given_twice_is_a_bad_line() {
        check("m{a=\"1\",a=\"2\"} 1\nm{a=\"\"} 2", &["m 2"], &[(1, Why::LabelTwice)]);
    }

    #[test]
    fn a_line_may_be_as_long_as_allowed_and_not_longer() {
        let line = |bytes: usize| format!("m{{a=\"{}\"}} 1\n", "x".repeat(bytes - 9));
        assert_eq!(Page::read(line(1 << 16).as_bytes(), Format::Text).unwrap().samples.len(), 1);
        let long = page(&format!("{}m 2\n# {}", line((1 << 16) + 1), "x".repeat(1 << 17)));
        assert_eq!((long.samples.len(), long.bad[0].why), (1, Why::Long));
    }

    #[test]
    fn bad_lines_are_shown_in_order_whatever_their_kind() {
        check(
            "m 1\nm 1\n<p>\nm 1",
            &["m 1"],
            &[(2, Why::Duplicate), (3, Why::Name), (4, Why::Duplicate)],
        );
    }

    #[test]
    fn a_page_of_html_is_not_exposition_text() {
        let html = "<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n";
        let error = Page::read(html.as_bytes(), Format::Text).unwrap_err();
        insta::assert_snapshot!(error, @"no whole page of samples; line 1, `<!DOCTYPE html>`: not a metric name: letters, digits, `_` and `:`, or quoted in braces");
    }

    #[test]
    fn an_open_metrics_page_without_its_end_was_cut_and_none_of_it_counts() {
        let error = Page::read(b"a 1\nb 1", Format::OpenMetrics).unwrap_err();
        assert_eq!((error.first.line, error.first.why), (3, Why::NoEnd));
        let whole = Page::read(b"a 1\nb 12\n# EOF\n", Format::OpenMetrics).unwrap();
        assert_eq!(whole.samples.len(), 2);
    }

    #[test]
    fn an_empty_page_is_a_page() {
        check("", &[], &[]);
        check("# HELP m nothing yet\n", &[], &[]);
    }

    #[test]
    fn what_is_kept_of_bad_lines_is_bounded_and_their_number_is_not() {
        let text = format!("m 1\n{}", format!("<{}>\n", "x".repeat(1000)).repeat(100));
        let page = page(&text);
        assert_eq!((page.bad_lines, page.bad.len()), (100, Ledger::KEPT_LINES));
        assert_eq!(page.bad[0].text.len(), KEPT_TEXT);
    }
}
