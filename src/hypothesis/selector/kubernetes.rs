//! The text of a label selector: Kubernetes' grammar, equality- and set-based.
//!
//! Source: apimachinery `pkg/labels/selector.go` and the rules for label names and values.

use std::fmt;

use super::NotASelector;
use crate::sample::Labels;

/// Which Kubernetes objects: `app=api,tier in (web, edge),!canary`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector {
    text: String,
    requirements: Vec<Requirement>,
}

/// One condition on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

/// What a label must be. As in Kubernetes, `NotIn` also holds where the label is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl LabelSelector {
    /// Reads a selector. An empty one, which would match everything, is refused.
    pub fn parse(text: &str) -> Result<Self, NotASelector> {
        let text = text.trim();
        if text.is_empty() {
            return Err(NotASelector::because("an empty selector would match every pod"));
        }
        let requirements = split(text)?.into_iter().map(requirement).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), requirements })
    }

    /// As it was written: what the API server is given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether an object with these labels is meant. Kubernetes knows labels with an empty
    /// value; [`Labels`] does not, so here they count as absent.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|Requirement { key, test }| {
            let value = labels.get(key);
            let one_of = |values: &[String]| value.is_some_and(|v| values.iter().any(|w| w == v));
            match test {
                Test::In(values) => one_of(values),
                Test::NotIn(values) => !one_of(values),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
            }
        })
    }

    /// The labels that it asks for.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.requirements.iter().map(|requirement| requirement.key.as_str())
    }

    /// The labels that every matching object has with a known value.
    pub fn known_labels(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.requirements.iter().filter_map(|Requirement { key, test }| match test {
            Test::In(values) => Some((key.as_str(), values.as_slice())),
            Test::NotIn(_) | Test::Exists | Test::Absent => None,
        })
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The parts between the commas that stand outside parentheses.
fn split(text: &str) -> Result<Vec<&str>, NotASelector> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' if open => return Err(NotASelector::because("a `(` stands inside `(…)`")),
            '(' => open = true,
            ')' if !open => return Err(NotASelector::because("a `)` has no `(`")),
            ')' => open = false,
            ',' if !open => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if open {
        return Err(NotASelector::because("the closing `)` is missing"));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn requirement(part: &str) -> Result<Requirement, NotASelector> {
    let part = part.trim();
    if part.is_empty() {
        return Err(NotASelector::because("there is nothing between two commas"));
    }
    let (key, test) = if let Some(key) = part.strip_prefix('!') {
        (key, Test::Absent)
    } else if let Some((key, value)) = part.split_once("!=") {
        (key, Test::NotIn(vec![one_value(value)?]))
    } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (key, Test::In(vec![one_value(value)?]))
    } else {
        set_based(part)?
    };
    let key = key.trim();
    if !is_key(key) {
        return Err(NotASelector::because(format!("`{key}` is not the name of a label")));
    }
    Ok(Requirement { key: key.to_owned(), test })
}

/// `key`, `key in (a, b)` or `key notin (a, b)`.
fn set_based(part: &str) -> Result<(&str, Test), NotASelector> {
    let Some((key, rest)) = part.split_once(char::is_whitespace) else {
        return Ok((part, Test::Exists));
    };
    let unknown = || {
        NotASelector::because(format!(
            "`{part}` is none of `a=b`, `a!=b`, `a in (b, c)`, `a notin (b, c)`, `a` and `!a`"
        ))
    };
    let rest = rest.trim();
    let (negated, values) = match (rest.strip_prefix("notin"), rest.strip_prefix("in")) {
        (Some(values), _) => (true, values),
        (None, Some(values)) => (false, values),
        (None, None) => return Err(unknown()),
    };
    let values = values.trim().strip_prefix('(').and_then(|v| v.strip_suffix(')'));
    let values = values.ok_or_else(unknown)?;
    let values = values.split(',').map(one_value).collect::<Result<Vec<_>, _>>()?;
    Ok((key, if negated { Test::NotIn(values) } else { Test::In(values) }))
}

fn one_value(text: &str) -> Result<String, NotASelector> {
    let value = text.trim();
    if value.is_empty() || is_name(value) {
        return Ok(value.to_owned());
    }
    Err(NotASelector::because(format!(
        "`{value}` cannot be the value of a label: at most 63 letters, digits, `-`, `_` and `.`, \
         without quotes"
    )))
}

/// `name` or `prefix/name`, where the prefix is a DNS name.
fn is_key(text: &str) -> bool {
    match text.split_once('/') {
        None => is_name(text),
        Some((prefix, name)) => {
            let of_dns = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            is_name(name) && !prefix.is_empty() && prefix.len() <= 253 && prefix.chars().all(of_dns)
        }
    }
}

fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn matches(selector: &str, labels: &str, want: bool) {
        let pairs = labels.split_whitespace().map(|pair| pair.split_once('=').unwrap());
        let labels = Labels::new(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(LabelSelector::parse(selector).unwrap().matches(&labels), want);
    }

    #[track_caller]
    fn refuses(text: &str, want: &str) {
        assert_eq!(LabelSelector::parse(text).unwrap_err().to_string(), want);
    }

    #[test]
    fn each_operator_holds_and_does_not() {
        for (selector, held) in [
            ("app=api", true),
            ("app==api", true),
            ("app = api", true),
            ("app=web", false),
            ("app!=api", false),
            ("app!=web", true),
            ("gone!=x", true),
            ("app in (web, api)", true),
            ("app in (web)", false),
            ("app notin (web)", true),
            ("app notin (api)", false),
            ("gone notin (x)", true),
            ("app", true),
            ("gone", false),
            ("!gone", true),
            ("!app", false),
            ("app=api,tier in (web, edge),!canary", true),
            ("app=api,tier=db", false),
            ("example.com/part=x", true),
        ] {
            matches(selector, "app=api tier=edge example.com/part=x", held);
        }
    }

    #[test]
    fn the_text_is_kept_as_written() {
        let selector = LabelSelector::parse(" app in (a,  b) ").unwrap();
        assert_eq!(selector.text(), "app in (a,  b)");
        assert_eq!(selector.to_string(), selector.text());
    }

    #[test]
    fn what_the_api_server_would_refuse_is_refused() {
        refuses("  ", "an empty selector would match every pod");
        refuses("app=api,", "there is nothing between two commas");
        refuses("app in (a", "the closing `)` is missing");
        refuses("app in a)", "a `)` has no `(`");
        refuses("-app=x", "`-app` is not the name of a label");
        refuses("a/b/c=x", "`a/b/c` is not the name of a label");
        assert!(
            LabelSelector::parse("app=\"api\"").unwrap_err().to_string().contains("without quotes")
        );
        assert!(LabelSelector::parse("app like (x)").unwrap_err().to_string().contains("none of"));
    }
}
