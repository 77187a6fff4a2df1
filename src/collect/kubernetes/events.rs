//! From what a watch shows of events to their occurrences.
//!
//! A repeated event is one object whose count rises; each rise is a row. Both ways of writing an
//! event are read: the old one with first and last time and a count, and the new one with one
//! exact time and, when it repeats, a series. When an occurrence was, `clocks` says; one that is
//! found in a list after the first was not before the last that was heard.

use std::collections::{HashMap, HashSet};

use k8s_openapi::api::core::v1::Event;

use super::{
    clocks::{Learned, time, when},
    watch::{Fold, Step},
};
use crate::{collect::seen::Seen, frame::EventRow, time::Time};

/// The events that exist, by uid, with their counts.
#[derive(Debug)]
pub(super) struct EventFold {
    since: Time,
    counts: HashMap<String, i64>,
    listed: HashSet<String>,
    began: bool,
    /// When something was last heard of events: what a list shows anew happened since then.
    heard: Time,
}

impl EventFold {
    /// A fold for a watch that began at `since`.
    ///
    /// Of the first list, what happened before is left out. An event stamped with the very
    /// second in which the watch began is, too: stamps are cut to seconds, and the list was
    /// taken at the beginning of that watch, so it had happened.
    pub(super) fn new(since: Time) -> Self {
        Self { since, counts: HashMap::new(), listed: HashSet::new(), began: false, heard: since }
    }

    /// The row of an event whose count rose.
    fn rise(&mut self, event: &Event, arrived: Time, learned: Learned) -> Option<EventRow> {
        let uid = event.metadata.uid.clone()?;
        let count = count(event);
        let known = self.counts.insert(uid.clone(), count);
        let stamp = stamp(event);
        let mut at = when(stamp, arrived, learned);
        if learned == Learned::Listed && self.began {
            at = at.max(self.heard).min(arrived);
        }
        let added = match known {
            Some(known) => count - known,
            None if self.began => count,
            // It was there when we came, with all its occurrences but perhaps the last.
            None => i64::from(stamp.unwrap_or(arrived) >= self.since),
        };
        if added <= 0 {
            return None;
        }
        let about = &event.involved_object;
        let source = event.source.as_ref().and_then(|source| source.component.clone());
        let component =
            source.filter(|name| !name.is_empty()).or_else(|| event.reporting_component.clone());
        Some(EventRow {
            uid,
            at,
            severity: event.type_.clone().unwrap_or_default(),
            reason: event.reason.clone().unwrap_or_default(),
            namespace: event.metadata.namespace.clone().unwrap_or_default(),
            object_kind: about.kind.clone().unwrap_or_default(),
            object_name: about.name.clone().unwrap_or_default(),
            object_uid: about.uid.clone().unwrap_or_default(),
            component: component.unwrap_or_default(),
            message: event.message.clone().unwrap_or_default(),
            count,
            added,
        })
    }
}

impl Fold<Event> for EventFold {
    fn heard(&mut self, at: Time) {
        self.heard = at;
    }

    fn step(&mut self, step: Step<Event>, at: Time) -> Vec<Seen> {
        let row = match step {
            Step::List => {
                self.listed.clear();
                None
            }
            Step::Listed(event) => {
                self.listed.extend(event.metadata.uid.clone());
                self.rise(&event, at, Learned::Listed)
            }
            Step::ListDone => {
                self.began = true;
                self.heard = at;
                let listed = std::mem::take(&mut self.listed);
                self.counts.retain(|uid, _| listed.contains(uid));
                None
            }
            Step::Changed(event) => {
                self.heard = at;
                self.rise(&event, at, Learned::Live)
            }
            // The cluster forgets an event after an hour or so; that is no occurrence.
            Step::Deleted(event) => {
                event.metadata.uid.and_then(|uid| self.counts.remove(&uid));
                None
            }
        };
        row.map(Seen::Event).into_iter().collect()
    }
}

