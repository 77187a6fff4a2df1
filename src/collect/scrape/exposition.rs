//! The text that `/metrics` pages are made of, read strictly and without copying.
//!
//! Reads the Prometheus text format 0.0.4 and what OpenMetrics 1.0 has in common with it. Every
//! line is a sample, a type, a comment, or an error with its number; one bad line never takes a
//! good one with it. Where the formats leave room, this is what counts here:
//!
//! - Blanks (spaces, tabs) are allowed wherever the text format allows them, a `\r` before the
//!   line's end and a byte order mark before the first line are ignored, the last line may lack its
//!   newline.
//! - Names may be quoted (`{"http.requests",a="1"}`), in any place among the labels.
//! - `\\`, `\"` and `\n` are undone, any other backslash stays as it is, as in Prometheus.
//! - A number is what Prometheus takes: decimal, `NaN`, `Inf` with a sign; hexadecimal and
//!   numbers too large for a double are errors.
//! - A timestamp is whole milliseconds, in OpenMetrics seconds with a fraction.
//! - Exemplars are passed over, in either format.
//! - OpenMetrics ends with `# EOF`; a page that does not may be cut, which is an error of its own.
//!
//! The crate `prometheus-parse` gives the model of typed values (see `families`), but it is not
//! trusted with the text: of 0.2.5, `}` in a label value, `:` in a name or a page of HTML lose
//! samples without an error. A test compares the two wherever the crate is right.

use std::{borrow::Cow, fmt};

use memchr::{memchr, memchr2};
use prometheus_parse::SampleType;

use crate::time::Time;

/// The most labels that one sample may have.
pub(crate) const MAX_LABELS: usize = 256;

/// The most bytes of one sample's line. What is kept of a series is kept for the whole run.
pub(crate) const MAX_LINE: usize = 64 << 10;

/// The items of a page, in order; blank lines and plain comments are none.
pub fn scan(text: &[u8], format: Format) -> Scan<'_> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    Scan { rest: text, line: 0, format, end: End::Ahead }
}

/// Which of the two formats a page says it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text, 0.0.4 and later.
    Text,
    /// OpenMetrics text.
    OpenMetrics,
}

/// One thing that a page says. It borrows from the page.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// A sample.
    Sample(Sample<'a>),
    /// The type of a metric.
    Type {
        /// The metric, as it stands in the line.
        metric: Cow<'a, str>,
        /// Its type; the types that only OpenMetrics has are untyped here.
        kind: SampleType,
    },
    /// A line that cannot be read.
    Bad(BadText<'a>),
}

/// A sample as it stands in a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// The number of its line, from 1.
    pub line: u64,
    /// Its line.
    pub text: &'a str,
    /// The metric's name.
    pub name: Cow<'a, str>,
    /// Its labels.
    pub labels: LabelText<'a>,
    /// Its value.
    pub value: f64,
    /// The time that the page gives it, if any.
    pub stamp: Option<Time>,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub struct BadText<'a> {
    /// Its number, from 1.
    pub line: u64,
    /// The line, lossily when it is not UTF-8.
    pub text: Cow<'a, str>,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("not UTF-8")]
    NotUtf8,
    #[error("not a metric name: letters, digits, `_` and `:`, or quoted in braces")]
    Name,
    #[error("two metric names")]
    TwoNames,
    #[error("not a label name: letters, digits and `_`, or quoted")]
    LabelName,
    #[error("a label without `=` and a quoted value")]
    LabelValue,
    #[error("a quote that is not closed")]
    Quote,
    #[error("neither `,` nor `}}` after a label")]
    Comma,
    #[error("more than {MAX_LINE} bytes")]
    Long,
    #[error("more than {MAX_LABELS} labels")]
    ManyLabels,
    #[error("a label given twice")]
    LabelTwice,
    #[error("no value")]
    NoValue,
    #[error("the value is not a number")]
    Value,
    #[error("the value is too large for a double")]
    Range,
    #[error("not a timestamp")]
    Stamp,
    #[error("more text after the sample")]
    Trailing,
    #[error("not a metric type")]
    Type,
    #[error("text after `# EOF`")]
    AfterEnd,
    #[error("the page ends without `# EOF`, it may be cut")]
    NoEnd,
    #[error("duplicate sample")]
    Duplicate,
    #[error("the series is given above with another value, so neither counts")]
    Differs,
    #[error("a series that the scraper writes itself")]
    Reserved,
    #[error("its timestamp is more than 10 minutes ahead of the scrape")]
    Ahead,
    #[error("its timestamp is more than an hour older than the scrape")]
    Behind,
}

