//! Whether the fault really happened, and how much of it: evidence, by other eyes than the
//! injector's.

use super::{
    EvidenceFinding, EvidenceState, Track,
    losses::{blind_between, fault_span, losses},
    reached::{Reached, reached},
    semantics::Semantics,
    words,
};
use crate::{
    frame::Observed,
    hypothesis::{
        Hypothesis,
        model::{Amount, Evidence, Fault},
        selector::{LabelSelector, SeriesSelector},
    },
    sample::{Series, is_stale},
    time::Time,
};

/// What each item of evidence came to, in the order of the hypothesis.
pub(super) fn evidence(
    hypothesis: &Hypothesis,
    observed: &Observed,
    tracks: &[Track],
) -> Vec<EvidenceFinding> {
    let find = |item: &Evidence| match item {
        Evidence::PodsLost { selector, at_least } => {
            let asked = observed.asked.filter(|_| is_about(&hypothesis.fault, selector));
            pods_lost(selector, *at_least, asked, observed)
        }
        Evidence::TargetsLost { selector, at_least } => targets_lost(selector, *at_least, observed),
        Evidence::Indicator { indicator, level, since } => {
            let named = hypothesis.indicator(*indicator);
            let show = |value| named.unit.show(value);
            let (state, seen) = match reached(&tracks[indicator.0], *level, *since, &named.unit) {
                Reached::Yes(point) => {
                    let at = point.time.clock_text();
                    (EvidenceState::Confirmed, format!("{} at {at} UTC", show(point.value)))
                }
                Reached::Already(point) => {
                    let at = point.time.clock_text();
                    let seen = format!("already so before: {} at {at} UTC", show(point.value));
                    (EvidenceState::Absent, seen)
                }
                Reached::No(point) => {
                    (EvidenceState::Absent, format!("nearest was {}", show(point.value)))
                }
                Reached::Unknown(why) => (EvidenceState::Unknown, why),
            };
            let asked = format!("{} {}", named.name, words::level(*level, &named.unit));
            EvidenceFinding { asked, state, seen }
        }
    };
    hypothesis.evidence.iter().map(find).collect()
}

/// Whether the number that a fault was to hit is a number of these pods.
fn is_about(fault: &Fault, selector: &LabelSelector) -> bool {
    match fault {
        Fault::KillPods(kill) => kill.selector == *selector,
        Fault::None
        | Fault::Command(_)
        | Fault::Manifest(_)
        | Fault::Toxiproxy(_)
        | Fault::Observe(_) => true,
    }
}

/// How many of a population must be lost: evidence of nothing would be no evidence, so at least
/// one.
fn required(at_least: Amount, population: usize) -> usize {
    at_least.of(population).max(1)
}

/// Pods were lost, counted by uid.
///
/// Enough of them is confirmed, whether or not the watch was blind for a while; more than the
/// fault was to hit is larger. Fewer is smaller, and none is absent, only when the watch saw all
/// of the fault; otherwise it cannot be told.
fn pods_lost(
    selector: &LabelSelector,
    at_least: Amount,
    to_hit: Option<usize>,
    observed: &Observed,
) -> EvidenceFinding {
    let asked = format!("pods lost of {selector}, {}", words::at_least(at_least));
    let unknown = |why: &str| EvidenceFinding {
        asked: asked.clone(),
        state: EvidenceState::Unknown,
        seen: why.to_owned(),
    };
    if !observed.pods_watched {
        return unknown("pods were not watched");
    }
    let (Some((from, to)), Some(losses)) = (fault_span(observed), losses(selector, observed))
    else {
        return unknown("nothing was injected");
    };
    let (hit, population) = (losses.hits.len(), losses.population.len());
    let blind = blind_between(observed, from, to);
    let state = if hit >= required(at_least, population) {
        let larger = to_hit.is_some_and(|to_hit| hit > to_hit);
        if larger { EvidenceState::Larger } else { EvidenceState::Confirmed }
    } else if blind {
        EvidenceState::Unknown
    } else if hit > 0 {
        EvidenceState::Smaller
    } else {
        EvidenceState::Absent
    };
    let to_hit = to_hit.map_or(String::new(), |to_hit| format!(" ({to_hit} asked)"));
    let at = words::when(losses.hits.iter().map(|hit| hit.at));
    let comma = if at.is_empty() { "" } else { "," };
    let unseen =
        if state == EvidenceState::Unknown { "; the watch was blind for a part" } else { "" };
    let seen = format!("{hit} of {population} pods lost{to_hit}{comma}{at}{unseen}");
    EvidenceFinding { asked, state, seen }
}

