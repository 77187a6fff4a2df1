//! From what a watch shows of pods to their lives, one row a uid.
//!
//! No edge of a pod's readiness lies before the edge before it. (A kubelet that was cut off comes
//! back with the stamp of long ago.) By whose clock an edge is dated, `clocks` says.
//!
//! A pod whose deletion was asked for is not ready from then on, whatever its condition says:
//! services stop sending to it at that moment.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::{Pod, PodCondition},
    apimachinery::pkg::apis::meta::v1::Time as Stamp,
};

use super::{
    clocks::{Learned, time, when},
    watch::{Fold, Step},
};
use crate::{
    collect::seen::Seen,
    frame::{Finished, PodRow, ReadySpan},
    sample::Labels,
    time::Time,
};

/// The resolution of the API's stamps.
const STAMP: Duration = Duration::from_secs(1);

/// The most restarts of one container that are told apart at once.
const MOST_RESTARTS: i32 = 100;

/// The pods that exist, by uid.
#[derive(Debug, Default)]
pub(in crate::collect) struct PodFold {
    alive: HashMap<String, Life>,
    /// The uids of the list that is being received.
    listed: HashSet<String>,
    /// Whether a full list was received before: what is new in a later one was born meanwhile.
    began: bool,
}

/// A pod's row, and what is needed to see the next change.
#[derive(Debug)]
struct Life {
    row: PodRow,
    /// Restart count of each container when last seen.
    restarts: HashMap<String, i32>,
}

impl Fold<Pod> for PodFold {
    fn step(&mut self, step: Step<Pod>, at: Time) -> Vec<Seen> {
        let rows = match step {
            Step::List => {
                self.listed.clear();
                Vec::new()
            }
            Step::Listed(pod) => {
                self.listed.extend(pod.metadata.uid.clone());
                self.show(&pod, at, Learned::Listed).into_iter().collect()
            }
            Step::ListDone => {
                self.began = true;
                self.bury_unlisted(at)
            }
            Step::Changed(pod) => self.show(&pod, at, Learned::Live).into_iter().collect(),
            Step::Deleted(pod) => self.bury(&pod, at).into_iter().collect(),
        };
        rows.into_iter().map(Seen::Pod).collect()
    }
}

impl PodFold {
    /// The row of a pod, when the object says something new.
    fn show(&mut self, pod: &Pod, at: Time, learned: Learned) -> Option<PodRow> {
        let uid = pod.metadata.uid.as_ref()?;
        // Restarts from before we looked are none that we saw.
        let born_unseen = learned == Learned::Live || self.began;
        let fresh = !self.alive.contains_key(uid);
        let life = self
            .alive
            .entry(uid.clone())
            .or_insert_with(|| Life::begin(pod, uid, at, !born_unseen));
        let before = life.row.clone();
        life.see(pod, at, learned);
        (fresh || life.row != before).then(|| life.row.clone())
    }

    fn bury(&mut self, pod: &Pod, at: Time) -> Option<PodRow> {
        self.show(pod, at, Learned::Live);
        let mut life = self.alive.remove(pod.metadata.uid.as_ref()?)?;
        life.end(at);
        Some(life.row)
    }

    /// Ends those that are not in the list. When in the blind span they went is not known, so
    /// they are gone when we found out.
    fn bury_unlisted(&mut self, at: Time) -> Vec<PodRow> {
        let listed = std::mem::take(&mut self.listed);
        let missing = self.alive.extract_if(|uid, _| !listed.contains(uid));
        let mut rows: Vec<PodRow> = missing
            .map(|(_, mut life)| {
                life.end(at);
                life.row
            })
            .collect();
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows
    }
}