/// The iterator behind [`scan`].
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    rest: &'a [u8],
    line: u64,
    format: Format,
    end: End,
}

/// Where the iterator is with respect to `# EOF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Ahead,
    Passed,
    Reported,
}

impl<'a> Iterator for Scan<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        while !self.rest.is_empty() {
            let (line, rest) = match memchr(b'\n', self.rest) {
                Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
                None => (self.rest, &self.rest[self.rest.len()..]),
            };
            self.rest = rest;
            self.line += 1;
            if let Some(item) = self.item(line) {
                return Some(item);
            }
        }
        if self.format == Format::OpenMetrics && self.end == End::Ahead {
            self.end = End::Reported;
            let (line, text) = (self.line + 1, Cow::Borrowed(""));
            return Some(Item::Bad(BadText { line, text, why: Why::NoEnd }));
        }
        None
    }
}

impl<'a> Scan<'a> {
    fn item(&mut self, line: &'a [u8]) -> Option<Item<'a>> {
        let number = self.line;
        let Ok(text) = std::str::from_utf8(line) else {
            let text = String::from_utf8_lossy(line);
            return Some(Item::Bad(BadText { line: number, text, why: Why::NotUtf8 }));
        };
        let text = text.trim_matches([' ', '\t', '\r']);
        if text.is_empty() {
            return None;
        }
        let bad = |why| Item::Bad(BadText { line: number, text: Cow::Borrowed(text), why });
        if self.format == Format::OpenMetrics && self.end == End::Passed {
            return Some(bad(Why::AfterEnd));
        }
        if let Some(comment) = text.strip_prefix('#') {
            if self.format == Format::OpenMetrics && comment == " EOF" {
                self.end = End::Passed;
            }
            return type_line(comment)
                .map(|read| read.map_or_else(bad, |(metric, kind)| Item::Type { metric, kind }));
        }
        if text.len() > MAX_LINE {
            return Some(bad(Why::Long));
        }
        Some(sample(text, number, self.format).map_or_else(bad, Item::Sample))
    }
}

/// The labels of a sample, between their braces, checked but not yet taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LabelText<'a>(&'a str);

impl<'a> LabelText<'a> {
    /// Name and value pairs in the order of the page, escapes undone.
    pub fn iter(self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            loop {
                // The text was checked when it was scanned, so an error cannot come up here.
                let (part, after) = part(rest).ok()?;
                rest = after;
                match part {
                    Part::Label { name, value } => return Some((plain(name), plain(value))),
                    Part::Metric(_) => {}
                    Part::End => return None,
                }
            }
        })
    }
}

impl fmt::Debug for LabelText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// What may stand between braces; names and values still carry their escapes.
enum Part<'a> {
    Metric(&'a str),
    Label { name: &'a str, value: &'a str },
    End,
}

/// The series of a line whose value or time cannot be read; none when its name or labels cannot.
pub(super) fn series(text: &str) -> Option<(Cow<'_, str>, LabelText<'_>)> {
    series_of(text).ok().map(|(name, labels, _)| (name, labels))
}

fn sample<'a>(text: &'a str, line: u64, format: Format) -> Result<Sample<'a>, Why> {
    let (name, labels, rest) = series_of(text)?;
    let (value, rest) = word(rest);
    let value = number(value)?;
    let (stamp, rest) = if rest.is_empty() || rest.starts_with('#') {
        (None, rest)
    } else {
        let (stamp, rest) = word(rest);
        (Some(time(stamp, format)?), rest)
    };
    if !rest.is_empty() && !rest.starts_with("# {") {
        return Err(Why::Trailing);
    }
    Ok(Sample { line, text, name, labels, value, stamp })
}

/// The name and labels at the beginning of a line, and what follows them.
fn series_of(text: &str) -> Result<(Cow<'_, str>, LabelText<'_>, &str), Why> {
    let (bare, rest) = name(text, |byte| byte == b':');
    let mut rest = blank(rest);
    let mut metric = (!bare.is_empty()).then_some(bare);
    let mut labels = LabelText("}");
    if let Some(inside) = rest.strip_prefix('{') {
        labels = LabelText(inside);
        let mut count = 0;
        rest = inside;
        loop {
            let (part, after) = part(rest)?;
            rest = after;
            match part {
                Part::Label { .. } => count += 1,
                Part::Metric(quoted) => {
                    if metric.replace(quoted).is_some() {
                        return Err(Why::TwoNames);
                    }
                }
                Part::End => break,
            }
            if count > MAX_LABELS {
                return Err(Why::ManyLabels);
            }
        }
        rest = blank(rest);
    } else if bare.len() == text.len() {
        return Err(Why::NoValue);
    } else if text.len() - bare.len() == rest.len() {
        // Something that is not a blank follows the name: the name itself is wrong.
        return Err(Why::Name);
    }
    let name = plain(metric.filter(|m| !m.is_empty()).ok_or(Why::Name)?);
    Ok((name, labels, rest))
}

