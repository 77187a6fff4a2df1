//! Pods of the past, as kube-state-metrics showed them to a server.
//!
//! It shows the state of each pod at each of its scrapes, so that what happens between two of them
//! is dated at the later one. Only when a pod was created is known to the second.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use crate::{
    frame::{Finished, PodRow, ReadySpan},
    hypothesis::{
        queries::PodQueries,
        selector::{MatchHow, Matcher, SeriesSelector},
    },
    sample::{Labels, Series, SeriesSet, is_stale},
    time::Time,
};

/// That a pod is there, where, and who made it.
pub(super) const INFO: &str = "kube_pod_info";
const CREATED: &str = "kube_pod_created";
const DELETION: &str = "kube_pod_deletion_timestamp";
const READY: &str = "kube_pod_status_ready";
const PHASE: &str = "kube_pod_status_phase";
const LABELS: &str = "kube_pod_labels";
const RESTARTS: &str = "kube_pod_container_status_restarts_total";

/// What the name of a label begins with.
const LABEL: &str = "label_";

/// The label by which a pod of a Deployment, or of any other controller, can be selected where its
/// own labels are not shown.
pub(super) const OWNER: &str = "owner";

/// How the namespace and the name of a pod are called where the server keeps those names for its
/// targets (`honor_labels: false`).
const EXPORTED: &str = "exported_";

/// What is asked for, each of it under both names of the namespace.
pub(super) fn selectors(asked: &PodQueries) -> Vec<SeriesSelector> {
    let equal = |label: &str, value: &str| Matcher::new(label, MatchHow::Equal, value).ok();
    let mut all = Vec::new();
    for namespace in ["namespace", "exported_namespace"] {
        for metric in [INFO, CREATED, DELETION, READY, PHASE, LABELS, RESTARTS] {
            let mut matchers: Vec<Matcher> =
                equal(namespace, &asked.namespace).into_iter().collect();
            match metric {
                READY => matchers.extend(equal("condition", "true")),
                PHASE => matchers
                    .extend(Matcher::new("phase", MatchHow::Matches, "Succeeded|Failed").ok()),
                _ => {}
            }
            all.push(SeriesSelector { metric: metric.to_owned(), matchers });
        }
    }
    all
}

/// The pods that some series tell of, by when they were seen first.
pub(super) fn pods(asked: &PodQueries, seen: &SeriesSet) -> Vec<PodRow> {
    let mut pods: BTreeMap<String, PodRow> = BTreeMap::new();
    // When each was seen for the last time, where it was seen to be gone.
    let mut seen_before: HashMap<String, Time> = HashMap::new();
    for info in of_namespace(seen, INFO, asked) {
        let Some((uid, mut row)) = of_info(info, asked) else { continue };
        for labels in of_pod(seen, LABELS, asked, &row) {
            for key in &asked.labels {
                if let Some(value) = labels.labels.get(&shown_label(key)) {
                    row.labels.set(key, value);
                }
            }
        }
        let value = |metric| of_pod(seen, metric, asked, &row).find_map(first_value);
        let (created, deletion) = (value(CREATED), value(DELETION));
        row.created_at = created.map_or(row.first_seen_at, |(_, value)| seconds(value));
        // What is set is the end of the grace period; it is asked for before.
        row.deletion_asked_at = deletion.map(|(at, ends)| at.min(seconds(ends)));
        row.finished = of_pod(seen, PHASE, asked, &row).find_map(|phase| {
            let at = first_above_zero(phase)?;
            Some(Finished { at, failed: phase.labels.get("phase") == Some("Failed") })
        });
        for ready in of_pod(seen, READY, asked, &row) {
            row.ready = spans(ready);
        }
        for restarts in of_pod(seen, RESTARTS, asked, &row) {
            let risen = rises(restarts);
            row.restarts += i64::try_from(risen.len()).unwrap_or(0);
            row.restarted_at.extend(risen);
        }
        row.restarted_at.sort_unstable();
        let last = info.values.iter().rposition(|value| !is_stale(*value));
        if let Some(last) = last {
            let lost_after = row.deletion_asked_at.and(before(info, row.deletion_asked_at));
            seen_before.insert(uid.clone(), lost_after.unwrap_or(info.times[last]));
        }
        match pods.get_mut(&uid) {
            // Shown by two targets: a new one has taken over from an old one.
            Some(known) => join(known, row),
            None => drop(pods.insert(uid, row)),
        }
    }
    let mut pods: Vec<PodRow> = pods.into_values().collect();
    pods.sort_by(|a, b| (a.first_seen_at, &a.name).cmp(&(b.first_seen_at, &b.name)));
    date_losses(&mut pods, &seen_before);
    pods
}