/// Scrape targets went down or vanished.
///
/// The population is the targets whose `up` was 1 at the injection. A target is lost when in
/// *during* its `up` was 0, or ended with a stale marker, or had no sample for as long as two of
/// its scrapes take. If no `up` of any target has a sample in *during*, it was we who stopped
/// looking, and it cannot be told.
fn targets_lost(
    selector: &SeriesSelector,
    at_least: Amount,
    observed: &Observed,
) -> EvidenceFinding {
    let asked = format!("targets lost of {selector}, {}", words::at_least(at_least));
    let unknown = |why: &str| EvidenceFinding {
        asked: asked.clone(),
        state: EvidenceState::Unknown,
        seen: why.to_owned(),
    };
    let (Some(injected_at), Some((_, to))) = (observed.injected_at, fault_span(observed)) else {
        return unknown("nothing was injected");
    };
    let up = |series: &&Series| {
        let value = Semantics::V3.instant(series, injected_at);
        value.is_some_and(|value| value > 0.0)
    };
    let named = observed.raw.of_metric(&selector.metric);
    let population: Vec<&Series> =
        named.filter(|series| selector.matches(&series.labels)).filter(up).collect();
    if population.is_empty() {
        return unknown("no target that matches was up before");
    }
    let looked = |series: &Series| {
        let places = series.range(injected_at, to);
        series.values[places].iter().any(|value| !is_stale(*value))
    };
    if !observed.raw.of_metric(&selector.metric).any(looked) {
        return unknown("no target at all was scraped in *during*");
    }
    let lost: Vec<Time> =
        population.iter().filter_map(|series| down_at(series, injected_at, to)).collect();
    let (hit, all) = (lost.len(), population.len());
    let state = match hit {
        0 => EvidenceState::Absent,
        n if n < required(at_least, all) => EvidenceState::Smaller,
        _ => EvidenceState::Confirmed,
    };
    let at = words::when(lost.iter().copied());
    let comma = if at.is_empty() { "" } else { "," };
    EvidenceFinding { asked, state, seen: format!("{hit} of {all} targets lost{comma}{at}") }
}

