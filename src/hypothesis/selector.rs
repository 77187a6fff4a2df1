//! Selectors: of series, as in PromQL, and of Kubernetes objects, as in the API.
//!
//! Both are parsed here and match [`Labels`]; neither asks a server.

mod kubernetes;
mod promql;

use std::fmt;

use regex::{Regex, RegexBuilder};

pub(crate) use self::kubernetes::LabelSelector;
use crate::sample::Labels;

/// Why a text is not a selector: a fragment that names the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotASelector(String);

impl NotASelector {
    fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// A metric and the labels it must have: `http_requests_total{code=~"5..",route="api"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesSelector {
    /// The metric's name.
    pub metric: String,
    /// All must match.
    pub matchers: Vec<Matcher>,
}

impl SeriesSelector {
    /// Reads a PromQL selector that names its metric.
    pub fn parse(text: &str) -> Result<Self, NotASelector> {
        promql::parse(text, None)
    }

    /// Reads a PromQL selector; without a metric it is about `metric`.
    pub fn parse_or(text: &str, metric: &str) -> Result<Self, NotASelector> {
        promql::parse(text, Some(metric))
    }

    /// The buckets of a histogram, which is selected by its own name.
    #[must_use]
    pub fn buckets(&self) -> Self {
        Self { metric: format!("{}_bucket", self.metric), ..self.clone() }
    }

    /// How many observations a histogram says there were.
    #[must_use]
    pub fn count(&self) -> Self {
        Self { metric: format!("{}_count", self.metric), ..self.clone() }
    }

    /// Whether a series with these labels is meant. The metric counts.
    pub fn matches(&self, labels: &Labels) -> bool {
        labels.metric() == self.metric && self.matches_labels(labels)
    }

    /// Whether the labels fit, whatever the metric's name: for the parts of a histogram.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matchers
            .iter()
            .all(|matcher| matcher.holds_for(labels.get(&matcher.label).unwrap_or_default()))
    }
}

impl fmt::Display for SeriesSelector {
    /// As PromQL reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = promql::is_metric(&self.metric);
        let mut separator = "{";
        if plain {
            f.write_str(&self.metric)?;
        } else {
            write!(f, "{{{}", promql::quoted(&self.metric))?;
            separator = ",";
        }
        for matcher in &self.matchers {
            write!(f, "{separator}{matcher}")?;
            separator = ",";
        }
        if plain && self.matchers.is_empty() { Ok(()) } else { f.write_str("}") }
    }
}

/// One condition on a label. A label that is absent has the empty value, as in Prometheus.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// How it is compared.
    pub how: MatchHow,
    /// With what.
    pub value: String,
    /// The compiled `value`, for the two ways that take a regular expression.
    pattern: Option<Regex>,
}

impl Matcher {
    /// A condition; a regular expression is compiled here, once.
    pub fn new(
        label: impl Into<String>,
        how: MatchHow,
        value: impl Into<String>,
    ) -> Result<Self, NotASelector> {
        let value = value.into();
        let pattern = match how {
            MatchHow::Equal | MatchHow::NotEqual => None,
            MatchHow::Matches | MatchHow::MatchesNot => Some(anchored(&value)?),
        };
        Ok(Self { label: label.into(), how, value, pattern })
    }

    /// Whether a label with this value (empty when absent) fits.
    pub fn holds_for(&self, value: &str) -> bool {
        let matches = || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(value));
        match self.how {
            MatchHow::Equal => value == self.value,
            MatchHow::NotEqual => value != self.value,
            MatchHow::Matches => matches(),
            MatchHow::MatchesNot => !matches(),
        }
    }

    /// Whether a pattern that has to match all of a value is found in a part of it: most who
    /// write such a pattern mean that.
    pub fn is_found_in(&self, value: &str) -> bool {
        let finds = || Regex::new(&self.value).is_ok_and(|pattern| pattern.is_match(value));
        self.how == MatchHow::Matches && !self.holds_for(value) && finds()
    }
}

impl PartialEq for Matcher {
    /// Equal texts compile to equal patterns.
    fn eq(&self, other: &Self) -> bool {
        (&self.label, &self.how, &self.value) == (&other.label, &other.how, &other.value)
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            MatchHow::Equal => "=",
            MatchHow::NotEqual => "!=",
            MatchHow::Matches => "=~",
            MatchHow::MatchesNot => "!~",
        };
        let label = if promql::is_label(&self.label) {
            self.label.clone()
        } else {
            promql::quoted(&self.label)
        };
        write!(f, "{label}{how}{}", promql::quoted(&self.value))
    }
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchHow {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends
    Matches,
    /// `!~`, anchored at both ends
    MatchesNot,
}

/// The most bytes that a compiled pattern may take: one that counts to a million in a few letters
/// is no condition on a label.
const PATTERN_SIZE: usize = 512 * 1024;

/// The pattern, anchored at both ends; a dot also matches a line break, as in Prometheus 3.
fn anchored(pattern: &str) -> Result<Regex, NotASelector> {
    let refuse = |error: regex::Error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        NotASelector::because(format!("`{pattern}` is not a regular expression: {last}"))
    };
    // Compiled alone first: `a)|(b` must not become valid, and unanchored, by the anchors.
    let compile = |pattern: &str| RegexBuilder::new(pattern).size_limit(PATTERN_SIZE).build();
    compile(pattern).map_err(refuse)?;
    compile(&format!("^(?s:{pattern})$")).map_err(refuse)
}
