//! The JSON Schema of the file, for editors. It says what `check` says about the shape; what
//! concerns several values at once only `check` knows.
//!
//! Draft 7, because that is what the YAML language server of most editors reads.

mod indicators;
mod scrape;
mod sections;

use serde_json::{Map, Value, json};

/// The schema.
pub(crate) fn schema() -> Value {
    let mut root = sections::hypothesis();
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root["title"] = json!("Homeostat hypothesis, version 1");
    root["definitions"] = definitions();
    root
}

/// The schema as it stands in `hypotheses/hypothesis.schema.json`.
pub(crate) fn text() -> String {
    format!("{:#}\n", schema())
}

/// What the sections refer to by name.
fn definitions() -> Value {
    json!({
        "duration": {
            "description": "A length of time: `200ms`, `30s`, `5m`, `1h30m`, `1d`, `2w`.",
            "type": "string",
            "pattern": "^([0-9]+([.][0-9]+)? ?(w|d|h|m|s|ms))+$",
            "examples": ["30s", "5m", "1h30m"],
        },
        "share": {
            "description": "A part of a whole: `30%`, or a fraction such as `0.3`.",
            "anyOf": [
                {"type": "string", "pattern": "^[0-9]+([.][0-9]+)? ?%$"},
                {"type": "number", "minimum": 0, "maximum": 1},
            ],
            "examples": ["30%", 0.3],
        },
        "amount": {
            "description": "A share of those that match (`30%`) or a number of them (`3`).",
            "anyOf": [
                {"$ref": "#/definitions/share"},
                {"type": "integer", "minimum": 1},
            ],
            "examples": ["30%", 3],
        },
        "bound": {
            "description": "A value in the unit of the indicator: `200ms`, `1%`, `10MiB`, `100/s`, or a bare number. At the bound holds.",
            "anyOf": [
                {"type": "number"},
                {"type": "string", "pattern": "^-?[0-9]"},
            ],
            "examples": ["200ms", "1%", "10MiB", "100/s", 3],
        },
        "range": {
            "description": "Two bounds, the lower one first; at either counts as inside.",
            "type": "array",
            "items": {"$ref": "#/definitions/bound"},
            "minItems": 2,
            "maxItems": 2,
            "examples": [["50ms", "200ms"]],
        },
        "words": {"type": "string", "minLength": 1, "pattern": "\\S"},
        "pods": {
            "description": "A Kubernetes label selector, as `kubectl get pods -l` takes it.",
            "type": "string",
            "minLength": 1,
            "examples": ["app=api", "app in (api, web),!canary"],
        },
        "series": {
            "description": "A series selector, as PromQL has it.",
            "type": "string",
            "minLength": 1,
            "examples": ["http_requests_total{code=~\"5..\"}"],
        },
        "address": {
            "description": "An `http` or `https` address; `${NAME}` and `${NAME:-default}` are replaced.",
            "type": "string",
            "pattern": "^(https?://|\\$\\{)",
        },
        "substituted": {
            "description": "A text; `${NAME}` and `${NAME:-default}` are replaced.",
            "type": "string",
            "minLength": 1,
        },
        "level": sections::level(),
        "evidence": sections::evidence(),
        "mechanism": sections::mechanism(),
        "indicator": indicators::indicator(),
        "check": sections::check(),
        "objective": sections::objective(),
        "recovers": sections::recovers(),
        "gaps": sections::gaps(),
        "traffic": indicators::traffic(),
        "guard": sections::guard(),
    })
}

/// An object that has these properties and no others.
fn object(description: &str, required: &[&str], properties: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> =
        properties.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let mut object = json!({
        "description": description,
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// A value defined by name.
fn of(name: &str) -> Value {
    json!({"$ref": format!("#/definitions/{name}")})
}

/// The same with a description of its own, which draft 7 ignores beside a bare `$ref`.
fn said(description: &str, name: &str) -> Value {
    json!({"description": description, "allOf": [of(name)]})
}

/// Exactly one of these keys.
fn exactly_one(keys: &[&str]) -> Value {
    keys.iter().map(|key| json!({"required": [key]})).collect()
}

#[cfg(test)]
mod tests;
