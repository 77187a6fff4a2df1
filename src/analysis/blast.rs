//! The blast radius: what was seen of the pods that a fault is about.

use super::{
    BlastRadius,
    losses::{Losses, appeared_at, counts_as_ready, fault_span, losses, population},
};
use crate::{
    frame::{Observed, PodRow},
    hypothesis::{Hypothesis, selector::LabelSelector},
    time::Time,
};

/// What was seen of the pods that the fault, or else the evidence, or else the mechanism names.
/// None when none of them names pods, or when pods were not watched.
///
/// While nothing is injected yet, population and readiness are those of the newest moment, and
/// nothing is hit.
pub(super) fn blast_radius(hypothesis: &Hypothesis, observed: &Observed) -> Option<BlastRadius> {
    let selector = hypothesis.pods().next()?;
    let whole = observed.phases.whole().filter(|_| observed.pods_watched)?;
    let ready = ready_steps(selector, observed);
    let Some(injected_at) = observed.injected_at else {
        let population = population(selector, observed, whole.end, whole.end);
        return Some(BlastRadius {
            ready_at_start: count_ready(&population, whole.end),
            population: population.len(),
            asked: observed.asked,
            hit: Vec::new(),
            most_down: 0,
            pod_seconds_lost: 0.0,
            collateral: Vec::new(),
            ready,
        });
    };
    let (from, to) = fault_span(observed)?;
    let Losses { population, hits } = losses(selector, observed)?;
    // A pod whose loss was stamped just before the injection was ready until then.
    let ready_at_start = population
        .iter()
        .filter(|pod| counts_as_ready(pod, injected_at) || counts_as_ready(pod, from))
        .count();
    let (most_down, pod_seconds_lost) = shortfall(&ready, ready_at_start, injected_at, whole.end);
    Some(BlastRadius {
        population: population.len(),
        ready_at_start,
        asked: observed.asked,
        hit: hits,
        most_down,
        pod_seconds_lost,
        collateral: collateral(selector, observed, from, to),
        ready,
    })
}

fn count_ready(pods: &[&PodRow], at: Time) -> usize {
    pods.iter().filter(|pod| counts_as_ready(pod, at)).count()
}

/// How many of the selector's pods were ready, and how many were alive, from each time on at
/// which one of the two changed.
fn ready_steps(selector: &LabelSelector, observed: &Observed) -> Vec<(Time, usize, usize)> {
    let Some(whole) = observed.phases.whole() else { return Vec::new() };
    let pods: Vec<&PodRow> =
        observed.pods.iter().filter(|pod| selector.matches(&pod.labels)).collect();
    let changes = pods.iter().flat_map(|pod| {
        let spans = pod.ready.iter().flat_map(|span| [Some(span.from), span.to]);
        spans.chain([Some(appeared_at(pod)), pod.over_at()]).flatten()
    });
    let mut times: Vec<Time> = changes.filter(|time| whole.contains(*time)).collect();
    times.push(whole.start);
    times.sort();
    let alive = |pod: &&&PodRow, at: Time| {
        appeared_at(pod) <= at && pod.over_at().is_none_or(|over| at < over)
    };
    let mut steps: Vec<(Time, usize, usize)> = times
        .into_iter()
        .map(|at| (at, count_ready(&pods, at), pods.iter().filter(|pod| alive(pod, at)).count()))
        .collect();
    steps.dedup_by_key(|(_, ready, alive)| (*ready, *alive));
    steps
}

/// The most pods missing at once, and the area of what was missing in pod-seconds, from one time
/// to another. More than at the start is not counted against what was missing.
fn shortfall(
    steps: &[(Time, usize, usize)],
    at_start: usize,
    from: Time,
    to: Time,
) -> (usize, f64) {
    let ends = steps.iter().skip(1).map(|(time, ..)| *time).chain([to]);
    let mut most = 0;
    let mut area = 0.0;
    for ((start, ready, _), end) in steps.iter().zip(ends) {
        let seconds = end.min(to).seconds_from((*start).max(from));
        if seconds > 0.0 {
            let missing = at_start.saturating_sub(*ready);
            most = most.max(missing);
            area += missing as f64 * seconds;
        }
    }
    (most, area)
}

