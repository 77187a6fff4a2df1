//! The schema against the parser: what one takes, the other takes.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
};

use regex::Regex;

use super::*;
use crate::hypothesis::{
    Code, Reading, Severity,
    check::{self, fault, indicators, objectives, phases, scrape, sources, tests::FAULTS},
    fingerprint, raw,
};

const EXAMPLES: [(&str, &str); 3] = [
    ("pod-loss-30.yaml", include_str!("../../../hypotheses/pod-loss-30.yaml")),
    ("chaos-lab-kill-one.yaml", include_str!("../../../hypotheses/chaos-lab-kill-one.yaml")),
    ("chaos-lab-kill-two.yaml", include_str!("../../../hypotheses/chaos-lab-kill-two.yaml")),
];

/// The codes of mistakes that the schema finds, too.
const SHAPE: [Code; 9] = [
    Code::WrongType,
    Code::UnknownKey,
    Code::MissingKey,
    Code::ExactlyOne,
    Code::KeyNotHere,
    Code::UnknownWord,
    Code::BadVersion,
    Code::BadName,
    Code::NoChecks,
];

#[test]
fn the_committed_schema_is_this_one() {
    let committed = include_str!("../../../hypotheses/hypothesis.schema.json");
    assert!(committed == text(), "hypotheses/hypothesis.schema.json is stale: run `just schema`");
}

#[test]
fn every_example_names_the_schema_and_fits_it() {
    let schema = schema();
    for (name, text) in EXAMPLES {
        assert!(text.starts_with("# yaml-language-server: $schema=./hypothesis.schema.json\n"));
        assert!(fits(&schema, &schema, &json_of(text).unwrap()), "{name}");
    }
}

/// A mistake of shape is for the schema to find, and a warning is not.
#[test]
fn the_schema_rejects_what_the_parser_rejects_by_shape() {
    let schema = schema();
    for (code, old, new) in FAULTS {
        let Some(json) = json_of(&check::tests::with(old, new)) else { continue };
        let accepted = fits(&schema, &schema, &json);
        // Of values and their relations the schema may say less.
        if SHAPE.contains(code) {
            assert!(!accepted, "{code}: the schema takes `{new}`");
        } else if code.severity() == Severity::Warning {
            assert!(accepted, "{code}: the schema rejects `{new}`");
        }
    }
}

#[test]
fn schema_and_parser_know_the_same_keys() {
    let schema = schema();
    let forms = |name: &str| schema["definitions"][name]["oneOf"].as_array().unwrap().clone();
    let properties = &schema["properties"];
    let source = &properties["sources"]["properties"];
    let kinds = &properties["fault"]["anyOf"][1];
    same(&schema, check::KEYS);
    same(&properties["phases"], phases::KEYS);
    same(&properties["sources"], sources::KEYS);
    same(&source["scrape"], scrape::KEYS);
    same(&source["scrape"]["properties"]["pods"]["anyOf"][0], scrape::PODS_KEYS);
    same(&source["prometheus"], sources::PROMETHEUS_KEYS);
    same(&source["prometheus"]["properties"]["basic_auth"], sources::BASIC_AUTH_KEYS);
    same(&source["kubernetes"], sources::KUBERNETES_KEYS);
    same(kinds, fault::KINDS);
    same(&kinds["properties"]["kill_pods"], fault::KILL_PODS_KEYS);
    same(&kinds["properties"]["command"], fault::COMMAND_KEYS);
    same(&schema["definitions"]["check"], objectives::CHECK_KEYS);
    same(&schema["definitions"]["recovers"], objectives::RECOVERS_KEYS);
    same(&schema["definitions"]["guard"], objectives::GUARD_KEYS);
    same(&schema["definitions"]["level"], objectives::LEVEL_KEYS);
    same(&schema["definitions"]["gaps"]["anyOf"][1], objectives::GAPS_KEYS);
    same(&schema["definitions"]["traffic"]["anyOf"][1], indicators::TRAFFIC_KEYS);
    let all: Vec<Value> = forms("objective");
    let mut keys: Vec<&str> = all.iter().flat_map(keys_of).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys, sorted(objectives::OBJECTIVE_KEYS));
    for (name, sets) in [
        ("indicator", &indicators::KEYS[..]),
        ("evidence", &fault::EVIDENCE_KEYS[..]),
        ("mechanism", &fault::BECAUSE_KEYS[..]),
    ] {
        let forms = forms(name);
        assert_eq!(forms.len(), sets.len(), "{name}");
        forms.iter().zip(sets).for_each(|(form, keys)| same(form, keys));
    }
    let events = &forms("indicator")[5]["properties"]["event_count"];
    same(events, indicators::EVENT_KEYS);
}

