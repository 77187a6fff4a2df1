//! Which faults a seed stands for, and when each of them is on.
//!
//! The seed alone decides: the same seed is the same combination, on any machine.

use std::{fmt, time::Duration};

use super::{
    later::{self, Forbidden, SlowWrite},
    series::{SeriesFault, Stamps},
};

/// Every so many seeds nothing is broken, and the run has to pass: a law that is kept by never
/// passing would show nothing.
const CONTROL_EVERY: u64 = 8;

/// Longer than any run.
pub(super) const FOR_GOOD: Duration = Duration::from_secs(600);

/// How the page of a target is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageFault {
    /// Nobody listens.
    Cut,
    /// Taken, and never answered.
    Hang,
    /// The connection is closed instead of an answer.
    Closed,
    /// Fewer bytes than the length that was said.
    Short,
    /// Fewer bytes than the chunk that was begun.
    ChunkCut,
    /// Half of the page, and no length that would tell.
    Torn,
    /// An error page of HTML, with status 200.
    Html,
    /// The same, and it says that it is text.
    HtmlAsText,
    /// The right page without a content type.
    NoType,
    /// The right page, which says that it is protobuf.
    Protobuf,
    /// The right page, which says that it is OpenMetrics.
    OpenMetrics,
    /// The right page, which says that it is compressed.
    NotGzip,
    /// The right page with status 500.
    Status500,
    /// The right page with status 503.
    Status503,
    /// Bytes that are no text.
    Garbage,
    /// Status 200 and nothing else.
    Empty,
    /// The page of a moment ago, again and again.
    Frozen,
    /// Each value is NaN.
    NaN,
    /// Each sample twice, the second time with another value.
    Doubled,
    /// Each sample with the time of an hour ago.
    OldStamps,
    /// So slow that it takes longer than a scrape may.
    Trickle,
}

/// How service discovery fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiscoveryFault {
    /// Nobody listens.
    Cut,
    /// Status 500.
    Status500,
    /// Something that is no list.
    Garbage,
    /// A list of nothing.
    Empty,
    /// The list without the gateway.
    Shrunk,
    /// Taken, and never answered.
    Hang,
}

/// How the Kubernetes API fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApiFault {
    /// Nobody listens, and what was open is closed.
    Cut,
    /// Open watches end in the middle of a line, new ones too.
    WatchDropped,
    /// 410 as an event of the watch.
    GoneEvent,
    /// 410 as the status of lists and watches.
    GoneStatus,
    /// Status 500.
    Status500,
    /// Status 429 with `Retry-After`.
    TooMany,
    /// Status 200 and a page of HTML.
    Html,
    /// Lists take seconds.
    SlowLists,
    /// Taken, and never answered.
    Hang,
}

/// What becomes of the deletion of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeleteFault {
    /// 403: it did not happen.
    Forbidden,
    /// 409: it did not happen.
    Conflict,
    /// 200, and it did not happen.
    Void,
    /// It happened, and the answer is lost.
    AnswerLost,
}

/// Who is stopped by SIGSTOP, and goes on when the fault is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frozen {
    /// One process of a pod.
    Pod,
    /// The lab without its pods: gateway, load, discovery and API.
    Lab,
    /// The witness itself.
    Homeostat,
}

/// A lab that is not as it should be, from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LabFault {
    /// No request comes.
    NoLoad,
    /// The gateway does not try again: what is killed is noticed.
    NoRetries,
    /// Slower than the claim allows.
    Slow,
}

/// How the run is brought to an early end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Term,
    /// SIGTERM, and again half a second later.
    TermTwice,
    /// SIGINT.
    Interrupt,
}

/// Whose pages are spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The one that every check rests on.
    Gateway,
    /// Those of the pods, on which no check rests.
    Pods,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Page(Whose, PageFault),
    Discovery(DiscoveryFault),
    Api(ApiFault),
    Delete(DeleteFault),
    Freeze(Frozen),
    Lab(LabFault),
    End(End),
    /// The experiment's own fault is a program that does nothing for a long time.
    IdleProgram,
    Series(SeriesFault),
    Stamps(Stamps),
    Forbidden(Forbidden),
    Writes(SlowWrite),
}

/// The part of a run in which a fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// From the start of the program on.
    Start,
    Before,
    During,
    After,
}

/// A fault and its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) fault: Fault,
    pub(super) stage: Stage,
    pub(super) offset: Duration,
    pub(super) lasts: Duration,
}

/// All that a seed stands for.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) faults: Vec<Planned>,
}

