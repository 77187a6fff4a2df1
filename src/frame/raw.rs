//! Raw samples, `raw.parquet`: too many for a row type each, so they move as columns.
//!
//! A series is named once, and its samples say only its place in the list of names.

use polars::prelude::{
    Column, DataFrame, Float64Chunked, IdxCa, Int64Chunked, IntoColumn as _, NewChunkedArray as _,
    StringChunked, TimeUnit,
};

use super::{
    FrameError,
    column::{Field, Kind, View},
};
use crate::{
    sample::{Labels, STALE, is_stale},
    time::Time,
};

const TABLE: &str = "raw";

/// A series' name, as its columns `metric` and `labels` have it. Their order is the order of
/// the series on disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeriesName {
    /// The metric.
    pub(crate) metric: String,
    /// The other labels, as JSON.
    pub(crate) labels: String,
}

impl SeriesName {
    /// The name of the series with these labels.
    pub(crate) fn new(labels: &Labels) -> Self {
        Self { metric: labels.metric().to_owned(), labels: labels.to_json() }
    }
}

/// Samples as columns; `places` says of which series each one is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RawColumns {
    /// Places in a list of names.
    pub(crate) places: Vec<u32>,
    /// When.
    pub(crate) times: Vec<Time>,
    /// The values.
    pub(crate) values: Vec<f64>,
}

impl RawColumns {
    /// How many samples.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Appends a sample.
    pub(crate) fn push(&mut self, place: u32, time: Time, value: f64) {
        self.places.push(place);
        self.times.push(time);
        self.values.push(value);
    }

    /// Appends samples of one series.
    pub(crate) fn extend(&mut self, place: u32, times: &[Time], values: &[f64]) {
        self.places.resize(self.places.len() + times.len(), place);
        self.times.extend_from_slice(times);
        self.values.extend_from_slice(values);
    }

    /// Appends other samples.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.places.append(&mut other.places);
        self.times.append(&mut other.times);
        self.values.append(&mut other.values);
    }

    /// Removes all samples and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.times.clear();
        self.values.clear();
    }

    /// The samples as a frame.
    ///
    /// Neighbours of one series share its texts, so that a row costs no copy of its labels.
    pub(crate) fn to_frame(&self, names: &[SeriesName]) -> DataFrame {
        let (mut distinct, mut rows) = (Vec::<u32>::new(), Vec::with_capacity(self.len()));
        for place in &self.places {
            if distinct.last() != Some(place) {
                distinct.push(*place);
            }
            rows.push(distinct.len() as u32 - 1);
        }
        let rows = IdxCa::from_vec("row".into(), rows);
        let texts = |column: &'static str, text: fn(&SeriesName) -> &str| {
            let texts = distinct.iter().map(|place| text(&names[*place as usize]));
            let texts = StringChunked::from_iter_values(column.into(), texts).into_column();
            texts.take(&rows).expect("each row points at a name")
        };
        let times = self.times.iter().map(|time| time.as_millis()).collect();
        let times = Int64Chunked::from_vec("time".into(), times);
        let values = if self.values.iter().any(|value| is_stale(*value)) {
            let values = self.values.iter().map(|value| (!is_stale(*value)).then_some(*value));
            Float64Chunked::from_iter_options("value".into(), values)
        } else {
            Float64Chunked::from_vec("value".into(), self.values.clone())
        };
        let columns: Vec<Column> = vec![
            texts("metric", |name| &name.metric),
            texts("labels", |name| &name.labels),
            times.into_datetime(TimeUnit::Milliseconds, None).into_column(),
            values.into_column(),
        ];
        DataFrame::new(self.len(), columns).expect("each sample gave each column one cell")
    }
}

/// The columns of the table, in order.
pub(crate) fn raw_fields() -> Vec<Field> {
    let field = |name: &str, kind, nullable| Field::new(name, kind, nullable);
    vec![
        field("metric", Kind::Text, false),
        field("labels", Kind::Text, false),
        field("time", Kind::Time, false),
        field("value", Kind::Number, true),
    ]
}

/// The columns that name a sample's series.
pub(crate) const NAME_COLUMNS: [&str; 2] = ["metric", "labels"];

/// The columns of a sample itself.
pub(crate) const POINT_COLUMNS: [&str; 2] = ["time", "value"];

