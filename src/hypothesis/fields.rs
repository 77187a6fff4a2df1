//! Reads a mapping key by key and a scalar by its meaning. Every failure becomes a problem where
//! it stands, so that what follows needs only `Option`.

use std::time::Duration;

use super::{
    code::Code,
    model::Amount,
    problem::{Problem, Span},
    raw::{Key, Node, Value},
    units::{self, Quantity},
};
use crate::{listing, number::Share};

/// A mapping whose keys are known.
pub(super) struct Fields<'n> {
    what: &'n str,
    /// Where the mapping stands.
    pub(super) span: Span,
    entries: &'n [(Key, Node)],
    /// The known keys that were meant by ones that are not: their absence is reported already.
    meant: Vec<String>,
}

impl<'n> Fields<'n> {
    /// The fields of a mapping; keys other than `known` are reported, each with the nearest one.
    pub(super) fn of(
        node: &'n Node,
        what: &'n str,
        known: &[&str],
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let entries = map(node, what, problems)?;
        let mut meant = Vec::new();
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
            let message = format!("{what} has no key `{}`", key.text);
            let hint = match closest(&key.text, known) {
                Some(near) => {
                    meant.push(near.to_owned());
                    format!("did you mean `{near}`?")
                }
                None => format!("its keys are {}", listed(known, "and")),
            };
            problems.push(Problem::new(Code::UnknownKey, key.span, message).hint(hint));
        }
        Some(Self { what, span: node.span, entries, meant })
    }

    /// The value of a key, unless it is absent or says nothing.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|(_, node)| node).filter(|node| node.value != Value::Null)
    }

    /// The key as it stands in the text.
    pub(super) fn key(&self, key: &str) -> Option<&'n Key> {
        self.entry(key).map(|(key, _)| key)
    }

    /// The value of a key; its absence is a problem, and `example` the hint.
    pub(super) fn need(
        &self,
        key: &str,
        example: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() && !self.meant.iter().any(|meant| meant == key) {
            let span = self.key(key).map_or(self.span, |key| key.span);
            let message = format!("{} needs `{key}`", self.what);
            let hint = format!("such as `{example}`");
            problems.push(Problem::new(Code::MissingKey, span, message).hint(hint));
        }
        found
    }

    /// The only one of `keys` that is there; none, and more than one, are problems.
    pub(super) fn exactly_one<'k>(
        &self,
        keys: &[&'k str],
        problems: &mut Vec<Problem>,
    ) -> Option<(&'k str, &'n Node)> {
        let mut found = keys.iter().filter_map(|key| Some((*key, self.entry(key)?)));
        let (first, second) = (found.next(), found.next());
        if let (Some((key, (_, node))), None) = (first, second) {
            return Some((key, node));
        }
        if first.is_none() && self.meant.iter().any(|meant| keys.contains(&meant.as_str())) {
            return None;
        }
        let span = second.map_or(self.span, |(_, (key, _))| key.span);
        let said = match (first, second) {
            (Some((one, _)), Some((two, _))) => format!("`{one}` and `{two}` exclude each other"),
            (Some(_), None) | (None, _) => {
                format!("{} needs {}", self.what, listed(keys, "or"))
            }
        };
        problems.push(
            Problem::new(Code::ExactlyOne, span, said)
                .hint(format!("exactly one of {}", listed(keys, "and"))),
        );
        None
    }

    fn entry(&self, key: &str) -> Option<&'n (Key, Node)> {
        self.entries.iter().find(|(k, _)| k.text == key)
    }
}

/// The entries of a mapping.
pub(super) fn map<'n>(
    node: &'n Node,
    what: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'n [(Key, Node)]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        Value::Null
        | Value::Bool(_)
        | Value::Whole(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::List(_) => {
            let hint = "write it like `{key: value}`, or as indented lines of `key: value`";
            wrong_type(node, what, "a mapping", hint, problems)
        }
    }
}

