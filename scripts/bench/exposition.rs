//! usage: scripts/bench/exposition
//!
//! Our scanner and the crate prometheus-parse read the same page, in turns, and must see the same
//! number of samples. The page holds only what the crate reads right: no `}`, `,` or `=` in a
//! value, no `:` in a name, no histogram, which the crate folds into one sample.

use std::{
    hint::black_box,
    io::{self, Write as _},
    time::Duration,
};

use homeostat::internals::{
    clock::Clock,
    exposition::{Format, Item, scan},
};

const SERIES: usize = 40_000;
const ROUNDS: usize = 5;
/// The clock counts milliseconds: what is measured must take many.
const LEAST: Duration = Duration::from_millis(300);

fn page() -> String {
    let mut page = String::new();
    for metric in 0..SERIES / 100 {
        let name = format!("requests_{metric}_total");
        page += &format!("# HELP {name} Requests by code and instance.\n# TYPE {name} counter\n");
        for series in 0..100 {
            let (code, value) = (200 + series % 4 * 100, metric * 1000 + series);
            let instance = format!("10.0.{metric}.{series}");
            page += &format!("{name}{{code=\"{code}\",instance=\"{instance}\"}} {value}.25\n");
        }
    }
    page
}

fn ours(page: &str) -> usize {
    scan(page.as_bytes(), Format::Text).filter(|item| matches!(item, Item::Sample(_))).count()
}

fn theirs(page: &str) -> usize {
    let lines = page.lines().map(|line| Ok(line.to_owned()));
    prometheus_parse::Scrape::parse(lines).map_or(0, |scrape| scrape.samples.len())
}

/// Megabytes a second.
fn speed(clock: &Clock, page: &str, read: fn(&str) -> usize) -> f64 {
    let start = clock.now();
    let mut bytes = 0;
    while clock.now().since(start) < LEAST {
        black_box(read(black_box(page)));
        bytes += page.len();
    }
    bytes as f64 / 1e6 / clock.now().since(start).as_secs_f64()
}

fn main() -> io::Result<()> {
    let (clock, page) = (Clock::system(), page());
    assert_eq!((ours(&page), theirs(&page)), (SERIES, SERIES), "both see every sample");
    let (mut fastest, mut ratios) = ((0.0_f64, 0.0_f64), Vec::new());
    for _ in 0..ROUNDS {
        let (a, b) = (speed(&clock, &page, ours), speed(&clock, &page, theirs));
        fastest = (fastest.0.max(a), fastest.1.max(b));
        ratios.push(a / b);
    }
    ratios.sort_by(f64::total_cmp);
    let mut out = io::stdout().lock();
    writeln!(out, "page              {:.1} MB, {SERIES} samples", page.len() as f64 / 1e6)?;
    writeln!(out, "homeostat         {:.0} MB/s", fastest.0)?;
    writeln!(out, "prometheus-parse  {:.0} MB/s", fastest.1)?;
    writeln!(out, "ratio             {:.1}, median of {ROUNDS} pairs", ratios[ROUNDS / 2])
}
