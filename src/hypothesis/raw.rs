//! The text as a tree with places: what YAML says, before any of it means something.
//!
//! A tree, and not a struct a section, so that a mistake in one section hides no other. Which
//! keys and types are allowed is said by `check`.

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{
    DuplicateKeyPolicy, Location, Options, Spanned,
    options::{MergeKeyPolicy, NonFiniteFloatPolicy},
};

use super::{
    code::Code,
    problem::{Problem, Span},
    syntax,
};

/// A value of the text and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// The value.
    pub(super) value: Value,
    /// Where it stands; of an alias, where it was defined.
    pub(super) span: Span,
}

/// What YAML can say.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number without a fraction.
    Whole(i64),
    /// Any other number, NaN and infinities among them.
    Number(f64),
    /// A text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The key.
    pub(super) text: String,
    /// Where it stands.
    pub(super) span: Span,
    /// Whether it is a word, and not a list, a mapping or nothing.
    is_word: bool,
}

impl Value {
    /// The type in words: `a number`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Whole(_) | Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads one YAML document. Keys that are no words are reported and left out; of keys that stand
/// twice, which are reported as well, the first is kept.
pub(super) fn read(text: &str, problems: &mut Vec<Problem>) -> Option<Node> {
    match serde_saphyr::from_str_with_options::<Node>(text, options()) {
        Ok(mut root) => {
            refuse_keys(&mut root, problems);
            Some(root)
        }
        Err(error) => {
            problems.push(syntax::problem(text, &error));
            None
        }
    }
}

/// Limits that no hypothesis comes near, so that no text can take the machine's memory.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: syntax::DEPTH,
            max_nodes: syntax::VALUES,
            max_events: 60_000,
            max_aliases: syntax::ALIASES,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: syntax::VALUES,
            max_replay_stack_depth: 8,
        },
        // Reported by us, all of them and with a hint.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Merge,
        // Refused by us, where they stand.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn refuse_keys(node: &mut Node, problems: &mut Vec<Problem>) {
    match &mut node.value {
        Value::List(items) => {
            items.iter_mut().for_each(|item| refuse_keys(item, problems));
        }
        Value::Map(entries) => {
            let mut seen: HashMap<String, usize> = HashMap::new();
            entries.retain(|(key, _)| {
                if !key.is_word {
                    let message = syntax::message("a key must be a word");
                    let hint = "such as `name: api-survives`";
                    problems.push(Problem::new(Code::Syntax, key.span, message).hint(hint));
                    return false;
                }
                let Some(line) = seen.get(&key.text) else {
                    seen.insert(key.text.clone(), key.span.line);
                    return true;
                };
                let message = format!("`{}` already stands in line {line}", key.text);
                let hint = "keep one of them; in a list, each item begins with a `-`";
                problems.push(Problem::new(Code::DuplicateKey, key.span, message).hint(hint));
                false
            });
            entries.iter_mut().for_each(|(_, value)| refuse_keys(value, problems));
        }
        Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

/// Where the YAML reader saw something; without a place in bytes, at the beginning.
pub(super) fn span(location: Location) -> Span {
    let of = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let start = location.span().byte_offset().map_or(0, of);
    let end = start + location.span().byte_len().map_or(0, of);
    let (line, column) = (of(location.line()).max(1), of(location.column()).max(1));
    Span { start, end, line, column }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, span: span(spanned.defined) })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Number(value as f64), Value::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<Value>, Node>()? {
            // A word of another type is meant as it is written.
            let word = match key.value {
                Value::Text(text) => Some(text),
                Value::Whole(number) => Some(number.to_string()),
                Value::Bool(is) => Some(is.to_string()),
                Value::Null | Value::Number(_) | Value::List(_) | Value::Map(_) => None,
            };
            let (is_word, span) = (word.is_some(), span(key.referenced));
            map.push((Key { text: word.unwrap_or_default(), span, is_word }, value));
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> (Option<Node>, Vec<String>) {
        let mut problems = Vec::new();
        let root = read(text, &mut problems);
        let said = problems
            .iter()
            .map(|p| format!("{}:{} {}: {}", p.span.line, p.span.column, p.code, p.message));
        (root, said.collect())
    }

    #[test]
    fn every_value_knows_its_place() {
        let text = "ä: {b: [1, 0.5, .nan]}\nc: 'x y'\n";
        let root = tree(text).0.unwrap();
        let Value::Map(entries) = &root.value else { panic!("{root:?}") };
        let (key, value) = &entries[1];
        assert_eq!((key.span.line, key.span.column), (2, 1));
        assert_eq!(&text[key.span.start..key.span.end], "c");
        assert_eq!(&text[value.span.start..value.span.end], "'x y'");
        let Value::Map(inner) = &entries[0].1.value else { panic!("{entries:?}") };
        let Value::List(items) = &inner[0].1.value else { panic!("{inner:?}") };
        assert_eq!(items[0].value, Value::Whole(1));
        assert_eq!(items[1].value, Value::Number(0.5));
        assert!(matches!(items[2].value, Value::Number(n) if n.is_nan()));
        assert_eq!(&text[items[1].span.start..items[1].span.end], "0.5");
    }

    #[test]
    fn a_key_that_stands_twice_is_reported_wherever_it_is() {
        let (root, said) = tree("a: 1\nb: [{c: 1, c: 2}]\na: 3\n");
        insta::assert_snapshot!(said.join("\n"), @r"
        3:1 duplicate-key: `a` already stands in line 1
        2:12 duplicate-key: `c` already stands in line 2
        ");
        let Some(Node { value: Value::Map(entries), .. }) = root else { panic!("no tree") };
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].1.value, Value::Whole(1));
    }

    #[test]
    fn what_is_not_yaml_is_reported_with_its_place() {
        for text in ["a: [1\nb: 2\n", "a: 'x\n", "a: *gone\n", "a: 1\n---\nb: 2\n", "a:\n\t- 1\n"] {
            let (root, said) = tree(text);
            assert!(root.is_none() && said.len() == 1, "{text:?}: {said:?}");
        }
        insta::assert_snapshot!(tree("a: 1\n b: 2\n").1.join("\n"), @"2:3 syntax: this is not YAML as a hypothesis uses it: a `: ` where no key can stand");
    }

    #[test]
    fn a_key_that_is_no_word_is_reported_where_it_stands_and_hides_nothing() {
        for (text, place) in [
            ("? [x]\n: 2\n", "1:3"),
            ("\na: 1\n: x, b: 2\n", "3:1"),
            ("a:\n  b: 1\n  ~: 2\n", "3:3"),
        ] {
            let (root, said) = tree(text);
            let want = "syntax: this is not YAML as a hypothesis uses it: a key must be a word";
            assert_eq!(said, [format!("{place} {want}")], "{text:?}");
            assert!(root.is_some());
        }
    }

    #[test]
    fn the_place_of_a_syntax_error_can_be_shown() {
        let text = "a: ä\nclaim: ä b: c\n";
        let mut problems = Vec::new();
        assert!(read(text, &mut problems).is_none());
        let span = problems[0].span;
        assert_eq!((span.line, &text[span.start..]), (2, ": c\n"));
    }

    #[test]
    fn no_text_can_take_the_machine() {
        let deep = "[".repeat(10_000);
        assert_eq!(tree(&deep).1.len(), 1);
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let uses = vec![format!("*a{}", level - 1); 10].join(", ");
            laughs.push_str(&format!("a{level}: &a{level} [{uses}]\n"));
        }
        assert_eq!(tree(&laughs).1.len(), 1);
    }
}
