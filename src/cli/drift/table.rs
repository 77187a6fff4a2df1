//! A series of numbers as CSV: rows out, or where the text is wrong.
//!
//! Columns are found by their names, in any order. An empty cell is a gap; a cell that cannot be
//! read is an error with its line and column, never a zero.

use csv::{ByteRecord, ReaderBuilder};

use crate::{drift::Row, number::length, report::DriftNote, time::Time};

/// The columns that are read.
const COLUMNS: [&str; 6] = ["time", "index", "value", "boundary", "lower", "upper"];

/// A table that was read.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    /// What a reader should know of it.
    pub(super) notes: Vec<DriftNote>,
}

/// Why a text is no series.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum TableError {
    /// There is no such column.
    #[error("`{file}` has no column `value`: its header is `{header}`")]
    NoValue { file: String, header: String },
    /// A name stands in the header twice.
    #[error("`{file}` has two columns `{column}`")]
    Twice { file: String, column: String },
    /// A cell cannot be read.
    #[error("`{file}`, line {line}, column {column} (`{name}`): `{cell}` is not {want}")]
    Cell {
        file: String,
        line: u64,
        column: usize,
        name: &'static str,
        cell: String,
        want: &'static str,
    },
    /// A row has more or fewer cells than the header.
    #[error("`{file}`, line {line}: {got} cells, where the header has {want}")]
    Width { file: String, line: u64, got: usize, want: usize },
    /// The values are upside down.
    #[error("`{file}`, line {line}: `lower` is above `upper`")]
    UpsideDown { file: String, line: u64 },
    /// The text is no CSV.
    #[error("`{file}` is no CSV")]
    Csv {
        file: String,
        #[source]
        source: csv::Error,
    },
}

impl TableError {
    /// The way out, where one is known.
    pub(in crate::cli) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoValue { header, .. } if header.contains([';', '\t']) => {
                "separate the columns with commas"
            }
            Self::NoValue { .. } => {
                "name the columns in the first line: `value`, and `time` or `index`, `boundary`, \
                 `lower`, `upper` where there are any"
            }
            Self::Cell { want: TIME, .. } => {
                "write times like `2026-11-23T02:15:00Z` or `2026-11-23`, or as seconds since 1970"
            }
            Self::Cell { want: NUMBER, .. } => "leave a cell empty where there is no number",
            Self::Cell { .. } | Self::Twice { .. } | Self::UpsideDown { .. } => return None,
            Self::Width { .. } => "put a cell that holds a comma in double quotes",
            Self::Csv { .. } => "the first line holds the names of the columns",
        };
        Some(hint.to_owned())
    }
}

const NUMBER: &str = "a number";
const TIME: &str = "a time";
const INDEX: &str = "a whole number";

/// The places of the columns that are there.
#[derive(Clone, Copy, Debug, Default)]
struct Header([Option<usize>; COLUMNS.len()]);

/// Where a row is being read.
struct Cells<'a> {
    file: &'a str,
    header: Header,
    record: &'a ByteRecord,
    line: u64,
}

impl Cells<'_> {
    /// A cell without the space around it; none when it is empty or there is no such column.
    fn text(&self, column: usize) -> Option<String> {
        let bytes = self.record.get(self.header.0[column]?)?;
        Some(String::from_utf8_lossy(bytes).trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn read<T>(
        &self,
        column: usize,
        want: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, TableError> {
        let Some(text) = self.text(column) else { return Ok(None) };
        let wrong = || TableError::Cell {
            file: self.file.to_owned(),
            line: self.line,
            column: self.header.0[column].map_or(0, |place| place + 1),
            name: COLUMNS[column],
            cell: text.clone(),
            want,
        };
        parse(&text).map(Some).ok_or_else(wrong)
    }

    fn number(&self, column: usize) -> Result<Option<f64>, TableError> {
        self.read(column, NUMBER, |text| text.parse().ok())
    }
}

/// Reads a table. Where it has no boundary of its own, each row is held to `boundary`.
pub(super) fn parse(file: &str, text: &[u8], boundary: Option<f64>) -> Result<Table, TableError> {
    let text = one_line_end(text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text));
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_slice());
    let broken = |source| TableError::Csv { file: file.to_owned(), source };
    let names: Vec<String> = reader
        .byte_headers()
        .map_err(broken)?
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .collect();
    let (header, mut notes) = columns(file, &names)?;
    let (mut rows, mut indices, mut record) = (Vec::new(), Vec::new(), ByteRecord::new());
    while reader.read_byte_record(&mut record).map_err(broken)? {
        let (line, start) = record.position().map_or((0, 0), |at| (at.line(), at.byte() as usize));
        // Empty lines are left out by the reader, which stands before them. In a table of one
        // column each is an empty cell.
        let empty = text[start..].iter().take_while(|byte| **byte == b'\n').count();
        let line = line + empty as u64;
        if names.len() == 1 {
            rows.extend(std::iter::repeat_n(Row { boundary, ..Row::default() }, empty));
            indices.extend(std::iter::repeat_n(None, empty));
        }
        if record.len() != names.len() {
            let (got, want) = (record.len(), names.len());
            return Err(TableError::Width { file: file.to_owned(), line, got, want });
        }
        let cells = Cells { file, header, record: &record, line };
        let row = Row {
            index: 0,
            time: cells.read(0, TIME, time)?,
            value: cells.number(2)?,
            boundary: cells.number(3)?.or(boundary),
            lower: cells.number(4)?,
            upper: cells.number(5)?,
        };
        if row.lower.zip(row.upper).is_some_and(|(lower, upper)| lower > upper) {
            return Err(TableError::UpsideDown { file: file.to_owned(), line });
        }
        indices.push(cells.read(1, INDEX, |text| text.parse::<i64>().ok())?);
        rows.push(row);
    }
    notes.extend(number_runs(&mut rows, &indices));
    Ok(Table { rows, notes })
}