/// The items of a list.
pub(super) fn list<'n>(
    node: &'n Node,
    what: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'n [Node]> {
    match &node.value {
        Value::List(items) => Some(items),
        Value::Null
        | Value::Bool(_)
        | Value::Whole(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::Map(_) => {
            let hint = "write it like `[a, b]`, or as lines that begin with `- `";
            wrong_type(node, what, "a list", hint, problems)
        }
    }
}

/// A text that says something.
pub(super) fn text<'n>(node: &'n Node, what: &str, problems: &mut Vec<Problem>) -> Option<&'n str> {
    match &node.value {
        Value::Text(text) if text.trim().is_empty() => {
            problems.push(
                Problem::new(Code::WrongType, node.span, format!("{what} is an empty text"))
                    .hint("say something, or leave the key out"),
            );
            None
        }
        Value::Text(text) => Some(text),
        Value::Whole(_) | Value::Number(_) | Value::Bool(_) => {
            let message = format!("{what} must be a text, and this is {}", node.value.kind());
            problems
                .push(Problem::new(Code::WrongType, node.span, message).hint("put it in quotes"));
            None
        }
        Value::Null | Value::List(_) | Value::Map(_) => {
            wrong_type(node, what, "a text", "write one text, in quotes", problems)
        }
    }
}

/// One of some words.
pub(super) fn word<'k>(
    node: &Node,
    what: &str,
    words: &[&'k str],
    problems: &mut Vec<Problem>,
) -> Option<&'k str> {
    let given = text(node, what, problems)?;
    let found = words.iter().find(|word| **word == given);
    if found.is_none() {
        let message = format!("`{given}` is no value of {what}");
        let hint = match closest(given, words) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it takes {}", listed(words, "or")),
        };
        problems.push(Problem::new(Code::UnknownWord, node.span, message).hint(hint));
    }
    found.copied()
}

/// A number with or without a unit, finite.
pub(super) fn quantity(node: &Node, what: &str, problems: &mut Vec<Problem>) -> Option<Quantity> {
    let number = match &node.value {
        Value::Whole(number) => *number as f64,
        Value::Number(number) => *number,
        Value::Text(text) => {
            let refuse = |why: units::NotAQuantity| {
                let hint = why.hint();
                bad(node, format!("{what}: {why}")).hint(hint)
            };
            return Quantity::parse(text).map_err(|why| problems.push(refuse(why))).ok();
        }
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
            let hint = "such as `200ms`, `1%` or `3`";
            return wrong_type(node, what, "a number, with or without a unit", hint, problems);
        }
    };
    if number.is_finite() {
        return Some(Quantity::Plain(number));
    }
    problems.push(
        bad(node, format!("{what} must be a finite number, and this is {number}"))
            .hint("nothing can be compared with NaN, and everything is on one side of infinity"),
    );
    None
}

/// A length of time, at least a millisecond.
pub(super) fn duration(node: &Node, what: &str, problems: &mut Vec<Problem>) -> Option<Duration> {
    let length = duration_or_zero(node, what, problems)?;
    if length.is_zero() {
        let problem = bad(node, format!("{what} must be longer than nothing"));
        problems.push(problem.hint("write it like `30s`, `5m` or `1h30m`"));
        return None;
    }
    Some(length)
}

/// A length of time; nothing is one, too.
pub(super) fn duration_or_zero(
    node: &Node,
    what: &str,
    problems: &mut Vec<Problem>,
) -> Option<Duration> {
    let quantity = quantity(node, what, problems)?;
    let Quantity::Seconds(seconds) = quantity else {
        let message = format!("{what} is a length of time, and this is {}", quantity.kind());
        let hint = match quantity {
            Quantity::Plain(number) => format!("give it a unit: `{number}s`"),
            Quantity::Share(_)
            | Quantity::Seconds(_)
            | Quantity::Bytes(_)
            | Quantity::PerSecond(_) => "write it like `30s`, `5m` or `1h30m`".to_owned(),
        };
        problems.push(bad(node, message).hint(hint));
        return None;
    };
    let length = units::duration(seconds);
    if length.is_none() {
        let (why, hint) = if seconds < 0.0 {
            ("is a length of time, and cannot be negative", "leave the `-` out")
        } else if seconds > units::LONGEST.as_secs_f64() {
            ("is longer than a year", "no run lasts that long; check the unit: `m` is minutes")
        } else {
            ("is finer than a millisecond, which is how finely time is kept", "such as `1ms`")
        };
        problems.push(bad(node, format!("{what} {why}")).hint(hint));
    }
    length
}

