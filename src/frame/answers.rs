//! What a server answered, by indicator and part of it.

use std::collections::BTreeMap;

use super::{AnswerPart, AnswerRow};
use crate::sample::{Series, SeriesSet};

/// What a server answered in a run.
#[derive(Clone, Debug, Default)]
pub struct Answers(BTreeMap<(String, AnswerPart), SeriesSet>);

impl Answers {
    /// The series of one part of an indicator; none when it was not asked for.
    pub(crate) fn of(
        &self,
        indicator: &str,
        part: AnswerPart,
    ) -> Option<impl Iterator<Item = &Series> + use<'_>> {
        self.0.get(&(indicator.to_owned(), part)).map(SeriesSet::iter)
    }
}

impl FromIterator<AnswerRow> for Answers {
    /// Rows in order of time; of one series and time given twice, the first counts.
    fn from_iter<R: IntoIterator<Item = AnswerRow>>(rows: R) -> Self {
        let mut answers = Self::default();
        for AnswerRow { indicator, part, labels, time, value } in rows {
            answers.0.entry((indicator, part)).or_default().push(&labels, time, value);
        }
        answers
    }
}