/// The text with every line ended alike.
fn one_line_end(text: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(text.len());
    for (at, byte) in text.iter().enumerate() {
        if *byte != b'\r' || text.get(at + 1) != Some(&b'\n') {
            lines.push(*byte);
        }
    }
    lines
}

fn columns(file: &str, names: &[String]) -> Result<(Header, Vec<DriftNote>), TableError> {
    let mut header = Header::default();
    let mut ignored = Vec::new();
    for (place, name) in names.iter().enumerate() {
        match COLUMNS.iter().position(|column| name.eq_ignore_ascii_case(column)) {
            Some(column) if header.0[column].is_some() => {
                return Err(TableError::Twice { file: file.to_owned(), column: name.clone() });
            }
            Some(column) => header.0[column] = Some(place),
            None => ignored.push(name.clone()),
        }
    }
    if header.0[2].is_none() {
        return Err(TableError::NoValue { file: file.to_owned(), header: names.join(",") });
    }
    let note = (!ignored.is_empty()).then_some(DriftNote::IgnoredColumns { names: ignored });
    Ok((header, note.into_iter().collect()))
}

/// Gives each row its run index: what is written there, or else by the cadence of the times, or
/// else by counting rows.
fn number_runs(rows: &mut [Row], written: &[Option<i64>]) -> Option<DriftNote> {
    for (at, row) in rows.iter_mut().enumerate() {
        row.index = at as i64;
    }
    if written.iter().any(Option::is_some) {
        let whole: Option<Vec<i64>> = written.iter().copied().collect();
        let rising = whole.filter(|all| all.windows(2).all(|pair| pair[0] < pair[1]));
        let Some(all) = rising else { return Some(DriftNote::IndexDoesNotRise) };
        rows.iter_mut().zip(all).for_each(|(row, index)| row.index = index);
        return None;
    }
    if rows.len() < 2 || rows.iter().all(|row| row.time.is_none()) {
        return None;
    }
    let times: Option<Vec<Time>> = rows.iter().map(|row| row.time).collect();
    let Some(times) = times else { return Some(DriftNote::TimesMissing) };
    let steps: Vec<f64> = times.windows(2).map(|pair| pair[1].seconds_from(pair[0])).collect();
    if steps.iter().any(|step| *step <= 0.0) {
        let mut distinct = times.clone();
        distinct.sort_unstable();
        distinct.dedup();
        return Some(DriftNote::TimesDoNotRise { rows: rows.len(), distinct: distinct.len() });
    }
    let mut sorted = steps.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[sorted.len() / 2];
    // Runs that follow no cadence, such as those of commits, are counted.
    let even = steps.iter().filter(|step| (*step / usual - 1.0).abs() <= UNEVEN).count();
    if even * 2 < steps.len() {
        return Some(DriftNote::NoCadence);
    }
    let mut index = 0;
    for (row, step) in rows.iter_mut().skip(1).zip(&steps) {
        index += (step / usual).round().max(1.0) as i64;
        row.index = index;
    }
    let missing = index + 1 - rows.len() as i64;
    let cadence = length(std::time::Duration::from_secs_f64(usual));
    (missing > 0).then_some(DriftNote::MissingRuns { missing: missing as usize, cadence })
}

/// How far a step may be from the usual one and still be of the same cadence.
const UNEVEN: f64 = 0.25;

