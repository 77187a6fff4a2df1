//! Frames to Parquet and back: compression, row groups, and nothing about any table.
//!
//! The same frame gives the same bytes on any number of threads: row groups are cut here, at a
//! fixed number of rows, and never by the library.

use std::{fs::File, io::Write};

use camino::Utf8Path;
use polars::prelude::{DataFrame, PolarsError, PolarsResult, Schema};
use polars_io::{
    SerReader as _,
    parquet::{
        metadata::FileMetadataRef,
        read::{ParallelStrategy, ParquetReader},
        write::{BatchedWriter, ParquetCompression, ParquetWriter, StatisticsOptions},
    },
};

use super::{RecordError, atomic, intake, limits, shield};
use crate::frame::{FrameError, Table};

/// Rows of a row group. A reader that needs a few series or a few minutes skips the others.
pub(super) const ROW_GROUP: usize = 1 << 18;

/// A Parquet file that grows by frames of one schema, each of at most [`ROW_GROUP`] rows.
pub(super) struct ParquetSink<W: Write>(BatchedWriter<W>);

impl<W: Write> ParquetSink<W> {
    /// Begins a file.
    ///
    /// It has no statistics of its columns. The library leaves NaN out of the least and greatest
    /// value, and DuckDB concludes from them that a column has no NaN at all.
    pub(super) fn new(writer: W, schema: &Schema) -> PolarsResult<Self> {
        let writer = ParquetWriter::new(writer)
            .with_compression(ParquetCompression::Zstd(None))
            .with_statistics(StatisticsOptions::empty());
        Ok(Self(writer.batched(schema)?))
    }

    /// Appends one row group.
    pub(super) fn push(&mut self, group: &DataFrame) -> PolarsResult<()> {
        debug_assert!(group.height() <= ROW_GROUP && group.first_col_n_chunks() <= 1);
        self.0.write_batch(group)
    }

    /// Ends the file.
    pub(super) fn finish(self) -> PolarsResult<()> {
        self.0.finish().map(drop)
    }
}

/// Writes a frame as one file.
pub(super) fn write(frame: &mut DataFrame, writer: impl Write) -> PolarsResult<()> {
    frame.rechunk_mut_par();
    let mut sink = ParquetSink::new(writer, frame.schema())?;
    let mut done = 0;
    while done < frame.height() {
        let group = frame.slice(done as i64, ROW_GROUP);
        done += group.height();
        sink.push(&group)?;
    }
    sink.finish()
}

/// A Parquet file to read from, as a whole or in parts.
///
/// The library trusts what a file says of itself, and panics where that is wrong. So what the
/// footer says is held to limits before anything is decoded, and a panic becomes an error. What
/// asks for all the memory there is cannot be caught here: see [`limits::MEMORY_BYTES`].
pub(super) struct ParquetSource<'p> {
    path: &'p Utf8Path,
    file: File,
    footer: FileMetadataRef,
}

impl<'p> ParquetSource<'p> {
    /// Opens a file; none when there is no such file.
    pub(super) fn open(path: &'p Utf8Path, most_rows: usize) -> Result<Option<Self>, RecordError> {
        let Some(file) = intake::open(path, limits::PARQUET_BYTES)? else { return Ok(None) };
        let again = file.try_clone().map_err(RecordError::io("read", path))?;
        let footer = guarded(path, || ParquetReader::new(again).get_metadata().cloned())?;
        let too_much = |what, found: usize, most: usize| {
            if found <= most {
                return Ok(());
            }
            let (found, most) = (found as u64, most as u64);
            Err(RecordError::TooMuch { path: path.to_owned(), what, found, most })
        };
        too_much("rows", footer.num_rows, most_rows)?;
        too_much("columns", footer.schema().columns().len(), limits::COLUMNS)?;
        for group in &footer.row_groups {
            // Each size was checked on its own by the library, their sum was not.
            let columns = group.parquet_columns().iter();
            let unpacked = columns.fold(0_usize, |sum, column| {
                let size = usize::try_from(column.uncompressed_size()).unwrap_or(usize::MAX);
                sum.saturating_add(size)
            });
            too_much("unpacked bytes in a row group", unpacked, limits::GROUP_BYTES)?;
            too_much("rows in a row group", group.num_rows(), footer.num_rows)?;
        }
        Ok(Some(Self { path, file, footer }))
    }

    /// How many rows it has.
    pub(super) fn rows(&self) -> usize {
        self.footer.num_rows
    }

    /// Reads all of it.
    pub(super) fn read(&self) -> Result<DataFrame, RecordError> {
        self.read_rows(0, self.rows(), None)
    }

