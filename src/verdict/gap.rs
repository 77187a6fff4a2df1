//! Every reason not to judge. Codes are interface; the text names the numbers.

use std::{fmt, time::Duration};

use crate::{
    analysis::Doubt,
    frame::Watched,
    number::{Share, Unit, digits, length},
    window::Phase,
};

/// Why the data cannot carry a judgement, or what weakens it.
#[derive(Clone, Debug, PartialEq)]
pub enum Gap {
    /// The run did not reach the phase.
    PhaseNotReached(Phase),
    /// The phase is shorter than one point of the grid.
    EmptyGrid(Phase),
    /// Nothing was seen of the indicator in the phase.
    NoData(Phase),
    /// What the indicator is made of in the cluster was not watched in the phase.
    NotWatched {
        /// Where.
        phase: Phase,
        /// What was not watched.
        watch: Watched,
    },
    /// The indicator was asked for and never had a number: nothing was counted.
    NoTraffic(Phase),
    /// A gauge never had a number: a part of it was NaN or could not be read.
    NotAllRead(Phase),
    /// Much less was counted than in *before*: only those that still got through were judged.
    TrafficFell {
        /// Where.
        phase: Phase,
        /// At how many points of how many; none when over the whole phase.
        points: Option<(usize, usize)>,
        /// How much was counted there, per second; of points, where it was least.
        there: f64,
        /// How much was counted in *before*, per second.
        before: f64,
        /// The share of it that is needed.
        at_least: Share,
    },
    /// Too little was counted to say anything.
    TooLittleTraffic {
        /// Where.
        phase: Phase,
        /// How many were counted.
        requests: f64,
        /// How many are needed.
        at_least: usize,
    },
    /// What the indicator is made of is not what it seems, so that its numbers say nothing.
    Doubtful(Doubt),
    /// More of the phase is missing than is allowed.
    TooManyGaps {
        /// Where.
        phase: Phase,
        /// Points without a usable number.
        gaps: usize,
        /// Points of the grid.
        grid: usize,
        /// The longest run of them.
        longest: usize,
    },
    /// The bound lies inside the bucket that the value lies in.
    BoundInsideBucket {
        /// How many points.
        points: usize,
        /// The bound.
        bound: f64,
        /// The bucket's lower bound.
        lower: f64,
        /// The bucket's upper bound.
        upper: f64,
        /// Their unit.
        unit: Unit,
    },
    /// What no sample of the counters shows could decide either way.
    Uncounted {
        /// At how many points.
        points: usize,
        /// How many increments it may be, at the point where it is most.
        most: f64,
        /// The bound.
        bound: f64,
        /// The least that the value can be, at the first such point.
        lower: f64,
        /// The most that it can be there.
        upper: f64,
        /// Their unit.
        unit: Unit,
    },
    /// What is missing could decide either way.
    CouldBeEither {
        /// Points in breach.
        breaches: usize,
        /// Points without a usable number.
        gaps: usize,
        /// Points of the grid.
        grid: usize,
    },
    /// The points are too few, or too alike, for a statement about sampling.
    TooFewIndependent {
        /// Where.
        phase: Phase,
        /// Points.
        n: usize,
        /// How many independent points they are worth.
        n_eff: f64,
    },
    /// The numbers of the phase wander instead of varying about a mean.
    Wanders(Phase),
    /// The mean that a relative tolerance refers to is zero.
    ZeroBaseline(Phase),
    /// The interval straddles the tolerance.
    IntervalStraddles,
    /// It had not recovered when the watching ended, before the time allowed was over.
    NotWatchedLongEnough {
        /// How long it was watched.
        watched: Duration,
        /// The time allowed.
        allowed: Duration,
    },
    /// The time of the recovery is not known finely enough: the time allowed ended between the
    /// last point outside and the first one inside.
    RecoveryStraddles,
    /// There was no injection to count from.
    NothingInjected,
}

