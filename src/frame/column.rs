//! How one field of a row stands in columns: its type on disk, and what may not be null.
//!
//! A [`Cell`] is a field's type. Most take one column of the field's name; spans take two. The
//! readers here are called only on a frame whose schema was checked ([`View::checked`]).

use std::fmt;

use polars::prelude::{
    Column, DataFrame, DataType, Int64Chunked, Int64Type, IntoColumn as _, IntoSeries as _,
    ListBuilderTrait as _, ListChunked, ListPrimitiveChunkedBuilder, ListStringChunkedBuilder,
    NamedFrom as _, NewChunkedArray as _, PlSmallStr, Series, StringChunked, TimeUnit,
};

use super::FaultAction;
use crate::{sample::Labels, time::Time, window::Phase};

/// The most bytes of one text in a table: a label set, a message, what a command printed. A
/// stranger's recording may hold longer ones, and every report would carry them.
pub(crate) const TEXT_BYTES: usize = 1 << 20;

/// Why a frame is not the table that it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A column is not there.
    #[error("table `{table}` has no column `{column}`")]
    Missing {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
    },
    /// A column has another type.
    #[error("column `{column}` of table `{table}` holds {found}, not {want}")]
    WrongType {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
        /// What it holds.
        found: String,
        /// What it should hold.
        want: Kind,
    },
    /// A value is null that may not be.
    #[error("column `{column}` of table `{table}` is null in row {row}")]
    Null {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
        /// The row, from 0.
        row: usize,
    },
    /// A text is longer than any that is read.
    #[error(
        "column `{column}` of table `{table}` has a text of {bytes} bytes in row {row}, and at most {TEXT_BYTES} are read"
    )]
    TooLong {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
        /// The row, from 0.
        row: usize,
        /// How long it is.
        bytes: usize,
    },
    /// A text does not say what it should.
    #[error("column `{column}` of table `{table}` has `{value}` in row {row}, which is not {want}")]
    Value {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
        /// The row, from 0.
        row: usize,
        /// The text.
        value: String,
        /// What it should be.
        want: &'static str,
    },
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// 64-bit signed.
    Integer,
    /// 64-bit floating point; NaN is kept and is not null.
    Number,
    /// True or false.
    Flag,
    /// Milliseconds since the epoch: a timestamp without a zone, which is UTC.
    Time,
    /// A list of texts.
    Texts,
    /// A list of times.
    Times,
}

impl Kind {
    fn dtype(self) -> DataType {
        let time = DataType::Datetime(TimeUnit::Milliseconds, None);
        match self {
            Self::Text => DataType::String,
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Flag => DataType::Boolean,
            Self::Time => time,
            Self::Texts => DataType::List(Box::new(DataType::String)),
            Self::Times => DataType::List(Box::new(time)),
        }
    }
}

impl fmt::Display for Kind {
    /// The words of `docs/format.md`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Flag => "boolean",
            Self::Time => "timestamp",
            Self::Texts => "list of text",
            Self::Times => "list of timestamp",
        })
    }
}

/// A column of a table, as the format promises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its name.
    pub(crate) name: String,
    /// What it holds.
    pub(crate) kind: Kind,
    /// Whether a row may have none.
    pub(crate) nullable: bool,
    /// Whether files of this format lack it that were written before it was added: it has no value
    /// then in any row.
    pub(crate) added: bool,
}

impl Field {
    /// A column of the first version.
    pub(super) fn new(name: impl Into<String>, kind: Kind, nullable: bool) -> Self {
        Self { name: name.into(), kind, nullable, added: false }
    }

    /// A column that was added later.
    pub(super) fn added(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, nullable: true, added: true }
    }
}

/// A frame that has the columns of its table.
pub(super) struct View<'a> {
    table: &'static str,
    frame: &'a DataFrame,
}

impl<'a> View<'a> {
    /// A view of a frame in which each field is a column of its type. Further columns are
    /// allowed: a later program of the same format may have added them.
    pub(super) fn checked(
        table: &'static str,
        frame: &'a DataFrame,
        fields: &[Field],
    ) -> Result<Self, FrameError> {
        for field in fields {
            let column = match frame.column(&field.name) {
                Ok(column) => column,
                Err(_) if field.added => continue,
                Err(_) => return Err(FrameError::Missing { table, column: field.name.clone() }),
            };
            if *column.dtype() != field.kind.dtype() {
                return Err(FrameError::WrongType {
                    table,
                    column: field.name.clone(),
                    found: column.dtype().to_string(),
                    want: field.kind,
                });
            }
        }
        let view = Self { table, frame };
        let texts = fields.iter().filter(|field| field.kind == Kind::Text && view.has(&field.name));
        for field in texts {
            let mut texts = view.texts(&field.name).iter().enumerate();
            let bytes = |text: Option<&str>| text.map_or(0, str::len);
            if let Some((row, text)) = texts.find(|(_, text)| bytes(*text) > TEXT_BYTES) {
                let (column, bytes) = (field.name.clone(), bytes(text));
                return Err(FrameError::TooLong { table, column, row, bytes });
            }
        }
        Ok(view)
    }