/// Pods outside the selector that were deleted, or vanished, in the same stretch.
fn collateral(selector: &LabelSelector, observed: &Observed, from: Time, to: Time) -> Vec<String> {
    let lost = |pod: &&PodRow| pod.lost_at().is_some_and(|lost| from <= lost && lost <= to);
    let outside = observed.pods.iter().filter(|pod| !selector.matches(&pod.labels));
    let mut names: Vec<String> = outside.filter(lost).map(|pod| pod.name.clone()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            notation::{at, secs},
            scene::{api, hypothesis, pod, watched},
        },
        hypothesis::model::{Amount, Evidence, Fault, KillMeans, KillPods, Mechanism, Unowned},
    };

    fn killing() -> Hypothesis {
        let fault = KillPods {
            selector: api(),
            amount: Amount::Count(1),
            grace: None,
            means: KillMeans::Delete,
            unowned: Unowned::Refuse,
        };
        Hypothesis { fault: Fault::KillPods(fault), ..hypothesis(Vec::new()) }
    }

    fn radius(pods: Vec<PodRow>) -> BlastRadius {
        blast_radius(&killing(), &watched(pods)).unwrap()
    }

    #[test]
    fn two_pods_down_for_a_while() {
        let radius = radius(vec![
            pod("a").ready(0).deleted(61),
            pod("b").ready(0).deleted(62),
            pod("c").ready(0),
            pod("d"),
            pod("n").created(61).ready(66),
            pod("m").created(62).ready(70),
            pod("w").app("web").ready(0).deleted(63),
        ]);
        assert_eq!((radius.population, radius.ready_at_start), (4, 3));
        assert_eq!(radius.hit.len(), 2);
        // 61–62 s one missing, 62–66 s two, 66–70 s one.
        assert_eq!(radius.most_down, 2);
        assert!((radius.pod_seconds_lost - 13.0).abs() < 1e-9, "{}", radius.pod_seconds_lost);
        assert_eq!(radius.collateral, ["w"]);
        let steps: Vec<(i64, usize, usize)> =
            radius.ready.iter().map(|(t, r, a)| (t.as_millis() / 1000, *r, *a)).collect();
        assert_eq!(steps, [(0, 3, 4), (61, 2, 4), (62, 1, 4), (66, 2, 4), (70, 3, 4)]);
    }

    #[test]
    fn a_loss_without_replacement_lasts_to_the_end() {
        let radius = radius(vec![pod("a").ready(0).deleted(60), pod("b").ready(0)]);
        assert_eq!(radius.most_down, 1);
        assert!((radius.pod_seconds_lost - 90.0).abs() < 1e-9);
    }

    #[test]
    fn a_loss_stamped_just_before_the_injection_was_ready_at_the_start() {
        let radius = radius(vec![pod("a").ready(0).deleted(59), pod("b").ready(0)]);
        assert_eq!((radius.population, radius.ready_at_start, radius.hit.len()), (2, 2, 1));
    }

    #[test]
    fn a_surplus_pays_for_nothing() {
        let radius = radius(vec![
            pod("a").ready(0).deleted(60),
            pod("n").created(61).ready(70),
            pod("m").created(61).ready(70),
        ]);
        assert!((radius.pod_seconds_lost - 10.0).abs() < 1e-9);
    }

    #[test]
    fn before_the_injection_nothing_is_hit() {
        let mut observed = watched(vec![pod("a").ready(0), pod("b").deleted(30)]);
        observed.injected_at = None;
        observed.phases.during = None;
        observed.phases.after = None;
        let radius = blast_radius(&killing(), &observed).unwrap();
        assert_eq!((radius.population, radius.ready_at_start), (1, 1));
        assert!(radius.hit.is_empty());
    }

    #[test]
    fn the_evidence_names_the_pods_when_the_fault_does_not() {
        let observed = watched(vec![pod("a").ready(0).deleted(61)]);
        let mut hypothesis = hypothesis(Vec::new());
        assert_eq!(blast_radius(&hypothesis, &observed), None);
        hypothesis.because = vec![Mechanism::Replaced { selector: api(), within: secs(30) }];
        assert_eq!(blast_radius(&hypothesis, &observed).unwrap().population, 1);
        let web = LabelSelector::parse("app=web").unwrap();
        hypothesis.evidence =
            vec![Evidence::PodsLost { selector: web, at_least: Amount::Count(1) }];
        assert_eq!(blast_radius(&hypothesis, &observed).unwrap().population, 0);
    }

    #[test]
    fn unwatched_pods_have_no_radius() {
        let mut observed = watched(vec![pod("a")]);
        observed.pods_watched = false;
        assert_eq!(blast_radius(&killing(), &observed), None);
    }

    #[test]
    fn the_shortfall_begins_with_the_fault() {
        let steps = [(at(0), 1, 3), (at(30), 3, 3), (at(61), 2, 3), (at(70), 3, 3)];
        assert_eq!(shortfall(&steps, 3, at(60), at(150)), (1, 9.0));
    }
}