    /// Reads some columns, as many rows at a time as a row group has.
    pub(super) fn groups(
        &self,
        columns: Option<&'static [&'static str]>,
    ) -> impl Iterator<Item = Result<DataFrame, RecordError>> {
        let starts = (0..self.rows()).step_by(ROW_GROUP);
        starts.map(move |start| self.read_rows(start, ROW_GROUP.min(self.rows() - start), columns))
    }

    /// Reads some columns of some rows.
    pub(super) fn read_rows(
        &self,
        start: usize,
        count: usize,
        columns: Option<&'static [&'static str]>,
    ) -> Result<DataFrame, RecordError> {
        let file = self.file.try_clone().map_err(RecordError::io("read", self.path))?;
        let columns = columns.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        let frame = guarded(self.path, || {
            let mut reader = ParquetReader::new(file)
                .read_parallel(ParallelStrategy::None)
                .with_columns(columns)
                .with_slice(Some((start, count)));
            reader.set_metadata(self.footer.clone());
            reader.finish()
        })?;
        // A footer that counts rows which its pages do not have.
        if frame.height() != count {
            return Err(RecordError::Undecodable { path: self.path.to_owned() });
        }
        Ok(frame)
    }

    /// Takes a frame of this file apart, and names the file when it is not the table it should be.
    pub(super) fn table<T>(
        &self,
        read: impl FnOnce() -> Result<T, FrameError>,
    ) -> Result<T, RecordError> {
        let undecodable = || RecordError::Undecodable { path: self.path.to_owned() };
        shield::catch(read).ok_or_else(undecodable)?.map_err(RecordError::table(self.path))
    }
}

/// Runs a read of a file, and names the file when it fails.
fn guarded<T>(
    path: &Utf8Path,
    read: impl FnOnce() -> Result<T, PolarsError>,
) -> Result<T, RecordError> {
    let undecodable = || RecordError::Undecodable { path: path.to_owned() };
    shield::catch(read).ok_or_else(undecodable)?.map_err(RecordError::parquet("read", path))
}

/// Writes rows as `NAME.parquet` of a directory.
pub(super) fn write_table<T: Table>(dir: &Utf8Path, rows: &[T]) -> Result<(), RecordError> {
    let path = table_path::<T>(dir);
    let mut frame = T::to_frame(rows);
    atomic::write_with(&path, |file| {
        write(&mut frame, file).map_err(RecordError::parquet("write", &path))
    })
}

/// Reads the rows of `NAME.parquet` of a directory; none when there is no such file.
pub(super) fn read_table<T: Table>(dir: &Utf8Path) -> Result<Option<Vec<T>>, RecordError> {
    let path = table_path::<T>(dir);
    let Some(source) = ParquetSource::open(&path, limits::TABLE_ROWS)? else { return Ok(None) };
    let frame = source.read()?;
    source.table(|| T::from_frame(&frame)).map(Some)
}

/// Where a table is.
pub(super) fn table_path<T: Table>(dir: &Utf8Path) -> camino::Utf8PathBuf {
    dir.join(format!("{}.parquet", T::NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frame::{SampleRow, short_sample_row},
        record::testing::Scratch,
    };

    #[test]
    fn no_statistics_deny_a_nan() {
        let scratch = Scratch::new();
        let row = SampleRow { value: f64::NAN, ..short_sample_row() };
        write_table(&scratch.dir, &[short_sample_row(), row]).unwrap();
        let file = File::open(table_path::<SampleRow>(&scratch.dir)).unwrap();
        let mut reader = ParquetReader::new(file);
        let metadata = reader.get_metadata().unwrap();
        let columns = metadata.row_groups.iter().flat_map(|group| group.parquet_columns());
        let with: Vec<bool> =
            columns.map(|column| column.statistics(&metadata.footer_buf).is_some()).collect();
        assert_eq!(with, [false; 7]);
    }

    #[test]
    fn rows_can_be_read_across_row_groups() {
        let scratch = Scratch::new();
        let rows: Vec<SampleRow> = (0..ROW_GROUP + 5)
            .map(|i| SampleRow { value: i as f64, ..short_sample_row() })
            .collect();
        write_table(&scratch.dir, &rows).unwrap();
        let path = table_path::<SampleRow>(&scratch.dir);
        let source = ParquetSource::open(&path, ROW_GROUP * 2).unwrap().unwrap();
        let heights: Vec<usize> =
            source.groups(None).map(|group| group.unwrap().height()).collect();
        assert_eq!(heights, [ROW_GROUP, 5]);
        let across = source.read_rows(ROW_GROUP - 2, 4, Some(&["value"])).unwrap();
        let first = across.column("value").unwrap().f64().unwrap().get(0);
        assert_eq!((across.height(), first), (4, Some((ROW_GROUP - 2) as f64)));
    }
}
