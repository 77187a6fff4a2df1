//! From series and pods to a verdict: what once passed and should not have, and what was once an
//! alarm for no reason.

use std::time::Duration;

use super::{CheckVerdict, Outcome, RunStatus, judge_all};
use crate::{
    analysis::{
        analyse, newest,
        notation::{at, secs, set},
        scene::{self, pod},
    },
    frame::{Observed, PodRow},
    hypothesis::{
        model::{
            Aggregate, Check, GapAllowance, IndicatorId, IndicatorKind, Level, MinTraffic,
            Objective,
        },
        selector::SeriesSelector,
    },
    number::{Finite, Share},
    window::{Phase, Phases, Window},
};

use Outcome::{Fail, Inconclusive, Pass};

/// Samples each second, points each 5 s; the fault is from 60 s to 260 s, and *after* ends at 460 s.
fn seen(rows: &[(&str, &str)]) -> Observed {
    let window = |from, to| Some(Window::new(at(from), at(to)));
    let phases = Phases { before: window(0, 60), during: window(60, 260), after: window(260, 460) };
    let injected_at = Some(at(60));
    Observed { raw: set(1, rows), pods_watched: true, injected_at, phases, ..Observed::default() }
}

fn selector(text: &str) -> SeriesSelector {
    SeriesSelector::parse(text).unwrap()
}

fn gauge(aggregate: Aggregate) -> IndicatorKind {
    IndicatorKind::Gauge { gauge: selector("g"), aggregate }
}

fn ratio(part: &str, whole: &str) -> IndicatorKind {
    IndicatorKind::Ratio { part: selector(part), whole: selector(whole), over: secs(10) }
}

fn errors() -> IndicatorKind {
    ratio("r{code=~\"5..\"}", "r")
}

fn p90() -> IndicatorKind {
    let (quantile, histogram) = (Share::new(0.9).unwrap(), selector("h"));
    IndicatorKind::Quantile { quantile, histogram, over: secs(10) }
}

fn below(bound: f64) -> Level {
    Level::Below(Finite::new(bound).unwrap())
}

fn above(bound: f64) -> Level {
    Level::Above(Finite::new(bound).unwrap())
}

fn gaps() -> GapAllowance {
    GapAllowance { share: Share::new(0.05).unwrap(), longest_steps: 3 }
}

fn stays(phase: Phase, level: Level, longest: Option<u64>) -> Objective {
    let longest_breach = longest.map(Duration::from_secs);
    let hold = Share::ALL;
    Objective::Stays { phase, level, hold, longest_breach, gaps: gaps(), scale: 1.0 }
}

fn during(level: Level) -> Objective {
    stays(Phase::During, level, None)
}

fn recovers(level: Level, seconds: u64) -> Objective {
    Objective::Recovers { level, within: secs(seconds), gaps: gaps() }
}

/// Half of the traffic of *before*, and 50 requests.
const HALF: MinTraffic = MinTraffic::AtLeast { share: Share::HALF, requests: 50 };

#[track_caller]
fn check(kind: IndicatorKind, objective: Objective, observed: &Observed, want: Outcome) {
    let mut hypothesis = scene::hypothesis(vec![kind]);
    hypothesis.indicators[0].traffic = HALF;
    hypothesis.checks = vec![Check { id: "c".to_owned(), indicator: IndicatorId(0), objective }];
    let verdicts = judge_all(&hypothesis, &analyse(&hypothesis, observed), RunStatus::Complete);
    let said = |one: &CheckVerdict| (one.outcome, one.gaps.clone());
    let steady: Vec<_> = verdicts.steady.iter().map(said).collect();
    assert_eq!(verdicts.outcome, want, "{:?}, steady {steady:?}", said(&verdicts.checks[0]));
}

fn pods(life: PodRow, blind: &[(i64, i64)]) -> Observed {
    let blind = blind.iter().map(|(from, to)| scene::blind(*from, *to)).collect();
    Observed { pods: vec![life], blind, ..seen(&[]) }
}

fn ready() -> IndicatorKind {
    IndicatorKind::PodsReady { selector: scene::api() }
}