/// Calls `each` with the stretches of rows that are of one series: its name, and how many.
pub(crate) fn each_series(
    frame: &DataFrame,
    mut each: impl FnMut(SeriesName, usize) -> Result<(), FrameError>,
) -> Result<(), FrameError> {
    let view = View::checked(TABLE, frame, &raw_fields()[..2])?;
    let mut open: Option<((&str, &str), usize)> = None;
    let named = |(metric, labels): (&str, &str)| SeriesName {
        metric: metric.to_owned(),
        labels: labels.to_owned(),
    };
    let rows = view.texts("metric").iter().zip(view.texts("labels").iter()).enumerate();
    for (row, (metric, labels)) in rows {
        let metric = metric.ok_or_else(|| view.null("metric", row))?;
        let labels = labels.ok_or_else(|| view.null("labels", row))?;
        match &mut open {
            Some((name, count)) if same(name.0, metric) && same(name.1, labels) => *count += 1,
            Some((name, count)) => {
                each(named(*name), *count)?;
                open = Some(((metric, labels), 1));
            }
            None => open = Some(((metric, labels), 1)),
        }
    }
    open.map_or(Ok(()), |(name, count)| each(named(name), count))
}

/// Whether two texts are equal. Those of one series are mostly the same bytes of memory.
fn same(one: &str, other: &str) -> bool {
    std::ptr::eq(one, other) || one == other
}

/// The labels that a name stands for. `row` is only for the message.
pub(crate) fn series_labels(name: &SeriesName) -> Result<Labels, FrameError> {
    Labels::from_json(&name.metric, &name.labels).ok().ok_or_else(|| FrameError::Value {
        table: TABLE,
        column: "labels".to_owned(),
        row: 0,
        value: name.labels.chars().take(80).collect(),
        want: "a JSON object of texts",
    })
}

/// Times and values of samples; each has one of both.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Points {
    /// When.
    pub(crate) times: Vec<Time>,
    /// The values.
    pub(crate) values: Vec<f64>,
}

/// Times and values of a frame of samples, in its order; a null value is the stale marker.
pub(crate) fn points(frame: &DataFrame) -> Result<Points, FrameError> {
    let view = View::checked(TABLE, frame, &raw_fields()[2..])?;
    let (times, values) = (view.times("time"), view.numbers("value"));
    if let Some(row) = times.iter().position(|time| time.is_none()) {
        return Err(view.null("time", row));
    }
    let mut points = Points {
        times: Vec::with_capacity(frame.height()),
        values: Vec::with_capacity(frame.height()),
    };
    for chunk in times.downcast_iter() {
        points.times.extend(chunk.values_iter().map(|time| Time::from_millis(*time)));
    }
    let ends = values.null_count() > 0;
    for chunk in values.downcast_iter() {
        if ends {
            points.values.extend(chunk.iter().map(|value| value.copied().unwrap_or(STALE)));
        } else {
            points.values.extend_from_slice(chunk.values());
        }
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> DataFrame {
        let names = ["up", "requests"].map(|metric| SeriesName {
            metric: metric.to_owned(),
            labels: r#"{"instance":"a"}"#.to_owned(),
        });
        let mut columns = RawColumns::default();
        for (place, seconds, value) in [(1, 0, f64::NAN), (1, 1, STALE), (0, 0, 1.0)] {
            columns.push(place, Time::from_millis(seconds * 1000), value);
        }
        columns.to_frame(&names)
    }

    #[test]
    fn the_end_of_a_series_is_null_and_nan_is_not() {
        let frame = frame();
        let values: Vec<Option<f64>> =
            frame.column("value").unwrap().f64().unwrap().iter().collect();
        assert!(values[0].is_some_and(f64::is_nan) && values[1].is_none());
        let read = points(&frame).unwrap();
        assert!(!is_stale(read.values[0]) && is_stale(read.values[1]));
    }

    #[test]
    fn neighbours_of_one_series_are_one_stretch() {
        let mut stretches = Vec::new();
        let each = each_series(&frame(), |name, rows| {
            stretches.push((name.metric, rows));
            Ok(())
        });
        assert_eq!(each, Ok(()));
        assert_eq!(stretches, [("requests".to_owned(), 2), ("up".to_owned(), 1)]);
    }

    #[test]
    fn labels_that_are_no_object_are_refused() {
        let name = SeriesName { metric: "up".to_owned(), labels: "[]".to_owned() };
        let want =
            "column `labels` of table `raw` has `[]` in row 0, which is not a JSON object of texts";
        assert_eq!(series_labels(&name).unwrap_err().to_string(), want);
    }
}
