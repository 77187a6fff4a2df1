//! A run on disk: written as it is collected, read back whole. Synchronous; no network.
//!
//! `docs/format.md` is the public description of what is written here.

pub(crate) mod atomic;
mod checksum;
mod error;
pub(crate) mod intake;
pub(crate) mod layout;
pub(crate) mod limits;
mod manifest;
mod parquet;
mod plausible;
mod program;
mod raw;
mod reader;
mod shield;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

use camino::{Utf8Path, Utf8PathBuf};

pub(crate) use error::RecordError;
pub(crate) use layout::run_id;
pub use manifest::{FORMAT_VERSION, FaultNote, Manifest, PhaseEdges, Status};
pub(crate) use program::KeptProgram;
pub use reader::open;
pub use writer::Writer;

use crate::frame::{CheckRow, Observed, SampleRow, Table as _};

/// A run read back from disk.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Where it is.
    pub dir: Utf8PathBuf,
    /// What it was.
    pub manifest: Manifest,
    /// What was seen.
    pub observed: Observed,
}

impl Recording {
    /// How far the run came.
    pub fn status(&self) -> Status {
        self.manifest.status
    }

    /// The text of the hypothesis, as it was when the run started.
    pub fn hypothesis_text(&self) -> &str {
        &self.manifest.hypothesis_text
    }

    /// The run's id.
    pub fn run_id(&self) -> &str {
        &self.manifest.run_id
    }
}

/// Writes the points of the indicators, `samples.parquet`, into the directory of a run.
pub(crate) fn write_samples(dir: &Utf8Path, rows: &[SampleRow]) -> Result<(), RecordError> {
    parquet::write_table(dir, rows)
}

/// Writes the checks, `checks.parquet`, into the directory of a run.
pub(crate) fn write_checks(dir: &Utf8Path, rows: &[CheckRow]) -> Result<(), RecordError> {
    parquet::write_table(dir, rows)
}

/// Reads the checks in the directory of a run that was judged.
pub fn read_checks(dir: &Utf8Path) -> Result<Vec<CheckRow>, RecordError> {
    let missing = || RecordError::Missing { path: dir.join(format!("{}.parquet", CheckRow::NAME)) };
    parquet::read_table(dir)?.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        frame::{Table, any_check, any_pod, short_check_row, short_sample_row},
        record::testing::Scratch,
    };

    #[test]
    fn checks_are_read_back_and_written_again_over_themselves() {
        let scratch = Scratch::new();
        let row = short_check_row();
        write_checks(&scratch.dir, &[row.clone(), row.clone()]).unwrap();
        write_checks(&scratch.dir, std::slice::from_ref(&row)).unwrap();
        assert_eq!(read_checks(&scratch.dir).unwrap(), [row]);
        assert_eq!(scratch.files(), ["checks.parquet"]);
    }

    #[test]
    fn a_run_that_was_not_judged_has_no_checks() {
        let scratch = Scratch::new();
        assert!(matches!(read_checks(&scratch.dir), Err(RecordError::Missing { .. })));
    }

    #[test]
    fn the_same_samples_are_the_same_bytes() {
        let scratch = Scratch::new();
        // More rows than a row group has.
        let rows = vec![short_sample_row(); parquet::ROW_GROUP + 10];
        let bytes = || {
            write_samples(&scratch.dir, &rows).unwrap();
            std::fs::read(scratch.dir.join("samples.parquet")).unwrap()
        };
        assert!(bytes() == bytes());
        let back = parquet::read_table::<SampleRow>(&scratch.dir).unwrap().unwrap();
        assert_eq!(back.len(), rows.len());
        assert_eq!(back.last(), rows.last());
    }

    fn through_a_file<T: Table>(rows: &[T]) -> Vec<T> {
        let scratch = Scratch::new();
        parquet::write_table(&scratch.dir, rows).unwrap();
        parquet::read_table(&scratch.dir).unwrap().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pods_are_read_back(rows in prop::collection::vec(any_pod(), 0..6)) {
            prop_assert_eq!(through_a_file(&rows), rows);
        }

        #[test]
        fn checks_are_read_back(rows in prop::collection::vec(any_check(), 0..6)) {
            prop_assert_eq!(through_a_file(&rows), rows);
        }
    }
}