#[test]
fn the_reference_names_every_key_and_its_example_is_sound() {
    const DOCS: &str = include_str!("../../../docs/hypothesis.md");
    let mut places = vec![schema()];
    while let Some(place) = places.pop() {
        if let Some(properties) = place.get("properties").and_then(Value::as_object) {
            for key in properties.keys() {
                let named = [
                    format!("`{key}"),
                    format!(".{key}`"),
                    format!("{key}: "),
                    format!("{key},"),
                    format!("{key}}}"),
                ];
                assert!(named.iter().any(|text| DOCS.contains(text)), "nothing about `{key}`");
            }
        }
        match place {
            Value::Object(inner) => places.extend(inner.into_iter().map(|(_, value)| value)),
            Value::Array(inner) => places.extend(inner),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let example = DOCS.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let checked = crate::hypothesis::check(example, "docs", Reading::ToRun(&|_| None));
    assert!(checked.problems.is_empty(), "{}", checked.problems.render(false));
}

#[track_caller]
fn same(object: &Value, keys: &[&str]) {
    let mut properties = keys_of(object);
    properties.sort_unstable();
    assert_eq!(properties, sorted(keys));
}

fn keys_of(object: &Value) -> Vec<&str> {
    object["properties"].as_object().unwrap().keys().map(String::as_str).collect()
}

fn sorted<'k>(keys: &[&'k str]) -> Vec<&'k str> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys
}

fn json_of(text: &str) -> Option<Value> {
    let mut problems = Vec::new();
    let root = raw::read(text, &mut problems)?;
    problems.is_empty().then(|| serde_json::from_str(&fingerprint::opaque(&root).0).unwrap())
}

/// The part of draft 7 that the schema uses. An unknown keyword fails, so that none is forgotten.
fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let Value::Object(rules) = schema else { return true };
    rules.iter().all(|(keyword, rule)| {
        let any = || rule.as_array().unwrap().iter().filter(|one| fits(root, one, value));
        match keyword.as_str() {
            "$schema" | "title" | "description" | "examples" | "definitions" => true,
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                fits(root, root.pointer(pointer).unwrap(), value)
            }
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64(),
                "number" => value.is_number(),
                other => panic!("the type `{other}`"),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "anyOf" => any().count() > 0,
            "oneOf" => any().count() == 1,
            "allOf" => any().count() == rule.as_array().unwrap().len(),
            "not" => !fits(root, rule, value),
            "required" => value.as_object().is_none_or(|map| {
                rule.as_array().unwrap().iter().all(|key| map.contains_key(key.as_str().unwrap()))
            }),
            "properties" => value.as_object().is_none_or(|map| {
                let rules = rule.as_object().unwrap().iter();
                rules
                    .filter_map(|(k, rule)| Some((rule, map.get(k)?)))
                    .all(|(r, v)| fits(root, r, v))
            }),
            "additionalProperties" => value.as_object().is_none_or(|map| {
                let known = rules.get("properties").and_then(Value::as_object);
                map.iter()
                    .filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)))
                    .all(|(_, value)| *rule != Value::Bool(false) && fits(root, rule, value))
            }),
            "propertyNames" => value.as_object().is_none_or(|map| {
                map.keys().all(|key| fits(root, rule, &Value::String(key.clone())))
            }),
            "minProperties" => {
                value.as_object().is_none_or(|m| m.len() as u64 >= rule.as_u64().unwrap())
            }
            "maxProperties" => {
                value.as_object().is_none_or(|m| m.len() as u64 <= rule.as_u64().unwrap())
            }
            "items" => {
                value.as_array().is_none_or(|items| items.iter().all(|v| fits(root, rule, v)))
            }
            "minItems" => {
                value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap())
            }
            "maxItems" => {
                value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap())
            }
            "minLength" => {
                value.as_str().is_none_or(|s| s.chars().count() as u64 >= rule.as_u64().unwrap())
            }
            "pattern" => {
                let pattern = rule.as_str().unwrap();
                value.as_str().is_none_or(|text| compiled(pattern).is_match(text))
            }
            "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|n| n <= rule.as_f64().unwrap()),
            other => panic!("the keyword `{other}`"),
        }
    })
}

/// A pattern of the schema, compiled once.
fn compiled(pattern: &str) -> Regex {
    static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap();
    let new = || Regex::new(pattern).unwrap();
    compiled.entry(pattern.to_owned()).or_insert_with(new).clone()
}
