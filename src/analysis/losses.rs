//! Which pods were lost to a fault, and what came in their place.

use std::time::Duration;

use super::Hit;
use crate::{
    frame::{Observed, PodRow, Watched},
    hypothesis::selector::LabelSelector,
    sample::Labels,
    time::Time,
    window::Window,
};

/// How far apart the same instant can stand in two places: times set by the Kubernetes API are
/// whole seconds, cut off, and its clock need not be ours.
pub(super) const API_RESOLUTION: Duration = Duration::from_secs(2);

/// What a fault did to the pods of a selector.
#[derive(Debug)]
pub(super) struct Losses<'a> {
    /// The pods that were alive when the fault began.
    pub population: Vec<&'a PodRow>,
    /// The pods that were lost, by time of loss.
    pub hits: Vec<Hit>,
}

/// The stretch in which a loss counts as the fault's: from just before the injection to the end
/// of *during*, both included. None when nothing was injected.
pub(super) fn fault_span(observed: &Observed) -> Option<(Time, Time)> {
    let injected_at = observed.injected_at?;
    let end = observed.phases.during.or(observed.phases.whole())?.end;
    Some((injected_at.minus(API_RESOLUTION), end.max(injected_at)))
}

/// Whether a watch was blind at some time from `from` to `to`, both included.
pub(super) fn blind_between(observed: &Observed, watch: Watched, from: Time, to: Time) -> bool {
    let touches = |window: Window| window.start <= to && from < window.end;
    observed.blind.iter().any(|blind| blind.watch == watch && touches(blind.window))
}

/// Up to when, at most `at`, pods or events were watched: `at` itself, or the start of the
/// blindness around it.
pub(super) fn sight_until(observed: &Observed, watch: Watched, at: Time) -> Time {
    let around =
        observed.blind.iter().filter(|blind| blind.watch == watch && blind.window.contains(at));
    around.map(|blind| blind.window.start).min().unwrap_or(at)
}

/// Whether a pod counts as ready: its condition says so, and nobody has asked for its end. (A pod
/// that is being deleted is taken out of its service at once, though its condition stays true.)
pub(super) fn counts_as_ready(pod: &PodRow, at: Time) -> bool {
    pod.ready_at(at) && pod.lost_at().is_none_or(|lost| at < lost)
}

/// When a pod came into being: when it was created, or first seen where that is as good an
/// account of the same instant (see [`API_RESOLUTION`]). A pod that replaces another must not
/// seem to be older than the loss because its creation was cut to the second.
pub(super) fn appeared_at(pod: &PodRow) -> Time {
    let seen_at_once = pod.first_seen_at <= pod.created_at.plus(API_RESOLUTION);
    if seen_at_once { pod.first_seen_at } else { pod.created_at }
}

/// The pods of a selector that were alive at `time`; one that was lost since `lost_since` still
/// counts. One that has finished is no longer alive.
pub(super) fn population<'a>(
    selector: &LabelSelector,
    observed: &'a Observed,
    time: Time,
    lost_since: Time,
) -> Vec<&'a PodRow> {
    let alive = |pod: &&PodRow| {
        appeared_at(pod) <= time && pod.over_at().is_none_or(|over| over >= lost_since)
    };
    matching(observed, |labels| selector.matches(labels)).filter(alive).collect()
}

/// The pods of a selector that the fault cost, each with its replacement. None when pods were
/// not watched or nothing was injected.
///
/// A pod is lost when its deletion is asked for or when it is gone without, or when a container
/// of it ends while the pod stays, in which case it replaces itself. A pod that came after the
/// injection and never became ready is not lost: it never was there.
///
/// A replacement has the same controller and was created at or after the loss; the losses of one
/// controller, in order, are matched with its new pods, in order. So each loss has a
/// replacement of its own, and one new pod never stands for two.
pub(super) fn losses<'a>(selector: &LabelSelector, observed: &'a Observed) -> Option<Losses<'a>> {
    let injected_at = observed.injected_at.filter(|_| observed.pods_watched)?;
    let (from, to) = fault_span(observed)?;
    let population = population(selector, observed, injected_at, from);

    let mut lost: Vec<(Loss, &PodRow)> = matching(observed, |labels| selector.matches(labels))
        .filter_map(|pod| Some((loss_in(pod, from, to)?, pod)))
        .filter(|(loss, pod)| {
            appeared_at(pod) <= injected_at || pod.ready.iter().any(|span| span.from < loss.at)
        })
        .collect();
    lost.sort_by(|(a, pod_a), (b, pod_b)| (a.at, &pod_a.uid).cmp(&(b.at, &pod_b.uid)));

    let mut newcomers: Vec<&PodRow> =
        observed.pods.iter().filter(|pod| appeared_at(pod) > injected_at).collect();
    newcomers.sort_by_key(|pod| (pod.created_at, appeared_at(pod), &pod.uid));

    let hits = lost
        .into_iter()
        .map(|(loss, pod)| {
            let replacement =
                if loss.in_place { Some(pod) } else { take(&mut newcomers, loss.at, pod) };
            Hit {
                uid: pod.uid.clone(),
                name: pod.name.clone(),
                at: loss.at,
                replaced_by: replacement.map(|new| new.name.clone()),
                replacement_ready_at: replacement.and_then(|new| {
                    if loss.in_place { ready_again(new, loss.at) } else { first_ready(new) }
                }),
            }
        })
        .collect();
    Some(Losses { population, hits })
}

