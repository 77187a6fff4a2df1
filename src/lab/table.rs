//! The tables `kubectl get` prints: the server makes them, so the lab does too.

use serde_json::{Value, json};

use super::store::Kind;
use crate::time::Time;

/// How much of the object each row carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    /// Nothing.
    Nothing,
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

/// A table of objects of one kind.
pub(super) fn table(
    kind: Kind,
    objects: &[&Value],
    version: &str,
    include: Include,
    now: Time,
) -> Value {
    let rows: Vec<Value> = objects
        .iter()
        .map(
            |object| json!({"cells": cells(kind, object, now), "object": carried(object, include)}),
        )
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": columns(kind),
        "rows": rows,
    })
}

fn carried(object: &Value, include: Include) -> Value {
    match include {
        Include::Nothing => Value::Null,
        Include::Metadata => json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": object["metadata"],
        }),
        Include::Object => object.clone(),
    }
}

fn columns(kind: Kind) -> Vec<Value> {
    /// Name and type; a `+` marks what only `-o wide` shows.
    const OBJECT: [&str; 3] = ["+Containers", "+Images", "+Selector"];
    let names: Vec<&str> = match kind {
        Kind::Pod => {
            vec!["Name", "Ready", "Status", "Restarts", "Age", "+IP", "+Node", "+Nominated Node"]
        }
        Kind::Event => vec![
            "Last Seen",
            "Type",
            "Reason",
            "Object",
            "+Subobject",
            "+Source",
            "Message",
            "+First Seen",
            "+Count",
            "+Name",
        ],
        Kind::Namespace => vec!["Name", "Status", "Age"],
        Kind::ReplicaSet => [&["Name", "Desired", "Current", "Ready", "Age"][..], &OBJECT].concat(),
        Kind::Deployment => {
            [&["Name", "Ready", "Up-to-date", "Available", "Age"][..], &OBJECT].concat()
        }
        Kind::Budget => {
            vec!["Name", "Min Available", "Max Unavailable", "Allowed Disruptions", "Age"]
        }
        Kind::Autoscaler => {
            vec!["Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"]
        }
    };
    names.into_iter().map(column).collect()
}

fn column(name: &str) -> Value {
    let (name, priority) = name.strip_prefix('+').map_or((name, 0), |name| (name, 1));
    let kind = match name {
        "Desired" | "Current" | "Up-to-date" | "Available" | "Count" | "Allowed Disruptions" => {
            "integer"
        }
        _ => "string",
    };
    let format = if name == "Name" { "name" } else { "" };
    json!({
        "name": name,
        "type": kind,
        "format": format,
        "description": name,
        "priority": priority,
    })
}

