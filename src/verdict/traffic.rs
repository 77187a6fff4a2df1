//! Whether enough was counted behind an indicator for its numbers to say anything of a phase.

use super::{CheckVerdict, Gap, Outcome};
use crate::{
    analysis::{PhaseTrack, Track, Traffic},
    hypothesis::model::{Indicator, MinTraffic},
    sample::Point,
    window::Phase,
};

/// Judges a track by `judge`, with the reasons that the traffic of some phases gives not to.
///
/// A pass needs the traffic that the indicator asks for, over each phase, and it must be a pass
/// still when the points with less of it were gaps. A breach that was seen is a breach, however few
/// saw it.
pub(super) fn ask(
    indicator: &Indicator,
    track: &Track,
    phases: &[Phase],
    is_breach: &dyn Fn(Point) -> bool,
    judge: impl Fn(&Track) -> CheckVerdict,
) -> CheckVerdict {
    let verdict = judge(track);
    if verdict.outcome == Outcome::Fail || verdict.gaps.iter().any(says_that_none_was) {
        return verdict;
    }
    let lacking = phases.iter().filter_map(|phase| lacking(indicator.traffic, track, *phase));
    let verdict = lacking.fold(verdict, CheckVerdict::untold);
    if verdict.outcome != Outcome::Pass {
        return verdict;
    }
    let mut rest = track.clone();
    let take_out = |phase: &Phase| take_out(indicator, track, &mut rest, *phase, is_breach);
    let fell: Vec<Gap> = phases.iter().filter_map(take_out).collect();
    if fell.is_empty() || judge(&rest).outcome == Outcome::Pass {
        return verdict;
    }
    fell.into_iter().fold(verdict, CheckVerdict::untold)
}

/// Whether a reason already says that there was nothing at all.
fn says_that_none_was(gap: &Gap) -> bool {
    matches!(gap, Gap::PhaseNotReached(_) | Gap::EmptyGrid(_) | Gap::NoData(_) | Gap::NoTraffic(_))
}

/// What was counted in a phase.
fn counted(track: &Track, phase: Phase) -> Option<Traffic> {
    track.phase(phase).and_then(|part: &PhaseTrack| part.traffic)
}

/// Why the traffic of a phase is too little; none when it is enough, or when any will do.
fn lacking(asked: MinTraffic, track: &Track, phase: Phase) -> Option<Gap> {
    let MinTraffic::AtLeast { share, requests } = asked else { return None };
    let there = counted(track, phase)?;
    if let Some(before) = counted(track, Phase::Before).filter(|_| phase != Phase::Before) {
        let (there, before) = (there.per_second(), before.per_second());
        if there < share.get() * before {
            let at_least = share;
            return Some(Gap::TrafficFell { phase, points: None, there, before, at_least });
        }
    }
    let too_few = there.requests < requests as f64;
    too_few.then_some(Gap::TooLittleTraffic { phase, requests: there.requests, at_least: requests })
}

/// Takes the points of a phase whose traffic fell out of the rest of a track, but for those that
/// are a breach, and says so; none when there is no such point.
///
/// Less than a share of *before* is not low where a point of *before* itself had no more: load may
/// come in waves. And it is not low where chance explains it, over all points that are low in a row.
fn take_out(
    indicator: &Indicator,
    track: &Track,
    rest: &mut Track,
    phase: Phase,
    is_breach: &dyn Fn(Point) -> bool,
) -> Option<Gap> {
    let MinTraffic::AtLeast { share: at_least, .. } = indicator.traffic else { return None };
    let before = counted(track, Phase::Before).filter(|_| phase != Phase::Before)?.per_second();
    let over = indicator.over().as_secs_f64();
    let rate = |point: &Option<Point>| point.and_then(|point| point.traffic);
    // Of a point that was not seen nothing is known.
    let seen = track.phase(Phase::Before)?.grid.iter().filter_map(|(_, point)| rate(point));
    let needed = seen.fold(at_least.get() * before, f64::min);
    let part = rest.phases.iter_mut().find(|part| part.phase == phase)?;
    let (grid, step) = (part.grid.len(), part.step.as_secs_f64());
    let is_low = |point: &Option<Point>| rate(point).is_some_and(|rate| rate < needed);
    let (mut points, mut there) = (0, f64::INFINITY);
    for stretch in part.grid.chunk_by_mut(|(_, a), (_, b)| is_low(a) == is_low(b)) {
        let rates: Vec<f64> = stretch.iter().filter_map(|(_, point)| rate(point)).collect();
        let seconds = over + (rates.len().saturating_sub(1)) as f64 * step;
        let mean = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
        if !stretch.iter().all(|(_, point)| is_low(point))
            || most(mean * seconds) >= needed * seconds
        {
            continue;
        }
        for (_, point) in stretch {
            if let Some(low) = point.take_if(|point| !is_breach(*point)) {
                points += 1;
                there = there.min(low.traffic.unwrap_or_default());
            }
        }
    }
    (points > 0).then_some(Gap::TrafficFell {
        phase,
        points: Some((points, grid)),
        there,
        before,
        at_least,
    })
}

