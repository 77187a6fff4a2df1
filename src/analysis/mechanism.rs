//! Whether the "because" of the claim was seen at work.

use std::time::Duration;

use super::{
    Hit, MechanismFinding, MechanismState, Track,
    losses::{blind_between, losses},
    reached::{Reached, alone, reached},
    words,
};
use crate::{
    frame::{Observed, Watched},
    hypothesis::{Hypothesis, model::Mechanism, selector::LabelSelector},
    number::length,
};

/// What each claimed mechanism came to, in the order of the hypothesis.
pub(super) fn mechanisms(
    hypothesis: &Hypothesis,
    observed: &Observed,
    tracks: &[Track],
) -> Vec<MechanismFinding> {
    let find = |mechanism: &Mechanism| match mechanism {
        Mechanism::Replaced { selector, within } => replaced(selector, *within, observed),
        Mechanism::Indicator { indicator, level, since } => {
            let named = hypothesis.indicator(*indicator);
            let show = |value| named.unit.show(value);
            let alone = alone(hypothesis, observed, named);
            let track = &tracks[indicator.0];
            let (state, seen) = match reached(track, *level, *since, &named.unit, alone) {
                Reached::Yes(point) => {
                    let at = point.time.clock_text();
                    (MechanismState::Held, format!("{} at {at} UTC", show(point.value)))
                }
                Reached::Already(point) => {
                    let (value, at) = (show(point.value), point.time.clock_text());
                    let seen =
                        format!("not seen to respond, it was so before: {value} at {at} UTC");
                    (MechanismState::NotSeen, seen)
                }
                Reached::No(point) => {
                    (MechanismState::NotSeen, format!("nearest was {}", show(point.value)))
                }
                Reached::Unknown(why) => (MechanismState::Unknown, why),
            };
            let claimed = format!("{} {}", named.name, words::level(*level, &named.unit));
            MechanismFinding { claimed, state, seen }
        }
        Mechanism::Opaque { kind, .. } => MechanismFinding {
            claimed: kind.clone(),
            state: MechanismState::Unknown,
            seen: "this version cannot see it".to_owned(),
        },
    };
    hypothesis.because.iter().map(find).collect()
}