fn cells(kind: Kind, object: &Value, now: Time) -> Vec<Value> {
    let metadata = &object["metadata"];
    let (name, age) = (metadata["name"].clone(), age(&metadata["creationTimestamp"], now));
    match kind {
        Kind::Pod => {
            let container = &object["status"]["containerStatuses"][0];
            let ready = u8::from(container["ready"] == true);
            vec![
                name,
                format!("{ready}/1").into(),
                pod_status(object).into(),
                restarts(container, now).into(),
                age.into(),
                or_none(&object["status"]["podIP"]),
                or_none(&object["spec"]["nodeName"]),
                "<none>".into(),
            ]
        }
        Kind::Event => event_cells(object, now),
        Kind::Namespace => vec![name, object["status"]["phase"].clone(), age.into()],
        Kind::ReplicaSet => {
            let status = &object["status"];
            let counts =
                [&object["spec"]["replicas"], &status["replicas"], &status["readyReplicas"]];
            let counts = counts.map(count);
            [name].into_iter().chain(counts).chain([age.into()]).chain(wide(object)).collect()
        }
        Kind::Deployment => {
            let status = &object["status"];
            let ready =
                format!("{}/{}", count(&status["readyReplicas"]), object["spec"]["replicas"]);
            let counts = [&status["updatedReplicas"], &status["availableReplicas"]].map(count);
            [name, ready.into()]
                .into_iter()
                .chain(counts)
                .chain([age.into()])
                .chain(wide(object))
                .collect()
        }
        Kind::Budget => {
            let allowed = object["status"]["disruptionsAllowed"].clone();
            let least = object["spec"]["minAvailable"].to_string().replace('"', "").into();
            vec![name, least, "N/A".into(), allowed, age.into()]
        }
        Kind::Autoscaler => {
            let (spec, status) = (&object["spec"], &object["status"]);
            let target = &spec["scaleTargetRef"];
            let percent = |metric: &Value| match metric["averageUtilization"].as_u64() {
                Some(percent) => format!("{percent}%"),
                None => "<unknown>".to_owned(),
            };
            let now = percent(&status["currentMetrics"][0]["resource"]["current"]);
            let goal = percent(&spec["metrics"][0]["resource"]["target"]);
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            vec![
                name,
                format!("{}/{}", text(&target["kind"]), text(&target["name"])).into(),
                format!("cpu: {now}/{goal}").into(),
                spec["minReplicas"].to_string().into(),
                spec["maxReplicas"].to_string().into(),
                status["currentReplicas"].to_string().into(),
                age.into(),
            ]
        }
    }
}

/// A count that is left out where it is 0.
fn count(value: &Value) -> Value {
    value.as_u64().unwrap_or(0).into()
}

/// The columns that tell what a workload runs and which pods are its own.
fn wide(object: &Value) -> [Value; 3] {
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    let labels = object["spec"]["selector"]["matchLabels"].as_object();
    let labels = labels.into_iter().flatten();
    let selector: Vec<String> = labels
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    [container["name"].clone(), container["image"].clone(), selector.join(",").into()]
}

/// What `kubectl get pods` calls the status: the container's reason before the pod's phase, and
/// `Terminating` before both, unless the pod has already ended.
fn pod_status(pod: &Value) -> String {
    let phase = pod["status"]["phase"].as_str().unwrap_or("Unknown");
    let state = &pod["status"]["containerStatuses"][0]["state"];
    let reason = state["waiting"]["reason"].as_str().or(state["terminated"]["reason"].as_str());
    let ended = matches!(phase, "Succeeded" | "Failed");
    if pod["metadata"]["deletionTimestamp"].is_string() && !ended {
        return "Terminating".to_owned();
    }
    reason.unwrap_or(phase).to_owned()
}

fn restarts(container: &Value, now: Time) -> String {
    let count = container["restartCount"].as_u64().unwrap_or(0);
    let last = &container["lastState"]["terminated"]["finishedAt"];
    if count > 0 && last.is_string() {
        format!("{count} ({} ago)", age(last, now))
    } else {
        count.to_string()
    }
}

fn event_cells(event: &Value, now: Time) -> Vec<Value> {
    let time = |name: &str| if event[name].is_null() { &event["eventTime"] } else { &event[name] };
    let (first, last) = (age(time("firstTimestamp"), now), age(time("lastTimestamp"), now));
    let count = event["count"].as_u64().unwrap_or(1);
    let seen = if count > 1 { format!("{last} (x{count} over {first})") } else { last };
    let about = &event["involvedObject"];
    let object = format!(
        "{}/{}",
        about["kind"].as_str().unwrap_or_default().to_lowercase(),
        about["name"].as_str().unwrap_or_default()
    );
    let source = [&event["source"]["component"], &event["source"]["host"]];
    let source: Vec<&str> = source.into_iter().filter_map(Value::as_str).collect();
    let source = match source.as_slice() {
        [] => event["reportingComponent"].as_str().unwrap_or_default().to_owned(),
        parts => parts.join(", "),
    };
    vec![
        seen.into(),
        event["type"].clone(),
        event["reason"].clone(),
        object.into(),
        about["fieldPath"].as_str().unwrap_or_default().into(),
        source.into(),
        event["message"].clone(),
        first.into(),
        count.into(),
        event["metadata"]["name"].clone(),
    ]
}

