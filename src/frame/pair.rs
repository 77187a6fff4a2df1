//! Fields of a row that take two columns.

use polars::prelude::Column;

use super::{
    Finished, FrameError, ReadySpan,
    column::{Cell, Field, Kind, Scalar, View, read_time_lists, time_lists, times},
};
use crate::time::Time;

/// Spans stand in two lists of the same length: a null in the second one is an open end.
impl Cell for Vec<ReadySpan> {
    fn fields(name: &str) -> Vec<Field> {
        let side = |side| Field::new(side, Kind::Times, false);
        sides(name).map(side).into()
    }

    fn write<'a>(name: &str, cells: impl Iterator<Item = &'a Self>, columns: &mut Vec<Column>)
    where
        Self: 'a,
    {
        let (from, to): (Vec<_>, Vec<_>) =
            cells.map(|spans| spans.iter().map(|span| (Some(span.from), span.to)).unzip()).unzip();
        let [from_name, to_name] = sides(name);
        columns.push(time_lists(&from_name, from.into_iter()));
        columns.push(time_lists(&to_name, to.into_iter()));
    }

    fn read(view: &View<'_>, name: &str) -> Result<Vec<Self>, FrameError> {
        let [from_name, to_name] = sides(name);
        let from = Vec::<Time>::read(view, &from_name)?;
        let to = read_time_lists(view, &to_name)?;
        let rows = from.into_iter().zip(to).enumerate();
        rows.map(|(row, (from, to))| {
            if from.len() != to.len() {
                let found = format!("{} ends for {} starts", to.len(), from.len());
                return Err(view.value(&to_name, row, &found, "one end for each start"));
            }
            Ok(from.into_iter().zip(to).map(|(from, to)| ReadySpan { from, to }).collect())
        })
        .collect()
    }
}

/// An end stands in two columns, which files lack that were written before they were added.
impl Cell for Option<Finished> {
    fn fields(name: &str) -> Vec<Field> {
        let [at, failed] = finished(name);
        vec![Field::added(&at, Kind::Time), Field::added(&failed, Kind::Flag)]
    }

    fn write<'a>(name: &str, cells: impl Iterator<Item = &'a Self>, columns: &mut Vec<Column>)
    where
        Self: 'a,
    {
        let (at, failed): (Vec<_>, Vec<_>) =
            cells.map(|end| (end.map(|end| end.at), end.map(|end| end.failed))).unzip();
        let [at_name, failed_name] = finished(name);
        columns.push(times(at_name.as_str().into(), at.into_iter()));
        columns.push(bool::column(failed_name.as_str().into(), failed.iter().map(Option::as_ref)));
    }

    fn read(view: &View<'_>, name: &str) -> Result<Vec<Self>, FrameError> {
        let [at_name, failed_name] = finished(name);
        if !view.has(&at_name) || !view.has(&failed_name) {
            return Ok(vec![None; view.height()]);
        }
        let at = Time::cells(view, &at_name)?;
        let rows = at.into_iter().zip(bool::cells(view, &failed_name)?).enumerate();
        rows.map(|(row, (at, failed))| match (at, failed) {
            (Some(at), Some(failed)) => Ok(Some(Finished { at, failed })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(view.null(&failed_name, row)),
            (None, Some(_)) => Err(view.null(&at_name, row)),
        })
        .collect()
    }
}

fn finished(name: &str) -> [String; 2] {
    [format!("{name}_at"), format!("{name}_failed")]
}

fn sides(name: &str) -> [String; 2] {
    [format!("{name}_from"), format!("{name}_to")]
}