/// The first thing in `rest`, which begins after `{` or after an earlier part.
fn part(rest: &str) -> Result<(Part<'_>, &str), Why> {
    let rest = blank(rest);
    let (name, after, was_quoted) = match rest.as_bytes().first() {
        None => return Err(Why::Comma),
        Some(b'}') => return Ok((Part::End, &rest[1..])),
        Some(b'"') => {
            let (name, after) = quoted(rest)?;
            (name, after, true)
        }
        Some(_) => {
            let (name, after) = name(rest, |_| false);
            (name, after, false)
        }
    };
    if name.is_empty() {
        return Err(Why::LabelName);
    }
    let after = blank(after);
    let (part, after) = match after.strip_prefix('=') {
        Some(after) => {
            let after = blank(after);
            if !after.starts_with('"') {
                return Err(Why::LabelValue);
            }
            let (value, after) = quoted(after)?;
            // The name has a place of its own, so a label of that name would be a second one.
            if name == "__name__" {
                return Err(Why::TwoNames);
            }
            (Part::Label { name, value }, after)
        }
        None if was_quoted => (Part::Metric(name), after),
        None => return Err(Why::LabelValue),
    };
    let after = blank(after);
    match after.as_bytes().first() {
        Some(b',') => Ok((part, &after[1..])),
        Some(b'}') => Ok((part, after)),
        Some(_) | None => Err(Why::Comma),
    }
}

/// The text inside the quotes that `rest` begins with, and what follows them.
fn quoted(rest: &str) -> Result<(&str, &str), Why> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    loop {
        match memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
            None => return Err(Why::Quote),
            Some(skip) if bytes[at + skip] == b'"' => {
                let end = at + skip;
                return Ok((&rest[1..end], &rest[end + 1..]));
            }
            // What follows a backslash is never the end of the quotes. It may be the first byte
            // of a longer character, whose other bytes are neither a quote nor a backslash.
            Some(skip) => at += skip + 2,
        }
    }
}

/// The longest name at the start of `rest`; `more` says which further bytes may be in it.
fn name(rest: &str, more: impl Fn(u8) -> bool) -> (&str, &str) {
    let within = |(at, byte): (usize, u8)| {
        byte.is_ascii_alphabetic()
            || byte == b'_'
            || more(byte)
            || (at > 0 && byte.is_ascii_digit())
    };
    let end = rest.bytes().enumerate().position(|at| !within(at)).unwrap_or(rest.len());
    rest.split_at(end)
}

/// The first word, and what follows the blanks after it.
fn word(rest: &str) -> (&str, &str) {
    let end = memchr2(b' ', b'\t', rest.as_bytes()).unwrap_or(rest.len());
    (&rest[..end], blank(&rest[end..]))
}

fn blank(rest: &str) -> &str {
    rest.trim_start_matches([' ', '\t'])
}

/// A quoted text with its escapes undone.
fn plain(text: &str) -> Cow<'_, str> {
    if memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (becomes, skip) = match rest.as_bytes().get(at + 1) {
            Some(b'n') => ('\n', 2),
            Some(b'"') => ('"', 2),
            Some(b'\\') => ('\\', 2),
            Some(_) | None => ('\\', 1),
        };
        out.push(becomes);
        rest = &rest[at + skip..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn number(word: &str) -> Result<f64, Why> {
    if word.is_empty() {
        return Err(Why::NoValue);
    }
    let value: f64 = word.parse().ok().ok_or(Why::Value)?;
    if value.is_infinite() && word.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(Why::Range);
    }
    // One NaN only: a page can never write the bits of the stale marker.
    Ok(if value.is_nan() { f64::NAN } else { value })
}

fn time(word: &str, format: Format) -> Result<Time, Why> {
    match format {
        Format::Text => word.parse().map(Time::from_millis).ok().ok_or(Why::Stamp),
        Format::OpenMetrics => {
            let seconds: f64 = word.parse().ok().ok_or(Why::Stamp)?;
            // Well inside what the calendar and an i64 of milliseconds can hold.
            if seconds.abs() < 1e12 {
                Ok(Time::from_millis((seconds * 1000.0).round() as i64))
            } else {
                Err(Why::Stamp)
            }
        }
    }
}