fn or_none(value: &Value) -> Value {
    value.as_str().unwrap_or("<none>").into()
}

/// The time since a timestamp, in two units at most, as kubectl writes it.
fn age(timestamp: &Value, now: Time) -> String {
    let since = timestamp.as_str().and_then(|text| text.parse::<Time>().ok());
    let Some(since) = since else { return "<unknown>".to_owned() };
    let seconds = now.since(since).as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |big: u64, unit: &str, small: u64, smaller: &str| match small {
        0 => format!("{big}{unit}"),
        _ => format!("{big}{unit}{small}{smaller}"),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => pair(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

/// A time as Kubernetes writes most of them: whole seconds.
pub(super) fn seconds(time: Time) -> String {
    Time::from_millis(time.as_millis().div_euclid(1000) * 1000).to_string()
}

/// A time as Kubernetes writes a `MicroTime`.
pub(super) fn micros(time: Time) -> String {
    let whole = seconds(time);
    let whole = whole.strip_suffix('Z').unwrap_or(&whole);
    format!("{whole}.{:03}000Z", time.as_millis().rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_795_450_905_512);

    #[test]
    fn times_are_written_as_kubernetes_writes_them() {
        assert_eq!(seconds(NOW), "2026-11-23T16:21:45Z");
        assert_eq!(micros(NOW), "2026-11-23T16:21:45.512000Z");
        assert_eq!(micros(Time::from_millis(0)), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn ages_are_rounded_as_kubectl_rounds_them() {
        for (seconds, want) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (599, "9m59s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_860, "3h1m"),
            (28_800, "8h"),
            (180_000, "2d2h"),
            (864_000, "10d"),
        ] {
            let since = NOW.minus(std::time::Duration::from_secs(seconds)).to_string();
            assert_eq!(age(&since.into(), NOW), want);
        }
        assert_eq!(age(&Value::Null, NOW), "<unknown>");
    }

    #[track_caller]
    fn check(metadata: Value, status: Value, want: &str) {
        let pod = json!({"metadata": metadata, "status": status});
        assert_eq!(pod_status(&pod), want);
    }

    #[test]
    fn the_status_of_a_pod_is_its_most_telling_word() {
        let with = |phase: &str, state: Value| json!({"phase": phase, "containerStatuses": [{"state": state}]});
        let creating = json!({"waiting": {"reason": "ContainerCreating"}});
        let done = json!({"terminated": {"reason": "Completed"}});
        let going = json!({"deletionTimestamp": "2026-11-23T16:21:45Z"});
        check(json!({}), json!({"phase": "Pending"}), "Pending");
        check(json!({}), with("Pending", creating), "ContainerCreating");
        check(json!({}), with("Running", json!({"running": {}})), "Running");
        check(going.clone(), with("Running", json!({"running": {}})), "Terminating");
        check(going, with("Succeeded", done), "Completed");
    }

    #[test]
    fn every_row_has_a_cell_for_each_column() {
        for kind in [
            Kind::Pod,
            Kind::Event,
            Kind::Namespace,
            Kind::ReplicaSet,
            Kind::Deployment,
            Kind::Budget,
            Kind::Autoscaler,
        ] {
            assert_eq!(cells(kind, &json!({}), NOW).len(), columns(kind).len(), "{kind:?}");
        }
    }

    #[test]
    fn a_repeated_event_says_how_often_and_over_what_time() {
        let event = json!({
            "firstTimestamp": "2026-11-23T16:20:45Z",
            "lastTimestamp": "2026-11-23T16:21:40Z",
            "count": 3,
        });
        assert_eq!(event_cells(&event, NOW)[0], "5s (x3 over 60s)");
    }
}