/// A part of a whole, `30%` or `0.3`, greater than nothing. A bare `1` could be 1 % as well as
/// 100 %, so it is refused.
pub(super) fn share(node: &Node, what: &str, problems: &mut Vec<Problem>) -> Option<Share> {
    let share = share_or_zero(node, what, problems)?;
    if share.get() > 0.0 {
        return Some(share);
    }
    let problem = bad(node, format!("{what} must be more than nothing"));
    problems.push(problem.hint("write it like `30%` or `0.3`"));
    None
}

/// A part of a whole; nothing is one, too.
pub(super) fn share_or_zero(node: &Node, what: &str, problems: &mut Vec<Problem>) -> Option<Share> {
    let quantity = quantity(node, what, problems)?;
    let share = match (quantity, &node.value) {
        (Quantity::Plain(number), Value::Whole(whole)) if *whole != 0 => {
            let hint = format!("write `{number}%`, or a fraction such as `0.3`");
            problems.push(bad(node, format!("{what} is a share; is this {number} %?")).hint(hint));
            return None;
        }
        (Quantity::Plain(number) | Quantity::Share(number), _) => Share::new(number),
        (Quantity::Seconds(_) | Quantity::Bytes(_) | Quantity::PerSecond(_), _) => {
            let message = format!("{what} is a share, and this is {}", quantity.kind());
            problems.push(bad(node, message).hint("write it like `30%` or `0.3`"));
            return None;
        }
    };
    if share.is_none() {
        let message = format!("{what} is a share, from 0 % to 100 %");
        problems.push(bad(node, message).hint("write it like `30%` or `0.3`"));
    }
    share
}

/// A number of things, at least `least`.
pub(super) fn count(
    node: &Node,
    what: &str,
    least: usize,
    problems: &mut Vec<Problem>,
) -> Option<usize> {
    let number = match node.value {
        Value::Whole(number) => usize::try_from(number).ok().filter(|n| *n >= least),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_) => None,
    };
    if number.is_none() {
        let problem = bad(node, format!("{what} is a whole number, at least {least}"));
        problems.push(
            problem.hint(format!("write it without unit, quotes or point: `{}`", least.max(3))),
        );
    }
    number
}

/// `true` or `false`.
pub(super) fn truth(node: &Node, what: &str, problems: &mut Vec<Problem>) -> Option<bool> {
    match node.value {
        Value::Bool(is) => Some(is),
        Value::Null
        | Value::Whole(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_) => {
            wrong_type(node, what, "`true` or `false`", "write `true` or `false`", problems)
        }
    }
}

/// `30%`, `0.3` or `3`: more than nothing.
pub(super) fn amount(node: &Node, what: &str, problems: &mut Vec<Problem>) -> Option<Amount> {
    match node.value {
        Value::Whole(_) => count(node, what, 1, problems).map(Amount::Count),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_) => share(node, what, problems).map(Amount::Share),
    }
}

/// The most words of a list that a message says: nobody reads on.
const LISTED: usize = 20;

/// `a`, `b` and `c`, in back quotes.
pub(super) fn listed(words: &[&str], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    if quoted.is_empty() { "none".to_owned() } else { listing::listed(&quoted, LISTED, last) }
}

/// The most letters that may differ between what is written and what is meant.
const FAR: usize = 2;

/// No key and no name is longer. Keys of a hostile file may be as long as the file, and there may
/// be thousands of them.
const LONGEST_WORD: usize = 63;

