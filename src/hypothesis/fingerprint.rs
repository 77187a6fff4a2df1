//! Fingerprints of a hypothesis: of its text, and of what makes two runs comparable.

use std::time::Duration;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::{
    model::{
        Aggregate, Amount, Fault, Indicator, IndicatorKind, KillMeans, Opaque, PhasePlan, Unowned,
    },
    raw::{Node, Value},
};
use crate::time::millis;

/// SHA-256 of a text, hexadecimal.
pub(super) fn of_text(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of fault, indicators and phases: no bound and no check is in it, so a tightened bound
/// leaves a series of runs whole.
pub(super) fn of_experiment(fault: &Fault, indicators: &[Indicator], phases: &PhasePlan) -> String {
    let indicators: Vec<Json> = indicators
        .iter()
        .map(|one| {
            let mut json =
                json!({"name": one.name, "unit": one.unit.text(), "kind": kind(&one.kind)});
            // Added later: there only when it is used, so that older runs stay comparable.
            if let Some(alive) = &one.alive {
                json["alive"] = json!(alive.to_string());
            }
            json
        })
        .collect();
    let phases = json!({
        "before": millis(phases.before),
        "during": millis(phases.during),
        "during_at_most": millis(phases.during_at_most),
        "after": millis(phases.after),
        "step": millis(phases.step),
    });
    let whole = json!({"fault": injection(fault), "indicators": indicators, "phases": phases});
    of_text(&canonical(&whole))
}

/// A part of the text as canonical JSON: keys sorted, no spaces.
pub(super) fn opaque(node: &Node) -> Opaque {
    Opaque(canonical(&plain(node)))
}

fn injection(fault: &Fault) -> Json {
    match fault {
        Fault::None => json!("none"),
        // What the format did not know from the start is there only when it is used, so that
        // older runs stay comparable.
        Fault::KillPods(kill) => {
            let mut json = json!({
                "selector": kill.selector.text(),
                "amount": amount(kill.amount),
                "grace": kill.grace.map(length),
            });
            match kill.means {
                KillMeans::Delete => {}
                KillMeans::Evict => json["evict"] = json!(true),
            }
            match kill.unowned {
                Unowned::Refuse => {}
                Unowned::Take => json["unowned"] = json!(true),
            }
            json!({"kill_pods": json})
        }
        Fault::Command(command) => {
            let mut json = json!({"argv": command.argv, "timeout": length(command.timeout)});
            if let Some(undo) = &command.undo {
                json["undo"] = json!(undo);
            }
            json!({"command": json})
        }
        Fault::Manifest(raw) | Fault::Toxiproxy(raw) | Fault::Observe(raw) => {
            json!({fault.kind(): raw.0})
        }
    }
}

fn kind(kind: &IndicatorKind) -> Json {
    match kind {
        IndicatorKind::Quantile { quantile, histogram, over } => json!({
            "quantile": quantile.get(), "histogram": histogram.to_string(), "over": length(*over),
        }),
        IndicatorKind::Ratio { part, whole, over } => json!({
            "ratio": part.to_string(), "of": whole.to_string(), "over": length(*over),
        }),
        IndicatorKind::Rate { counter, over } => {
            json!({"rate": counter.to_string(), "over": length(*over)})
        }
        IndicatorKind::Gauge { gauge, aggregate } => {
            let aggregate = match aggregate {
                Aggregate::Sum => "sum",
                Aggregate::Min => "min",
                Aggregate::Max => "max",
                Aggregate::Avg => "avg",
            };
            json!({"gauge": gauge.to_string(), "aggregate": aggregate})
        }
        IndicatorKind::PodsReady { selector } => json!({"pods_ready": selector.text()}),
        IndicatorKind::EventCount { filter } => json!({"event_count": {
            "reason": filter.reason, "kind": filter.kind, "severity": filter.severity,
        }}),
        IndicatorKind::PromQl(query) => json!({"promql": query}),
    }
}

fn amount(amount: Amount) -> Json {
    match amount {
        Amount::Share(share) => json!({"share": share.get()}),
        Amount::ShareAtMost { share, max } => json!({"share": share.get(), "max": max}),
        Amount::Count(count) => json!({"count": count}),
    }
}

fn length(length: Duration) -> i64 {
    millis(length)
}

fn plain(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(is) => json!(is),
        Value::Whole(number) => json!(number),
        Value::Number(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Map(entries) => {
            entries.iter().map(|(key, value)| (key.text.clone(), plain(value))).collect()
        }
    }
}

/// JSON text with sorted keys, whatever order the map type of the JSON crate happens to keep.
fn canonical(json: &Json) -> String {
    match json {
        Json::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            let said =
                entries.iter().map(|(key, value)| format!("{}:{}", json!(key), canonical(value)));
            format!("{{{}}}", said.collect::<Vec<_>>().join(","))
        }
        Json::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => json.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_hashed_as_it_is() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_text("abc"), abc);
    }

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let json: Json = serde_json::from_str(r#"{"b":[{"d":1,"c":"x\""}],"a":null}"#).unwrap();
        assert_eq!(canonical(&json), r#"{"a":null,"b":[{"c":"x\"","d":1}]}"#);
    }
}