fn count(event: &Event) -> i64 {
    let series = event.series.as_ref().and_then(|series| series.count);
    series.or(event.count).map_or(1, i64::from).max(1)
}

/// The best time of the last occurrence. The time of a series goes before the exact time, which
/// is that of its first occurrence.
fn stamp(event: &Event) -> Option<Time> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    series
        .or(event.event_time.as_ref())
        .map(|stamp| stamp.0)
        .or(event.last_timestamp.as_ref().map(|stamp| stamp.0))
        .or(event.first_timestamp.as_ref().map(|stamp| stamp.0))
        .or(event.metadata.creation_timestamp.as_ref().map(|stamp| stamp.0))
        .map(time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::collect::kubernetes::transcript::{ARRIVED, steps};

    /// `time reason object (component) count +added`, a line for each row.
    fn said(since: Time, steps: impl IntoIterator<Item = (Step<Event>, Time)>) -> String {
        let mut fold = EventFold::new(since);
        let mut lines = Vec::new();
        for (step, at) in steps {
            for seen in fold.step(step, at) {
                let Seen::Event(row) = seen else { panic!("an event's row") };
                let EventRow { at, reason, object_kind, component, count, added, .. } = row;
                lines.push(format!(
                    "{} {reason} {object_kind} ({component}) {count} +{added}",
                    at.clock_text()
                ));
            }
        }
        lines.join("\n")
    }

    #[test]
    fn what_happened_before_the_run_is_left_out_and_both_formats_are_read() {
        let steps = steps(include_str!("../../../tests/data/kubernetes/kill1.events.ndjson"));
        let since = "2026-11-23T16:21:45.2Z".parse().unwrap();
        insta::assert_snapshot!(said(since, steps), @r"
        16:21:45 Killing Pod (kubelet) 1 +1
        16:21:45 SuccessfulCreate ReplicaSet (replicaset-controller) 1 +1
        16:21:45 Scheduled Pod (default-scheduler) 1 +1
        16:21:45 Pulled Pod (kubelet) 1 +1
        16:21:45 Created Pod (kubelet) 1 +1
        16:21:46 Started Pod (kubelet) 1 +1
        ");
    }

    #[test]
    fn each_rise_of_a_count_is_a_row() {
        let steps = steps(include_str!("../../../tests/data/kubernetes/crashloop.events.ndjson"));
        let since = "2026-11-23T15:57:04Z".parse().unwrap();
        insta::assert_snapshot!(said(since, steps), @r"
        15:57:04 Scheduled Pod (default-scheduler) 1 +1
        15:57:04 Pulled Pod (kubelet) 1 +1
        15:57:04 Created Pod (kubelet) 1 +1
        15:57:04 Started Pod (kubelet) 1 +1
        15:57:06 Pulled Pod (kubelet) 2 +1
        15:57:06 Created Pod (kubelet) 2 +1
        15:57:06 Started Pod (kubelet) 2 +1
        15:57:09 BackOff Pod (kubelet) 1 +1
        15:57:19 Pulled Pod (kubelet) 3 +1
        15:57:19 Created Pod (kubelet) 3 +1
        15:57:19 Started Pod (kubelet) 3 +1
        15:57:22 BackOff Pod (kubelet) 2 +1
        15:57:49 Pulled Pod (kubelet) 4 +1
        15:57:49 Created Pod (kubelet) 4 +1
        15:57:49 Started Pod (kubelet) 4 +1
        15:57:52 BackOff Pod (kubelet) 3 +1
        ");
    }

    fn event(second: u32, count: i64) -> Event {
        let stamp = format!("2026-11-23T12:00:{second:02}Z");
        let event = json!({
            "metadata": {"uid": "e"}, "involvedObject": {"kind": "Pod"}, "reason": "BackOff",
            "lastTimestamp": stamp, "count": count, "source": {"component": "kubelet"},
        });
        serde_json::from_value(event).unwrap()
    }

    #[track_caller]
    fn check(steps: Vec<Step<Event>>, want: &str) {
        let at = Time::from_millis(ARRIVED + 60_000);
        let since = Time::from_millis(ARRIVED + 10_500);
        assert_eq!(said(since, steps.into_iter().map(|step| (step, at))), want);
    }

    #[test]
    fn an_old_event_that_repeats_counts_only_what_is_new() {
        check(
            vec![
                Step::List,
                Step::Listed(event(5, 7)),
                Step::ListDone,
                Step::Changed(event(12, 9)),
            ],
            "12:01:00 BackOff Pod (kubelet) 9 +2",
        );
    }

    #[test]
    fn the_first_list_counts_only_what_is_stamped_after_the_start() {
        check(vec![Step::Listed(event(10, 3)), Step::ListDone], "");
        check(
            vec![Step::Listed(event(11, 3)), Step::ListDone],
            "12:00:11 BackOff Pod (kubelet) 3 +1",
        );
    }

    #[test]
    fn what_happened_while_we_were_blind_is_found_in_the_next_list() {
        let list = |event| [Step::List, Step::Listed(event), Step::ListDone];
        let steps = list(event(5, 1)).into_iter().chain(list(event(14, 4))).collect();
        check(steps, "12:01:00 BackOff Pod (kubelet) 4 +3");
    }

    /// The clock of the cluster is a minute behind.
    #[test]
    fn an_event_happened_when_it_arrived_or_since_the_last_that_was_heard() {
        let at = |seconds: i64| Time::from_millis(ARRIVED + 1000 * (60 + seconds));
        let steps = vec![
            (Step::List, at(10)),
            (Step::ListDone, at(10)),
            (Step::Changed(event(12, 1)), at(12)),
            (Step::List, at(20)),
            (Step::Listed(event(14, 4)), at(20)),
        ];
        let said = said(at(10), steps);
        insta::assert_snapshot!(said, @r"
        12:01:12 BackOff Pod (kubelet) 1 +1
        12:01:12 BackOff Pod (kubelet) 4 +3
        ");
    }

    /// Nothing happened for half a minute, and the watch was alive.
    #[test]
    fn a_quiet_watch_was_watching() {
        let at = |seconds: i64| Time::from_millis(ARRIVED + 1000 * (60 + seconds));
        let mut fold = EventFold::new(at(10));
        fold.step(Step::List, at(10));
        fold.step(Step::ListDone, at(10));
        fold.heard(at(40));
        fold.step(Step::List, at(50));
        let seen = fold.step(Step::Listed(event(14, 4)), at(50));
        let [Seen::Event(row)] = seen.as_slice() else { panic!("{seen:?}") };
        assert_eq!(row.at, at(40));
    }

    #[test]
    fn what_the_cluster_forgot_takes_no_memory() {
        let at = Time::from_millis(ARRIVED);
        let mut fold = EventFold::new(at);
        fold.step(Step::Changed(event(1, 1)), at);
        assert_eq!(fold.counts.len(), 1);
        fold.step(Step::List, at);
        fold.step(Step::ListDone, at);
        assert_eq!(fold.counts.len(), 0);
    }

    #[test]
    fn the_same_count_again_is_no_row() {
        check(
            vec![
                Step::ListDone,
                Step::Changed(event(12, 1)),
                Step::Changed(event(12, 1)),
                Step::Deleted(event(12, 1)),
            ],
            "12:01:00 BackOff Pod (kubelet) 1 +1",
        );
    }

    /// Slightly later than it arrived: our clock is behind.
    #[test]
    fn a_series_is_timed_by_its_last_occurrence() {
        let event = json!({
            "metadata": {"uid": "e"}, "involvedObject": {"kind": "Pod"}, "reason": "Failed",
            "eventTime": "2026-11-23T12:00:11.250000Z", "reportingComponent": "scheduler",
            "series": {"count": 5, "lastObservedTime": "2026-11-23T12:01:01.750000Z"},
        });
        check(
            vec![Step::ListDone, Step::Changed(serde_json::from_value(event).unwrap())],
            "12:01:01 Failed Pod (scheduler) 5 +5",
        );
    }
}