/// A counter that rises by so much at each second.
fn counted(rate: impl Fn(usize) -> f64) -> String {
    let mut sum = 0.0;
    let values = (0..470).map(|second| {
        let text = format!("{sum} ");
        sum += rate(second);
        text
    });
    values.collect()
}

const UP: (&str, &str) = ("up{i=\"a\"}", "1x500");
const GOOD: (&str, &str) = ("r{code=\"200\",i=\"a\"}", "0+10x470");
const LEAVES: (&str, &str) = ("r{code=\"503\",i=\"a\"}", "7x62 stale");

#[test]
fn a_breach_beside_a_gap_is_one() {
    let high = [("g{i=\"a\"}", "1x96 stale _x3 1000x3 1x400"), ("up{i=\"a\"}", "1x96 0x3 1x400")];
    check(gauge(Aggregate::Max), during(below(10.0)), &seen(&high), Fail);
    let nan = [("g{i=\"a\"}", "1x99 NaN 1000x3 1x400"), UP];
    check(gauge(Aggregate::Sum), during(below(10.0)), &seen(&nan), Fail);
    let late = [("g{i=\"a\"}", "1x296 stale _x3 1000x3 1x200"), ("up{i=\"a\"}", "1x296 0x3 1x200")];
    check(gauge(Aggregate::Max), recovers(below(10.0), 60), &seen(&late), Fail);
}

#[test]
fn a_breach_of_one_that_was_not_read_before_is_one() {
    let rows = [
        ("g{i=\"a\"}", "1x500"),
        ("g{i=\"b\"}", "1x96 stale _x3 1000x3 1x400"),
        UP,
        ("up{i=\"b\"}", "1x96 0x3 1x400"),
    ];
    check(gauge(Aggregate::Max), during(below(10.0)), &seen(&rows), Fail);
    let rows = [
        ("g{i=\"a\"}", "5x100 0x3 5x400"),
        ("g{i=\"b\"}", "5x99 NaN 5x400"),
        UP,
        ("up{i=\"b\"}", "1x500"),
    ];
    check(gauge(Aggregate::Min), during(above(3.0)), &seen(&rows), Fail);
}

#[test]
fn a_watch_that_breaks_off_hides_nothing_that_was_seen() {
    for at in [100, 101] {
        let away = pod("a").ready(0).unready(at).ready(104);
        check(ready(), during(above(1.0)), &pods(away, &[(103, 104)]), Fail);
    }
    let away = pod("a").ready(0).unready(300).ready(304);
    check(ready(), recovers(above(1.0), 60), &pods(away, &[(303, 304)]), Fail);
    let away = pod("a").ready(0).unready(100).ready(112);
    let objective = stays(Phase::During, above(1.0), Some(10));
    check(ready(), objective, &pods(away, &[(104, 105)]), Fail);
    // And it is no alarm by itself.
    let blips = [(101, 102), (151, 152), (201, 202)];
    check(ready(), during(above(1.0)), &pods(pod("a").ready(0), &blips), Pass);
}

#[test]
fn pods_are_as_they_were_when_a_phase_began() {
    let mut observed = pods(pod("a").ready(0).unready(258).ready(263), &[]);
    observed.phases.during = Some(Window::new(at(60), at(261)));
    observed.phases.after = Some(Window::new(at(261), at(461)));
    check(ready(), stays(Phase::After, above(1.0), None), &observed, Fail);
}

#[test]
fn short_breaches_one_after_the_other_are_no_long_one() {
    let spikes = format!("1x60 {} 1x300", "1 1000 1 1 1 ".repeat(40));
    let rows = [("g{i=\"a\"}", spikes.as_str()), UP];
    let objective = || stays(Phase::During, below(10.0), Some(10));
    check(gauge(Aggregate::Max), objective(), &seen(&rows), Pass);
    let long = [("g{i=\"a\"}", "1x100 1000x16 1x400"), UP];
    check(gauge(Aggregate::Max), objective(), &seen(&long), Fail);
    let rolling = (61..260).step_by(5).fold(pod("a").ready(0), |p, s| p.unready(s).ready(s + 1));
    let objective = stays(Phase::During, above(1.0), Some(10));
    check(ready(), objective, &pods(rolling, &[]), Pass);
}

