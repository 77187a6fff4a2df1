//! The text of a series selector: PromQL's grammar for `metric{label="value",…}`, nothing more.

use super::{MatchHow, Matcher, NotASelector, SeriesSelector};

/// The most conditions of one selector; a metric has fewer labels.
const MATCHERS: usize = 64;

/// Reads a selector; `default` is the metric of one that names none.
pub(super) fn parse(text: &str, default: Option<&str>) -> Result<SeriesSelector, NotASelector> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    let bare = scanner.word(|c, first| c == ':' || in_label(c, first));
    let mut metric = (!bare.is_empty()).then(|| bare.to_owned());
    let mut matchers = Vec::new();
    scanner.space();
    if scanner.take("{") {
        scanner.items(&mut metric, &mut matchers)?;
        scanner.space();
    }
    if !scanner.rest().is_empty() {
        return Err(trailing(scanner.rest()));
    }
    let metric = metric.or_else(|| default.map(str::to_owned)).ok_or_else(|| {
        NotASelector::because("it names no metric: write `metric_name{label=\"value\"}`")
    })?;
    Ok(SeriesSelector { metric, matchers })
}

/// Whether a metric's name needs no quotes.
pub(super) fn is_metric(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|c| c == ':' || in_label(c, true))
        && letters.all(|c| c == ':' || in_label(c, false))
}

/// Whether a label's name needs no quotes.
pub(super) fn is_label(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|c| in_label(c, true)) && letters.all(|c| in_label(c, false))
}

/// A string literal that PromQL reads back as `text`.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                out.push_str(&format!("\\U{:08x}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn in_label(letter: char, first: bool) -> bool {
    letter == '_' || letter.is_ascii_alphabetic() || (!first && letter.is_ascii_digit())
}