impl Life {
    fn begin(pod: &Pod, uid: &str, at: Time, old: bool) -> Self {
        let meta = &pod.metadata;
        let controller =
            meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let row = PodRow {
            uid: uid.to_owned(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            labels: Labels::default(),
            owner_kind: controller.map(|owner| owner.kind.clone()),
            owner_name: controller.map(|owner| owner.name.clone()),
            owner_uid: controller.map(|owner| owner.uid.clone()),
            node: None,
            created_at: meta.creation_timestamp.as_ref().map_or(at, |stamp| time(stamp.0)),
            scheduled_at: None,
            ready: Vec::new(),
            deletion_asked_at: None,
            gone_at: None,
            restarts: 0,
            restarted_at: Vec::new(),
            disruption: None,
            first_seen_at: at,
            finished: None,
        };
        let known = if old {
            restarts(pod).map(|(name, n, _)| (name.to_owned(), n)).collect()
        } else {
            HashMap::new()
        };
        Self { row, restarts: known }
    }

    fn see(&mut self, pod: &Pod, at: Time, learned: Learned) {
        let row = &mut self.row;
        let labels = pod.metadata.labels.iter().flatten();
        row.labels = Labels::new(labels.map(|(n, v)| (n.clone(), v.clone())));
        row.node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).or(row.node.take());
        if let Some(scheduled) = condition(pod, "PodScheduled").filter(|c| c.status == "True") {
            row.scheduled_at.get_or_insert_with(|| when(changed(scheduled), at, Learned::Listed));
        }
        if let Some(target) = condition(pod, "DisruptionTarget").filter(|c| c.status == "True") {
            row.disruption = target.reason.clone().or_else(|| Some(String::new()));
        }
        if let Some(stamp) = &pod.metadata.deletion_timestamp
            && row.deletion_asked_at.is_none()
        {
            // The stamp is when the grace ends; what is asked for is asked before it.
            let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
            let asked = Time::from_millis(time(stamp.0).as_millis() - grace.saturating_mul(1000));
            row.deletion_asked_at = Some(when(Some(asked), at, learned));
        }
        // A pod whose end was asked for ends all its containers, too: that is no end by itself.
        if row.finished.is_none() && row.deletion_asked_at.is_none() {
            row.finished = finished(pod, at, learned);
        }
        let ready = condition(pod, "Ready");
        let is_ready = ready.is_some_and(|c| c.status == "True") && row.deletion_asked_at.is_none();
        let edge = match row.deletion_asked_at {
            Some(asked) => asked,
            None => when(ready.and_then(changed), at, learned),
        };
        self.turn(is_ready, edge, at);
        self.count_restarts(pod, at);
    }

    /// Opens or closes a span of readiness.
    fn turn(&mut self, is_ready: bool, edge: Time, at: Time) {
        let last = self.row.ready.last_mut();
        let last_edge = last.as_ref().map(|span| span.to.unwrap_or(span.from));
        let edge = match last_edge {
            // A stamp is cut to its second, and the edge before it may lie within that second.
            Some(last) if edge < last && last.since(edge) < STAMP => last,
            // The stamp is of an earlier change than the one we know: it is not this one's.
            Some(last) if edge < last => at.max(last),
            Some(_) | None => edge,
        };
        match (is_ready, last) {
            (true, Some(ReadySpan { to: None, .. }))
            | (false, Some(ReadySpan { to: Some(_), .. }) | None) => {}
            (true, Some(_) | None) => self.row.ready.push(ReadySpan { from: edge, to: None }),
            (false, Some(span)) => span.to = Some(edge),
        }
    }

    fn count_restarts(&mut self, pod: &Pod, at: Time) {
        let mut sum = 0;
        for (name, count, finished) in restarts(pod) {
            sum += i64::from(count);
            let known = self.restarts.insert(name.to_owned(), count).unwrap_or(0);
            // Only the last end has a stamp; of several at once the others are known no better
            // than that they were before we saw them.
            for restart in (known + 1).max(count - MOST_RESTARTS)..=count {
                let stamp = finished.filter(|_| restart == count);
                self.row.restarted_at.push(stamp.map_or(at, |stamp| time(stamp.0)));
            }
        }
        // A pod that is being cleaned away may no longer list its containers.
        self.row.restarts = self.row.restarts.max(sum);
    }

    fn end(&mut self, at: Time) {
        self.row.gone_at = Some(at);
        self.turn(false, at, at);
    }
}

