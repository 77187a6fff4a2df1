//! The campaign: homeostat itself is disturbed, and one law has to hold.
//!
//! Between homeostat and the lab stands a proxy that spoils what passes; processes are frozen and
//! killed. A seed stands for a combination of faults (`plan`), a trial plays it (`trial`), and the
//! law is held from outside (`law`). `scripts/campaign` plays many seeds, the tests a few.

mod api;
mod http;
mod later;
mod law;
mod marked;
mod page;
mod plan;
mod proxy;
mod series;
mod switchboard;
mod table;
mod trial;
mod truth;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use law::Finding;
use plan::Plan;
use table::{Exit, Row};
use trial::Trial;

/// Played by every run of the tests: no fault; a torn page; a kill; a deletion that is refused; a
/// witness that freezes; a target that is cut; real errors; a SIGTERM; a counter of errors that is
/// born; pods, then events, that may not be watched; late answers to a kill.
const FEW: &[u64] = &[8, 68, 3, 1, 4, 6, 284, 11, 1_001, 1_003, 1_023, 1_004];

/// How often a seed without a fault is tried at most.
const ATTEMPTS: usize = 3;

/// Which seeds, and how many at a time.
struct Campaign {
    seeds: Vec<u64>,
    jobs: usize,
}

impl Campaign {
    /// What `scripts/campaign` asked for, else the few.
    fn asked() -> Self {
        let jobs = env::var("HOMEOSTAT_CAMPAIGN_JOBS").ok();
        let jobs = jobs.map_or(2, |text| text.parse().expect("a number of jobs"));
        let seeds = match env::var("HOMEOSTAT_CAMPAIGN_SEEDS") {
            Ok(text) => seeds(&text).unwrap_or_else(|| panic!("`{text}` is not FROM..TO")),
            Err(_) => FEW.to_vec(),
        };
        Self { seeds, jobs }
    }
}

/// `FROM..TO`, both included, or a single seed; several of them with commas between.
fn seeds(text: &str) -> Option<Vec<u64>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once("..").unwrap_or((part, part));
        let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
        all.extend(from..=to);
    }
    (!all.is_empty()).then_some(all)
}

/// Plays a seed. One without a fault has to pass, but a machine that is busy with other things can
/// spoil it as well as any fault of ours: it is tried again.
fn play(seed: u64) -> Row {
    let plan = Plan::of(seed);
    let attempts = if plan.is_control() { ATTEMPTS } else { 1 };
    let rows = (0..attempts).map(|_| play_once(&plan));
    let mut last = None;
    for row in rows {
        let holds = row.broken.is_empty();
        if !holds && plan.is_control() {
            println!("{}", table::line(&row));
        }
        last = Some(row);
        if holds {
            break;
        }
    }
    last.expect("there is at least one attempt")
}

fn play_once(plan: &Plan) -> Row {
    let plan = plan.clone();
    // One trial that cannot be played is a finding, and the others go on.
    let played = catch_unwind(AssertUnwindSafe(|| {
        let trial = Trial::play(plan.clone());
        let exit = Exit::of(trial.done.code);
        (exit, law::hold(trial))
    }));
    match played {
        Ok((exit, Finding { broken, verdict, ground })) => {
            Row { plan, exit, verdict, ground, broken }
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            let broken = vec![format!("not played: {}", text.unwrap_or_default())];
            let (verdict, ground) = ("-".to_owned(), "-".to_owned());
            Row { plan, exit: Exit::Other, verdict, ground, broken }
        }
    }
}

#[test]
fn the_law_holds() {
    let Campaign { seeds, jobs } = Campaign::asked();
    println!("{}", table::head());
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = play(*seed);
                    println!("{}", table::line(&row));
                    rows.lock().unwrap().push(row);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|row| row.plan.seed);
    println!("\n{}", table::totals(&rows));
    let violated: Vec<String> =
        rows.iter().filter(|row| !row.broken.is_empty()).map(table::line).collect();
    assert!(violated.is_empty(), "the law is violated:\n{}", violated.join("\n"));
}

#[test]
fn seeds_are_given_from_to() {
    assert_eq!(seeds("3..5,7"), Some(vec![3, 4, 5, 7]));
    assert_eq!((seeds("5..3"), seeds("a..b"), seeds("")), (None, None, None));
}