fn trailing(rest: &str) -> NotASelector {
    NotASelector::because(match rest.chars().next() {
        Some('[') => "a range such as `[5m]` is given by `over`, not in the selector".to_owned(),
        Some('(') => "this is an expression; a selector has no functions: the kind of the \
                      indicator says what is done with the series"
            .to_owned(),
        _ => format!("`{rest}` is not part of a selector such as `metric{{label=\"value\"}}`"),
    })
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn word(&mut self, belongs: impl Fn(char, bool) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.char_indices().find(|(i, c)| !belongs(*c, *i == 0));
        let word = &rest[..end.map_or(rest.len(), |(i, _)| i)];
        self.at += word.len();
        word
    }

    /// What stands between the braces, and the closing one. A trailing comma is allowed.
    fn items(
        &mut self,
        metric: &mut Option<String>,
        matchers: &mut Vec<Matcher>,
    ) -> Result<(), NotASelector> {
        loop {
            self.space();
            if self.take("}") {
                return Ok(());
            }
            self.item(metric, matchers)?;
            if matchers.len() > MATCHERS {
                return Err(NotASelector::because(format!(
                    "it has more than {MATCHERS} conditions"
                )));
            }
            self.space();
            if !self.take(",") && !self.rest().starts_with('}') {
                return Err(if self.rest().is_empty() {
                    NotASelector::because("the closing `}` is missing")
                } else {
                    NotASelector::because(format!(
                        "`,` or `}}` is missing before `{}`",
                        self.rest()
                    ))
                });
            }
        }
    }

    fn item(
        &mut self,
        metric: &mut Option<String>,
        matchers: &mut Vec<Matcher>,
    ) -> Result<(), NotASelector> {
        let quoted = self.rest().starts_with(['"', '\'', '`']);
        let label = if quoted { self.string()? } else { self.word(in_label).to_owned() };
        if label.is_empty() {
            return Err(NotASelector::because(if self.rest().is_empty() {
                "the closing `}` is missing".to_owned()
            } else {
                format!("a label's name is missing before `{}`", self.rest())
            }));
        }
        self.space();
        // A quoted name that is compared with nothing is the metric's (Prometheus 3).
        if quoted && (self.rest().starts_with([',', '}']) || self.rest().is_empty()) {
            return name_metric(metric, label);
        }
        let how = [
            ("=~", MatchHow::Matches),
            ("!~", MatchHow::MatchesNot),
            ("!=", MatchHow::NotEqual),
            ("=", MatchHow::Equal),
        ]
        .into_iter()
        .find_map(|(token, how)| self.take(token).then_some(how));
        let how = how.ok_or_else(|| {
            NotASelector::because(format!("`=`, `!=`, `=~` or `!~` is missing after `{label}`"))
        })?;
        self.space();
        let value = self.string()?;
        if label == "__name__" {
            return match how {
                MatchHow::Equal => name_metric(metric, value),
                MatchHow::NotEqual | MatchHow::Matches | MatchHow::MatchesNot => Err(
                    NotASelector::because("a selector is about one metric: `__name__` takes `=`"),
                ),
            };
        }
        matchers.push(Matcher::new(label, how, value)?);
        Ok(())
    }

    /// A string literal: Go's escapes in `"…"` and `'…'`, none in back quotes.
    fn string(&mut self) -> Result<String, NotASelector> {
        let quote =
            self.rest().chars().next().filter(|c| "\"'`".contains(*c)).ok_or_else(|| {
                NotASelector::because(format!("a quoted value is missing before `{}`", self.rest()))
            })?;
        self.at += 1;
        let open = self.rest();
        let mut text = Vec::new();
        loop {
            let Some(letter) = self.rest().chars().next() else {
                return Err(NotASelector::because(format!(
                    "the string `{quote}{open}` has no end"
                )));
            };
            self.at += letter.len_utf8();
            match letter {
                end if end == quote => break,
                '\\' if quote != '`' => self.escape(&mut text)?,
                other => text.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        String::from_utf8(text)
            .ok()
            .ok_or_else(|| NotASelector::because("the bytes escaped in a string are not UTF-8"))
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), NotASelector> {
        let letter = self.rest().chars().next().unwrap_or(' ');
        let unknown = || NotASelector::because(format!("`\\{letter}` is not an escape of PromQL"));
        let (skip, digits, radix) = match letter {
            'x' => (1, 2, 16),
            'u' => (1, 4, 16),
            'U' => (1, 8, 16),
            '0'..='7' => (0, 3, 8),
            simple => {
                let byte = match simple {
                    'a' => 0x07,
                    'b' => 0x08,
                    'f' => 0x0c,
                    'n' => b'\n',
                    'r' => b'\r',
                    't' => b'\t',
                    'v' => 0x0b,
                    '\\' => b'\\',
                    '"' => b'"',
                    '\'' => b'\'',
                    _ => return Err(unknown()),
                };
                self.at += 1;
                text.push(byte);
                return Ok(());
            }
        };
        let code = self.rest().get(skip..skip + digits).ok_or_else(unknown)?;
        let code = u32::from_str_radix(code, radix).ok().ok_or_else(unknown)?;
        self.at += skip + digits;
        if matches!(letter, 'u' | 'U') {
            let letter = char::from_u32(code).ok_or_else(unknown)?;
            text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            text.push(u8::try_from(code).ok().ok_or_else(unknown)?);
        }
        Ok(())
    }
}

fn name_metric(metric: &mut Option<String>, name: String) -> Result<(), NotASelector> {
    if let Some(first) = metric {
        return Err(NotASelector::because(format!("it names two metrics, `{first}` and `{name}`")));
    }
    *metric = Some(name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Labels;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
    }

    #[track_caller]
    fn reads(text: &str, want: &str) {
        let selector = SeriesSelector::parse(text).unwrap();
        assert_eq!(selector.to_string(), want);
        assert_eq!(SeriesSelector::parse(want).unwrap(), selector, "the text reads back");
    }

    #[track_caller]
    fn refuses(text: &str, want: &str) {
        assert_eq!(SeriesSelector::parse(text).unwrap_err().to_string(), want);
    }

    #[track_caller]
    fn matches(text: &str, pairs: &[(&str, &str)], want: bool) {
        assert_eq!(SeriesSelector::parse(text).unwrap().matches(&labels(pairs)), want);
    }

    #[test]
    fn every_spelling_of_a_selector_reads_and_reads_back() {
        reads("up", "up");
        reads(" job:http:rate5m { } ", "job:http:rate5m");
        reads(
            "a{b='c', d!=`e\\`, f=~\"5..\", g!~\"x|y\",}",
            r#"a{b="c",d!="e\\",f=~"5..",g!~"x|y"}"#,
        );
        reads(r#"a{b="\x41\102\u00e9\n\""}"#, r#"a{b="ABé\n\""}"#);
        reads(r#"{__name__="up",job="x"}"#, r#"up{job="x"}"#);
        reads(r#"{"my.metric","my.label"="x"}"#, r#"{"my.metric","my.label"="x"}"#);
    }

    #[test]
    fn what_is_not_a_selector_is_refused_with_the_place() {
        refuses("", "it names no metric: write `metric_name{label=\"value\"}`");
        refuses("{a=\"b\"}", "it names no metric: write `metric_name{label=\"value\"}`");
        refuses("a[5m]", "a range such as `[5m]` is given by `over`, not in the selector");
        refuses("a{b=c}", "a quoted value is missing before `c}`");
        refuses("a{b=\"c\"", "the closing `}` is missing");
        refuses("a{", "the closing `}` is missing");
        refuses("a{b=\"c}", "the string `\"c}` has no end");
        refuses("a{b \"c\"}", "`=`, `!=`, `=~` or `!~` is missing after `b`");
        refuses("a{=\"c\"}", "a label's name is missing before `=\"c\"}`");
        refuses("a{b=\"c\" d=\"e\"}", "`,` or `}` is missing before `d=\"e\"}`");
        refuses("a{b=\"\\q\"}", "`\\q` is not an escape of PromQL");
        refuses("a{b=\"\\xff\"}", "the bytes escaped in a string are not UTF-8");
        refuses("a{__name__=\"b\"}", "it names two metrics, `a` and `b`");
        refuses(
            "a offset 5m",
            "`offset 5m` is not part of a selector such as `metric{label=\"value\"}`",
        );
        refuses("a{b=~\"(\"}", "`(` is not a regular expression: unclosed group");
        refuses("a{b=~\"x)|(y\"}", "`x)|(y` is not a regular expression: unopened group");
        assert!(SeriesSelector::parse("sum(a)").unwrap_err().to_string().contains("expression"));
    }

    #[test]
    fn all_matchers_count_and_patterns_are_anchored() {
        let series = [("__name__", "a"), ("code", "503"), ("route", "api")];
        matches("a", &series, true);
        matches("b", &series, false);
        matches("a{code=~\"5..\",route=\"api\"}", &series, true);
        matches("a{code=~\"5..\",route!=\"api\"}", &series, false);
        matches("a{code=~\"5.\"}", &series, false);
        matches("a{code=~\"4..|5..\"}", &series, true);
        matches("a{code!~\"5..\"}", &series, false);
    }

    #[test]
    fn an_absent_label_is_the_empty_value() {
        matches("a{b=\"\"}", &[("__name__", "a")], true);
        matches("a{b!=\"x\"}", &[("__name__", "a")], true);
        matches("a{b=~\".+\"}", &[("__name__", "a")], false);
        matches("a{b=~\"x?\"}", &[("__name__", "a")], true);
    }

    #[test]
    fn a_metric_may_be_understood() {
        let selector = SeriesSelector::parse_or("{job=\"api\"}", "up").unwrap();
        assert_eq!(selector.to_string(), "up{job=\"api\"}");
    }
}
