//! What a check was held to, as it was judged: rows, JSON and figures read it here.

use super::{stays::limiting_share, within::in_unit};
use crate::{
    analysis::Track,
    hypothesis::model::{Level, Objective, Tolerance},
    number::Share,
};

/// What a check was held to, as it was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// The objective. In *before* there is nothing to recover from, so there the level of a
    /// recovery is simply held.
    pub objective: Objective,
    /// The mean of the phase that a comparison refers to, where it has one.
    pub base: Option<f64>,
}

impl Terms {
    pub(crate) fn of(objective: Objective, track: &Track) -> Self {
        let base = match &objective {
            Objective::Within { of, .. } => {
                track.phase(*of).and_then(|part| part.summary).map(|summary| summary.mean)
            }
            Objective::Stays { .. }
            | Objective::Recovers { .. }
            | Objective::TotalAtMost { .. } => None,
        };
        Self { objective, base }
    }

    /// The least and the most that the observed number may be, in its unit: that of the indicator,
    /// for a recovery seconds. Of a comparison the most is the tolerance, which holds on either
    /// side; none while the mean that it is a share of is not known.
    pub fn bounds(&self) -> (Option<f64>, Option<f64>) {
        match &self.objective {
            Objective::Stays { level, .. } => match *level {
                Level::Below(bound) => (None, Some(bound.get())),
                Level::Above(bound) => (Some(bound.get()), None),
                Level::Between(low, high) => (Some(low.get()), Some(high.get())),
            },
            Objective::Within { tolerance: Tolerance::Absolute(size), .. } => (None, Some(*size)),
            Objective::Within { tolerance: Tolerance::Relative(_), .. } => (None, self.scale()),
            Objective::Recovers { within, .. } => (None, Some(within.as_secs_f64())),
            Objective::TotalAtMost { limit, .. } => (None, Some(limit.get())),
        }
    }

    /// What 1 of margin is worth, in the unit of the observed number.
    pub fn scale(&self) -> Option<f64> {
        match &self.objective {
            Objective::Stays { level: Level::Between(low, high), .. } => {
                Some((high.get() - low.get()) / 2.0)
            }
            Objective::Stays { scale, .. } => Some(*scale),
            Objective::Within { tolerance, .. } => self.base.map(|mean| in_unit(*tolerance, mean)),
            Objective::Recovers { within, .. } => Some(within.as_secs_f64()),
            Objective::TotalAtMost { limit, .. } => Some(limit.get().max(1.0)),
        }
    }

    /// The share of the points that had to hold; none where no share limits.
    pub fn hold(&self) -> Option<f64> {
        match &self.objective {
            Objective::Stays { hold, longest_breach, .. } => {
                limiting_share(*hold, *longest_breach).map(Share::get)
            }
            Objective::Within { .. }
            | Objective::Recovers { .. }
            | Objective::TotalAtMost { .. } => None,
        }
    }

    /// Which way is worse: `up`, `down` or `both`.
    pub fn direction(&self) -> &'static str {
        match &self.objective {
            Objective::Stays { level: Level::Above(_), .. } => "down",
            Objective::Stays { level: Level::Between(..), .. } | Objective::Within { .. } => "both",
            Objective::Stays { level: Level::Below(_), .. }
            | Objective::Recovers { .. }
            | Objective::TotalAtMost { .. } => "up",
        }
    }
}