#[test]
fn an_error_counter_that_leaves_is_missed_wherever_it_counts() {
    let rows = [GOOD, LEAVES, UP];
    check(errors(), during(below(0.01)), &seen(&rows), Inconclusive);
    let good = || ratio("r{code=~\"2..\"}", "r");
    check(good(), during(above(0.99)), &seen(&rows), Inconclusive);
    let most = || ratio("r{code!=\"503\"}", "r");
    check(most(), recovers(above(0.99), 60), &seen(&rows), Inconclusive);
    let some = || ratio("r{code=\"200\"}", "r{code!~\"4..\"}");
    check(some(), stays(Phase::After, above(0.9), None), &seen(&rows), Inconclusive);
    // With one more label.
    let rows = [GOOD, ("r{code=\"503\",reason=\"timeout\",i=\"a\"}", "7x62 stale"), UP];
    check(errors(), during(below(0.01)), &seen(&rows), Inconclusive);
    // As a metric of its own, for one target of two.
    let rows = [
        ("r_total{i=\"a\"}", "0+10x470"),
        ("r_total{i=\"b\"}", "0+10x470"),
        ("e{i=\"a\"}", "7x62 stale"),
        ("e{i=\"b\"}", "0x470"),
        UP,
        ("up{i=\"b\"}", "1x500"),
    ];
    check(ratio("e", "r_total"), during(below(0.01)), &seen(&rows), Inconclusive);
    let rate = IndicatorKind::Rate { counter: selector("e"), over: secs(10) };
    check(rate, during(below(0.01)), &seen(&rows), Inconclusive);
}

#[test]
fn an_error_counter_leaves_in_other_ways_too() {
    let nan = [GOOD, ("r{code=\"503\",i=\"a\"}", "7x61 NaN stale"), UP];
    check(errors(), during(below(0.01)), &seen(&nan), Inconclusive);
    // A scrape that failed lies between.
    let failed = [
        ("r{code=\"200\",i=\"a\"}", "0+10x61 stale 630+10x400"),
        ("r{code=\"503\",i=\"a\"}", "7x61 stale"),
        ("up{i=\"a\"}", "1x61 0 1x400"),
    ];
    check(errors(), stays(Phase::After, below(0.01), None), &seen(&failed), Inconclusive);
}

#[test]
fn a_histogram_of_an_outcome_that_leaves_is_missed() {
    let bucket = |code: &str, le: &str| format!("h_bucket{{code=\"{code}\",le=\"{le}\",i=\"a\"}}");
    let names =
        [bucket("200", "0.1"), bucket("200", "+Inf"), bucket("500", "0.1"), bucket("500", "+Inf")];
    let values = ["0+10x470", "0+10x470", "0x62 stale", "7x62 stale"];
    let mut rows: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(values).collect();
    rows.push(UP);
    check(p90(), during(below(0.1)), &seen(&rows), Inconclusive);
}

#[test]
fn a_process_that_began_again_misses_nothing() {
    let again = ("r{code=\"200\",i=\"a\"}", "0+10x100 0+10x370");
    let gone = ("r{code=\"503\",i=\"a\"}", "7x100 stale");
    for others in
        [&[][..], &[("r{code=\"404\",i=\"a\"}", "0x470")], &[("r{code=\"201\",i=\"a\"}", "3x470")]]
    {
        let rows = [&[again, gone, UP], others].concat();
        check(errors(), during(below(0.3)), &seen(&rows), Pass);
    }
    let rows = [
        ("r{code=\"200\",i=\"a\"}", "0+10x100 stale 0+10x370"),
        ("r{code=\"404\",i=\"a\"}", "0x100 stale 0x370"),
        gone,
        ("up{i=\"a\"}", "1x100 0 1x370"),
    ];
    check(errors(), during(below(0.3)), &seen(&rows), Pass);
    // A backend of a gateway that is gone with all of its series.
    let rows = [
        ("r{code=\"200\",pod=\"a\",i=\"a\"}", "0+10x100 stale"),
        ("r{code=\"503\",pod=\"a\",i=\"a\"}", "7x100 stale"),
        ("r{code=\"200\",pod=\"b\",i=\"a\"}", "0+30x470"),
        UP,
    ];
    check(errors(), during(below(0.3)), &seen(&rows), Pass);
}

