//! Recorded watches as steps, for tests: `tests/data/kubernetes/`, taken from real clusters and
//! cut down to the fields that are read.

use serde::{Deserialize, de::DeserializeOwned};

use super::watch::Step;
use crate::time::Time;

/// 2026-11-23T12:00:00Z, the beginning of made-up transcripts.
pub(super) const ARRIVED: i64 = 1_795_435_200_000;

#[derive(Deserialize)]
struct Line<K> {
    /// When it arrived, milliseconds since the epoch; absent for what was listed first.
    at: Option<i64>,
    r#type: String,
    object: K,
}

/// The steps of a transcript. Its list was received just before the first change.
pub(super) fn steps<K: DeserializeOwned>(text: &str) -> Vec<(Step<K>, Time)> {
    let lines: Vec<Line<K>> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let start = Time::from_millis(lines.iter().find_map(|line| line.at).unwrap() - 200);
    let mut steps = vec![(Step::List, start)];
    let mut listing = true;
    for line in lines {
        let at = line.at.map_or(start, Time::from_millis);
        if listing && line.at.is_some() {
            listing = false;
            steps.push((Step::ListDone, start));
        }
        let step = match line.r#type.as_str() {
            "LIST" => Step::Listed(line.object),
            "DELETED" => Step::Deleted(line.object),
            _ => Step::Changed(line.object),
        };
        steps.push((step, at));
    }
    steps
}