    /// Whether a column that was added later is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.frame.column(name).is_ok()
    }

    /// How many rows there are.
    pub(super) fn height(&self) -> usize {
        self.frame.height()
    }

    fn column(&self, name: &str) -> &'a Column {
        self.frame.column(name).expect("the schema was checked")
    }

    pub(super) fn texts(&self, name: &str) -> &'a StringChunked {
        self.column(name).str().expect("the schema was checked")
    }

    pub(super) fn times(&self, name: &str) -> &'a Int64Chunked {
        self.column(name).datetime().expect("the schema was checked").physical()
    }

    pub(super) fn numbers(&self, name: &str) -> &'a polars::prelude::Float64Chunked {
        self.column(name).f64().expect("the schema was checked")
    }

    fn lists(&self, name: &str) -> &'a ListChunked {
        self.column(name).list().expect("the schema was checked")
    }

    pub(super) fn null(&self, name: &str, row: usize) -> FrameError {
        FrameError::Null { table: self.table, column: name.to_owned(), row }
    }

    pub(super) fn value(
        &self,
        name: &str,
        row: usize,
        value: &str,
        want: &'static str,
    ) -> FrameError {
        let value = value.chars().take(80).collect();
        FrameError::Value { table: self.table, column: name.to_owned(), row, value, want }
    }

    /// Takes the values of a column that may not be null.
    fn all<T>(&self, name: &str, cells: Vec<Option<T>>) -> Result<Vec<T>, FrameError> {
        let cells = cells.into_iter().enumerate();
        cells.map(|(row, cell)| cell.ok_or_else(|| self.null(name, row))).collect()
    }
}

/// A field's type, as columns.
pub(super) trait Cell: Sized {
    /// The columns of a field called `name`.
    fn fields(name: &str) -> Vec<Field>;

    /// Appends the columns of a field called `name`.
    fn write<'a>(name: &str, cells: impl Iterator<Item = &'a Self>, columns: &mut Vec<Column>)
    where
        Self: 'a;

    /// Reads the field back, one for each row.
    fn read(view: &View<'_>, name: &str) -> Result<Vec<Self>, FrameError>;
}

/// A field that takes one column, and whose absence is a null there.
pub(super) trait Scalar: Sized {
    /// What the column holds.
    const KIND: Kind;

    /// The column.
    fn column<'a>(name: PlSmallStr, cells: impl Iterator<Item = Option<&'a Self>>) -> Column
    where
        Self: 'a;

    /// The cells of the column.
    fn cells(view: &View<'_>, name: &str) -> Result<Vec<Option<Self>>, FrameError>;
}

impl<T: Scalar> Cell for T {
    fn fields(name: &str) -> Vec<Field> {
        vec![Field::new(name, T::KIND, false)]
    }

    fn write<'a>(name: &str, cells: impl Iterator<Item = &'a Self>, columns: &mut Vec<Column>)
    where
        Self: 'a,
    {
        columns.push(T::column(name.into(), cells.map(Some)));
    }

    fn read(view: &View<'_>, name: &str) -> Result<Vec<Self>, FrameError> {
        view.all(name, T::cells(view, name)?)
    }
}

impl<T: Scalar> Cell for Option<T> {
    fn fields(name: &str) -> Vec<Field> {
        vec![Field::new(name, T::KIND, true)]
    }

    fn write<'a>(name: &str, cells: impl Iterator<Item = &'a Self>, columns: &mut Vec<Column>)
    where
        Self: 'a,
    {
        columns.push(T::column(name.into(), cells.map(Option::as_ref)));
    }

    fn read(view: &View<'_>, name: &str) -> Result<Vec<Self>, FrameError> {
        T::cells(view, name)
    }
}

/// A type that polars holds as it is.
macro_rules! plain {
    ($type:ty, $kind:ident, $get:ident) => {
        impl Scalar for $type {
            const KIND: Kind = Kind::$kind;

            fn column<'a>(
                name: PlSmallStr,
                cells: impl Iterator<Item = Option<&'a Self>>,
            ) -> Column {
                Series::new(name, cells.map(Option::<&Self>::cloned).collect::<Vec<_>>()).into()
            }

            fn cells(view: &View<'_>, name: &str) -> Result<Vec<Option<Self>>, FrameError> {
                let column = view.column(name).$get().expect("the schema was checked");
                Ok(column.iter().map(|cell| cell.map(Into::into)).collect())
            }
        }
    };
}

plain!(i64, Integer, i64);
plain!(f64, Number, f64);
plain!(bool, Flag, bool);
plain!(String, Text, str);

impl Scalar for Time {
    const KIND: Kind = Kind::Time;