/// Dates each loss at the creation of the pod that came in its place, where one was created between
/// the last scrape that showed the lost pod and the first that did not: a controller puts back what is
/// missing at once, and only that is known to the second.
fn date_losses(pods: &mut [PodRow], seen_before: &HashMap<String, Time>) {
    let created: Vec<(Option<String>, Time)> =
        pods.iter().map(|pod| (pod.owner_uid.clone(), pod.created_at)).collect();
    let mut taken = BTreeSet::new();
    for pod in pods.iter_mut() {
        let (Some(after), Some(at)) = (seen_before.get(&pod.uid), pod.lost_at()) else { continue };
        let in_its_place = created.iter().enumerate().find(|(place, (owner, time))| {
            !taken.contains(place)
                && owner.is_some()
                && *owner == pod.owner_uid
                && after < time
                && *time < at
        });
        let Some((place, (_, time))) = in_its_place else { continue };
        taken.insert(place);
        if pod.deletion_asked_at.is_some() {
            pod.deletion_asked_at = Some(*time);
        } else {
            pod.gone_at = Some(*time);
        }
    }
}

/// Whether the labels of pods are shown at all.
pub(super) fn labels_shown(seen: &SeriesSet) -> bool {
    let mut labels = seen.of_metric(LABELS).flat_map(|one| one.labels.iter());
    labels.any(|(name, _)| name.starts_with(LABEL))
}

/// The stretches in which nobody told of pods: no scrape of any of the targets that do gave samples.
/// `scrapes` are the `up` of those targets.
pub(super) fn unseen(scrapes: &[&Series], (from, to): (Time, Time)) -> Vec<(Time, Time)> {
    let all = scrapes.iter().flat_map(|up| up.times.iter().zip(&up.values));
    let mut read: Vec<Time> =
        all.filter(|(_, value)| **value > 0.0).map(|(time, _)| *time).collect();
    read.sort_unstable();
    let mut apart: Vec<Duration> =
        read.windows(2).map(|pair| pair[1].since(pair[0])).filter(|gap| !gap.is_zero()).collect();
    apart.sort_unstable();
    let usual = apart.get(apart.len() / 2).copied().unwrap_or_default();
    // A scrape may be late, or fail once.
    let patience = usual * 5 / 2;
    let inside = read.into_iter().filter(|time| from < *time && *time < to);
    let edges: Vec<Time> = [from].into_iter().chain(inside).chain([to]).collect();
    let long = edges.windows(2).filter(|pair| pair[1].since(pair[0]) > patience);
    long.map(|pair| (pair[0], pair[1])).collect()
}

fn of_info(info: &Series, asked: &PodQueries) -> Option<(String, PodRow)> {
    let labels = &info.labels;
    let (name, uid) = (shown(labels, "pod", asked)?, labels.get("uid")?);
    let controller = labels.get("created_by_name").filter(|name| *name != "<none>");
    let kind = labels.get("created_by_kind").filter(|kind| *kind != "<none>");
    let first_seen_at = first_value(info)?.0;
    let mut own = Labels::default();
    if let Some(controller) = controller {
        own.set(OWNER, workload(kind, controller));
    }
    let row = PodRow {
        uid: uid.to_owned(),
        namespace: asked.namespace.clone(),
        name: name.to_owned(),
        labels: own,
        owner_kind: kind.map(str::to_owned),
        owner_name: controller.map(str::to_owned),
        // Names of controllers are their own as long as they live.
        owner_uid: controller.zip(kind).map(|(name, kind)| format!("{kind}/{name}")),
        node: labels.get("node").filter(|node| !node.is_empty()).map(str::to_owned),
        created_at: first_seen_at,
        scheduled_at: None,
        ready: Vec::new(),
        deletion_asked_at: None,
        gone_at: ended(info),
        restarts: 0,
        restarted_at: Vec::new(),
        disruption: None,
        first_seen_at,
        finished: None,
    };
    Some((uid.to_owned(), row))
}