/// What a comment says, when it is one about a type; the text begins after `#`.
fn type_line(comment: &str) -> Option<Result<(Cow<'_, str>, SampleType), Why>> {
    if !comment.starts_with([' ', '\t']) {
        return None;
    }
    let (keyword, rest) = word(blank(comment));
    (keyword == "TYPE").then(|| {
        let (metric, rest) = if rest.starts_with('"') {
            let (metric, rest) = quoted(rest)?;
            (metric, blank(rest))
        } else {
            word(rest)
        };
        if metric.is_empty() {
            return Err(Why::Name);
        }
        match rest {
            "counter" | "gauge" | "histogram" | "summary" | "untyped" | "unknown" | "info"
            | "stateset" | "gaugehistogram" => Ok((plain(metric), SampleType::parse(rest))),
            _ => Err(Why::Type),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each item as one line of text: `name{labels} value @stamp`, `TYPE …`, `N: why`.
    fn said(text: &[u8], format: Format) -> String {
        let lines: Vec<String> = scan(text, format)
            .map(|item| match item {
                Item::Sample(s) => {
                    let stamp = s.stamp.map(|t| format!(" @{}", t.as_millis())).unwrap_or_default();
                    format!("{} {:?} {}{stamp}", s.name, s.labels, s.value)
                }
                Item::Type { metric, kind } => format!("TYPE {metric} {kind:?}"),
                Item::Bad(bad) => format!("{}: {}", bad.line, bad.why),
            })
            .collect();
        lines.join("\n")
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(said(text.as_bytes(), Format::Text), want);
    }

    #[track_caller]
    fn check_open_metrics(text: &str, want: &str) {
        assert_eq!(said(text.as_bytes(), Format::OpenMetrics), want);
    }

    #[test]
    fn names_and_labels_are_read_whole() {
        check("up 1", "up {} 1");
        check("up{} 1", "up {} 1");
        check("job:http:rate5m 3", "job:http:rate5m {} 3");
        check("m {a=\"1\"} 1", "m {\"a\": \"1\"} 1");
        check("m{a=\"1\", b=\"2\",} 1", "m {\"a\": \"1\", \"b\": \"2\"} 1");
        check("\t m{ a = \"1\" }\t1 ", "m {\"a\": \"1\"} 1");
        check("m{path=\"/users/{id}?a=b,c\"} 1", "m {\"path\": \"/users/{id}?a=b,c\"} 1");
        check("{\"http.requests\",\"k8s.pod\"=\"x\"} 3", "http.requests {\"k8s.pod\": \"x\"} 3");
        check("{a=\"1\",\"m\"} 3", "m {\"a\": \"1\"} 3");
        check("m{a=\"ü→\"} 1", "m {\"a\": \"ü→\"} 1");
    }

    #[test]
    fn escapes_are_undone_and_others_stay() {
        check(r#"m{a="say \"hi\""} 1"#, r#"m {"a": "say \"hi\""} 1"#);
        check(r#"m{a="C:\\n"} 1"#, r#"m {"a": "C:\\n"} 1"#);
        check(r#"m{a="one\ntwo"} 1"#, r#"m {"a": "one\ntwo"} 1"#);
        check(r#"m{a="\d"} 1"#, r#"m {"a": "\\d"} 1"#);
        check(r#"m{a="\ü"} 1"#, r#"m {"a": "\\ü"} 1"#);
    }

    #[test]
    fn numbers_are_those_of_prometheus() {
        check(
            "m NaN\nm +Inf\nm -Inf\nm 1e3\nm .5\nm -0",
            "m {} NaN\nm {} inf\nm {} -inf\nm {} 1000\nm {} 0.5\nm {} -0",
        );
        check(
            "m 0x1p3\nm 1_000\nm 1e999\nm one\nm 1,5",
            "1: the value is not a number\n2: the value is not a number\n3: the value is too large for a double\n4: the value is not a number\n5: the value is not a number",
        );
    }

    #[test]
    fn stamps_are_milliseconds_or_seconds_by_format() {
        check("m 1 1395066363000\nm 1 -3", "m {} 1 @1395066363000\nm {} 1 @-3");
        check("m 1 1395066363.5", "1: not a timestamp");
        check_open_metrics(
            "m 1 1395066363.5\nm 2 7\n# EOF\n",
            "m {} 1 @1395066363500\nm {} 2 @7000",
        );
        check_open_metrics("m 1 NaN\n# EOF", "1: not a timestamp");
    }

    #[test]
    fn a_bad_line_has_its_number_and_takes_no_good_one_with_it() {
        check(
            "a 1\n<html>\nb 2",
            "a {} 1\n2: not a metric name: letters, digits, `_` and `:`, or quoted in braces\nb {} 2",
        );
        check("m", "1: no value");
        check("m{a=\"1\"}", "1: no value");
        check("m{a=\"1\" 1", "1: neither `,` nor `}` after a label");
        check("m{a=\"1} 1\nb 2", "1: a quote that is not closed\nb {} 2");
        check("m{a=\"1\"b=\"2\"} 1", "1: neither `,` nor `}` after a label");
        check("m{a=1} 1", "1: a label without `=` and a quoted value");
        check("m{a} 1", "1: a label without `=` and a quoted value");
        check("m{,} 1", "1: not a label name: letters, digits and `_`, or quoted");
        check("m{a:b=\"1\"} 1", "1: a label without `=` and a quoted value");
        check("m{\"n\"} 1", "1: two metric names");
        check("m{__name__=\"n\"} 1", "1: two metric names");
        check(
            "{a=\"1\"} 1",
            "1: not a metric name: letters, digits, `_` and `:`, or quoted in braces",
        );
        check(
            "http.requests 1",
            "1: not a metric name: letters, digits, `_` and `:`, or quoted in braces",
        );
        check(
            "9lives 1",
            "1: not a metric name: letters, digits, `_` and `:`, or quoted in braces",
        );
        check("m 1 2 3", "1: more text after the sample");
        check("m{a=\"\\", "1: a quote that is not closed");
    }

    #[test]
    fn text_that_is_not_utf8_is_one_bad_line() {
        assert_eq!(
            said(b"a 1\nm{a=\"\xff\"} 1\nb 2\n", Format::Text),
            "a {} 1\n2: not UTF-8\nb {} 2"
        );
    }

    #[test]
    fn line_ends_and_byte_order_mark_do_not_matter() {
        check("\u{feff}a 1\r\n\r\n\n b 2\r\n# any comment\n#TYPE x y", "a {} 1\nb {} 2");
    }

    #[test]
    fn types_are_read_and_checked() {
        check(
            "# TYPE a counter\n#  TYPE\ta.b gauge\n# TYPE \"c d\" histogram\n# HELP a TYPE of help\n# TYPE i info",
            "TYPE a Counter\nTYPE a.b Gauge\nTYPE c d Histogram\nTYPE i Untyped",
        );
        check("# TYPE a\n# TYPE a speed", "1: not a metric type\n2: not a metric type");
    }

    #[test]
    fn exemplars_are_passed_over() {
        check_open_metrics(
            "m_bucket{le=\"1\"} 17 # {trace_id=\"a}b\"} 0.67 1.5\nm 1 2 # {} 1\n# EOF",
            "m_bucket {\"le\": \"1\"} 17\nm {} 1 @2000",
        );
        check("m 1 # {a=\"1\"} 1", "m {} 1");
        check("m 1 # why", "1: more text after the sample");
    }

    #[test]
    fn open_metrics_must_end_with_its_mark() {
        check_open_metrics("a 1\n", "a {} 1\n2: the page ends without `# EOF`, it may be cut");
        check_open_metrics("a 1\n# EOF\nb 2\n", "a {} 1\n3: text after `# EOF`");
        check("a 1\n# EOF\nb 2\n", "a {} 1\nb {} 2");
    }

    #[test]
    fn labels_are_bounded() {
        let labels = |n: usize| (0..n).map(|i| format!("l{i}=\"v\",")).collect::<String>();
        let at = format!("m{{{}}} 1", labels(MAX_LABELS));
        assert!(matches!(scan(at.as_bytes(), Format::Text).next(), Some(Item::Sample(_))));
        check(&format!("m{{{}}} 1", labels(MAX_LABELS + 1)), "1: more than 256 labels");
    }

    #[test]
    fn a_page_cannot_write_a_stale_marker() {
        let Some(Item::Sample(sample)) = scan(b"m nan", Format::Text).next() else { panic!() };
        assert!(sample.value.is_nan() && !crate::sample::is_stale(sample.value));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_the_scanner(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            for format in [Format::Text, Format::OpenMetrics] {
                said(&bytes, format);
            }
        }

        #[test]
        fn any_text_in_braces_breaks_nothing(text in "[a\"\\\\{}=, n1#é\n]{0,40}") {
            said(format!("m{{{text}").as_bytes(), Format::Text);
        }
    }
}
