//! Whether the fault really happened, and how much of it: evidence, by other eyes than the
//! injector's.

use super::{
    EvidenceFinding, EvidenceState, Track,
    pods_lost::pods_lost,
    reached::{Reached, alone, reached},
    targets_lost::targets_lost,
    words,
};
use crate::{
    frame::Observed,
    hypothesis::{
        Hypothesis,
        model::{Amount, Evidence},
    },
};

/// What each item of evidence came to, in the order of the hypothesis.
pub(super) fn evidence(
    hypothesis: &Hypothesis,
    observed: &Observed,
    tracks: &[Track],
) -> Vec<EvidenceFinding> {
    let find = |item: &Evidence| match item {
        Evidence::PodsLost { selector, at_least } => {
            pods_lost(&hypothesis.fault, selector, *at_least, observed)
        }
        Evidence::TargetsLost { selector, at_least } => targets_lost(selector, *at_least, observed),
        Evidence::Indicator { indicator, level, since } => {
            let named = hypothesis.indicator(*indicator);
            let show = |value| named.unit.show(value);
            let alone = alone(hypothesis, observed, named);
            let track = &tracks[indicator.0];
            let (state, seen) = match reached(track, *level, *since, &named.unit, alone) {
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

/// How many of a population must be lost: evidence of nothing would be no evidence, so at least
/// one.
pub(super) fn required(at_least: Amount, population: usize) -> usize {
    at_least.of(population).max(1)
}