/// The pods of a selector that were lost in *before*, and when: no fault of ours did that.
pub(super) fn lost_before<'a>(
    selector: &LabelSelector,
    observed: &'a Observed,
) -> Vec<(&'a PodRow, Time)> {
    let (Some(before), Some((fault, _))) = (observed.phases.before, fault_span(observed)) else {
        return Vec::new();
    };
    let until = fault.minus(Duration::from_millis(1));
    let lost = |pod: &'a PodRow| Some((pod, loss_in(pod, before.start, until)?.at));
    matching(observed, |labels| selector.matches(labels)).filter_map(lost).collect()
}

struct Loss {
    at: Time,
    /// A container ended, and the pod stayed.
    in_place: bool,
}

/// The loss of a pod in a stretch. One that is deleted there is lost then, whatever its
/// containers did before: only its successor can replace it.
fn loss_in(pod: &PodRow, from: Time, to: Time) -> Option<Loss> {
    let inside = |time: &Time| from <= *time && *time <= to;
    if let Some(at) = pod.lost_at().filter(|at| *at <= to) {
        return (from <= at).then_some(Loss { at, in_place: false });
    }
    let at = pod.restarted_at.iter().copied().filter(inside).min()?;
    Some(Loss { at, in_place: true })
}

/// Takes the oldest new pod of the same controller that was created at or after the loss.
fn take<'a>(newcomers: &mut Vec<&'a PodRow>, lost_at: Time, lost: &PodRow) -> Option<&'a PodRow> {
    let owner = lost.owner_uid.as_ref()?;
    let place = newcomers.iter().position(|new| {
        new.uid != lost.uid
            && new.owner_uid.as_ref() == Some(owner)
            && new.created_at.plus(API_RESOLUTION) >= lost_at
    })?;
    Some(newcomers.remove(place))
}

fn first_ready(pod: &PodRow) -> Option<Time> {
    pod.ready.iter().map(|span| span.from).min()
}

/// When a pod whose container ended was ready again. A span that goes on across the end says
/// that it never was unready; one that only just outlives it is the old one, seen late.
fn ready_again(pod: &PodRow, ended_at: Time) -> Option<Time> {
    let seen_late = ended_at.plus(API_RESOLUTION);
    let goes_on = |span: &crate::frame::ReadySpan| {
        span.from <= ended_at && span.to.is_none_or(|to| to > seen_late)
    };
    if pod.ready.iter().any(goes_on) {
        return Some(ended_at);
    }
    pod.ready.iter().map(|span| span.from).filter(|from| *from > ended_at).min()
}

