//! `homeostat drift`: whether the numbers of many runs are steady, stepped or drifting.

mod table;

use std::{
    io::{Read as _, Write},
    str::FromStr,
};

use anyhow::Context as _;
use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

pub(super) use self::table::TableError;
use super::{env, exit::Exit};
use crate::{
    drift::{self, Direction, History, Least, Sensitivity, Settings},
    number::Finite,
    record::atomic,
    report::{self, DriftFormat, DriftSubject},
};

/// Tell whether the numbers of many runs are steady, stepped or drifting
///
/// Reads one number a run and looks for changes that no single run shows. Ends with 12 when there
/// is a change for the worse that matters, 0 otherwise, and 1 when the numbers could not be read.
#[derive(Debug, Args)]
pub(super) struct DriftArgs {
    /// A CSV file, or `-` for the input. Columns by name: `value`; `time` or `index`; `boundary`,
    /// `lower` and `upper` where there are any. An empty cell is a gap
    #[arg(long, value_name = "FILE")]
    series: Utf8PathBuf,
    /// Where the values belong; without it, the side of the boundary on which they begin, and
    /// without a boundary a change either way is for the worse
    #[arg(long, value_enum)]
    direction: Option<Side>,
    /// What the values are held to; a column `boundary` counts before it
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    boundary: Option<f64>,
    /// The least change that matters: a share of the margin, which is the distance to the boundary
    /// (without one, of the level), or so much in the unit of the values
    #[arg(long, value_name = "SHARE%|NUMBER", default_value = "5%")]
    least: LeastText,
    /// Believe changes sooner: more is found, and more of it is chance
    #[arg(long)]
    sensitive: bool,
    /// What is printed
    #[arg(long, value_enum, default_value_t = DriftFormat::Terminal)]
    format: DriftFormat,
    /// Write to a file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

/// On which side of the boundary values belong.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Side {
    /// Lower is better: a rise is for the worse
    #[value(alias = "lower-is-better")]
    Below,
    /// Higher is better: a fall is for the worse
    #[value(alias = "higher-is-better")]
    Above,
    /// A change either way is for the worse
    Either,
}

impl From<Side> for Direction {
    fn from(side: Side) -> Self {
        match side {
            Side::Below => Self::Below,
            Side::Above => Self::Above,
            Side::Either => Self::Either,
        }
    }
}

/// The least change that matters, as it is written.
#[derive(Clone, Copy, Debug)]
struct LeastText(Least);

impl FromStr for LeastText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, is_share) = match text.trim().strip_suffix('%') {
            Some(share) => (share.trim(), true),
            None => (text.trim(), false),
        };
        let value = number.parse().ok().and_then(Finite::new).map(Finite::get);
        match value.filter(|value| *value >= 0.0) {
            Some(value) if is_share => Ok(Self(Least::Share(value / 100.0))),
            Some(value) => Ok(Self(Least::Absolute(value))),
            None => Err("a share such as `5%` or a number such as `0.2` is needed".to_owned()),
        }
    }
}

pub(super) fn run(args: &DriftArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let (name, text) = read(args)?;
    let boundary = args.boundary.map(|b| Finite::new(b).context("`--boundary` is no number"));
    let table = table::parse(&name, &text, boundary.transpose()?.map(Finite::get))?;
    let history = History::new(&table.rows, args.direction.map(Direction::from));
    let sensitivity = if args.sensitive { Sensitivity::Sensitive } else { Sensitivity::Gate };
    let settings = Settings { sensitivity, least: args.least.0 };
    let finding = drift::find(&history, settings);
    let subject = DriftSubject {
        name: &name,
        history: &history,
        settings,
        finding: &finding,
        notes: &table.notes,
    };
    let text = report::render_drift(&subject, args.format, env::stdout_style());
    match &args.output {
        Some(file) => atomic::write(file, text.as_bytes())?,
        None => write!(out, "{text}")?,
    }
    Ok(if finding.is_drifting() { Exit::Drifting } else { Exit::Success })
}

/// The name and the text of the series.
fn read(args: &DriftArgs) -> anyhow::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    if args.series == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes).context("reading the input")?;
        return Ok(("stdin".to_owned(), bytes));
    }
    fs_err::File::open(&args.series)?.read_to_end(&mut bytes)?;
    Ok((args.series.file_name().unwrap_or("series").to_owned(), bytes))
}