/// Every lost pod was replaced by one that was ready within a time from its loss.
///
/// It held when each was, and exactly at the bound is within. It was not seen when some
/// replacement came late, or did not come although all of the time allowed was watched. All else
/// cannot be told: nothing was lost, nobody watched, or the watching ended too early.
fn replaced(selector: &LabelSelector, within: Duration, observed: &Observed) -> MechanismFinding {
    let claimed = format!("{selector} replaced within {}", length(within));
    let unknown = |why: &str| MechanismFinding {
        claimed: claimed.clone(),
        state: MechanismState::Unknown,
        seen: why.to_owned(),
    };
    if !observed.pods_watched {
        return unknown("pods were not watched");
    }
    let Some(losses) = losses(selector, observed) else {
        return unknown("nothing was injected");
    };
    if losses.hits.is_empty() {
        return unknown("no pod was lost, so none had to be replaced");
    }
    let took = |hit: &Hit| hit.replacement_ready_at.map(|ready| ready.since(hit.at));
    let in_time = losses.hits.iter().filter(|hit| took(hit).is_some_and(|took| took <= within));
    let (in_time, all) = (in_time.count(), losses.hits.len());
    let watched = |hit: &&Hit| {
        let due = hit.at.plus(within);
        let ended = observed.phases.whole().is_none_or(|whole| whole.end < due);
        !ended && !blind_between(observed, Watched::Pods, hit.at, due)
    };
    let late = |hit: &&Hit| took(hit).is_none_or(|took| took > within);
    let proven = losses.hits.iter().filter(late).filter(watched).count();
    let state = match (in_time == all, proven > 0) {
        (true, _) => MechanismState::Held,
        (false, true) => MechanismState::NotSeen,
        (false, false) => MechanismState::Unknown,
    };
    let slowest = losses.hits.iter().filter_map(took).max();
    let slowest = slowest.map_or(String::new(), |t| format!(", the slowest after {}", length(t)));
    let untold = match state {
        MechanismState::Unknown => "; the others were not watched long enough",
        MechanismState::Held | MechanismState::NotSeen => "",
    };
    let seen = format!("{in_time} of {all} replaced in time{slowest}{untold}");
    MechanismFinding { claimed, state, seen }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            notation::secs,
            scene::{api, blind, hypothesis, pod, watched},
        },
        frame::PodRow,
        hypothesis::model::Opaque,
    };

    #[track_caller]
    fn check(observed: &Observed, within: u64, state: MechanismState, seen: &str) {
        let found = replaced(&api(), secs(within), observed);
        assert_eq!((found.state, found.seen.as_str()), (state, seen));
    }

    fn one_lost(ready: i64) -> Vec<PodRow> {
        vec![pod("a").ready(0).deleted(61), pod("n").created(61).ready(ready)]
    }

    #[test]
    fn replaced_in_time_holds() {
        let observed = watched(one_lost(65));
        check(
            &observed,
            30,
            MechanismState::Held,
            "1 of 1 replaced in time, the slowest after 4 s",
        );
    }

    #[test]
    fn exactly_in_time_holds() {
        let text = "1 of 1 replaced in time, the slowest after 30 s";
        check(&watched(one_lost(91)), 30, MechanismState::Held, text);
    }

    #[test]
    fn late_is_not_seen() {
        let text = "0 of 1 replaced in time, the slowest after 31 s";
        check(&watched(one_lost(92)), 30, MechanismState::NotSeen, text);
    }

    #[test]
    fn never_is_not_seen_when_it_was_watched_for() {
        let observed = watched(vec![pod("a").ready(0).deleted(61)]);
        check(&observed, 89, MechanismState::NotSeen, "0 of 1 replaced in time");
        let text = "0 of 1 replaced in time; the others were not watched long enough";
        check(&observed, 90, MechanismState::Unknown, text);
    }

    #[test]
    fn one_missing_is_enough() {
        let mut pods = one_lost(65);
        pods.push(pod("b").ready(0).deleted(62));
        let text = "1 of 2 replaced in time, the slowest after 4 s";
        check(&watched(pods), 30, MechanismState::NotSeen, text);
    }

    #[test]
    fn a_blind_watch_proves_no_absence_but_what_it_saw_holds() {
        let text = "0 of 1 replaced in time; the others were not watched long enough";
        let mut observed = watched(vec![pod("a").ready(0).deleted(61)]);
        observed.blind = vec![blind(70, 71)];
        check(&observed, 30, MechanismState::Unknown, text);
        observed.pods = one_lost(65);
        check(
            &observed,
            30,
            MechanismState::Held,
            "1 of 1 replaced in time, the slowest after 4 s",
        );
    }

    #[test]
    fn nothing_lost_cannot_show_a_replacement() {
        let mut observed = watched(vec![pod("a").ready(0)]);
        let text = "no pod was lost, so none had to be replaced";
        check(&observed, 30, MechanismState::Unknown, text);
        observed.injected_at = None;
        check(&observed, 30, MechanismState::Unknown, "nothing was injected");
        observed.pods_watched = false;
        check(&observed, 30, MechanismState::Unknown, "pods were not watched");
    }

    #[test]
    fn what_this_version_cannot_see_is_unknown() {
        let mut hypothesis = hypothesis(Vec::new());
        hypothesis.because =
            vec![Mechanism::Opaque { kind: "hpa_scaled".to_owned(), raw: Opaque(String::new()) }];
        let found = mechanisms(&hypothesis, &watched(Vec::new()), &[]);
        assert_eq!(found[0].state, MechanismState::Unknown);
    }
}