/// The end of a pod that has finished: when the last of its containers ended.
fn finished(pod: &Pod, arrived: Time, learned: Learned) -> Option<Finished> {
    let status = pod.status.as_ref()?;
    let failed = match status.phase.as_deref() {
        Some("Succeeded") => false,
        Some("Failed") => true,
        Some(_) | None => return None,
    };
    let containers = status.container_statuses.iter().flatten();
    let ended = containers.filter_map(|one| {
        let terminated = one.state.as_ref()?.terminated.as_ref()?;
        terminated.finished_at.as_ref().map(|stamp| time(stamp.0))
    });
    Some(Finished { at: when(ended.max(), arrived, learned), failed })
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == kind)
}

fn changed(condition: &PodCondition) -> Option<Time> {
    condition.last_transition_time.as_ref().map(|stamp| time(stamp.0))
}

/// Name, restart count and last end of each container.
fn restarts(pod: &Pod) -> impl Iterator<Item = (&str, i32, Option<&Stamp>)> {
    let statuses = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
    statuses.map(|status| {
        let ended = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        let finished = ended.and_then(|ended| ended.finished_at.as_ref());
        (status.name.as_str(), status.restart_count, finished)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::collect::kubernetes::transcript::{ARRIVED, steps};

    /// The last row of each pod that has one, by its first appearance.
    fn rows(steps: impl IntoIterator<Item = (Step<Pod>, Time)>) -> Vec<PodRow> {
        let mut fold = PodFold::default();
        let mut rows: Vec<PodRow> = Vec::new();
        for (step, at) in steps {
            for seen in fold.step(step, at) {
                let Seen::Pod(row) = seen else { panic!("a pod's row") };
                match rows.iter_mut().find(|known| known.uid == row.uid) {
                    Some(known) => *known = row,
                    None => rows.push(row),
                }
            }
        }
        rows
    }

    /// `name ready FROM..TO, … lost T gone T restarts N T…`, times of day with milliseconds.
    fn said(rows: &[PodRow]) -> String {
        let clock = |time: Time| format!("{}.{:03}", time.clock_text(), time.as_millis() % 1000);
        let lines: Vec<String> = rows
            .iter()
            .map(|row| {
                let mut line = row.name.clone();
                for span in &row.ready {
                    line += &format!(
                        " ready {}..{}",
                        clock(span.from),
                        span.to.map(clock).unwrap_or_default()
                    );
                }
                if let Some(asked) = row.deletion_asked_at {
                    line += &format!(" asked {}", clock(asked));
                }
                if let Some(gone) = row.gone_at {
                    line += &format!(" gone {}", clock(gone));
                }
                if !row.restarted_at.is_empty() {
                    let at: Vec<String> = row.restarted_at.iter().copied().map(clock).collect();
                    line += &format!(" restarts {} at {}", row.restarts, at.join(", "));
                }
                line
            })
            .collect();
        lines.join("\n")
    }

    #[test]
    fn a_killed_pod_is_lost_when_asked_and_its_replacement_ready_when_seen() {
        let rows = rows(steps(include_str!("../../../tests/data/kubernetes/kill1.pods.ndjson")));
        insta::assert_snapshot!(said(&rows), @r"
        web-6895588688-lmqnl ready 16:21:39.000..16:21:45.449 asked 16:21:45.449 gone 16:21:46.136
        web-6895588688-mkqmb ready 16:21:40.000..
        web-6895588688-q9vw8 ready 16:21:39.000..
        web-6895588688-w7fkx ready 16:21:46.058..
        ");
        let (killed, new) = (&rows[0], &rows[3]);
        assert_eq!(
            (killed.owner_kind.as_deref(), new.owner_uid.as_ref()),
            (Some("ReplicaSet"), killed.owner_uid.as_ref())
        );
        assert_eq!(
            (killed.labels.get("app"), new.node.as_deref()),
            (Some("web"), Some("lab-node-1"))
        );
        assert_eq!(new.scheduled_at.unwrap().to_string(), "2026-11-23T16:21:45Z");
        assert_eq!(killed.disruption, None);
    }

    /// What is kept of the end of a pod with this phase, seen at 10 s.
    fn ended(phase: &str, asked: bool) -> Option<Finished> {
        let mut pod = json!({
            "metadata": {"uid": "u", "name": "job-1", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "status": {"phase": phase, "containerStatuses": [
                {"name": "a", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                 "state": {"terminated": {"exitCode": 0, "finishedAt": "1970-01-01T00:00:07Z"}}},
                {"name": "b", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                 "state": {"terminated": {"exitCode": 0, "finishedAt": "1970-01-01T00:00:05Z"}}},
            ]},
        });
        if asked {
            pod["metadata"]["deletionTimestamp"] = json!("1970-01-01T00:00:09Z");
        }
        let pod: Pod = serde_json::from_value(pod).unwrap();
        rows([(Step::Listed(pod), Time::from_millis(10_000))]).remove(0).finished
    }

    #[test]
    fn a_pod_that_has_finished_by_itself_says_when_and_how() {
        let at = Time::from_millis(7_000);
        assert_eq!(ended("Succeeded", false), Some(Finished { at, failed: false }));
        assert_eq!(ended("Failed", false), Some(Finished { at, failed: true }));
        assert_eq!(ended("Running", false), None);
        // It was ended.
        assert_eq!(ended("Succeeded", true), None);
    }

    #[test]
    fn a_pod_that_is_forced_away_is_ready_until_then() {
        let rows =
            rows(steps(include_str!("../../../tests/data/kubernetes/kill1force.pods.ndjson")));
        insta::assert_snapshot!(said(&rows), @r"
        web-6895588688-hlpbb ready 15:55:17.000..15:55:21.904 asked 15:55:21.904 gone 15:55:21.928
        web-6895588688-rtm2b ready 15:53:39.000..
        web-6895588688-shwkt ready 15:55:17.000..
        web-6895588688-kwz48 ready 15:55:22.622..
        ");
    }

    #[test]
    fn each_crash_is_a_restart_with_its_own_end() {
        let rows =
            rows(steps(include_str!("../../../tests/data/kubernetes/crashloop.pods.ndjson")));
        insta::assert_snapshot!(said(&rows), @r"
        crasher ready 15:57:04.647..15:57:06.734 ready 15:57:06.805..15:57:09.743 ready 15:57:19.827..15:57:22.770 ready 15:57:49.847..15:57:52.840 asked 15:58:19.169 gone 15:58:20.198 restarts 3 at 15:57:06.000, 15:57:08.000, 15:57:21.000
        ");
    }

    #[test]
    fn a_kubelet_that_comes_back_with_an_old_stamp_moves_no_edge_back() {
        let rows =
            rows(steps(include_str!("../../../tests/data/kubernetes/node-notready.pods.ndjson")));
        insta::assert_snapshot!(said(&rows), @r"
        web-6db76654c6-jwdxd ready 16:18:41.000..16:19:34.792 ready 16:20:04.071..
        web-6db76654c6-k9gz9 ready 16:18:36.000..16:19:34.772 ready 16:20:04.007..
        web-6db76654c6-srccf ready 16:18:36.000..16:19:34.752 ready 16:20:04.026..
        ");
    }

    /// A pod `p`; `ready` is the status and the second of its condition, if it has one.
    fn pod(uid: &str, ready: Option<(&str, u32)>, more: serde_json::Value) -> Pod {
        let conditions: Vec<_> = ready
            .iter()
            .map(|(status, second)| {
                json!({
                    "type": "Ready", "status": status,
                    "lastTransitionTime": format!("2026-11-23T12:00:{second:02}Z"),
                })
            })
            .collect();
        let mut pod = json!({
            "metadata": {"name": "p", "uid": uid, "creationTimestamp": "2026-11-23T12:00:00Z"},
            "status": {"conditions": conditions},
        });
        let entries = more.as_object().into_iter().flatten();
        for (name, value) in entries {
            pod["metadata"][name] = value.clone();
        }
        serde_json::from_value(pod).unwrap()
    }

    /// A time after 2026-11-23T12:00:00Z, in milliseconds.
    fn at(millis: i64) -> Time {
        Time::from_millis(ARRIVED + millis)
    }

    #[track_caller]
    fn check(steps: Vec<(Step<Pod>, Time)>, want: &str) {
        assert_eq!(said(&rows(steps)), want);
    }

    #[test]
    fn a_change_seen_live_counts_when_it_arrived() {
        let steps = |arrived, stamp| {
            vec![(Step::Changed(pod("1", Some(("True", stamp)), json!({}))), at(arrived))]
        };
        check(steps(5_300, 5), "p ready 12:00:05.300..");
        // Our clock is a little behind, …
        check(steps(5_300, 7), "p ready 12:00:07.000..");
        // … and here so far behind that the stamp tells nothing of our time.
        check(steps(5_300, 8), "p ready 12:00:05.300..");
    }

    #[test]
    fn a_change_found_in_a_list_counts_by_its_stamp() {
        let listed = |arrived, stamp| {
            vec![(Step::Listed(pod("1", Some(("True", stamp)), json!({}))), at(arrived))]
        };
        check(listed(20_500, 5), "p ready 12:00:05.000..");
        check(listed(4_500, 5), "p ready 12:00:04.500..");
    }

    #[test]
    fn an_edge_found_in_a_list_never_lies_before_the_last_one() {
        let found = |stamp| {
            vec![
                (Step::Changed(pod("1", Some(("True", 5)), json!({}))), at(5_300)),
                (Step::Listed(pod("1", Some(("False", stamp)), json!({}))), at(9_000)),
            ]
        };
        check(found(7), "p ready 12:00:05.300..12:00:07.000");
        // Cut from some time after the edge in the same second, …
        check(found(5), "p ready 12:00:05.300..12:00:05.300");
        // … and here left over from another change.
        check(found(4), "p ready 12:00:05.300..12:00:09.000");
    }

    #[test]
    fn a_pod_that_vanished_while_we_were_blind_is_gone_when_we_find_out() {
        let ready = || pod("1", Some(("True", 1)), json!({}));
        check(
            vec![
                (Step::List, at(2_000)),
                (Step::Listed(ready()), at(2_000)),
                (Step::ListDone, at(2_000)),
                (Step::List, at(9_000)),
                (Step::Listed(pod("2", None, json!({"name": "q"}))), at(9_000)),
                (Step::ListDone, at(9_000)),
            ],
            "p ready 12:00:01.000..12:00:09.000 gone 12:00:09.000\nq",
        );
    }

    #[test]
    fn a_deletion_found_in_a_list_was_asked_before_its_grace() {
        let deleted =
            json!({"deletionTimestamp": "2026-11-23T12:00:40Z", "deletionGracePeriodSeconds": 30});
        check(
            vec![
                (Step::Listed(pod("1", Some(("True", 1)), json!({}))), at(2_000)),
                (Step::Listed(pod("1", Some(("True", 1)), deleted)), at(15_000)),
            ],
            "p ready 12:00:01.000..12:00:10.000 asked 12:00:10.000",
        );
    }

    #[test]
    fn a_pod_deleted_without_notice_is_gone_and_was_not_asked_for() {
        let ready = || pod("1", Some(("True", 1)), json!({}));
        check(
            vec![(Step::Changed(ready()), at(1_200)), (Step::Deleted(ready()), at(7_000))],
            "p ready 12:00:01.200..12:00:07.000 gone 12:00:07.000",
        );
    }

    #[test]
    fn an_eviction_is_told_from_a_plain_delete() {
        let mut evicted = pod("1", None, json!({}));
        let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"});
        evicted.status.as_mut().unwrap().conditions =
            serde_json::from_value(json!([condition])).unwrap();
        let rows = rows(vec![(Step::Changed(evicted), at(0))]);
        assert_eq!(rows[0].disruption.as_deref(), Some("EvictionByEvictionAPI"));
    }

    #[test]
    fn an_object_that_says_nothing_new_is_no_row() {
        let mut fold = PodFold::default();
        let mut show =
            |ready| fold.step(Step::Changed(pod("1", ready, json!({}))), at(5_000)).len();
        assert_eq!([show(None), show(None), show(Some(("True", 5)))], [1, 0, 1]);
    }
}
