//! The lab's API against transcripts of Kubernetes 1.36: `tests/data/kubernetes/lab/`, with what
//! containers are made of left out.
//!
//! The same things are done to the lab as were done to the cluster, and then compared: the
//! changes of each pod in their order, what is said of them in events, the stages of the
//! deployment, the types of every field that Homeostat reads, and the bodies of errors. Times,
//! names and the speed of the changes differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use regex::Regex;
use serde_json::{Value, json};

use crate::support::{LabProcess, program::until};

const PODS: &str = "/api/v1/namespaces/chaos-lab/pods";
const EVENTS: &str = "/api/v1/namespaces/chaos-lab/events";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/chaos-lab/deployments/web";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/chaos-lab/deployments";

/// What `src/collect/{pods,watch}.rs` read of a pod; `[]` is each item of a list.
const READ_OF_PODS: &[&str] = &[
    "metadata.uid",
    "metadata.namespace",
    "metadata.name",
    "metadata.resourceVersion",
    "metadata.labels.app",
    "metadata.creationTimestamp",
    "metadata.deletionTimestamp",
    "metadata.deletionGracePeriodSeconds",
    "metadata.ownerReferences.[].controller",
    "metadata.ownerReferences.[].kind",
    "metadata.ownerReferences.[].name",
    "metadata.ownerReferences.[].uid",
    "spec.nodeName",
    "status.conditions.[].type",
    "status.conditions.[].status",
    "status.conditions.[].reason",
    "status.conditions.[].lastTransitionTime",
    "status.containerStatuses.[].name",
    "status.containerStatuses.[].restartCount",
    "status.containerStatuses.[].lastState",
];

/// What `src/collect/{events,watch}.rs` read of an event.
const READ_OF_EVENTS: &[&str] = &[
    "metadata.uid",
    "metadata.resourceVersion",
    "metadata.creationTimestamp",
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "reason",
    "message",
    "type",
    "count",
    "eventTime",
    "firstTimestamp",
    "lastTimestamp",
    "source.component",
    "reportingComponent",
];

/// What `kubectl rollout status` and the mechanism of a claim read of a deployment.
const READ_OF_DEPLOYMENTS: &[&str] = &[
    "metadata.generation",
    "metadata.annotations.deployment.kubernetes.io/revision",
    "spec.replicas",
    "status.observedGeneration",
    "status.replicas",
    "status.updatedReplicas",
    "status.readyReplicas",
    "status.availableReplicas",
    "status.unavailableReplicas",
    "status.terminatingReplicas",
    "status.conditions.[].type",
    "status.conditions.[].status",
    "status.conditions.[].reason",
    "status.conditions.[].lastUpdateTime",
    "status.conditions.[].lastTransitionTime",
];

/// What a watch showed of pods, events and deployments.
struct Seen {
    pods: Vec<Value>,
    events: Vec<Value>,
    deployments: Vec<Value>,
}

impl Seen {
    /// As recorded. Lines of type `LIST` are what there was before.
    fn recorded(scenario: &str) -> Self {
        let read = |resource: &str| lines(&data(&format!("{scenario}.{resource}.ndjson")));
        Self { pods: read("pods"), events: read("events-core"), deployments: read("deployments") }
    }

    /// Of the lab, while something is done to it and until it has settled.
    fn of(lab: &LabProcess, act: impl FnOnce(&LabProcess)) -> Self {
        let list =
            |path| -> Value { serde_json::from_str(&lab.ask("GET", path, "").body).unwrap() };
        let (pods, deployments) = (list(PODS), list(DEPLOYMENTS));
        let from = pods["metadata"]["resourceVersion"].as_str().unwrap();
        act(lab);
        let watched = |path: &str, before: &Value| {
            let query = format!("{path}?watch=1&resourceVersion={from}&timeoutSeconds=1");
            let listed = before["items"].as_array().unwrap().iter();
            let listed = listed.map(|item| json!({"type": "LIST", "object": item}));
            listed.chain(lines(&lab.ask("GET", &query, "").body)).collect()
        };
        Self {
            pods: watched(PODS, &pods),
            events: watched(EVENTS, &json!({"items": []})),
            deployments: watched(DEPLOYMENTS, &deployments),
        }
    }
}

