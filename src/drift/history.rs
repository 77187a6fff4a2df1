//! A history: numbers of runs in order, what they are held to, and which way is worse.

use super::outliers::median;
use crate::time::Time;

/// The runs of a history that have a number, in order, and where the others are missing.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    runs: Vec<Run>,
    rows: usize,
    not_numbers: usize,
    last_gap: usize,
    direction: Direction,
    given: bool,
    boundary: Option<f64>,
}

/// One run with a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// Its place in what was given, from 0. Places without a number count.
    pub row: usize,
    /// The run index: two runs are as far apart as their indices, so a gap stays a gap.
    pub index: i64,
    /// When it was.
    pub time: Option<Time>,
    /// The number.
    pub value: f64,
    /// The least and the most that the number can have been.
    pub range: Option<(f64, f64)>,
    /// What it was held to.
    pub boundary: Option<f64>,
}

/// One place of a history as it is given, with or without a number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// The run index.
    pub index: i64,
    /// When it was.
    pub time: Option<Time>,
    /// The number; none, NaN and ±∞ are gaps.
    pub value: Option<f64>,
    /// The least that the number can have been.
    pub lower: Option<f64>,
    /// The most that it can have been.
    pub upper: Option<f64>,
    /// What it was held to.
    pub boundary: Option<f64>,
}

/// On which side of the boundary the values belong, and so which change is for the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// They should stay below: a rise is for the worse.
    Below,
    /// They should stay above: a fall is for the worse.
    Above,
    /// Nobody said: a change either way counts.
    Either,
}

impl Direction {
    /// Whether a movement is for the worse.
    pub fn is_worse(self, movement: f64) -> bool {
        match self {
            Self::Below => movement > 0.0,
            Self::Above => movement < 0.0,
            Self::Either => movement != 0.0,
        }
    }

    /// The name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Below => "below",
            Self::Above => "above",
            Self::Either => "either",
        }
    }
}

impl History {
    /// A history of rows whose indices rise. A boundary of a row that is no number is none.
    ///
    /// Without a direction, the side of the boundary on which the history begins is taken for the
    /// one where the values belong: that of the median of the first [`BEGINNING`] runs.
    pub fn new(rows: &[Row], direction: Option<Direction>) -> Self {
        let number = |value: Option<f64>| value.filter(|value| value.is_finite());
        let run = |(row, one): (usize, &Row)| {
            let value = number(one.value)?;
            let range = number(one.lower).zip(number(one.upper));
            let boundary = number(one.boundary);
            Some(Run { row, index: one.index, time: one.time, value, range, boundary })
        };
        let runs: Vec<Run> = rows.iter().enumerate().filter_map(run).collect();
        let not_numbers = rows.iter().filter(|row| row.value.is_some_and(|v| !v.is_finite()));
        let last = runs.last().map_or(0, |run| run.row + 1);
        let boundary = rows.iter().rev().find_map(|row| number(row.boundary));
        Self {
            not_numbers: not_numbers.count(),
            rows: rows.len(),
            last_gap: rows.len() - last,
            direction: direction.unwrap_or_else(|| begins(&runs)),
            given: direction.is_some(),
            runs,
            boundary,
        }
    }

    /// The runs with a number.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// How many rows were given.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many rows have no number.
    pub fn gaps(&self) -> usize {
        self.rows - self.runs.len()
    }

    /// How many of those hold NaN or ±∞.
    pub fn not_numbers(&self) -> usize {
        self.not_numbers
    }

    /// How many rows after the last number have none.
    pub fn last_gap(&self) -> usize {
        self.last_gap
    }

    /// Which way is worse.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Whether somebody said so.
    pub fn direction_is_given(&self) -> bool {
        self.given
    }

    /// What the next run is held to: the last boundary that was given.
    pub fn boundary(&self) -> Option<f64> {
        self.boundary
    }
}

/// How many runs a history begins with.
const BEGINNING: usize = 10;

/// On which side of their boundary the first runs are.
fn begins(runs: &[Run]) -> Direction {
    let bounded = runs.iter().filter_map(|run| Some(run.value - run.boundary?));
    let middle = median(&mut bounded.take(BEGINNING).collect::<Vec<f64>>());
    if middle < 0.0 {
        Direction::Below
    } else if middle > 0.0 {
        Direction::Above
    } else {
        Direction::Either
    }
}