const PAGE: &[PageFault] = &[
    PageFault::Cut,
    PageFault::Hang,
    PageFault::Closed,
    PageFault::Short,
    PageFault::ChunkCut,
    PageFault::Torn,
    PageFault::Html,
    PageFault::HtmlAsText,
    PageFault::NoType,
    PageFault::Protobuf,
    PageFault::OpenMetrics,
    PageFault::NotGzip,
    PageFault::Status500,
    PageFault::Status503,
    PageFault::Garbage,
    PageFault::Empty,
    PageFault::Frozen,
    PageFault::NaN,
    PageFault::Doubled,
    PageFault::OldStamps,
    PageFault::Trickle,
];
const DISCOVERY: &[DiscoveryFault] = &[
    DiscoveryFault::Cut,
    DiscoveryFault::Status500,
    DiscoveryFault::Garbage,
    DiscoveryFault::Empty,
    DiscoveryFault::Shrunk,
    DiscoveryFault::Hang,
];
const API: &[ApiFault] = &[
    ApiFault::Cut,
    ApiFault::WatchDropped,
    ApiFault::GoneEvent,
    ApiFault::GoneStatus,
    ApiFault::Status500,
    ApiFault::TooMany,
    ApiFault::Html,
    ApiFault::SlowLists,
    ApiFault::Hang,
];
const DELETE: &[DeleteFault] =
    &[DeleteFault::Forbidden, DeleteFault::Conflict, DeleteFault::Void, DeleteFault::AnswerLost];
const FREEZE: &[Frozen] = &[Frozen::Pod, Frozen::Lab, Frozen::Homeostat];
const LAB: &[LabFault] = &[LabFault::NoLoad, LabFault::NoRetries, LabFault::Slow];
const ENDS: &[End] = &[End::Kill, End::Kill, End::Kill, End::Term, End::TermTwice, End::Interrupt];

impl Plan {
    /// The combination of a seed: none, or one to three faults of different kinds.
    pub(super) fn of(seed: u64) -> Self {
        if seed >= later::FIRST {
            return Self { seed, faults: later::faults(seed) };
        }
        if seed.is_multiple_of(CONTROL_EVERY) {
            return Self { seed, faults: Vec::new() };
        }
        let mut rng = fastrand::Rng::with_seed(seed);
        let count = [1, 1, 1, 1, 2, 2, 2, 3][rng.usize(..8)];
        let mut faults: Vec<Planned> = Vec::new();
        while faults.len() < count {
            let fault = pick(&mut rng);
            if faults.iter().all(|other| !other.fault.same_kind(fault)) {
                faults.push(timed(&mut rng, fault));
            }
        }
        Self { seed, faults }
    }

    /// Whether nothing is broken.
    pub(super) fn is_control(&self) -> bool {
        self.faults.is_empty()
    }

    /// Whether a fault is part of it.
    pub(super) fn has(&self, such: impl Fn(Fault) -> bool) -> bool {
        self.faults.iter().any(|planned| such(planned.fault))
    }

    /// Whether nothing is broken that anything rests on.
    pub(super) fn is_harmless(&self) -> bool {
        self.faults.iter().all(|planned| match planned.fault {
            Fault::Forbidden(Forbidden::Events | Forbidden::EventsWatch)
            | Fault::Writes(SlowWrite::Answer | SlowWrite::EvictAnswer) => true,
            // It may be late for what was promised.
            Fault::Writes(SlowWrite::Deed)
            | Fault::Forbidden(Forbidden::Pods | Forbidden::PodsWatch)
            | Fault::Series(_)
            | Fault::Stamps(_)
            | Fault::IdleProgram
            | Fault::Delete(_)
            | Fault::Lab(_)
            | Fault::Page(..)
            | Fault::Discovery(_)
            | Fault::Api(_)
            | Fault::Freeze(_)
            | Fault::End(_) => false,
        })
    }

    /// What makes a pass a lie, whatever else is true; none when a pass is possible.
    pub(super) fn never_passes(&self) -> Option<&'static str> {
        self.faults.iter().find_map(|planned| match planned.fault {
            Fault::Lab(LabFault::NoLoad) => Some("there was no traffic"),
            Fault::Lab(LabFault::Slow) => Some("it was too slow from the start"),
            Fault::Delete(DeleteFault::Forbidden | DeleteFault::Conflict | DeleteFault::Void) => {
                Some("no pod was deleted")
            }
            Fault::IdleProgram => Some("no pod was deleted"),
            Fault::Forbidden(Forbidden::Pods | Forbidden::PodsWatch)
                if planned.stage < Stage::During =>
            {
                Some("no pod could be watched")
            }
            Fault::Delete(DeleteFault::AnswerLost)
            | Fault::Lab(LabFault::NoRetries)
            | Fault::Page(..)
            | Fault::Discovery(_)
            | Fault::Api(_)
            | Fault::Freeze(_)
            | Fault::Series(_)
            | Fault::Stamps(_)
            | Fault::Forbidden(_)
            | Fault::Writes(_)
            | Fault::End(_) => None,
        })
    }
}

impl Fault {
    pub(super) fn same_kind(self, other: Self) -> bool {
        match (self, other) {
            (Self::Page(mine, _), Self::Page(its, _)) => mine == its,
            (Self::Freeze(mine), Self::Freeze(its)) => mine == its,
            (Self::Delete(_), Self::IdleProgram) | (Self::IdleProgram, Self::Delete(_)) => true,
            (mine, its) => std::mem::discriminant(&mine) == std::mem::discriminant(&its),
        }
    }