/// The most that could be expected where so many were counted: fewer than that is chance. The end
/// of a 95 % interval of a Poisson count by its square root, which varies by a half.
fn most(counted: f64) -> f64 {
    (counted.max(0.0).sqrt() + 1.0).powi(2)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        hypothesis::model::{Absent, IndicatorKind, Level},
        hypothesis::selector::SeriesSelector,
        number::{Finite, Share, Unit},
        verdict::{
            example::{allowance, run},
            stays,
        },
    };

    fn indicator(traffic: MinTraffic) -> Indicator {
        let [part, whole] = ["r{code=\"500\"}", "r"].map(|s| SeriesSelector::parse(s).unwrap());
        Indicator {
            name: "i".to_owned(),
            unit: Unit::Share,
            kind: IndicatorKind::Ratio { part, whole, over: Duration::from_secs(10) },
            traffic,
            absent: Absent::Unknown,
            alive: None,
        }
    }

    /// Requests counted in *before* (100 s), *during* (50 s) and *after* (100 s).
    fn judged(traffic: MinTraffic, counted: [f64; 3], verdict: CheckVerdict) -> CheckVerdict {
        let mut track = run("1x19", "1x9", "1x19");
        for (part, (requests, seconds)) in
            track.phases.iter_mut().zip(counted.into_iter().zip([100.0, 50.0, 100.0]))
        {
            part.traffic = Some(Traffic { requests, seconds });
        }
        ask(&indicator(traffic), &track, &[Phase::Before, Phase::During], &|_| false, |_| {
            verdict.clone()
        })
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

    /// 10 a second over the whole of *during* and less at some of its ten points, held below 1
    /// with two points that may be missing.
    fn with_low_points(share: f64, rates: &[f64], series: &str) -> CheckVerdict {
        let asked = MinTraffic::AtLeast { share: Share::new(share).unwrap(), requests: 10 };
        let mut track = run("0x19", series, "0x19");
        for part in &mut track.phases {
            part.traffic = Some(Traffic { requests: 1000.0, seconds: 100.0 });
            for (place, (_, point)) in part.grid.iter_mut().enumerate() {
                let low = rates.get(place).filter(|_| part.phase == Phase::During);
                if let Some(point) = point {
                    point.traffic = Some(low.copied().unwrap_or(10.0));
                }
            }
        }
        let level = Level::Below(Finite::new(1.0).unwrap());
        let gaps = allowance(0.2, 3);
        let terms =
            stays::Terms { level, hold: Share::ALL, longest_breach: None, gaps, scale: 1.0 };
        ask(&indicator(asked), &track, &[Phase::During], &|_| false, |track| {
            stays::judge("c", &Unit::Share, track, Phase::During, &terms)
        })
    }

    #[test]
    fn a_point_whose_traffic_fell_is_a_gap() {
        let codes = |verdict: &CheckVerdict| {
            verdict.gaps.iter().map(Gap::code).collect::<Vec<_>>().join(" ")
        };
        // As many as may be missing, and one more.
        let got = with_low_points(0.5, &[0.2; 2], "0x9");
        assert_eq!((got.outcome, codes(&got)), (Outcome::Pass, String::new()));
        let got = with_low_points(0.5, &[0.3, 0.2, 0.3], "0x9");
        assert_eq!((got.outcome, codes(&got)), (Outcome::Inconclusive, "traffic_fell".to_owned()));
        insta::assert_snapshot!(got.gaps[0], @"traffic fell from 10/s in *before* to 0.2/s in *during*, and 3 of its 10 points had less than the 50 % of it that are needed: only those that still got through were judged; measure where the callers are, or set `traffic` of the indicator");
        // A breach that few saw is one.
        let got = with_low_points(0.5, &[0.2; 3], "2 0x8");
        assert_eq!((got.outcome, codes(&got)), (Outcome::Fail, String::new()));
        assert_eq!(with_low_points(0.0, &[0.2; 9], "0x9").outcome, Outcome::Pass);
    }

    #[test]
    fn a_little_less_than_needed_is_chance() {
        // 50 of 100 in a window are needed: of 37 counted, up to 50.2 could be expected.
        let apart = |rate| [rate, 10.0, rate, 10.0, rate];
        assert_eq!(with_low_points(0.5, &apart(3.7), "0x9").outcome, Outcome::Pass);
        assert_eq!(with_low_points(0.5, &apart(3.6), "0x9").outcome, Outcome::Inconclusive);
        // What each point could be by chance, all in a row cannot.
        assert_eq!(with_low_points(0.5, &[3.7; 3], "0x9").outcome, Outcome::Inconclusive);
    }

    /// Load that comes in waves, in *before* as well.
    #[test]
    fn no_less_than_at_some_point_of_before_is_enough() {
        let waves = |low: f64| {
            let asked = MinTraffic::AtLeast { share: Share::HALF, requests: 10 };
            let mut track = run("0x19", "0x9", "0x19");
            for part in &mut track.phases {
                part.traffic = Some(Traffic { requests: 1000.0, seconds: 100.0 });
                for (place, (_, point)) in part.grid.iter_mut().enumerate() {
                    let low = if part.phase == Phase::Before { 1.0 } else { low };
                    let rate = if place % 10 < 5 { 19.0 } else { low };
                    point.as_mut().unwrap().traffic = Some(rate);
                }
            }
            let mut rest = track.clone();
            take_out(&indicator(asked), &track, &mut rest, Phase::During, &|_| false).is_some()
        };
        assert_eq!([1.0, 0.1].map(waves), [false, true]);
    }

    /// One point of *before* was not seen; nobody can say that it had no traffic.
    #[test]
    fn a_gap_in_before_is_no_traffic_that_was_low() {
        let asked = MinTraffic::AtLeast { share: Share::HALF, requests: 10 };
        let mut track = run("0x9 _ 0x9", "0x9", "0x19");
        for part in &mut track.phases {
            part.traffic = Some(Traffic { requests: 1000.0, seconds: 100.0 });
            let rate = if part.phase == Phase::During { 0.1 } else { 10.0 };
            for point in part.grid.iter_mut().filter_map(|(_, point)| point.as_mut()) {
                point.traffic = Some(rate);
            }
        }
        let mut rest = track.clone();
        let not = |_: Point| false;
        assert!(take_out(&indicator(asked), &track, &mut rest, Phase::During, &not).is_some());
    }

    #[test]
    fn a_breach_is_taken_out_of_nothing() {
        let asked = MinTraffic::AtLeast { share: Share::HALF, requests: 10 };
        let mut track = run("0x19", "0x9", "0x19");
        for part in &mut track.phases {
            part.traffic = Some(Traffic { requests: 1000.0, seconds: 100.0 });
            let rate = if part.phase == Phase::During { 0.1 } else { 10.0 };
            part.grid.iter_mut().for_each(|(_, p)| p.as_mut().unwrap().traffic = Some(rate));
        }
        let mut rest = track.clone();
        let breach = |_: Point| true;
        assert!(take_out(&indicator(asked), &track, &mut rest, Phase::During, &breach).is_none());
        assert_eq!(rest, track);
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
