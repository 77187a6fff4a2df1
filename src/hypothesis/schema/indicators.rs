//! The indicators of the file as JSON Schema.

use serde_json::{Value, json};

use super::{object, of, said};
use crate::hypothesis::check::indicators;

/// One indicator, in one of its kinds.
pub(super) fn indicator() -> Value {
    let over = || said("The window of the rate, such as 30s.", "duration");
    let unit = || {
        json!({
            "description": "What the number counts: `s`, `%`, `B`, `1/s`, `1`, or any other word. By default from the kind, or from the metric's last word.",
            "type": "string",
            "minLength": 1,
            "examples": ["s", "%", "B", "1/s"],
        })
    };
    let traffic = || ("traffic", of("traffic"));
    let alive = || {
        let what = "A gauge, such as backend_up, that is above 0 while the numbers are measured; where it is not, there is no number.";
        ("alive", said(what, "series"))
    };
    let events = object(
        "Which Kubernetes events; what is not given matches all.",
        &[],
        &[
            ("reason", said("Such as BackOff or Killing.", "words")),
            ("kind", said("The kind of the object it is about, such as Pod.", "words")),
            ("severity", json!({"enum": indicators::SEVERITIES})),
        ],
    );
    json!({
        "description": "One number over time, and how to get it.",
        "oneOf": [
            object(
                "A quantile of a histogram, with the bounds of its bucket.",
                &["quantile", "histogram", "over"],
                &[
                    ("quantile", said("0.99 or 99%.", "share")),
                    ("histogram", said("The histogram, without `_bucket`.", "series")),
                    ("over", over()),
                    ("unit", unit()),
                    traffic(),
                    alive(),
                ],
            ),
            object(
                "The rate of one counter over the rate of another.",
                &["ratio", "of", "over"],
                &[
                    ("ratio", said("The counter above the line.", "series")),
                    ("of", said("The counter below it.", "series")),
                    ("over", over()),
                    ("unit", unit()),
                    traffic(),
                    alive(),
                    (
                        "absent",
                        json!({
                            "description": "0 where a label of the counter above the line may be absent until the first of its kind is counted; by default a label that no series has is a mistake.",
                            "const": 0,
                        }),
                    ),
                ],
            ),
            object(
                "The rate of a counter, all series added up.",
                &["rate", "over"],
                &[("rate", of("series")), ("over", over()), ("unit", unit()), alive()],
            ),
            object(
                "A gauge.",
                &["gauge", "aggregate"],
                &[
                    ("gauge", of("series")),
                    (
                        "aggregate",
                        json!({
                            "description": "How several series become one number.",
                            "enum": indicators::AGGREGATES,
                        }),
                    ),
                    ("unit", unit()),
                    alive(),
                ],
            ),
            object("How many matching pods are ready.", &["pods_ready"], &[("pods_ready", of("pods"))]),
            object(
                "How many matching Kubernetes events happened in each step.",
                &["event_count"],
                &[("event_count", events)],
            ),
            object(
                "An expression that a Prometheus server evaluates.",
                &["promql"],
                &[("promql", of("words")), ("unit", unit())],
            ),
        ],
    })
}

/// How much has to be counted.
pub(super) fn traffic() -> Value {
    let requests = json!({
        "description": "The least that is counted in each phase; 100 by default.",
        "type": "integer",
        "minimum": 0,
    });
    json!({
        "description": "The least traffic that says anything: who cannot reach the place of the measurement is in no ratio and no quantile.",
        "anyOf": [
            {"const": indicators::ANY_TRAFFIC},
            object(
                "Both must hold.",
                &[],
                &[
                    ("at_least", said("Of the traffic of *before*, in the later phases; 50% by default.", "share")),
                    ("requests", requests),
                ],
            ),
        ],
    })
}