fn matching(
    observed: &Observed,
    matches: impl Fn(&Labels) -> bool,
) -> impl Iterator<Item = &PodRow> {
    observed.pods.iter().filter(move |pod| matches(&pod.labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{
        notation::at,
        scene::{api, blind, pod, watched},
    };

    /// Each hit as `name@seconds→replacement@seconds`.
    #[track_caller]
    fn check(pods: Vec<PodRow>, population: usize, want: &[&str]) {
        let observed = watched(pods);
        let losses = losses(&api(), &observed).unwrap();
        let seconds = |time: Time| time.as_millis() as f64 / 1000.0;
        let said: Vec<String> = losses
            .hits
            .iter()
            .map(|hit| {
                let new = hit.replaced_by.as_deref().unwrap_or("-");
                let ready =
                    hit.replacement_ready_at.map_or("-".to_owned(), |t| seconds(t).to_string());
                format!("{}@{}→{new}@{ready}", hit.name, seconds(hit.at))
            })
            .collect();
        assert_eq!(said, want);
        assert_eq!(losses.population.len(), population);
    }

    #[test]
    fn a_deleted_pod_is_replaced_by_the_next_of_its_controller() {
        check(
            vec![pod("a").ready(0).deleted(61), pod("b").ready(0), pod("n").created(61).ready(65)],
            2,
            &["a@61→n@65"],
        );
    }

    #[test]
    fn each_loss_has_a_replacement_of_its_own() {
        check(
            vec![
                pod("a").ready(0).deleted(61),
                pod("b").ready(0).deleted(63),
                pod("n").created(61).ready(70),
                pod("m").created(63).ready(66),
            ],
            2,
            &["a@61→n@70", "b@63→m@66"],
        );
        check(
            vec![
                pod("a").ready(0).deleted(61),
                pod("b").ready(0).deleted(63),
                pod("n").created(61).ready(70),
            ],
            2,
            &["a@61→n@70", "b@63→-@-"],
        );
    }

    #[test]
    fn a_pod_of_another_controller_replaces_nothing() {
        check(
            vec![pod("a").ready(0).deleted(61), pod("n").created(62).owned_by("other").ready(65)],
            1,
            &["a@61→-@-"],
        );
    }

    #[test]
    fn a_pod_that_was_there_before_replaces_nothing() {
        check(
            vec![pod("a").ready(0).deleted(61), pod("late").created(59).ready(65)],
            2,
            &["a@61→-@-"],
        );
    }

    #[test]
    fn a_creation_cut_to_the_second_is_not_before_the_loss() {
        let mut new = pod("n").created(60).ready(64);
        new.first_seen_at = Time::from_millis(60_800);
        let mut old = pod("a").ready(0).deleted(60);
        old.deletion_asked_at = Some(Time::from_millis(60_500));
        let mut observed = watched(vec![old, new]);
        observed.injected_at = Some(Time::from_millis(60_400));
        let losses = losses(&api(), &observed).unwrap();
        assert_eq!(losses.population.len(), 1);
        assert_eq!(losses.hits[0].replaced_by.as_deref(), Some("n"));
    }

    #[test]
    fn a_loss_counts_from_just_before_the_injection_to_the_end_of_during() {
        check(vec![pod("a").ready(0).deleted(57)], 0, &[]);
        check(vec![pod("a").ready(0).deleted(58)], 1, &["a@58→-@-"]);
        check(vec![pod("a").ready(0).deleted(90)], 1, &["a@90→-@-"]);
        check(vec![pod("a").ready(0).deleted(91)], 1, &[]);
    }

    #[test]
    fn a_pod_that_is_gone_without_being_asked_is_lost() {
        let mut gone = pod("a").ready(0);
        gone.gone_at = Some(at(70));
        check(vec![gone], 1, &["a@70→-@-"]);
    }

    #[test]
    fn a_container_that_ends_in_place_replaces_itself() {
        check(vec![pod("a").ready(0).unready(62).ready(68).restarted(61)], 1, &["a@61→a@68"]);
        check(vec![pod("a").ready(0).unready(62).restarted(61)], 1, &["a@61→a@-"]);
        // Never seen unready.
        check(vec![pod("a").ready(0).restarted(61)], 1, &["a@61→a@61"]);
        for outside in [57, 91] {
            check(vec![pod("a").ready(0).restarted(outside)], 1, &[]);
        }
    }

    #[test]
    fn what_has_finished_is_neither_there_nor_lost() {
        let job = |name| pod(name).ready(0).finished(20, false);
        check(vec![pod("a").ready(0), job("j").deleted(70), job("k")], 1, &[]);
        // It succeeds during the fault: no loss, and none when it is cleaned away.
        check(vec![pod("j").ready(0).finished(70, false).deleted(80)], 1, &[]);
        // Put out by its node, it is lost then, and not when its object goes.
        check(vec![pod("a").ready(0).finished(70, true).deleted(85)], 1, &["a@70→-@-"]);
        check(vec![pod("a").ready(0).finished(20, true).deleted(70)], 0, &[]);
    }

    #[test]
    fn only_a_successor_replaces_a_pod_that_is_deleted() {
        check(
            vec![pod("a").ready(0).restarted(61).deleted(70), pod("n").created(71).ready(75)],
            1,
            &["a@70→n@75"],
        );
    }

    #[test]
    fn a_pod_that_never_became_ready_was_never_there() {
        check(vec![pod("n").created(65).deleted(70)], 0, &[]);
        check(vec![pod("n").created(65).ready(67).deleted(70)], 0, &["n@70→-@-"]);
    }

    #[test]
    fn other_applications_do_not_count() {
        check(vec![pod("a").app("web").ready(0).deleted(61)], 0, &[]);
    }

    #[test]
    fn without_a_watch_or_an_injection_nothing_can_be_said() {
        let mut observed = watched(vec![pod("a")]);
        observed.pods_watched = false;
        assert!(losses(&api(), &observed).is_none());
        observed.pods_watched = true;
        observed.injected_at = None;
        assert!(losses(&api(), &observed).is_none());
    }

    #[test]
    fn blindness_includes_both_ends_of_the_question() {
        let mut observed = watched(Vec::new());
        observed.blind = vec![blind(70, 80)];
        let blind = |from, to| blind_between(&observed, Watched::Pods, at(from), at(to));
        assert_eq!(
            [blind(60, 69), blind(60, 70), blind(79, 90), blind(80, 90)],
            [false, true, true, false]
        );
        assert!(!blind_between(&observed, Watched::Events, at(60), at(90)));
    }
}