impl Gap {
    /// A stable code, as stored in `checks.parquet`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PhaseNotReached(_) => "phase_not_reached",
            Self::EmptyGrid(_) => "empty_grid",
            Self::NoData(_) => "no_data",
            Self::NotWatched { .. } => "not_watched",
            Self::NoTraffic(_) => "no_traffic",
            Self::NotAllRead(_) => "not_all_read",
            Self::TrafficFell { .. } => "traffic_fell",
            Self::TooLittleTraffic { .. } => "too_little_traffic",
            Self::Doubtful(doubt) => doubt.code().unwrap_or("doubtful"),
            Self::TooManyGaps { .. } => "too_many_gaps",
            Self::BoundInsideBucket { .. } => "bound_inside_bucket",
            Self::Uncounted { .. } => "uncounted",
            Self::CouldBeEither { .. } => "could_be_either",
            Self::TooFewIndependent { .. } => "too_few_independent",
            Self::Wanders(_) => "wanders",
            Self::ZeroBaseline(_) => "zero_baseline",
            Self::IntervalStraddles => "interval_straddles",
            Self::NotWatchedLongEnough { .. } => "not_watched_long_enough",
            Self::RecoveryStraddles => "recovery_straddles",
            Self::NothingInjected => "nothing_injected",
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PhaseNotReached(phase) => write!(f, "the run did not reach *{phase}*"),
            Self::EmptyGrid(phase) => write!(f, "*{phase}* is shorter than one point: lengthen it, or shorten `step` or `over`"),
            Self::NoData(phase) => write!(f, "nothing was seen in *{phase}*: is the metric's name right, and is its target up?"),
            Self::NotWatched { phase, watch } => {
                let resource = watch.resource();
                write!(f, "{resource} were not watched in *{phase}*: may the account list and watch {resource}, and did the API server answer?")
            }
            Self::NoTraffic(phase) => write!(f, "no traffic in *{phase}*: there was nothing to measure"),
            Self::NotAllRead(phase) => write!(f, "one of its series was NaN or could not be read all through *{phase}*, so that its value over all of them is not known: does each of its targets still show it?"),
            Self::TrafficFell { phase, points, there, before, at_least } => {
                let [there, before] = [*there, *before].map(|rate| Unit::PerSecond.show(rate));
                let needed = Unit::Share.show(at_least.get());
                write!(f, "traffic fell from {before} in *before* to {there} in *{phase}*, and ")?;
                if let Some((points, grid)) = points {
                    write!(f, "{points} of its {grid} points had less than the {needed} of it that are needed")?;
                } else {
                    write!(f, "{needed} of it are needed")?;
                }
                f.write_str(": only those that still got through were judged; measure where the callers are, or set `traffic` of the indicator")
            }
            Self::TooLittleTraffic { phase, requests, at_least } => write!(
                f,
                "{} requests were counted in *{phase}*, and {at_least} are needed: lengthen it, add load, or set `traffic` of the indicator",
                digits(requests.floor())
            ),
            Self::Doubtful(doubt) => doubt.fmt(f),
            Self::TooManyGaps { phase, gaps, grid, longest } => {
                write!(f, "{gaps} of {grid} points of *{phase}* have no usable number (longest run {longest})")
            }
            Self::BoundInsideBucket { points, bound, lower, upper, unit } => write!(
                f,
                "{} lies inside the bucket {} to {} at {points} {}: add a bucket at the bound",
                unit.show(*bound),
                unit.show(*lower),
                unit.show(*upper),
                if *points == 1 { "point" } else { "points" }
            ),
            Self::Uncounted { points, most, bound, lower, upper, unit } => write!(
                f,
                "up to {} increments went uncounted, with series that ended, began or were away between two scrapes, or in no bucket of their histogram: at {points} {} it could be {} to {}, and the bound is {}; measure where nothing is killed (a gateway, the callers), or scrape more often",
                digits(most.ceil()),
                if *points == 1 { "point" } else { "points" },
                unit.show(*lower),
                unit.show(*upper),
                unit.show(*bound)
            ),
            Self::CouldBeEither { breaches, gaps, grid } => write!(
                f,
                "{breaches} of {grid} points are in breach and {gaps} are missing: what is missing could decide either way"
            ),
            Self::TooFewIndependent { phase, n, n_eff } => write!(
                f,
                "the {n} points of *{phase}* are worth {n_eff:.1} independent ones, and at least 4 are needed: lengthen it, or shorten `over`"
            ),
            Self::Wanders(phase) => write!(
                f,
                "the numbers of *{phase}* wander instead of varying about a mean: there is none to compare"
            ),
            Self::ZeroBaseline(phase) => write!(f, "the mean of *{phase}* is zero, so no share of it can be a tolerance: give an absolute one"),
            Self::IntervalStraddles => f.write_str("the interval of the difference reaches across the tolerance: longer phases would narrow it"),
            Self::NotWatchedLongEnough { watched, allowed } => write!(
                f,
                "not recovered when the watching ended after {}, and {} are allowed: lengthen *after*",
                length(*watched), length(*allowed)
            ),
            Self::RecoveryStraddles => f.write_str(
                "the time allowed ended between the last point seen outside and the first seen inside: a shorter `step`, or fewer gaps, would tell",
            ),
            Self::NothingInjected => f.write_str("nothing was injected to recover from"),
        }
    }
}