    /// Whether it is there from the beginning to the end.
    pub(super) fn is_lasting(self) -> bool {
        matches!(self, Self::Delete(_) | Self::Lab(_) | Self::IdleProgram | Self::Writes(_))
    }
}

pub(super) fn pick(rng: &mut fastrand::Rng) -> Fault {
    let one = |n: usize, rng: &mut fastrand::Rng| rng.usize(..n);
    match rng.u32(..100) {
        0..32 => Fault::Page(Whose::Gateway, PAGE[one(PAGE.len(), rng)]),
        32..37 => Fault::Page(Whose::Pods, PAGE[one(PAGE.len(), rng)]),
        37..48 => Fault::Discovery(DISCOVERY[one(DISCOVERY.len(), rng)]),
        48..65 => Fault::Api(API[one(API.len(), rng)]),
        65..72 => Fault::Delete(DELETE[one(DELETE.len(), rng)]),
        72..80 => Fault::Freeze(FREEZE[one(FREEZE.len(), rng)]),
        80..86 => Fault::Lab(LAB[one(LAB.len(), rng)]),
        86..98 => Fault::End(ENDS[one(ENDS.len(), rng)]),
        _ => Fault::IdleProgram,
    }
}

pub(super) fn timed(rng: &mut fastrand::Rng, fault: Fault) -> Planned {
    if fault.is_lasting() {
        return Planned { fault, stage: Stage::Start, offset: Duration::ZERO, lasts: FOR_GOOD };
    }
    // Most come late: what is broken before the injection keeps it from happening at all.
    let stage = match rng.u32(..100) {
        0..8 => Stage::Start,
        8..20 => Stage::Before,
        20..80 => Stage::During,
        _ => Stage::After,
    };
    // An end may come as late as the last word of the run, or just after it.
    let latest = match (stage, fault) {
        (Stage::Start, _) => 1_000,
        (Stage::After, Fault::End(_)) => 8_000,
        (Stage::Before | Stage::During | Stage::After, _) => 4_000,
    };
    let offset = Duration::from_millis(rng.u64(..latest));
    let lasts = match rng.u32(..6) {
        0 => FOR_GOOD,
        1..4 => Duration::from_millis(rng.u64(200..1_500)),
        _ => Duration::from_millis(rng.u64(1_000..5_000)),
    };
    // What is frozen thaws: a program that stays frozen can end nothing.
    let most = if matches!(fault, Fault::Freeze(_)) { Duration::from_secs(4) } else { FOR_GOOD };
    let lasts = lasts.min(most);
    Planned { fault, stage, offset, lasts }
}

impl Stage {
    /// The stage that a line of progress begins, if it does.
    pub(super) fn begun_by(line: &str) -> Option<Self> {
        let (word, _) = line.split_once(':')?;
        match word {
            "before" => Some(Self::Before),
            "during" => Some(Self::During),
            "after" => Some(Self::After),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    /// The kind of the fault, as the totals name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(Whose::Gateway, how) => write!(f, "gateway {how:?}"),
            Self::Page(Whose::Pods, how) => write!(f, "pods {how:?}"),
            Self::Discovery(how) => write!(f, "discovery {how:?}"),
            Self::Api(how) => write!(f, "api {how:?}"),
            Self::Delete(how) => write!(f, "delete {how:?}"),
            Self::Freeze(who) => write!(f, "frozen {who:?}"),
            Self::Lab(how) => write!(f, "lab {how:?}"),
            Self::End(how) => write!(f, "signal {how:?}"),
            Self::IdleProgram => f.write_str("idle program"),
            Self::Series(how) => write!(f, "series {how:?}"),
            Self::Stamps(how) => write!(f, "stamps {how:?}"),
            Self::Forbidden(what) => write!(f, "forbidden {what:?}"),
            Self::Writes(how) => write!(f, "writes {how:?}"),
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault)?;
        if self.fault.is_lasting() {
            return Ok(());
        }
        let stage = format!("{:?}", self.stage).to_lowercase();
        write!(f, " {stage}+{:.1}", self.offset.as_secs_f64())?;
        if matches!(self.fault, Fault::End(_)) {
            Ok(())
        } else if self.lasts == FOR_GOOD {
            f.write_str("..")
        } else {
            write!(f, " {:.1}s", self.lasts.as_secs_f64())
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_control() {
            return f.write_str("none");
        }
        let texts: Vec<String> = self.faults.iter().map(Planned::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

#[test]
fn the_seed_alone_decides() {
    for seed in 0..500 {
        assert_eq!(Plan::of(seed).to_string(), Plan::of(seed).to_string());
        assert_eq!(Plan::of(seed).is_control(), seed.is_multiple_of(CONTROL_EVERY), "{seed}");
    }
}

#[test]
fn a_hundred_seeds_have_every_kind() {
    let said: String = (1..=120).map(|seed| format!("{}\n", Plan::of(seed))).collect();
    let kinds =
        ["gateway", "pods", "discovery", "api", "delete", "frozen", "lab", "signal", "idle"];
    let missing: Vec<&str> = kinds.into_iter().filter(|kind| !said.contains(kind)).collect();
    assert_eq!(missing, [""; 0]);
}