/// A time as people and programs write it: RFC 3339, a date with or without a time of day (UTC),
/// seconds or milliseconds since 1970.
fn time(text: &str) -> Option<Time> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    if let Ok(number) = text.parse::<f64>() {
        // In seconds this would be the year 5138.
        let millis = if number.abs() < 1e11 { number * 1000.0 } else { number };
        return millis.is_finite().then(|| Time::from_millis(millis.round() as i64));
    }
    // As git prints it, and other tools that look for changes read it.
    if let Ok(timestamp) = jiff::Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", text) {
        return Some(Time::from(timestamp));
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(civil).ok().map(Time::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        parse("a.csv", text.as_bytes(), None).unwrap()
    }

    #[track_caller]
    fn wrong(text: &str, want: &str) {
        let error = parse("a.csv", text.as_bytes(), None).unwrap_err();
        assert_eq!(error.to_string(), want);
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let table = table("upper, value,note,LOWER,index\n3,2,x,1,7\n");
        let row = Row {
            index: 7,
            value: Some(2.0),
            lower: Some(1.0),
            upper: Some(3.0),
            ..Row::default()
        };
        assert_eq!(table.rows, [row]);
        assert_eq!(table.notes, [DriftNote::IgnoredColumns { names: vec!["note".to_owned()] }]);
    }

    #[test]
    fn an_empty_cell_is_a_gap() {
        let values = |text| table(text).rows.iter().map(|row| row.value).collect::<Vec<_>>();
        assert_eq!(values("index,value\n0,1\n1,\n2, \n3,2\n"), [Some(1.0), None, None, Some(2.0)]);
        assert_eq!(values("value\n1\n\n\n2\n"), [Some(1.0), None, None, Some(2.0)]);
        assert_eq!(values("value\n1\n\"\"\n2\n\n\n"), [Some(1.0), None, Some(2.0)]);
        assert_eq!(values("value\r\n1\r\n\r\n2"), [Some(1.0), None, Some(2.0)]);
    }

    #[test]
    fn a_cell_that_cannot_be_read_has_a_place() {
        wrong(
            "index,value\n0,1\n1,1.2.3\n",
            "`a.csv`, line 3, column 2 (`value`): `1.2.3` is not a number",
        );
        wrong("time,value\nsoon,1\n", "`a.csv`, line 2, column 1 (`time`): `soon` is not a time");
        wrong(
            "index,value\n0.5,1\n",
            "`a.csv`, line 2, column 1 (`index`): `0.5` is not a whole number",
        );
        wrong("index,value\n0,1\n1\n", "`a.csv`, line 3: 1 cells, where the header has 2");
        wrong("a;value\n", "`a.csv` has no column `value`: its header is `a;value`");
        wrong("value,value\n", "`a.csv` has two columns `value`");
        wrong("value,lower,upper\n1,2,1\n", "`a.csv`, line 2: `lower` is above `upper`");
    }

    #[test]
    fn a_night_that_was_skipped_is_a_gap() {
        let text = "time,value\n2026-11-01,1\n2026-11-02,1\n2026-11-05T00:10:00Z,1\n2026-11-06,1\n";
        let table = table(text);
        let indices: Vec<i64> = table.rows.iter().map(|row| row.index).collect();
        assert_eq!(indices, [0, 1, 4, 5]);
        let cadence = "1 d".to_owned();
        assert_eq!(table.notes, [DriftNote::MissingRuns { missing: 2, cadence }]);
    }

    #[test]
    fn months_have_a_cadence() {
        let months: Vec<String> =
            (0..60).map(|n| format!("{}-{:02}-01,1", 2000 + n / 12, n % 12 + 1)).collect();
        let table = table(&format!("time,value\n{}\n", months.join("\n")));
        let indices: Vec<i64> = table.rows.iter().map(|row| row.index).collect();
        assert_eq!(indices, (0..60).collect::<Vec<i64>>());
        assert_eq!(table.notes, []);
    }

    #[test]
    fn repeated_times_are_named() {
        let rows = "2026-11-01,1\n2026-11-02,1\n".repeat(20);
        let table = table(&format!("time,value\n{rows}"));
        assert_eq!(table.notes, [DriftNote::TimesDoNotRise { rows: 40, distinct: 2 }]);
        assert_eq!(table.rows[39].index, 39);
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let want: Time = "2026-11-23T02:15:00Z".parse().unwrap();
        for text in [
            "2026-11-23T02:15:00Z",
            "2026-11-23T03:15:00+01:00",
            "2026-11-23 02:15:00",
            "2026-11-23 03:15:00 +0100",
            "2026-11-23T02:15",
            "1795400100",
            "1795400100000",
        ] {
            assert_eq!(time(text), Some(want), "{text}");
        }
        assert_eq!(time("23.11.2026"), None);
    }
}
