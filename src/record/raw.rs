//! Raw samples while a run is recorded: named once, kept as columns, written in parts, merged.
//!
//! Every part has its series in the order of their names, and the samples of a series in order
//! of time. So the merge takes from each part, one after the other, a stretch of rows at a time,
//! and what it holds in memory has a limit that does not grow with the run.

use std::{
    collections::HashMap,
    io::Write,
    mem,
    ops::Range,
    sync::Arc,
    thread::{self, JoinHandle},
};

use camino::{Utf8Path, Utf8PathBuf};
use polars::prelude::PolarsResult;

use super::{
    RecordError, atomic, layout,
    parquet::{ParquetSink, ParquetSource, ROW_GROUP},
};
use crate::{
    frame::{POINT_COLUMNS, Points, RawColumns, RawRow, SeriesName, points},
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
    spill: Option<Spill>,
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

/// A part that is being written by a thread of its own.
#[derive(Debug)]
struct Spill {
    columns: Arc<RawColumns>,
    /// None when there could be no such thread.
    writing: Option<JoinHandle<Result<Part, RecordError>>>,
}

impl Spill {
    /// Waits for it; none when nothing was written.
    fn join(&mut self) -> Option<Result<Part, RecordError>> {
        self.writing.take()?.join().ok()
    }
}

impl Drop for Spill {
    /// Whoever gives a recording up removes its directory, into which nobody may write then.
    fn drop(&mut self) {
        drop(self.join());
    }
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
            let newest = &mut self.newest[place as usize];
            let ordered = times.is_sorted_by(|one, next| one < next);
            if let Some(last) = times.last().filter(|_| ordered && times.len() == values.len()) {
                let late = times.partition_point(|time| time <= newest);
                self.late += late as u64;
                *newest = (*last).max(*newest);
                self.unsaved.extend(place, &times[late..], &values[late..]);
                continue;
            }
            for (time, value) in times.into_iter().zip(values) {
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
            self.unsaved.extend(place, &times, &values);
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

    /// Writes what is not yet saved as the next part, if there is anything. When it fails, it is
    /// kept for the next try.
    pub(super) fn save(&mut self, dir: &Utf8Path) -> Result<(), RecordError> {
        self.settle();
        if self.unsaved.len() == 0 {
            return Ok(());
        }
        let path = layout::part_path(dir, self.parts.len() + 1);
        self.parts.push(write_part(path, &self.names, &self.unsaved)?);
        self.unsaved.clear();
        Ok(())
    }

    /// Begins to write what is not yet saved as the next part, while further samples are kept. Only
    /// the next save tells whether that went well, and if not, tries again.
    pub(super) fn spill(&mut self, dir: &Utf8Path) {
        self.settle();
        let path = layout::part_path(dir, self.parts.len() + 1);
        let columns = Arc::new(mem::take(&mut self.unsaved));
        let (written, names) = (Arc::clone(&columns), self.names.clone());
        let write = move || write_part(path, &names, &written);
        let writing = thread::Builder::new().name("part".to_owned()).spawn(write).ok();
        self.spill = Some(Spill { columns, writing });
    }

    /// Waits for the part that is being written. What could not be written is unsaved again.
    fn settle(&mut self) {
        let Some(mut spill) = self.spill.take() else { return };
        match spill.join() {
            Some(Ok(part)) => self.parts.push(part),
            Some(Err(_)) | None => {
                let later = mem::take(&mut self.unsaved);
                self.unsaved = mem::take(&mut spill.columns).as_ref().clone();
                self.unsaved.append(later);
            }
        }
    }

    /// Writes one file of all parts, by series and time. The parts stay, unless there is one only,
    /// which is that file already.
    pub(super) fn merge(&mut self, path: &Utf8Path) -> Result<(), RecordError> {
        if let ([only], false) = (self.parts.as_slice(), self.again) {
            atomic::rename(&only.path, path)?;
            self.parts.clear();
            return Ok(());
        }
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
                let Points { times, values } = self.read_band(&plan, band.clone(), &mut cursors)?;
                let mut start = 0;
                for rank in band {
                    let rows = start..start + plan.counts[rank];
                    start = rows.end;
                    let (times, values) = (&times[rows.clone()], &values[rows]);
                    let place = plan.order.places[rank];
                    if self.again && !times.is_sorted_by(|one, next| one < next) {
                        let samples = times.iter().copied().zip(values.iter().copied()).collect();
                        for (time, value) in last_of_each_time(samples) {
                            file.push(place, time, value)?;
                        }
                        continue;
                    }
                    file.extend(place, times, values)?;
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
    ) -> Result<Points, RecordError> {
        let mut total = 0;
        let mut free: Vec<usize> = Vec::with_capacity(band.len());
        for count in &plan.counts[band.clone()] {
            free.push(total);
            total += count;
        }
        let mut samples =
            Points { times: vec![Time::default(); total], values: vec![f64::NAN; total] };
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
            if read.times.len() != rows || read.values.len() != rows {
                // We wrote it moments ago: someone else has written over it.
                return Err(RecordError::Missing { path: part.path.clone() });
            }
            let mut start = 0;
            for (place, count) in todo {
                let from = start..start + *count as usize;
                start = from.end;
                let free = &mut free[plan.order.ranks[*place as usize] - band.start];
                let to = *free..*free + from.len();
                *free = to.end;
                samples.times[to.clone()].copy_from_slice(&read.times[from.clone()]);
                samples.values[to].copy_from_slice(&read.values[from]);
            }
            cursor.series += here;
            cursor.row += rows;
        }
        Ok(samples)
    }
}

/// Writes samples as a part.
fn write_part(
    path: Utf8PathBuf,
    names: &[SeriesName],
    columns: &RawColumns,
) -> Result<Part, RecordError> {
    let order = Order::of(names);
    let mut counts = vec![0_u32; names.len()];
    for place in &columns.places {
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
    for (row, place) in columns.places.iter().enumerate() {
        let free = &mut free[order.ranks[*place as usize]];
        rows[*free] = row;
        *free += 1;
    }
    write_raw(&path, names, |file| {
        for row in rows {
            file.push(columns.places[row], columns.times[row], columns.values[row])?;
        }
        Ok(())
    })?;
    let series = order.places.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect();
    Ok(Part { path, series })
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

    /// Appends samples of one series.
    fn extend(
        &mut self,
        place: u32,
        mut times: &[Time],
        mut values: &[f64],
    ) -> Result<(), RecordError> {
        while !times.is_empty() {
            let room = (ROW_GROUP - self.held.len()).min(times.len());
            self.held.extend(place, &times[..room], &values[..room]);
            (times, values) = (&times[room..], &values[room..]);
            if self.held.len() == ROW_GROUP {
                self.flush().map_err(RecordError::parquet("write", self.path))?;
            }
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
