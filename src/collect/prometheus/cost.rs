//! What the queries of a run cost, and how often they failed.

use super::{client::Answered, error::QueryError};
use crate::frame::QueryNote;

/// What one query cost so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Cost {
    note: QueryNote,
    /// What the server said besides, not yet told.
    said: Vec<String>,
}

impl Cost {
    pub(super) fn of(query: String) -> Self {
        Self { note: QueryNote { query, ..QueryNote::default() }, said: Vec::new() }
    }

    /// Adds an answer.
    pub(super) fn add(&mut self, answered: &Answered) {
        let note = &mut self.note;
        note.answered += 1;
        note.series = note.series.max(answered.answer.series.len() as u64);
        note.samples += answered.answer.samples() as u64;
        note.bytes += answered.bytes;
        note.seconds += answered.took.as_secs_f64();
        for said in &answered.answer.notes {
            self.say(format!("the server says of `{}`: {said}", self.note.query));
        }
        if answered.answer.histograms > 0 {
            self.say(format!(
                "`{}` has native histograms, which have no value: they are left out",
                self.note.query
            ));
        }
    }

    /// Adds a failure.
    pub(super) fn fail(&mut self, error: &QueryError) {
        *self.note.failed.entry(error.class().to_owned()).or_default() += 1;
    }

    fn say(&mut self, text: String) {
        if !self.said.contains(&text) {
            self.said.push(text);
        }
    }

    /// What there is to say of it now.
    pub(super) fn note(&self) -> QueryNote {
        self.note.clone()
    }

    /// What the server said since this was asked last.
    pub(super) fn take_said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }
}
