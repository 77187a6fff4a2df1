//! The numbers behind the plots of the indicators: points, gaps, bounds, marks, all in seconds
//! from the injection. Drawing is the business of `plot`.

use super::{
    super::{
        Subject,
        text::{plain, plain_unit, relative, seconds_text},
    },
    check,
};
use crate::{
    analysis::{PhaseTrack, Track},
    hypothesis::model::{
        Aggregate, Indicator, IndicatorId, IndicatorKind, Level, Objective, Tolerance,
    },
    number::Unit,
    time::Time,
    window::Phase,
};

/// The axis of time that all plots of a run share.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// The time that is 0 on it: the injection, or else the start.
    zero: Time,
    /// What that is, in words: `the injection at 2026-11-23T02:15:00Z`.
    pub(crate) zero_text: String,
    /// Seconds from zero to the first instant.
    pub(crate) start: f64,
    /// Seconds from zero to the last.
    pub(crate) end: f64,
    /// The phases that were reached: from, to.
    pub(crate) phases: Vec<(Phase, f64, f64)>,
    /// When the injector acted.
    pub(crate) acts: Vec<f64>,
    /// When pods were lost.
    pub(crate) lost: Vec<f64>,
    /// When their replacements were ready.
    pub(crate) ready: Vec<f64>,
}

impl Scene {
    pub(super) fn new(subject: &Subject<'_>) -> Self {
        let Subject { manifest, observed, analysis, .. } = *subject;
        let whole = observed.phases.whole();
        let first = whole.map_or(manifest.started_at, |window| window.start);
        let last = whole.map_or(first, |window| window.end);
        let injected = observed.injected_at;
        let zero = injected.unwrap_or(first);
        let since = |time: Time| time.seconds_from(zero);
        let hits = analysis.blast.iter().flat_map(|blast| &blast.hit);
        Self {
            zero,
            zero_text: match injected {
                Some(time) => format!("the injection at {time}"),
                None => format!("the start at {first}"),
            },
            start: since(first),
            end: since(last),
            phases: Phase::ALL
                .into_iter()
                .filter_map(|phase| {
                    let window = observed.phases.window(phase)?;
                    Some((phase, since(window.start), since(window.end)))
                })
                .collect(),
            acts: observed.fault.iter().map(|row| since(row.at)).collect(),
            lost: hits.clone().map(|hit| since(hit.at)).collect(),
            ready: hits.filter_map(|hit| hit.replacement_ready_at).map(since).collect(),
        }
    }

    /// Seconds from zero to a time.
    pub(crate) fn seconds(&self, time: Time) -> f64 {
        time.seconds_from(self.zero)
    }

    /// A time of day, and how long that is from zero: `02:15:09 (+9 s)`.
    pub(crate) fn clock(&self, time: Time) -> String {
        format!("{} ({})", time.clock_text(), relative(self.seconds(time)))
    }
}

/// An indicator over time.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// Its name.
    pub(crate) name: String,
    /// How it is made, in words.
    pub(crate) how: String,
    /// What it counts.
    pub(crate) unit: Unit,
    /// Its points, NaN where there was no number.
    pub(crate) dots: Vec<Dot>,
    /// Two points further apart than this are not joined, seconds.
    pub(crate) joined_within: f64,
    /// Stretches of a phase without a number: from, to.
    pub(crate) gaps: Vec<(f64, f64)>,
    /// The bounds that checks hold it to.
    pub(crate) bounds: Vec<BoundLine>,
    /// The worst points of its checks.
    pub(crate) worst: Vec<Mark>,
    /// Each phase in figures.
    pub(crate) spreads: Vec<Spread>,
    /// What the plot shows, for those who cannot see it.
    pub(crate) description: String,
}

/// A point: seconds from zero, its value and what that can have been.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dot {
    /// When.
    pub(crate) at: f64,
    /// The value, or NaN.
    pub(crate) value: f64,
    /// The least it can have been.
    pub(crate) lower: f64,
    /// The most it can have been.
    pub(crate) upper: f64,
}

/// A bound: where it is, and where in time it counts.
#[derive(Clone, Debug)]
pub(crate) struct BoundLine {
    /// From when.
    pub(crate) from: f64,
    /// To when.
    pub(crate) to: f64,
    /// The level.
    pub(crate) level: f64,
    /// On which side of it the values should be.
    pub(crate) inside: Side,
    /// What it says.
    pub(crate) text: String,
}

/// A side of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Over it.
    Above,
    /// Under it.
    Below,
}

/// A point to look at.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// When.
    pub(crate) at: f64,
    /// The value.
    pub(crate) value: f64,
    /// On which side of the other values it is.
    pub(crate) side: Side,
    /// What it says.
    pub(crate) text: String,
}