/// The word that someone may have meant: at most two letters to insert, delete, replace or swap with
/// their neighbour, and no more than half of them.
pub(super) fn closest<'k>(given: &str, words: &[&'k str]) -> Option<&'k str> {
    let length = given.chars().take(LONGEST_WORD + 1).count();
    if length > LONGEST_WORD {
        return None;
    }
    let near = |word: &&&str| word.chars().count().abs_diff(length) <= FAR;
    let far = |word: &&'k str| (strsim::osa_distance(given, word), *word);
    let (far, word) = words.iter().filter(near).map(far).min_by_key(|(far, _)| *far)?;
    (far <= FAR && far * 2 <= length).then_some(word)
}

/// A number that will not do.
pub(super) fn bad(node: &Node, message: impl Into<String>) -> Problem {
    Problem::new(Code::BadQuantity, node.span, message)
}

fn wrong_type<T>(
    node: &Node,
    what: &str,
    wanted: &str,
    hint: &str,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let message = format!("{what} must be {wanted}, and this is {}", node.value.kind());
    problems.push(Problem::new(Code::WrongType, node.span, message).hint(hint));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypothesis::raw;

    fn node(text: &str) -> Node {
        raw::read(text, &mut Vec::new()).unwrap()
    }

    #[track_caller]
    fn said<T>(text: &str, read: impl Fn(&Node, &mut Vec<Problem>) -> Option<T>) -> String {
        let mut problems = Vec::new();
        let value = read(&node(text), &mut problems);
        assert_eq!(value.is_none(), !problems.is_empty(), "a problem, or a value");
        problems.iter().map(|p| format!("{} ({})", p.message, p.code)).collect()
    }

    #[test]
    fn lengths_of_time() {
        let read = |text: &str| said(text, |n, p| duration(n, "`over`", p));
        assert_eq!(read("30s"), "");
        assert_eq!(
            read("5"),
            "`over` is a length of time, and this is a bare number (bad-quantity)"
        );
        assert_eq!(read("0s"), "`over` must be longer than nothing (bad-quantity)");
        assert!(read("-5s").contains("cannot be negative"));
        assert!(read("900us").contains("finer than a millisecond"));
        assert!(read("53w").contains("longer than a year"));
        assert!(read("5 min").contains("`min` is not a unit"));
        assert!(read(".nan").contains("must be a finite number"));
        assert!(read("[1s]").contains("this is a list (wrong-type)"));
    }

    #[test]
    fn shares_say_that_they_are_shares() {
        let read = |text: &str| said(text, |n, p| share(n, "`hold`", p));
        for fine in ["30%", "0.3", "100%", "1.0", "0.001%"] {
            assert_eq!(read(fine), "", "{fine}");
        }
        assert!(read("1").contains("is this 1 %?"));
        assert!(read("99").contains("is this 99 %?"));
        assert!(read("0").contains("more than nothing"));
        assert!(read("101%").contains("from 0 % to 100 %"));
        assert!(read("-1%").contains("from 0 % to 100 %"));
        assert!(read("1.5").contains("from 0 % to 100 %"));
        assert!(read("5s").contains("this is a length of time"));
    }

    #[test]
    fn amounts_are_shares_or_counts() {
        let read = |text: &str| amount(&node(text), "`at_least`", &mut Vec::new());
        assert_eq!(read("3"), Some(Amount::Count(3)));
        assert_eq!(read("30%"), Share::new(0.3).map(Amount::Share));
        assert_eq!(read("0.3"), Share::new(0.3).map(Amount::Share));
        for bad in ["0", "-1", "0%", "1.5", "three", "3.0"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_nearest_word_is_offered_only_when_it_is_near() {
        let words = ["before", "during", "after"];
        assert_eq!(closest("befor", &words), Some("before"));
        assert_eq!(closest("dring", &words), Some("during"));
        assert_eq!(closest("hodl", &["hold"]), Some("hold"));
        assert_eq!(closest("fro", &["for", "above"]), Some("for"));
        assert_eq!(closest("later", &words), Some("after"));
        assert_eq!(closest("x", &words), None);
        assert_eq!(closest("whatever", &words), None);
    }
}