/// When a target that was up at one time was first down, or missed, up to another time.
fn down_at(up: &Series, from: Time, to: Time) -> Option<Time> {
    let before = up.range(Time::from_millis(i64::MIN), from);
    let last = up.times[..before.end].last().copied().unwrap_or(from);
    let interval = match up.times[..before.end] {
        [.., one, two] => two.since(one),
        _ => std::time::Duration::ZERO,
    };
    let patience = 2 * interval;
    let mut expected_by = last.plus(patience);
    for place in up.range(from, to) {
        let (time, value) = (up.times[place], up.values[place]);
        if !patience.is_zero() && time > expected_by {
            return Some(expected_by);
        }
        if is_stale(value) || value <= 0.0 {
            return Some(time);
        }
        expected_by = time.plus(patience);
    }
    (!patience.is_zero() && expected_by < to).then_some(expected_by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            notation::{secs, set},
            scene::{api, blind, pod, watched},
        },
        frame::PodRow,
        number::Share,
    };

    const SHARE: Amount = Amount::Share(Share::ALL);

    fn thirty() -> Amount {
        Amount::Share(Share::new(0.3).unwrap())
    }

    /// Ten pods, of which some are deleted one second after the injection.
    fn ten(deleted: usize) -> Observed {
        let pods = (0..10).map(|n| {
            let pod = pod(&format!("p{n}")).ready(0);
            if n < deleted { pod.deleted(61) } else { pod }
        });
        watched(pods.collect::<Vec<PodRow>>())
    }

    #[track_caller]
    fn check(observed: &Observed, at_least: Amount, to_hit: Option<usize>, want: &str) {
        let found = pods_lost(&api(), at_least, to_hit, observed);
        assert_eq!(format!("{}: {}", found.state.name(), found.seen), want);
    }

    #[test]
    fn as_many_as_asked_is_confirmed() {
        let want = "confirmed: 3 of 10 pods lost (3 asked), at 00:01:01 UTC";
        check(&ten(3), thirty(), Some(3), want);
        check(&ten(3), Amount::Count(3), None, "confirmed: 3 of 10 pods lost, at 00:01:01 UTC");
    }

    #[test]
    fn more_than_asked_is_larger() {
        let want = "larger: 4 of 10 pods lost (3 asked), at 00:01:01 UTC";
        check(&ten(4), thirty(), Some(3), want);
        // At least so many: more is no surprise when nobody said how many.
        check(&ten(4), thirty(), None, "confirmed: 4 of 10 pods lost, at 00:01:01 UTC");
    }

    #[test]
    fn fewer_is_smaller_and_none_is_absent() {
        let want = "smaller: 2 of 10 pods lost (3 asked), at 00:01:01 UTC";
        check(&ten(2), thirty(), Some(3), want);
        check(&ten(0), thirty(), Some(3), "absent: 0 of 10 pods lost (3 asked)");
    }

    #[test]
    fn no_share_is_so_small_that_nothing_would_do() {
        let tiny = Amount::Share(Share::new(0.01).unwrap());
        check(&ten(0), tiny, None, "absent: 0 of 10 pods lost");
        check(&ten(1), tiny, None, "confirmed: 1 of 10 pods lost, at 00:01:01 UTC");
        check(&watched(Vec::new()), SHARE, None, "absent: 0 of 0 pods lost");
    }

    #[test]
    fn blindness_hides_what_was_not_seen_only() {
        let mut observed = ten(2);
        observed.blind = vec![blind(70, 75)];
        let want = "unknown: 2 of 10 pods lost, at 00:01:01 UTC; the watch was blind for a part";
        check(&observed, thirty(), None, want);
        let want = "confirmed: 2 of 10 pods lost, at 00:01:01 UTC";
        check(&observed, Amount::Count(2), None, want);
        observed.blind = vec![blind(10, 20), blind(91, 95)];
        check(&observed, thirty(), None, "smaller: 2 of 10 pods lost, at 00:01:01 UTC");
    }

    #[test]
    fn unwatched_or_not_injected_is_unknown() {
        let mut observed = ten(3);
        observed.injected_at = None;
        check(&observed, thirty(), None, "unknown: nothing was injected");
        observed.pods_watched = false;
        check(&observed, thirty(), None, "unknown: pods were not watched");
    }

    /// Samples 10 s apart; the fault is from 60 s to 90 s.
    #[track_caller]
    fn check_targets(rows: &[(&str, &str)], at_least: usize, want: &str) {
        let observed = Observed { raw: set(10, rows), ..watched(Vec::new()) };
        let selector = SeriesSelector::parse("up{job=\"api\"}").unwrap();
        let found = targets_lost(&selector, Amount::Count(at_least), &observed);
        assert_eq!(format!("{}: {}", found.state.name(), found.seen), want);
    }

    const A: &str = "up{instance=\"a\",job=\"api\"}";
    const B: &str = "up{instance=\"b\",job=\"api\"}";
    const OTHER: &str = "up{instance=\"c\",job=\"web\"}";

    #[test]
    fn a_target_that_is_down_is_lost() {
        let rows = [(A, "1x6 0x7"), (B, "1x13")];
        check_targets(&rows, 1, "confirmed: 1 of 2 targets lost, at 00:01:10 UTC");
        check_targets(&rows, 2, "smaller: 1 of 2 targets lost, at 00:01:10 UTC");
        check_targets(&[(A, "1x13"), (B, "1x13")], 1, "absent: 0 of 2 targets lost");
    }

    #[test]
    fn a_target_that_vanishes_is_lost() {
        let rows = [(A, "1x6 _ stale"), (B, "1x13")];
        check_targets(&rows, 1, "confirmed: 1 of 2 targets lost, at 00:01:20 UTC");
        // No word of it: missed when a second scrape did not come.
        let rows = [(A, "1x6"), (B, "1x13")];
        check_targets(&rows, 1, "confirmed: 1 of 2 targets lost, at 00:01:20 UTC");
    }

    #[test]
    fn a_target_that_was_down_before_cannot_be_lost() {
        check_targets(&[(A, "0x13"), (B, "1x13")], 1, "absent: 0 of 1 targets lost");
        check_targets(&[(A, "0x13")], 1, "unknown: no target that matches was up before");
    }

    #[test]
    fn when_nothing_was_scraped_it_is_us() {
        let rows = [(A, "1x6"), (OTHER, "1x6")];
        check_targets(&rows, 1, "unknown: no target at all was scraped in *during*");
    }

    #[test]
    fn the_asked_number_is_of_the_pods_of_the_fault() {
        use crate::hypothesis::model::{KillMeans, KillPods, Unowned};
        let web = LabelSelector::parse("app=web").unwrap();
        let kill = |selector| {
            Fault::KillPods(KillPods {
                selector,
                amount: SHARE,
                grace: Some(secs(0)),
                means: KillMeans::Delete,
                unowned: Unowned::Refuse,
            })
        };
        assert!(is_about(&kill(api()), &api()));
        assert!(!is_about(&kill(web), &api()));
        assert!(is_about(&Fault::None, &api()));
    }
}