/// The Deployment of a replica set, which it names with a hash; any other controller as it is.
fn workload<'a>(kind: Option<&str>, controller: &'a str) -> &'a str {
    match (kind, controller.rsplit_once('-')) {
        (Some("ReplicaSet"), Some((deployment, _))) => deployment,
        (Some(_) | None, _) => controller,
    }
}

/// Two accounts of the same pod.
fn join(known: &mut PodRow, other: PodRow) {
    known.first_seen_at = known.first_seen_at.min(other.first_seen_at);
    known.created_at = known.created_at.min(other.created_at);
    // One that still shows it is right.
    known.gone_at = known.gone_at.zip(other.gone_at).map(|(one, two)| one.max(two));
}

/// The series of a metric that are of the namespace, whatever it is called.
fn of_namespace<'a>(
    seen: &'a SeriesSet,
    metric: &'static str,
    asked: &'a PodQueries,
) -> impl Iterator<Item = &'a Series> + use<'a> {
    seen.of_metric(metric).filter(|one| shown(&one.labels, "namespace", asked).is_some())
}

fn of_pod<'a>(
    seen: &'a SeriesSet,
    metric: &'static str,
    asked: &'a PodQueries,
    pod: &PodRow,
) -> impl Iterator<Item = &'a Series> + use<'a> {
    let (name, uid) = (pod.name.clone(), pod.uid.clone());
    of_namespace(seen, metric, asked).filter(move |one| {
        shown(&one.labels, "pod", asked) == Some(name.as_str())
            // Older versions show the uid in `kube_pod_info` only.
            && one.labels.get("uid").is_none_or(|own| own == uid)
    })
}

/// A label of a pod, under its name or, where the target of the server has one of that name, under
/// that with `exported_`.
fn shown<'a>(labels: &'a Labels, name: &str, asked: &PodQueries) -> Option<&'a str> {
    let exported = format!("{EXPORTED}{name}");
    let is_exported = labels.get("exported_namespace") == Some(asked.namespace.as_str());
    let is_own = labels.get("namespace") == Some(asked.namespace.as_str());
    if is_exported {
        labels.get(&exported).or_else(|| labels.get(name))
    } else {
        labels.get(name).filter(|_| is_own)
    }
}

/// The name under which a label of a pod is shown: `label_app_kubernetes_io_name`.
fn shown_label(key: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("{LABEL}{}", key.chars().map(letter).collect::<String>())
}

fn seconds(value: f64) -> Time {
    Time::from_millis((value * 1000.0) as i64)
}

fn first_value(series: &Series) -> Option<(Time, f64)> {
    let place = series.values.iter().position(|value| !value.is_nan())?;
    Some((series.times[place], series.values[place]))
}

fn first_above_zero(series: &Series) -> Option<Time> {
    let place = series.values.iter().position(|value| *value > 0.0)?;
    Some(series.times[place])
}

/// When a series ended for good.
fn ended(series: &Series) -> Option<Time> {
    let last = series.values.last()?;
    is_stale(*last).then(|| series.times.last().copied()).flatten()
}

/// The last sample before a time.
fn before(series: &Series, at: Option<Time>) -> Option<Time> {
    let at = at?;
    let samples = series.times.iter().zip(&series.values);
    samples
        .filter(|(time, value)| **time < at && !is_stale(**value))
        .map(|(time, _)| *time)
        .next_back()
}

/// The stretches in which a state was true.
fn spans(series: &Series) -> Vec<ReadySpan> {
    let mut spans: Vec<ReadySpan> = Vec::new();
    let mut open = false;
    for (time, value) in series.times.iter().zip(&series.values) {
        let is_ready = *value > 0.0;
        if is_ready && !open {
            spans.push(ReadySpan { from: *time, to: None });
        } else if !is_ready
            && open
            && let Some(last) = spans.last_mut()
        {
            last.to = Some(*time);
        }
        open = is_ready;
    }
    spans
}

/// When a counter rose.
fn rises(series: &Series) -> Vec<Time> {
    let mut last = None::<f64>;
    let mut rises = Vec::new();
    for (time, value) in series.times.iter().zip(&series.values) {
        if value.is_nan() {
            continue;
        }
        if last.is_some_and(|last| *value > last) {
            rises.push(*time);
        }
        last = Some(*value);
    }
    rises
}