    fn column<'a>(name: PlSmallStr, cells: impl Iterator<Item = Option<&'a Self>>) -> Column {
        times(name, cells.map(|time| time.copied()))
    }

    fn cells(view: &View<'_>, name: &str) -> Result<Vec<Option<Self>>, FrameError> {
        Ok(view.times(name).iter().map(|millis| millis.map(Self::from_millis)).collect())
    }
}

/// A column of times.
pub(super) fn times(name: PlSmallStr, cells: impl Iterator<Item = Option<Time>>) -> Column {
    Int64Chunked::from_iter_options(name, cells.map(|time| time.map(Time::as_millis)))
        .into_datetime(TimeUnit::Milliseconds, None)
        .into_series()
        .into()
}

/// A type that stands as a text.
macro_rules! as_text {
    ($type:ty, $want:literal, $write:expr, $read:expr) => {
        impl Scalar for $type {
            const KIND: Kind = Kind::Text;

            fn column<'a>(
                name: PlSmallStr,
                cells: impl Iterator<Item = Option<&'a Self>>,
            ) -> Column {
                let write: fn(&Self) -> String = $write;
                StringChunked::from_iter_options(name, cells.map(|cell| cell.map(write)))
                    .into_column()
            }

            fn cells(view: &View<'_>, name: &str) -> Result<Vec<Option<Self>>, FrameError> {
                let read: fn(&str) -> Option<Self> = $read;
                let cell = |(row, text): (usize, Option<&str>)| {
                    text.map(|text| read(text).ok_or_else(|| view.value(name, row, text, $want)))
                        .transpose()
                };
                view.texts(name).iter().enumerate().map(cell).collect()
            }
        }
    };
}

as_text!(Phase, "a phase", |phase| phase.name().to_owned(), |text| Self::ALL
    .into_iter()
    .find(|phase| phase.name() == text));
as_text!(FaultAction, "an action", |action| action.name().to_owned(), |text| Self::ALL
    .into_iter()
    .find(|action| action.name() == text));
as_text!(Labels, "a JSON object of texts", Labels::to_json, |text| Self::from_json("", text).ok());

impl Cell for Vec<String> {
    fn fields(name: &str) -> Vec<Field> {
        vec![Field::new(name, Kind::Texts, false)]
    }

    fn write<'a>(name: &str, cells: impl Iterator<Item = &'a Self>, columns: &mut Vec<Column>)
    where
        Self: 'a,
    {
        let mut list = ListStringChunkedBuilder::new(name.into(), 0, 0);
        for texts in cells {
            list.append_values_iter(texts.iter().map(String::as_str));
        }
        columns.push(list.finish().into_column());
    }

    fn read(view: &View<'_>, name: &str) -> Result<Vec<Self>, FrameError> {
        let list = view.lists(name);
        (0..list.len())
            .map(|row| {
                let texts = list.get_as_series(row).ok_or_else(|| view.null(name, row))?;
                let texts = texts.str().expect("the schema was checked").iter();
                texts.map(|t| t.map(str::to_owned).ok_or_else(|| view.null(name, row))).collect()
            })
            .collect()
    }
}

impl Cell for Vec<Time> {
    fn fields(name: &str) -> Vec<Field> {
        vec![Field::new(name, Kind::Times, false)]
    }

    fn write<'a>(name: &str, cells: impl Iterator<Item = &'a Self>, columns: &mut Vec<Column>)
    where
        Self: 'a,
    {
        let cells = cells.map(|times| times.iter().copied().map(Some).collect());
        columns.push(time_lists(name, cells));
    }

    fn read(view: &View<'_>, name: &str) -> Result<Vec<Self>, FrameError> {
        let lists = read_time_lists(view, name)?.into_iter().enumerate();
        lists
            .map(|(row, times)| {
                times.into_iter().map(|time| time.ok_or_else(|| view.null(name, row))).collect()
            })
            .collect()
    }
}

pub(super) fn time_lists(name: &str, cells: impl Iterator<Item = Vec<Option<Time>>>) -> Column {
    let inner = DataType::Datetime(TimeUnit::Milliseconds, None);
    let mut list = ListPrimitiveChunkedBuilder::<Int64Type>::new(name.into(), 0, 0, inner);
    for cell in cells {
        let millis: Vec<_> = cell.into_iter().map(|time| time.map(Time::as_millis)).collect();
        list.append_series(&Series::new(PlSmallStr::EMPTY, millis))
            .expect("a list of times is made of integers");
    }
    list.finish().into_column()
}

pub(super) fn read_time_lists(
    view: &View<'_>,
    name: &str,
) -> Result<Vec<Vec<Option<Time>>>, FrameError> {
    let list = view.lists(name);
    (0..list.len())
        .map(|row| {
            let times = list.get_as_series(row).ok_or_else(|| view.null(name, row))?;
            let times = times.to_physical_repr();
            let times = times.i64().expect("the schema was checked");
            Ok(times.iter().map(|millis| millis.map(Time::from_millis)).collect())
        })
        .collect()
}
