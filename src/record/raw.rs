//! Raw samples while a run is recorded: named once, kept as columns, written in parts, merged.
//!
//! Every part has its series in the order of their names, and the samples of a series in order
//! of time. So the merge takes from each part, one after the other, a stretch of rows at a time,
//! and what it holds in memory has a limit that does not grow with the run.

use std::{collections::HashMap, io::Write, ops::Range};

use camino::{Utf8Path, Utf8PathBuf};
use polars::prelude::PolarsResult;

use super::{
    RecordError, atomic,
    parquet::{ParquetSink, ParquetSource, ROW_GROUP},
};
use crate::{
    frame::{POINT_COLUMNS, RawColumns, RawRow, SeriesName, points},
    sample::{Labels, Series},
    time::Time,
};

/// How many samples the merge holds at once, unless one series alone has more: 64 MiB.
const BAND: usize = 16 * ROW_GROUP;

/// The raw samples of a run that is being recorded.
#[derive(Debug, Default)]
pub(super) struct RawBuffer {
    places: HashMap<Labels, u32>,
    names: Vec<SeriesName>,
    newest: Vec<Time>,
    unsaved: RawColumns,
    parts: Vec<Part>,
    late: u64,
    /// Whether samples may stand in several parts, and out of order.
    again: bool,
}

/// A part that was written: its series in the order of the file, and how many samples of each.
///
/// Eight bytes for at least one sample of sixteen: never more than half of what the analysis of
/// the same run takes.
#[derive(Debug)]
struct Part {
    path: Utf8PathBuf,
    series: Vec<(u32, u32)>,
}

impl RawBuffer {
    /// Appends samples. One that is not after the newest of its series is left out, as
    /// [`crate::sample::Series::push`] would, and counted.
    pub(super) fn push(&mut self, rows: Vec<RawRow>) {
        for RawRow { labels, time, value } in rows {
            let place = self.place(labels);
            let newest = &mut self.newest[place as usize];
            if time <= *newest {
                self.late += 1;
                continue;
            }
            *newest = time;
            self.unsaved.push(place, time, value);
        }
    }

    /// Appends series, as [`RawBuffer::push`] does samples.
    pub(super) fn push_series(&mut self, all: Vec<Series>) {
        for Series { labels, times, values, .. } in all {
            let place = self.place(labels);
            for (time, value) in times.into_iter().zip(values) {
                let newest = &mut self.newest[place as usize];
                if time <= *newest {
                    self.late += 1;
                    continue;
                }
                *newest = time;
                self.unsaved.push(place, time, value);
            }
        }
    }

    /// Appends series that may have been appended before: of samples of one time, the last counts,
    /// and the merge puts all of them in order.
    pub(super) fn push_again(&mut self, all: Vec<Series>) {
        self.again = true;
        for Series { labels, times, values, .. } in all {
            let place = self.place(labels);
            for (time, value) in times.into_iter().zip(values) {
                self.unsaved.push(place, time, value);
            }
        }
    }

    /// How many samples are not yet saved.
    pub(super) fn unsaved(&self) -> usize {
        self.unsaved.len()
    }

    fn place(&mut self, labels: Labels) -> u32 {
        if let Some(place) = self.places.get(&labels) {
            return *place;
        }
        let place =
            u32::try_from(self.names.len()).expect("fewer than four thousand million series");
        self.names.push(SeriesName::new(&labels));
        self.newest.push(Time::from_millis(i64::MIN));
        self.places.insert(labels, place);
        place
    }

    /// How many samples were left out.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// How many parts were written.
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Writes what is not yet saved as a file, if there is anything. When it fails, it is kept
    /// for the next try.
    pub(super) fn save(&mut self, path: Utf8PathBuf) -> Result<(), RecordError> {
        if self.unsaved.len() == 0 {
            return Ok(());
        }
        let order = Order::of(&self.names);
        let mut counts = vec![0_u32; self.names.len()];
        for place in &self.unsaved.places {
            counts[order.ranks[*place as usize]] += 1;
        }
        let mut free = Vec::with_capacity(counts.len());
        let mut total = 0_usize;
        for count in &counts {
            free.push(total);
            total += *count as usize;
        }
        // Samples of a series came in order of time, and so they stay.
        let mut rows = vec![0_usize; total];
        for (row, place) in self.unsaved.places.iter().enumerate() {
            let free = &mut free[order.ranks[*place as usize]];
            rows[*free] = row;
            *free += 1;
        }
        write_raw(&path, &self.names, |file| {
            for row in rows {
                let RawColumns { places, times, values } = &self.unsaved;
                file.push(places[row], times[row], values[row])?;
            }
            Ok(())
        })?;
        let series = order.places.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect();
        self.parts.push(Part { path, series });
        self.unsaved.clear();
        Ok(())
    }

    /// Writes one file of all parts, by series and time. The parts stay.
    pub(super) fn merge(&self, path: &Utf8Path) -> Result<(), RecordError> {
        self.merge_in_bands(path, BAND)
    }

    /// Removes the files of the parts.
    pub(super) fn remove_parts(&self) -> Result<(), RecordError> {
        let mut parts = self.parts.iter();
        parts.try_for_each(|part| {
            std::fs::remove_file(&part.path).map_err(RecordError::io("remove", &part.path))
        })
    }

