//! What the tests of this module judge: series in Prometheus' notation, and the hypothesis and
//! analysis around them.

use std::{collections::BTreeMap, time::Duration};

use super::place::Place;
use crate::{
    analysis::{Analysis, EvidenceFinding, EvidenceState, PhaseTrack, Summary, Track},
    hypothesis::{
        Hypothesis,
        model::{
            Absent, Aggregate, Check, CommandFault, Fault, GapAllowance, Indicator, IndicatorId,
            IndicatorKind, MinTraffic, Objective, PhasePlan, Sources,
        },
        selector::SeriesSelector,
    },
    number::{Finite, Share, Unit},
    sample::Point,
    time::Time,
    window::Phase,
};

/// The distance of the grid's points in all examples.
pub(super) const STEP: Duration = Duration::from_secs(5);

pub(super) fn finite(value: f64) -> Finite {
    Finite::new(value).unwrap()
}

pub(super) fn allowance(share: f64, longest_steps: usize) -> GapAllowance {
    GapAllowance { share: Share::new(share).unwrap(), longest_steps }
}

/// Places as text: `i`nside, `o`utside, `~` straddles, `n`o number, `_` nothing; a number after
/// one repeats it.
pub(super) fn places(text: &str) -> Vec<Place> {
    let mut places = Vec::new();
    let mut rest = text.trim_start();
    while let Some(letter) = rest.chars().next() {
        let place = match letter {
            'i' => Place::Inside,
            'o' => Place::Outside,
            '~' => Place::Straddles,
            'n' => Place::NoNumber,
            '_' => Place::Nothing,
            other => panic!("`{other}` is no place"),
        };
        rest = &rest[1..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let times = if digits == 0 { 1 } else { rest[..digits].parse().unwrap() };
        places.resize(places.len() + times, place);
        rest = rest[digits..].trim_start();
    }
    places
}

/// Values in the notation of Prometheus' own tests: `1 2 _ NaN`, `1x3` (four times), `1+2x3`
/// (1 3 5 7), `_x3` (three times nothing).
fn values(text: &str) -> Vec<Option<f64>> {
    let mut values = Vec::new();
    for word in text.split_whitespace() {
        let (what, times) = word.split_once('x').unwrap_or((word, ""));
        if what == "_" {
            let times = if times.is_empty() { 1 } else { times.parse().unwrap() };
            values.resize(values.len() + times, None);
            continue;
        }
        let (start, rise) = what.split_once('+').unwrap_or((what, "0"));
        let (start, rise): (f64, f64) = (start.parse().unwrap(), rise.parse().unwrap());
        let times: u32 = if times.is_empty() { 0 } else { times.parse().unwrap() };
        values.extend((0..=times).map(|i| Some(start + rise * f64::from(i))));
    }
    values
}

/// An indicator that reached one phase, its grid starting at time 0.
pub(super) fn track(phase: Phase, series: &str) -> Track {
    tracked(&[(phase, series)])
}

/// An indicator over a whole run, its grid starting at time 0; a phase without a text was not
/// reached.
pub(super) fn run(before: &str, during: &str, after: &str) -> Track {
    let all = [(Phase::Before, before), (Phase::During, during), (Phase::After, after)];
    let reached: Vec<_> = all.into_iter().filter(|(_, series)| !series.is_empty()).collect();
    tracked(&reached)
}

fn tracked(phases: &[(Phase, &str)]) -> Track {
    let mut time = Time::from_millis(0);
    let mut parts = Vec::new();
    for (phase, series) in phases {
        let grid: Vec<_> = values(series)
            .into_iter()
            .map(|value| {
                let at = time;
                time = time.plus(STEP);
                (at, value.map(|value| Point::exact(at, value)))
            })
            .collect();
        let mut part = PhaseTrack { phase: *phase, grid, step: STEP, summary: None, traffic: None };
        part.summary = summary(&part.numbers().map(|p| p.value).collect::<Vec<_>>());
        parts.push(part);
    }
    let points = parts.iter().flat_map(|p| p.grid.iter().filter_map(|(_, p)| *p)).collect();
    Track { points, phases: parts, unseen: None, doubts: Vec::new() }
}

/// The same indicator as a histogram with these bounds would show it.
pub(super) fn bucketed(mut track: Track, bounds: &[f64]) -> Track {
    for part in &mut track.phases {
        for point in part.grid.iter_mut().filter_map(|(_, point)| point.as_mut()) {
            if !point.value.is_nan() {
                let place = bounds.partition_point(|bound| *bound < point.value);
                point.lower = place.checked_sub(1).map_or(0.0, |below| bounds[below]);
                point.upper = bounds.get(place).copied().unwrap_or(f64::INFINITY);
                point.value = if point.upper.is_finite() { point.value } else { point.lower };
            }
        }
    }
    track
}

fn summary(numbers: &[f64]) -> Option<Summary> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
    (!sorted.is_empty()).then(|| Summary {
        min: at(0.0),
        q1: at(0.25),
        median: at(0.5),
        q3: at(0.75),
        max: at(1.0),
        mean: numbers.iter().sum::<f64>() / numbers.len() as f64,
    })
}

/// A hypothesis about one indicator, with these objectives; their ids are `c0`, `c1`, ….
pub(super) fn hypothesis(objectives: Vec<Objective>) -> Hypothesis {
    let gauge = SeriesSelector { metric: "latency".to_owned(), matchers: Vec::new() };
    let argv = vec!["true".to_owned()];
    Hypothesis {
        name: "example".to_owned(),
        claim: "It stays within bounds.".to_owned(),
        because: Vec::new(),
        labels: BTreeMap::new(),
        cadence: None,
        phases: PhasePlan {
            before: STEP * 20,
            during: STEP * 20,
            during_at_most: STEP * 40,
            after: STEP * 20,
            step: STEP,
        },
        sources: Sources { metrics: None, kubernetes: None },
        fault: Fault::Command(CommandFault { argv, timeout: STEP, undo: None }),
        evidence: Vec::new(),
        indicators: vec![Indicator {
            name: "latency".to_owned(),
            unit: Unit::Seconds,
            kind: IndicatorKind::Gauge { gauge, aggregate: Aggregate::Max },
            traffic: MinTraffic::Any,
            absent: Absent::Unknown,
            alive: None,
        }],
        checks: objectives
            .into_iter()
            .enumerate()
            .map(|(n, objective)| Check {
                id: format!("c{n}"),
                indicator: IndicatorId(0),
                objective,
            })
            .collect(),
        guard: Vec::new(),
        text_fingerprint: "text".to_owned(),
        comparable_fingerprint: "comparable".to_owned(),
    }
}

/// What a recording of that one indicator says, with this evidence; injected at the start of
/// *during*.
pub(super) fn analysis(track: Track, evidence: EvidenceState) -> Analysis {
    let injected_at =
        track.phase(Phase::During).and_then(|part| part.grid.first()).map(|(time, _)| *time);
    let evidence = EvidenceFinding {
        asked: "pods lost of app=api, at least 3".to_owned(),
        state: evidence,
        seen: "3 pods".to_owned(),
    };
    Analysis {
        tracks: vec![track],
        blast: None,
        evidence: vec![evidence],
        mechanisms: Vec::new(),
        not_undone: false,
        injected_at,
    }
}