/// A phase in figures: least, first quartile, median, third quartile, greatest.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    /// The phase.
    pub(crate) phase: Phase,
    /// The five numbers.
    pub(crate) five: [f64; 5],
    /// The same as texts, and the mean.
    pub(crate) texts: [String; 6],
    /// How many numbers they are of.
    pub(crate) n: usize,
}

/// All indicators, in the order of the hypothesis.
pub(super) fn figures(subject: &Subject<'_>, scene: &Scene) -> Vec<Figure> {
    let indicators = subject.hypothesis.indicators.iter().enumerate();
    let tracks = indicators.zip(&subject.analysis.tracks);
    tracks.map(|((at, one), track)| figure(subject, scene, IndicatorId(at), one, track)).collect()
}

fn figure(
    subject: &Subject<'_>,
    scene: &Scene,
    id: IndicatorId,
    indicator: &Indicator,
    track: &Track,
) -> Figure {
    let step = subject.hypothesis.phases.step.as_secs_f64();
    let unit = plain_unit(&indicator.unit);
    let spreads: Vec<Spread> =
        track.phases.iter().filter_map(|phase| spread(phase, &unit)).collect();
    let bounds = bounds(subject, scene, id, &unit);
    let worst = worst(subject, scene, id, &unit);
    Figure {
        name: plain(&indicator.name),
        how: how(&indicator.kind) + &traffic(track),
        unit,
        dots: track
            .points
            .iter()
            .map(|point| Dot {
                at: scene.seconds(point.time),
                value: point.value,
                lower: point.lower,
                upper: point.upper,
            })
            .collect(),
        joined_within: step * 1.5,
        gaps: track.phases.iter().flat_map(|phase| gaps(phase, scene)).collect(),
        description: description(&bounds, &worst, &spreads),
        bounds,
        worst,
        spreads,
    }
}

fn spread(track: &PhaseTrack, unit: &Unit) -> Option<Spread> {
    let s = track.summary?;
    Some(Spread {
        phase: track.phase,
        five: [s.min, s.q1, s.median, s.q3, s.max],
        texts: [s.min, s.q1, s.median, s.q3, s.max, s.mean].map(|value| unit.show(value)),
        n: track.n(),
    })
}

/// The stretches of a phase's grid without a number: each missing point stands for one step.
fn gaps(track: &PhaseTrack, scene: &Scene) -> Vec<(f64, f64)> {
    let half = track.step.as_secs_f64() / 2.0;
    let mut found: Vec<(f64, f64)> = Vec::new();
    for (time, point) in &track.grid {
        if point.is_some_and(|point| !point.value.is_nan()) {
            continue;
        }
        let at = scene.seconds(*time);
        match found.last_mut() {
            Some((_, to)) if at - half <= *to + half / 10.0 => *to = at + half,
            Some(_) | None => found.push((at - half, at + half)),
        }
    }
    found
}

/// The bounds of the checks on an indicator; the same line of two checks is drawn once.
fn bounds(subject: &Subject<'_>, scene: &Scene, id: IndicatorId, unit: &Unit) -> Vec<BoundLine> {
    let mut lines: Vec<BoundLine> = Vec::new();
    let edges = |phase: Phase| {
        let found = scene.phases.iter().find(|(one, ..)| *one == phase);
        found.map_or((scene.start, scene.end), |(_, from, to)| (*from, *to))
    };
    let mut add = |(from, to): (f64, f64), level: f64, inside: Side, text: String| {
        let known = lines.iter_mut().find(|line| line.level.to_bits() == level.to_bits());
        match known {
            Some(line) => {
                line.from = line.from.min(from);
                line.to = line.to.max(to);
            }
            None => lines.push(BoundLine { from, to, level, inside, text }),
        }
    };
    let checks = subject.hypothesis.checks.iter().zip(&subject.verdicts.checks);
    let judged = checks.filter(|(check, _)| check.indicator == id);
    for terms in judged.filter_map(|(_, verdict)| verdict.terms.as_ref()) {
        match &terms.objective {
            Objective::Stays { phase, level, .. } => {
                for (bound, inside, text) in sides(*level, unit) {
                    add(edges(*phase), bound, inside, text);
                }
            }
            Objective::Recovers { level, .. } => {
                // Outside of it is allowed for a time: the label says what is awaited.
                for (bound, inside, text) in sides(*level, unit) {
                    let text = format!("back to {text}");
                    add((scene.start.max(0.0), scene.end), bound, inside, text);
                }
            }
            Objective::Within { phase, tolerance, of, .. } => {
                let Some((base, room)) = terms.base.zip(terms.scale()) else { continue };
                let ends = [(base + room, Side::Below, "+"), (base - room, Side::Above, "-")];
                for (level, inside, sign) in ends {
                    let size = match tolerance {
                        Tolerance::Relative(share) => Unit::Share.show(*share),
                        Tolerance::Absolute(size) => unit.show(*size),
                    };
                    add(edges(*phase), level, inside, format!("{of} {sign} {size}"));
                }
            }
            // A sum over a phase is no level that one point could be held to.
            Objective::TotalAtMost { .. } => {}
        }
    }
    lines
}

