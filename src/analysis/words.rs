//! Findings in words, for people.

use crate::{
    hypothesis::model::{Amount, Level},
    listing,
    number::{Share, Unit},
    time::Time,
};

/// A level with its unit: `at most 200 ms`.
pub(super) fn level(level: Level, unit: &Unit) -> String {
    match level {
        Level::Below(bound) => format!("at most {}", unit.show(bound.get())),
        Level::Above(bound) => format!("at least {}", unit.show(bound.get())),
        Level::Between(low, high) => {
            format!("from {} to {}", unit.show(low.get()), unit.show(high.get()))
        }
    }
}

/// An amount that is the least: `at least 30 %`, `at least 3`.
pub(super) fn at_least(amount: Amount) -> String {
    match amount {
        Amount::Share(Share::ALL) => "all of them".to_owned(),
        Amount::Share(share) => format!("at least {share}"),
        Amount::ShareAtMost { share, max } => format!("at least {share}, or {max}"),
        Amount::Count(count) => format!("at least {count}"),
    }
}

/// A few of many things, each as `show` has it: `200, 301, 503 and 12 more`.
pub(super) fn listed(all: &[String], show: impl Fn(&String) -> String) -> String {
    let shown: Vec<String> = all.iter().map(show).collect();
    listing::listed(&shown, 8, "")
}

/// When the first and the last of some things were: ` at 02:15:07 UTC`,
/// ` at 02:15:07–02:15:09 UTC`; nothing for none.
pub(super) fn when(times: impl Iterator<Item = Time> + Clone) -> String {
    let ends = times.clone().min().zip(times.max());
    let texts = ends.map(|(first, last)| (first.clock_text(), last.clock_text()));
    match texts {
        None => String::new(),
        Some((first, last)) if first == last => format!(" at {first} UTC"),
        Some((first, last)) => format!(" at {first}–{last} UTC"),
    }
}
