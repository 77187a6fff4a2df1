//! What a server answered, by indicator.

use std::collections::BTreeMap;

use super::AnswerRow;
use crate::sample::{Series, SeriesSet};

/// What a server answered in a run.
#[derive(Clone, Debug, Default)]
pub struct Answers(BTreeMap<String, SeriesSet>);

impl Answers {
    /// Under this name stands when the server's newest scrape was, seconds since the epoch, at each
    /// time of the grid. No indicator can have it.
    pub(crate) const NEWEST_SCRAPE: &str = "(newest scrape)";

    /// The series of an indicator; none when it was not asked for.
    pub(crate) fn of(&self, indicator: &str) -> Option<impl Iterator<Item = &Series> + use<'_>> {
        self.0.get(indicator).map(SeriesSet::iter)
    }

    /// All series that anything was answered with.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Series> {
        self.0.values().flat_map(SeriesSet::iter)
    }
}

impl FromIterator<AnswerRow> for Answers {
    fn from_iter<R: IntoIterator<Item = AnswerRow>>(rows: R) -> Self {
        let mut answers = Self::default();
        answers.extend(rows);
        answers
    }
}

impl Extend<AnswerRow> for Answers {
    /// Rows in order of time; of one series and time given twice, the first counts.
    fn extend<R: IntoIterator<Item = AnswerRow>>(&mut self, rows: R) {
        for AnswerRow { indicator, labels, time, value } in rows {
            self.0.entry(indicator).or_default().push(&labels, time, value);
        }
    }
}