#[test]
fn one_page_without_a_series_is_no_end() {
    let rows = [GOOD, ("r{code=\"503\",i=\"a\"}", "7x100 stale 7x370"), UP];
    check(errors(), during(below(0.1)), &seen(&rows), Pass);
    let hypothesis = scene::hypothesis(vec![errors()]);
    let value =
        newest(&hypothesis, &hypothesis.indicators[0], &seen(&rows), at(300)).unwrap().value;
    assert_eq!(value.to_bits(), 0.0_f64.to_bits());
}

#[test]
fn what_was_counted_before_a_series_left_counts() {
    let rows = [GOOD, ("r{code=\"503\",i=\"a\"}", "7x70 17+10x30 stale"), UP];
    check(errors(), during(below(0.1)), &seen(&rows), Fail);
    let burst = [GOOD, ("r{code=\"503\",i=\"a\"}", "_x100 5000 stale"), UP];
    check(errors(), during(below(0.1)), &seen(&burst), Fail);
    // It leaves when all that is judged is over.
    let later = [GOOD, ("r{code=\"503\",i=\"a\"}", "7x400 stale"), UP];
    check(errors(), during(below(0.1)), &seen(&later), Pass);
}

#[test]
fn each_histogram_is_held_to_its_own_count() {
    let rows = [
        ("h_bucket{p=\"a\",le=\"0.1\",i=\"a\"}", "0+50x470"),
        ("h_bucket{p=\"a\",le=\"+Inf\",i=\"a\"}", "0+50x470"),
        ("h_count{p=\"a\",i=\"a\"}", "0+100x470"),
        ("h_bucket{p=\"b\",le=\"0.1\",i=\"a\"}", "0+50x470"),
        ("h_bucket{p=\"b\",le=\"+Inf\",i=\"a\"}", "0+50x470"),
        UP,
    ];
    check(p90(), during(below(0.1)), &seen(&rows), Inconclusive);
}

/// Requests at such a rate, none with an error.
#[track_caller]
fn check_traffic(rate: impl Fn(usize) -> f64, want: Outcome) {
    let text = counted(rate);
    let rows =
        [("r{code=\"200\",i=\"a\"}", text.as_str()), ("r{code=\"500\",i=\"a\"}", "0x470"), UP];
    check(errors(), during(below(0.01)), &seen(&rows), want);
}

#[test]
fn traffic_is_low_when_it_was_never_so_low_before() {
    check_traffic(|second| if second % 40 < 20 { 40.0 } else { 2.0 }, Pass);
    let third = |second: usize| f64::from(u8::from(second.is_multiple_of(3)));
    check_traffic(
        |second| if (100..180).contains(&second) { third(second) } else { 1.0 },
        Inconclusive,
    );
}

#[test]
fn a_recovery_from_an_outage_that_was_seen_is_one() {
    let text = counted(|second| if (61..91).contains(&second) { 1.0 } else { 10.0 });
    let rows = [
        ("r{code=\"200\",i=\"a\"}", text.as_str()),
        ("r{code=\"500\",i=\"a\"}", "0x62 0+2x27 54x380"),
        UP,
    ];
    check(errors(), recovers(below(0.01), 60), &seen(&rows), Pass);
}

#[test]
fn a_gauge_counts_while_it_is_alive() {
    let rows = [("g{i=\"a\"}", "1x100 1000x3 1x400"), ("ok{i=\"a\"}", "1x99 0 1x400"), UP];
    let mut hypothesis = scene::hypothesis(vec![gauge(Aggregate::Max)]);
    hypothesis.indicators[0].alive = Some(selector("ok"));
    hypothesis.checks = vec![Check {
        id: "c".to_owned(),
        indicator: IndicatorId(0),
        objective: during(below(10.0)),
    }];
    let analysis = analyse(&hypothesis, &seen(&rows));
    assert_eq!(judge_all(&hypothesis, &analysis, RunStatus::Complete).outcome, Fail);
}