fn data(file: &str) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/kubernetes/lab");
    fs_err::read_to_string(dir.join(file)).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn lab() -> LabProcess {
    let names = ["--namespace", "chaos-lab", "--app", "web", "--replicas", "3"];
    let quick = ["--load=0", "--restart-delay=0s", "--readiness-delay=0s", "--probe-period=100ms"];
    LabProcess::start(&[&names[..], &quick[..]].concat())
}

/// Waits until all pods are ready, of the template asked for, and as many as asked for.
fn settle(lab: &LabProcess, replicas: u64) {
    until("the lab settles", Duration::from_secs(60), || {
        let read = |path| serde_json::from_str::<Value>(&lab.ask("GET", path, "").body).unwrap();
        let deployment = read(DEPLOYMENT);
        let status = &deployment["status"];
        let counts = ["replicas", "updatedReplicas", "readyReplicas"].map(|name| &status[name]);
        let there = read(PODS)["items"].as_array().unwrap().len() as u64 == replicas;
        let seen = status["observedGeneration"] == deployment["metadata"]["generation"];
        (there && seen && counts.iter().all(|count| **count == replicas)).then_some(())
    });
}

fn kill(lab: &LabProcess, grace: u64) {
    let victim = lab.pods_in("chaos-lab").remove(0);
    let body = format!(r#"{{"gracePeriodSeconds":{grace}}}"#);
    assert_eq!(lab.ask("DELETE", &format!("{PODS}/{}", victim.name), &body).code, 200);
    until("the pod is gone", Duration::from_secs(60), || {
        (!lab.pods_in("chaos-lab").contains(&victim)).then_some(())
    });
    settle(lab, 3);
}

fn restart(lab: &LabProcess) {
    let annotations = r#"{"kubectl.kubernetes.io/restartedAt":"2026-11-23T15:55:26Z"}"#;
    let patch =
        format!(r#"{{"spec":{{"template":{{"metadata":{{"annotations":{annotations}}}}}}}}}"#);
    assert_eq!(lab.ask("PATCH", DEPLOYMENT, &patch).code, 200);
    settle(lab, 3);
}

fn scale(lab: &LabProcess) {
    for replicas in [5, 3] {
        let patch = format!(r#"{{"spec":{{"replicas":{replicas}}}}}"#);
        assert_eq!(lab.ask("PATCH", &format!("{DEPLOYMENT}/scale"), &patch).code, 200);
        settle(lab, replicas);
    }
}

/// What a pod looks like but for times and names.
fn look(line: &Value) -> String {
    let pod = &line["object"];
    let (metadata, status) = (&pod["metadata"], &pod["status"]);
    let mut look = status["phase"].as_str().unwrap().to_owned();
    if metadata["deletionTimestamp"].is_string() {
        // Whose grace it is differs: 5 s there, 30 s here.
        let over = metadata["deletionGracePeriodSeconds"] == 0;
        look += if over { " going at once" } else { " going" };
    }
    if pod["spec"]["nodeName"].is_string() {
        look += " bound";
    }
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let word = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
        look += &format!(" {}={}", word("type"), word("status"));
        look += &condition["reason"].as_str().map_or(String::new(), |why| format!("({why})"));
    }
    for container in status["containerStatuses"].as_array().into_iter().flatten() {
        let (state, of) = container["state"].as_object().unwrap().iter().next().unwrap();
        let (ready, started) = (&container["ready"], &container["started"]);
        look += &format!(" {state}({}) ready={ready} started={started}", of["reason"]);
    }
    look + if status["podIP"].is_string() { " ip" } else { "" }
}

/// What each pod looked like, by uid, without repetitions.
fn stories(pods: &[Value]) -> Vec<Vec<String>> {
    let mut stories: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in pods {
        let story = stories.entry(line["object"]["metadata"]["uid"].as_str().unwrap()).or_default();
        let deleted = line["type"] == "DELETED";
        let look = if deleted { "DELETED".to_owned() } else { look(line) };
        if story.is_empty() {
            let first = if line["type"] == "LIST" { "LIST" } else { "ADDED" };
            assert!(line["type"] == first, "a pod begins with {line}");
        }
        if story.last() != Some(&look) {
            story.push(look);
        }
    }
    stories.into_values().collect()
}

/// Each step from one look to the next.
fn steps(stories: &[Vec<String>]) -> BTreeSet<String> {
    let pairs = stories.iter().flat_map(|story| story.windows(2));
    pairs.map(|pair| format!("{}\n  -> {}", pair[0], pair[1])).collect()
}

/// Where stories begin and end, sorted.
fn ends(stories: &[Vec<String>]) -> Vec<String> {
    let end = |story: &Vec<String>| format!("{}\n  .. {}", story[0], story[story.len() - 1]);
    let mut ends: Vec<String> = stories.iter().map(end).collect();
    ends.sort();
    ends
}

/// What is said about each kind of object: deployments in order, the rest sorted, since the order
/// between pods is a race. Probes that fail depend on when they are sent.
fn said(events: &[Value]) -> Vec<String> {
    let (set, image) =
        (Regex::new(r"web-[a-z0-9]+").unwrap(), Regex::new(r#"image "[^"]*""#).unwrap());
    let pod = Regex::new(r"web-[a-z0-9]+-[a-z0-9]{5}").unwrap();
    let mut sets: Vec<String> = Vec::new();
    let mut said = Vec::new();
    for event in events.iter().map(|line| &line["object"]) {
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let message = image.replace_all(&word(&event["message"]), "image").into_owned();
        let message = pod.replace_all(&message, "POD").into_owned();
        for name in set.find_iter(&message) {
            if !sets.iter().any(|known| known == name.as_str()) {
                sets.push(name.as_str().to_owned());
            }
        }
        let message = sets.iter().enumerate().fold(message, |message, (number, name)| {
            message.replace(name, &format!("SET{number}"))
        });
        let (by, kind) =
            (word(&event["reportingComponent"]), word(&event["involvedObject"]["kind"]));
        let (severity, reason) = (word(&event["type"]), word(&event["reason"]));
        if reason != "Unhealthy" {
            said.push(format!("{kind}: {severity} {reason} ({by}): {message}"));
        }
    }
    // Stable: what is said of deployments keeps its order.
    said.sort_by_key(
        |line| if line.starts_with("Deployment") { String::new() } else { line.clone() },
    );
    said
}

/// The values of something in a deployment, without repetitions.
fn course(deployments: &[Value], what: fn(&Value) -> String) -> Vec<String> {
    let mut course: Vec<String> = deployments.iter().map(|line| what(&line["object"])).collect();
    course.dedup();
    course
}

fn progress(deployment: &Value) -> String {
    condition(deployment, "Progressing")
}

fn availability(deployment: &Value) -> String {
    condition(deployment, "Available")
}

fn replicas(deployment: &Value) -> String {
    deployment["spec"]["replicas"].to_string()
}

fn generation(deployment: &Value) -> String {
    deployment["metadata"]["generation"].to_string()
}

fn condition(deployment: &Value, kind: &str) -> String {
    let conditions = deployment["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|condition| condition["type"] == kind).unwrap();
    format!("{} {}", found["status"], found["reason"])
}

/// The type of every field that is read: JSON's, and for a time how it is written.
fn types(lines: &[Value], read: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    lines.iter().for_each(|line| walk(&line["object"], "", &mut found));
    found.retain(|typed| read.contains(&typed.split(' ').next().unwrap()));
    found
}

fn walk(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    let kind = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) => format!("number {}", number.is_u64()),
        Value::String(text) if digits(text).starts_with("0000-00-00T") => digits(text),
        Value::String(_) => "string".to_owned(),
        Value::Array(items) => {
            items.iter().for_each(|item| walk(item, &format!("{path}.[]"), found));
            "array".to_owned()
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                walk(value, &format!("{path}.{name}"), found);
            }
            "object".to_owned()
        }
    };
    found.insert(format!("{} {kind}", path.trim_start_matches('.')));
}

/// Does to the lab what was done to the cluster, and compares what was seen.
#[track_caller]
fn check(scenario: &str, act: impl FnOnce(&LabProcess)) {
    let recorded = Seen::recorded(scenario);
    let lab = lab();
    settle(&lab, 3);
    let seen = Seen::of(&lab, act);

    let (ours, theirs) = (stories(&seen.pods), stories(&recorded.pods));
    assert_eq!(ends(&ours), ends(&theirs), "how the lives of pods begin and end");
    let all = ["kill1", "kill1force", "rollout-restart", "scale5to3"].map(Seen::recorded);
    let known: BTreeSet<String> = all.iter().flat_map(|seen| steps(&stories(&seen.pods))).collect();
    let new: Vec<String> = steps(&ours).difference(&known).cloned().collect();
    assert!(new.is_empty(), "no pod of Kubernetes was seen to do this:\n{}", new.join("\n"));

    assert_eq!(said(&seen.events), said(&recorded.events), "what events say");

    for what in [progress, availability, replicas] {
        assert_eq!(course(&seen.deployments, what), course(&recorded.deployments, what));
    }
    // The cluster's deployment had a past, ours begins at 1.
    let generations = |seen: &Seen| course(&seen.deployments, generation).len();
    assert_eq!(generations(&seen), generations(&recorded), "wishes");

    for (what, ours, theirs, read) in [
        ("pods", &seen.pods, &recorded.pods, READ_OF_PODS),
        ("events", &seen.events, &recorded.events, READ_OF_EVENTS),
        ("deployments", &seen.deployments, &recorded.deployments, READ_OF_DEPLOYMENTS),
    ] {
        let (ours, theirs) = (types(ours, read), types(theirs, read));
        let lacks: Vec<&String> = theirs.difference(&ours).collect();
        assert!(lacks.is_empty(), "{what} of the lab lack {lacks:?}");
        let differs: Vec<&String> = ours.difference(&theirs).collect();
        assert!(differs.is_empty(), "{what} of the lab have {differs:?} instead");
    }
}

#[test]
fn a_deletion_goes_as_recorded() {
    check("kill1", |lab| kill(lab, 5));
}

#[test]
fn a_forced_deletion_goes_as_recorded() {
    check("kill1force", |lab| kill(lab, 0));
}

#[test]
fn a_rollout_goes_as_recorded() {
    check("rollout-restart", restart);
}

#[test]
fn scaling_goes_as_recorded() {
    check("scale5to3", scale);
}

/// Bodies, codes and headers of what is refused. What the lab cannot refuse is not among them:
/// it asks nobody who they are (401, 403).
#[test]
fn refusals_read_as_recorded() {
    let lab = lab();
    settle(&lab, 3);
    let first = lab.ask("GET", &format!("{EVENTS}?limit=1"), "");
    let first: Value = serde_json::from_str(&first.body).unwrap();
    let token = first["metadata"]["continue"].as_str().unwrap();
    // Another change, and then nothing of the past is known.
    scale(&lab);
    lab.disturb("compact");
    let number = Regex::new("[0-9]+").unwrap();
    for line in lines(&data("errors.ndjson")) {
        let (name, mut request) = (line["name"].as_str().unwrap(), line["request"].to_string());
        request = request.trim_matches('"').to_owned();
        if name == "410.list.events-core.continue" {
            request = format!("{EVENTS}?limit=2&continue={token}");
        }
        let answer = lab.ask("GET", &request, "");
        assert_eq!(answer.code, line["status"].as_u64().unwrap() as u16, "{name}");
        for (header, value) in line["headers"].as_object().unwrap() {
            assert_eq!(answer.headers.get(header).map(String::as_str), value.as_str(), "{name}");
        }
        let recorded = line["body"].as_str().unwrap();
        let Ok(recorded) = serde_json::from_str::<Value>(recorded) else {
            assert_eq!(answer.body, recorded, "{name}");
            continue;
        };
        let ours: Value = serde_json::from_str(&answer.body).unwrap();
        let typed = |value: &Value| {
            let mut found = BTreeSet::new();
            walk(value, "", &mut found);
            found
        };
        assert_eq!(typed(&ours), typed(&recorded), "{name}");
        // A watch says it in a line of its stream.
        let status = |value: &Value| value.get("object").unwrap_or(value).clone();
        let (ours, recorded) = (status(&ours), status(&recorded));
        for field in ["kind", "code", "reason", "status"] {
            assert_eq!(ours[field], recorded[field], "{name}: {field}");
        }
        let words = |value: &Value| {
            let text = value["message"].as_str().unwrap().to_owned();
            number.replace_all(&text, "N").into_owned()
        };
        // The lab does not say at which letter a token stops making sense.
        let (ours, recorded) = (words(&ours), words(&recorded));
        assert!(recorded.starts_with(&ours), "{name}: `{ours}`, recorded: `{recorded}`");
    }
}