    pub(super) fn merge_in_bands(
        &self,
        path: &Utf8Path,
        at_most: usize,
    ) -> Result<(), RecordError> {
        let plan = Plan::new(self);
        let mut cursors: Vec<Cursor> = vec![Cursor::default(); self.parts.len()];
        write_raw(path, &self.names, |file| {
            for band in plan.bands(at_most) {
                let samples = self.read_band(&plan, band.clone(), &mut cursors)?;
                let mut rest = samples.as_slice();
                for rank in band {
                    let of_series;
                    (of_series, rest) = rest.split_at(plan.counts[rank]);
                    let place = plan.order.places[rank];
                    if self.again {
                        for (time, value) in last_of_each_time(of_series.to_vec()) {
                            file.push(place, time, value)?;
                        }
                        continue;
                    }
                    for (time, value) in of_series {
                        file.push(place, *time, *value)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// The samples of some series, one series after the other.
    fn read_band(
        &self,
        plan: &Plan,
        band: Range<usize>,
        cursors: &mut [Cursor],
    ) -> Result<Vec<(Time, f64)>, RecordError> {
        let mut total = 0;
        let mut free: Vec<usize> = Vec::with_capacity(band.len());
        for count in &plan.counts[band.clone()] {
            free.push(total);
            total += count;
        }
        let mut samples = vec![(Time::default(), f64::NAN); total];
        for (part, cursor) in self.parts.iter().zip(cursors) {
            let todo = &part.series[cursor.series..];
            let here =
                todo.partition_point(|(place, _)| plan.order.ranks[*place as usize] < band.end);
            let todo = &todo[..here];
            let rows: usize = todo.iter().map(|(_, count)| *count as usize).sum();
            if rows == 0 {
                continue;
            }
            let source = ParquetSource::open(&part.path, usize::MAX)?
                .ok_or_else(|| RecordError::Missing { path: part.path.clone() })?;
            let frame = source.read_rows(cursor.row, rows, Some(&POINT_COLUMNS))?;
            let read = points(&frame).map_err(RecordError::table(&part.path))?;
            if read.len() != rows {
                // We wrote it moments ago: someone else has written over it.
                return Err(RecordError::Missing { path: part.path.clone() });
            }
            let mut read = read.as_slice();
            for (place, count) in todo {
                let of_series;
                (of_series, read) = read.split_at(*count as usize);
                let free = &mut free[plan.order.ranks[*place as usize] - band.start];
                samples[*free..*free + of_series.len()].copy_from_slice(of_series);
                *free += of_series.len();
            }
            cursor.series += here;
            cursor.row += rows;
        }
        Ok(samples)
    }
}

/// Samples in order of time, of those of one time the one that came last.
fn last_of_each_time(mut samples: Vec<(Time, f64)>) -> Vec<(Time, f64)> {
    // Stable, so that those of one time stay as they came.
    samples.sort_by_key(|(time, _)| *time);
    samples.reverse();
    samples.dedup_by_key(|(time, _)| *time);
    samples.reverse();
    samples
}

/// Series in the order of their names. A rank is a place in that order.
struct Order {
    /// Places, by rank.
    places: Vec<u32>,
    /// Ranks, by place.
    ranks: Vec<usize>,
}

impl Order {
    fn of(names: &[SeriesName]) -> Self {
        let mut places: Vec<u32> = (0..names.len() as u32).collect();
        places.sort_by_key(|place| &names[*place as usize]);
        let mut ranks = vec![0; places.len()];
        for (rank, place) in places.iter().enumerate() {
            ranks[*place as usize] = rank;
        }
        Self { places, ranks }
    }
}

/// What the merged file will hold.
struct Plan {
    order: Order,
    /// Samples in all parts, by rank.
    counts: Vec<usize>,
}

impl Plan {
    fn new(raw: &RawBuffer) -> Self {
        let order = Order::of(&raw.names);
        let mut counts = vec![0; raw.names.len()];
        for (place, count) in raw.parts.iter().flat_map(|part| &part.series) {
            counts[order.ranks[*place as usize]] += *count as usize;
        }
        Self { order, counts }
    }

    /// Stretches of ranks that have at most so many samples together, or are one series.
    fn bands(&self, at_most: usize) -> Vec<Range<usize>> {
        let (mut bands, mut start, mut held) = (Vec::new(), 0, 0);
        for (rank, count) in self.counts.iter().enumerate() {
            if held + count > at_most && rank > start {
                bands.push(start..rank);
                (start, held) = (rank, 0);
            }
            held += count;
        }
        bands.push(start..self.counts.len());
        bands
    }
}

/// How far the merge has come in a part.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    series: usize,
    row: usize,
}

/// A file of raw samples that grows sample by sample; a row group is written when it is full.
struct RawFile<'n, W: Write> {
    path: &'n Utf8Path,
    names: &'n [SeriesName],
    sink: ParquetSink<W>,
    held: RawColumns,
}

impl<W: Write> RawFile<'_, W> {
    fn push(&mut self, place: u32, time: Time, value: f64) -> Result<(), RecordError> {
        self.held.push(place, time, value);
        if self.held.len() == ROW_GROUP {
            self.flush().map_err(RecordError::parquet("write", self.path))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> PolarsResult<()> {
        self.sink.push(&self.held.to_frame(self.names))?;
        self.held.clear();
        Ok(())
    }

    fn finish(mut self) -> PolarsResult<()> {
        self.flush()?;
        self.sink.finish()
    }
}

/// Writes a file of raw samples by a function that pushes them in order.
fn write_raw(
    path: &Utf8Path,
    names: &[SeriesName],
    fill: impl FnOnce(&mut RawFile<'_, &mut atomic::Sheet<'_>>) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    atomic::write_with(path, |file| {
        let schema = RawColumns::default().to_frame(names);
        let sink =
            ParquetSink::new(file, schema.schema()).map_err(RecordError::parquet("write", path))?;
        let mut raw = RawFile { path, names, sink, held: RawColumns::default() };
        fill(&mut raw)?;
        raw.finish().map_err(RecordError::parquet("write", path))
    })
}
