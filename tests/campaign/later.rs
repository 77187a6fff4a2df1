//! The faults of the seeds from [`FIRST`] on. They were added later, and seeds below stay what they
//! were: a combination that once found something can be played again.

use std::time::Duration;

use super::{
    plan::{self, FOR_GOOD, Fault, Planned, Stage},
    series::{SeriesFault, Stamps},
};

/// The first seed that has a fault of this kind.
pub(super) const FIRST: u64 = 1_001;

/// What an account may not do, from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// List and watch pods, but for the list that a kill is planned with: no kill shows nothing.
    Pods,
    /// Watch pods; it may list them.
    PodsWatch,
    /// List and watch events, on which nothing rests.
    Events,
    /// Watch events; it may list them.
    EventsWatch,
}

/// How what changes the cluster is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlowWrite {
    /// A pod is deleted at once, and the answer is late.
    Answer,
    /// The same of an eviction.
    EvictAnswer,
    /// The pod itself is deleted late.
    Deed,
}

const SERIES: [Fault; 5] = [
    Fault::Series(SeriesFault::ErrorsBorn),
    Fault::Series(SeriesFault::ErrorsGone),
    Fault::Series(SeriesFault::RequestsGone),
    // The one that matters most.
    Fault::Series(SeriesFault::ErrorsBorn),
    Fault::Series(SeriesFault::ZeroBorn),
];
const STAMPS: [Fault; 7] = [
    Fault::Stamps(Stamps::ErrorsFarAhead),
    Fault::Stamps(Stamps::Now),
    Fault::Stamps(Stamps::Stuck),
    Fault::Stamps(Stamps::Ahead),
    Fault::Stamps(Stamps::FarAhead),
    Fault::Stamps(Stamps::Behind),
    Fault::Stamps(Stamps::FarBehind),
];
const FORBIDDEN: [Fault; 4] = [
    Fault::Forbidden(Forbidden::Pods),
    Fault::Forbidden(Forbidden::Events),
    Fault::Forbidden(Forbidden::PodsWatch),
    Fault::Forbidden(Forbidden::EventsWatch),
];
const WRITES: [Fault; 3] = [
    Fault::Writes(SlowWrite::Answer),
    Fault::Writes(SlowWrite::Deed),
    Fault::Writes(SlowWrite::EvictAnswer),
];

/// The faults of a seed: one of these, half of the time with another, of these or of the older.
pub(super) fn faults(seed: u64) -> Vec<Planned> {
    let mut rng = fastrand::Rng::with_seed(seed);
    // Each kind in its turn, and each of a kind in its turn: a few seeds hold them all.
    let turn = seed - FIRST;
    let mut faults = vec![timed(&mut rng, of_kind(turn % 4, turn / 4))];
    while faults.len() < 2 {
        let second = match rng.u32(..4) {
            0 => {
                let fault = of_kind(rng.u64(..4), rng.u64(..));
                timed(&mut rng, fault)
            }
            1 => {
                let fault = plan::pick(&mut rng);
                plan::timed(&mut rng, fault)
            }
            _ => break,
        };
        if !faults[0].fault.same_kind(second.fault) {
            faults.push(second);
        }
    }
    faults
}

fn of_kind(kind: u64, turn: u64) -> Fault {
    let of = |all: &[Fault]| all[usize::try_from(turn % all.len() as u64).unwrap()];
    match kind {
        0 => of(&SERIES),
        1 => of(&STAMPS),
        2 => of(&FORBIDDEN),
        _ => of(&WRITES),
    }
}

fn timed(rng: &mut fastrand::Rng, fault: Fault) -> Planned {
    if fault.is_lasting() {
        return plan::timed(rng, fault);
    }
    let stage = match rng.u32(..100) {
        0..20 => Stage::Start,
        20..30 => Stage::Before,
        30..85 => Stage::During,
        _ => Stage::After,
    };
    let offset = Duration::from_millis(if stage == Stage::Start { 0 } else { rng.u64(..3_000) });
    // Nobody is given back a right in the middle of a run.
    let stays = matches!(fault, Fault::Forbidden(_)) || rng.bool();
    let lasts = if stays { FOR_GOOD } else { Duration::from_millis(rng.u64(600..4_000)) };
    Planned { fault, stage, offset, lasts }
}

#[test]
fn thirty_seeds_have_every_fault() {
    let said: String = (FIRST..FIRST + 30).flat_map(faults).map(|one| format!("{one}\n")).collect();
    let all = SERIES.iter().chain(&STAMPS).chain(&FORBIDDEN).chain(&WRITES);
    let names = all.map(Fault::to_string);
    assert_eq!(names.filter(|name| !said.contains(name)).collect::<Vec<_>>(), [""; 0]);
}