fn sides(level: Level, unit: &Unit) -> Vec<(f64, Side, String)> {
    let text = |level| check::level(level, unit);
    match level {
        Level::Below(bound) => vec![(bound.get(), Side::Below, text(level))],
        Level::Above(bound) => vec![(bound.get(), Side::Above, text(level))],
        Level::Between(low, high) => vec![
            (low.get(), Side::Above, text(Level::Above(low))),
            (high.get(), Side::Below, text(Level::Below(high))),
        ],
    }
}

/// On which side of the rest the worst value of an objective on points is; none for others.
fn worst_side(objective: &Objective, value: f64) -> Option<Side> {
    match objective {
        Objective::Stays { level, .. } => Some(match level {
            Level::Below(_) => Side::Above,
            Level::Above(_) => Side::Below,
            Level::Between(low, high) if value < f64::midpoint(low.get(), high.get()) => {
                Side::Below
            }
            Level::Between(..) => Side::Above,
        }),
        Objective::Within { .. } | Objective::Recovers { .. } | Objective::TotalAtMost { .. } => {
            None
        }
    }
}

/// The worst points of the checks on an indicator that judge points.
fn worst(subject: &Subject<'_>, scene: &Scene, id: IndicatorId, unit: &Unit) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for verdict in &subject.verdicts.checks {
        let mut checks = subject.hypothesis.checks.iter();
        let check = checks.find(|one| one.id == verdict.check_id && one.indicator == id);
        let Some((time, value)) = verdict.worst.filter(|(_, value)| value.is_finite()) else {
            continue;
        };
        let Some(side) = check.and_then(|check| worst_side(&check.objective, value)) else {
            continue;
        };
        let at = scene.seconds(time);
        if !marks.iter().any(|mark| mark.at.to_bits() == at.to_bits()) {
            let text = format!("worst {}, {}", unit.show(value), relative(at));
            marks.push(Mark { at, value, side, text });
        }
    }
    marks
}

fn description(bounds: &[BoundLine], worst: &[Mark], spreads: &[Spread]) -> String {
    let mut said: Vec<String> = spreads
        .iter()
        .map(|s| format!("{}: {} to {}, median {}", s.phase, s.texts[0], s.texts[4], s.texts[2]))
        .collect();
    said.extend(bounds.iter().map(|bound| format!("bound: {}", bound.text)));
    said.extend(worst.iter().map(|mark| mark.text.clone()));
    if said.is_empty() { "No numbers.".to_owned() } else { format!("{}.", said.join("; ")) }
}

/// What was counted in each phase: `; counted before 400/s, during 386/s, after 400/s`. Nothing of
/// an indicator that is no part of any traffic.
fn traffic(track: &Track) -> String {
    let counted: Vec<String> = track
        .phases
        .iter()
        .filter_map(|part| {
            let per_second = part.traffic?.per_second();
            Some(format!("{} {}", part.phase, Unit::PerSecond.show(per_second)))
        })
        .collect();
    if counted.is_empty() { String::new() } else { format!("; counted {}", counted.join(", ")) }
}

fn how(kind: &IndicatorKind) -> String {
    let over = |over: &std::time::Duration| seconds_text(over.as_secs_f64());
    match kind {
        IndicatorKind::Quantile { quantile, histogram, over: length } => format!(
            "quantile {} of {}, over {}",
            quantile.get(),
            plain(&histogram.to_string()),
            over(length)
        ),
        IndicatorKind::Ratio { part, whole, over: length } => format!(
            "{} as a part of {}, over {}",
            plain(&part.to_string()),
            plain(&whole.to_string()),
            over(length)
        ),
        IndicatorKind::Rate { counter, over: length } => {
            format!("rate of {}, over {}", plain(&counter.to_string()), over(length))
        }
        IndicatorKind::Gauge { gauge, aggregate } => {
            let word = match aggregate {
                Aggregate::Sum => "sum",
                Aggregate::Min => "least",
                Aggregate::Max => "greatest",
                Aggregate::Avg => "mean",
            };
            format!("{word} of {}", plain(&gauge.to_string()))
        }
        IndicatorKind::PodsReady { selector } => {
            format!("ready pods of {}", plain(selector.text()))
        }
        IndicatorKind::EventCount { .. } => "Kubernetes events in each step".to_owned(),
        IndicatorKind::PromQl(query) => super::super::text::cap(&plain(query), 160),
    }
}
