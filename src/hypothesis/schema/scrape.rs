//! `sources.scrape` as JSON Schema.

use serde_json::{Value, json};

use super::{exactly_one, object, of, said};
use crate::hypothesis::check::scrape::TARGET_KEYS;

/// The section.
pub(super) fn scrape() -> Value {
    let addresses = json!({"type": "array", "items": of("address"), "minItems": 1});
    let pods = object(
        "Pods that are scraped.",
        &["selector"],
        &[
            ("selector", of("pods")),
            (
                "job",
                said("Their `job`; by default what their labels call the application.", "words"),
            ),
        ],
    );
    let mut scrape = object(
        "`/metrics` pages that are scraped directly.",
        &[],
        &[
            (
                "http_sd",
                json!({
                    "description": "Prometheus HTTP service discovery: an address, or several.",
                    "anyOf": [of("address"), addresses],
                }),
            ),
            (
                "file_sd",
                json!({
                    "description": "Prometheus file service discovery: a path, or several. A `*` may stand in the last part of a path.",
                    "anyOf": [
                        of("substituted"),
                        {"type": "array", "items": of("substituted"), "minItems": 1},
                    ],
                    "examples": ["targets/*.json"],
                }),
            ),
            (
                "pods",
                json!({
                    "description": "Running pods whose annotations ask to be scraped (`prometheus.io/scrape: \"true\"`), in the namespace of `kubernetes`.",
                    "anyOf": [pods, {"type": "array", "items": pods, "minItems": 1}],
                }),
            ),
            (
                "labels",
                json!({
                    "description": "Labels of every target; they replace what a discovery says.",
                    "type": "object",
                    "propertyNames": {"pattern": "^([^_]|_[^_]|_$)"},
                    "additionalProperties": of("words"),
                }),
            ),
            ("keep", patterns("Only targets whose labels match all of these are scraped.")),
            ("drop", patterns("Targets whose labels match any of these are not scraped.")),
            (
                "honor_labels",
                json!({
                    "description": "Whether a label of the page wins over one of its target; by default the page's is kept as `exported_…`.",
                    "type": "boolean",
                }),
            ),
            (
                "ca_file",
                said(
                    "PEM certificates that `https` is trusted by; by default the machine's.",
                    "substituted",
                ),
            ),
            (
                "bearer_token_file",
                said("A file with the bearer token that targets are given.", "substituted"),
            ),
            (
                "targets",
                json!({
                    "description": "Fixed targets: whole addresses, with their path.",
                    "allOf": [addresses],
                    "examples": [["http://127.0.0.1:9100/metrics"]],
                }),
            ),
            ("interval", said("Time between two scrapes; 5s by default.", "duration")),
            (
                "timeout",
                said(
                    "How long a scrape may take; the interval by default, at most 10s.",
                    "duration",
                ),
            ),
            (
                "size_limit",
                json!({
                    "description": "The most bytes of one page; 16MiB by default.",
                    "type": "string",
                    "pattern": "^[0-9]+([.][0-9]+)? ?(B|kB|KB|MB|GB|KiB|MiB|GiB)$",
                }),
            ),
            (
                "sample_limit",
                json!({
                    "description": "The most samples of one page; 100000 by default.",
                    "type": "integer",
                    "minimum": 1,
                }),
            ),
        ],
    );
    scrape["anyOf"] = exactly_one(TARGET_KEYS);
    scrape
}

/// Labels and the patterns that their whole values must match.
fn patterns(description: &str) -> Value {
    json!({
        "description": description,
        "type": "object",
        "additionalProperties": of("words"),
        "examples": [{"job": "api|gateway"}],
    })
}
