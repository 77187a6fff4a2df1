//! Whether enough was counted behind an indicator for its numbers to say anything of a phase.

use super::{CheckVerdict, Gap, Outcome};
use crate::{
    analysis::{PhaseTrack, Track, Traffic},
    hypothesis::model::{Indicator, MinTraffic},
    window::Phase,
};

/// A verdict, with the reasons that the traffic of some phases gives not to judge.
///
/// A pass needs the traffic that the indicator asks for. A breach that was seen is a breach,
/// however few saw it.
pub(super) fn ask(
    verdict: CheckVerdict,
    indicator: &Indicator,
    track: &Track,
    phases: &[Phase],
) -> CheckVerdict {
    let seen = verdict.outcome == Outcome::Fail || verdict.gaps.iter().any(says_that_none_was);
    let lacking = phases.iter().filter_map(|phase| lacking(indicator.traffic, track, *phase));
    if seen { verdict } else { lacking.fold(verdict, CheckVerdict::untold) }
}

/// Whether a reason already says that there was nothing at all.
fn says_that_none_was(gap: &Gap) -> bool {
    matches!(gap, Gap::PhaseNotReached(_) | Gap::EmptyGrid(_) | Gap::NoData(_) | Gap::NoTraffic(_))
}

/// Why the traffic of a phase is too little; none when it is enough, or when any will do.
fn lacking(asked: MinTraffic, track: &Track, phase: Phase) -> Option<Gap> {
    let MinTraffic::AtLeast { share, requests } = asked else { return None };
    let of = |phase| track.phase(phase).and_then(|part: &PhaseTrack| part.traffic);
    let there: Traffic = of(phase)?;
    if let Some(before) = of(Phase::Before).filter(|_| phase != Phase::Before) {
        let (there, before) = (there.per_second(), before.per_second());
        if there < share.get() * before {
            return Some(Gap::TrafficFell { phase, there, before, at_least: share });
        }
    }
    let too_few = there.requests < requests as f64;
    too_few.then_some(Gap::TooLittleTraffic { phase, requests: there.requests, at_least: requests })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hypothesis::model::{Absent, Aggregate, IndicatorKind},
        hypothesis::selector::SeriesSelector,
        number::{Share, Unit},
        verdict::example::run,
    };

    /// Requests counted in *before* (100 s), *during* (50 s) and *after* (100 s).
    fn judged(traffic: MinTraffic, counted: [f64; 3], verdict: CheckVerdict) -> CheckVerdict {
        let mut track = run("1x19", "1x9", "1x19");
        for (part, (requests, seconds)) in
            track.phases.iter_mut().zip(counted.into_iter().zip([100.0, 50.0, 100.0]))
        {
            part.traffic = Some(Traffic { requests, seconds });
        }
        let gauge = SeriesSelector::parse("g").unwrap();
        let kind = IndicatorKind::Gauge { gauge, aggregate: Aggregate::Sum };
        let indicator = Indicator {
            name: "i".to_owned(),
            unit: Unit::None,
            kind,
            traffic,
            absent: Absent::Unknown,
            alive: None,
        };
        ask(verdict, &indicator, &track, &[Phase::Before, Phase::During])
    }

    fn passed() -> CheckVerdict {
        CheckVerdict { outcome: Outcome::Pass, ..CheckVerdict::open("c", Phase::During) }
    }

    #[track_caller]
    fn check(share: f64, requests: usize, counted: [f64; 3], want: &[&str]) {
        let asked = MinTraffic::AtLeast { share: Share::new(share).unwrap(), requests };
        let got = judged(asked, counted, passed());
        assert_eq!(got.gaps.iter().map(Gap::code).collect::<Vec<_>>(), want);
        let outcome = if want.is_empty() { Outcome::Pass } else { Outcome::Inconclusive };
        assert_eq!(got.outcome, outcome);
    }

    #[test]
    fn traffic_that_fell_below_its_share_says_nothing() {
        check(0.5, 100, [1000.0, 250.0, 0.0], &[]);
        check(0.5, 100, [1000.0, 249.0, 0.0], &["traffic_fell"]);
        check(0.1, 10, [1000.0, 51.0, 0.0], &[]);
        check(0.0, 0, [1000.0, 0.0, 0.0], &[]);
    }

    #[test]
    fn too_few_requests_say_nothing_whatever_there_was_before() {
        check(0.5, 100, [100.0, 100.0, 0.0], &[]);
        check(0.5, 100, [100.0, 99.0, 0.0], &["too_little_traffic"]);
        check(0.5, 100, [99.0, 100.0, 0.0], &["too_little_traffic"]);
        check(0.5, 1, [0.0, 0.0, 0.0], &["too_little_traffic", "too_little_traffic"]);
    }

    #[test]
    fn any_traffic_will_do_where_the_file_says_so() {
        let got = judged(MinTraffic::Any, [1000.0, 0.0, 0.0], passed());
        assert_eq!((got.outcome, got.gaps), (Outcome::Pass, Vec::new()));
    }

    #[test]
    fn a_breach_that_was_seen_stays_one_and_nothing_is_said_twice() {
        let asked = MinTraffic::AtLeast { share: Share::HALF, requests: 100 };
        let failed = CheckVerdict { outcome: Outcome::Fail, ..passed() };
        assert_eq!(judged(asked, [1000.0, 1.0, 0.0], failed).outcome, Outcome::Fail);
        let none = CheckVerdict::open("c", Phase::During).untold(Gap::NoTraffic(Phase::During));
        assert_eq!(judged(asked, [1000.0, 0.0, 0.0], none.clone()), none);
    }

    #[test]
    fn the_reason_names_the_numbers_and_the_way_out() {
        let asked = MinTraffic::AtLeast { share: Share::HALF, requests: 100 };
        let said = |counted| judged(asked, counted, passed()).gaps[0].to_string();
        insta::assert_snapshot!(said([10_000.0, 50.0, 0.0]), @"traffic fell from 100/s in *before* to 1/s in *during*, and 50 % of it are needed: only those that still got through were judged; measure where the callers are, or set `traffic` of the indicator");
        insta::assert_snapshot!(said([100.0, 50.0, 0.0]), @"50 requests were counted in *during*, and 100 are needed: lengthen it, add load, or set `traffic` of the indicator");
    }
}
