//! Pods as lanes: when each was there, when it was ready, when it was lost.

use super::{super::text::plain, figure::Scene};
use crate::{
    analysis::{BlastRadius, Hit},
    frame::{Observed, PodRow},
    time::Time,
};

/// How many pods get a lane.
const MOST: usize = 40;

/// One pod over time.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    /// Its name.
    pub(crate) name: String,
    /// Its name without what all pods' names begin with.
    pub(crate) short: String,
    /// What it was when.
    pub(crate) spans: Vec<LaneSpan>,
    /// When it was lost to the fault.
    pub(crate) hit: Option<f64>,
    /// The lane of the pod that replaced it.
    pub(crate) replaced_by: Option<usize>,
}

/// What a pod was for a while: from, to, in seconds from zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LaneSpan {
    /// From when.
    pub(crate) from: f64,
    /// To when.
    pub(crate) to: f64,
    /// What it was.
    pub(crate) state: LaneState,
}

/// What a pod can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneState {
    /// There, and not ready.
    Pending,
    /// Ready.
    Ready,
    /// Its end asked for, and still there.
    Ending,
}

/// The lanes: each lost pod with its replacement below it, then the others; and how many pods
/// found no place.
pub(super) fn lanes(
    observed: &Observed,
    blast: Option<&BlastRadius>,
    scene: &Scene,
) -> (Vec<Lane>, usize) {
    let hits = blast.map(|blast| blast.hit.as_slice()).unwrap_or_default();
    let mut pods = subject_pods(observed, hits, scene);
    let hit_of = |pod: &PodRow| hits.iter().find(|hit| hit.uid == pod.uid);
    let replaces = |pod: &PodRow| hits.iter().position(|hit| is_replacement(hit, pod));
    pods.sort_by_key(|pod| {
        let hit = hits.iter().position(|hit| hit.uid == pod.uid);
        match (hit, replaces(pod)) {
            (Some(place), _) => (place, 0),
            (None, Some(place)) => (place, 1),
            (None, None) => (usize::MAX, 0),
        }
    });
    let left_out = pods.len().saturating_sub(MOST);
    pods.truncate(MOST);
    let names: Vec<String> = pods.iter().map(|pod| plain(&pod.name)).collect();
    let common = common_prefix(&names);
    let lane = |pod: &&PodRow| {
        let hit = hit_of(pod);
        let name = plain(&pod.name);
        Lane {
            short: short(&name, common),
            name,
            spans: spans(pod, scene),
            hit: hit.map(|hit| scene.seconds(hit.at)),
            replaced_by: hit
                .and_then(|hit| pods.iter().position(|other| is_replacement(hit, other))),
        }
    };
    (pods.iter().map(lane).collect(), left_out)
}

/// The pods that the fault is about: those of the owners of the pods that were lost. Without a
/// loss all that were there during the run.
fn subject_pods<'a>(observed: &'a Observed, hits: &[Hit], scene: &Scene) -> Vec<&'a PodRow> {
    let seen = observed.pods.iter().filter(|pod| !spans(pod, scene).is_empty());
    let owners: Vec<_> = observed
        .pods
        .iter()
        .filter(|pod| hits.iter().any(|hit| hit.uid == pod.uid))
        .filter_map(|pod| pod.owner_uid.as_ref())
        .collect();
    let concerned = |pod: &&PodRow| {
        hits.is_empty()
            || hits.iter().any(|hit| hit.uid == pod.uid || is_replacement(hit, pod))
            || pod.owner_uid.as_ref().is_some_and(|owner| owners.contains(&owner))
    };
    seen.filter(concerned).collect()
}

fn is_replacement(hit: &Hit, pod: &PodRow) -> bool {
    let by = hit.replaced_by.as_deref();
    hit.uid != pod.uid && (by == Some(pod.name.as_str()) || by == Some(pod.uid.as_str()))
}

/// What a pod was when, cut to the run.
fn spans(pod: &PodRow, scene: &Scene) -> Vec<LaneSpan> {
    let cut = |from: Time, to: Option<Time>, state| {
        let from = scene.seconds(from).max(scene.start);
        let to = to.map_or(scene.end, |to| scene.seconds(to).min(scene.end));
        (from < to).then_some(LaneSpan { from, to, state })
    };
    let lost = pod.lost_at();
    let mut spans = Vec::new();
    let mut since = pod.created_at.max(Time::from_millis(0));
    for ready in &pod.ready {
        spans.extend(cut(since, Some(ready.from), LaneState::Pending));
        // The kubelet may still say "ready" of a pod whose end was asked for; callers lose it.
        let to = [ready.to, lost].into_iter().flatten().min();
        spans.extend(cut(ready.from, to, LaneState::Ready));
        since = to.or(pod.gone_at).unwrap_or(since);
    }
    let open = pod.ready.last().is_some_and(|last| last.to.is_none()) && lost.is_none();
    if !open {
        match lost {
            Some(lost) => {
                spans.extend(cut(since, Some(lost), LaneState::Pending));
                spans.extend(cut(lost, pod.gone_at, LaneState::Ending));
            }
            None => spans.extend(cut(since, None, LaneState::Pending)),
        }
    }
    spans
}

/// How many bytes all names begin with, up to and including a dash.
fn common_prefix(names: &[String]) -> usize {
    let Some((first, rest)) = names.split_first() else { return 0 };
    let same = |n: usize| rest.iter().all(|name| name.get(..n) == first.get(..n));
    let dashes = first.char_indices().filter(|(_, c)| *c == '-').map(|(at, _)| at + 1);
    if rest.is_empty() { 0 } else { dashes.rev().find(|n| same(*n)).unwrap_or(0) }
}

fn short(name: &str, common: usize) -> String {
    match name.get(common..) {
        Some(end) if common > 0 && !end.is_empty() => format!("…{end}"),
        Some(_) | None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_lost_pod_stands_above_its_replacement() {
        let sample = fixture::held();
        let scene = Scene::new(&sample.subject());
        let (lanes, left_out) = lanes(&sample.observed, sample.analysis.blast.as_ref(), &scene);
        assert_eq!((lanes.len(), left_out), (13, 0));
        assert!(lanes[0].hit.is_some());
        assert_eq!(lanes[0].replaced_by, Some(1));
        assert!(lanes[0].short.starts_with('…') && lanes[0].name.ends_with(&lanes[0].short[3..]));
        let states = |lane: &Lane| lane.spans.iter().map(|s| s.state).collect::<Vec<_>>();
        assert_eq!(states(&lanes[0]), [LaneState::Ready, LaneState::Ending]);
        assert_eq!(states(&lanes[1]), [LaneState::Pending, LaneState::Ready]);
        assert_eq!(states(&lanes[12]), [LaneState::Ready]);
    }

    #[test]
    fn one_name_is_not_shortened_away() {
        assert_eq!(common_prefix(&["api-1".to_owned()]), 0);
        assert_eq!(common_prefix(&["api-1".to_owned(), "web-1".to_owned()]), 0);
        assert_eq!(common_prefix(&["api-x-1".to_owned(), "api-x-2".to_owned()]), 6);
    }
}
