//! usage: scripts/bench/drift-calibration [--seed N] [--reps N] [TABLE...]
//!
//! Simulated histories with the shipped settings, and what is said of them. Errors have a standard
//! deviation of 1 and the mean is about 0, so that without a boundary hardly any change is too
//! small to matter: that is the hardest case for false alarms. The same seed gives the same tables.

use std::io::{self, Write as _};

use homeostat::internals::drift::{
    Alert, Direction, Family, Finding, Forecast, History, Row, Settings, find,
};

/// Repetitions of a cell, unless told otherwise.
const REPETITIONS: usize = 2000;

/// The tables, in the order in which they are printed.
const TABLES: [(&str, Table); 6] = [
    ("found", Bench::found),
    ("trend", Bench::trend),
    ("place", Bench::place),
    ("forecast", Bench::forecast),
    ("next", Bench::next),
    ("nights", Bench::nights),
];

/// Prints one table.
type Table = fn(&Bench, &mut dyn io::Write) -> io::Result<()>;

/// What the errors are like.
#[derive(Clone, Copy)]
enum Errors {
    /// Gaussian, with this memory; 1 is a random walk with steps of 1.
    Gaussian(f64),
    /// Student's t with 3 degrees of freedom, of variance 1.
    HeavyTail,
    /// Gaussian and independent, and 1 run in 20 is 8 up or down.
    Outliers,
}

impl Errors {
    const ALL: [Self; 7] = [
        Self::Gaussian(0.0),
        Self::Gaussian(0.3),
        Self::Gaussian(0.6),
        Self::Gaussian(0.9),
        Self::Gaussian(1.0),
        Self::HeavyTail,
        Self::Outliers,
    ];

    fn name(self) -> String {
        match self {
            Self::Gaussian(phi) if phi <= 0.0 => "independent".to_owned(),
            Self::Gaussian(phi) if phi >= 1.0 => "random walk".to_owned(),
            Self::Gaussian(phi) => format!("φ = {phi}"),
            Self::HeavyTail => "Student t, 3".to_owned(),
            Self::Outliers => "5 % outliers".to_owned(),
        }
    }

    fn draw(self, random: &mut fastrand::Rng, n: usize) -> Vec<f64> {
        match self {
            Self::Gaussian(phi) => {
                let fresh = if phi < 1.0 { (1.0 - phi * phi).sqrt() } else { 1.0 };
                let mut last = gaussian(random);
                let next = |_| {
                    let now = last;
                    last = phi * last + fresh * gaussian(random);
                    now
                };
                (0..n).map(next).collect()
            }
            Self::HeavyTail => (0..n)
                .map(|_| {
                    let squares: f64 = (0..3).map(|_| gaussian(random).powi(2)).sum();
                    gaussian(random) / squares.sqrt()
                })
                .collect(),
            Self::Outliers => (0..n)
                .map(|_| {
                    let odd = if random.f64() < 0.05 { 8.0 } else { 0.0 };
                    gaussian(random) + if random.bool() { odd } else { -odd }
                })
                .collect(),
        }
    }
}

/// Box and Muller (1958).
fn gaussian(random: &mut fastrand::Rng) -> f64 {
    let (u, v) = (1.0 - random.f64(), random.f64());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

struct Bench {
    seed: u64,
    reps: usize,
}

fn look(values: &[f64], boundary: Option<f64>, direction: Direction) -> Finding {
    let row = |(index, value): (usize, &f64)| Row {
        index: index as i64,
        value: Some(*value),
        boundary,
        ..Row::default()
    };
    let rows: Vec<Row> = values.iter().enumerate().map(row).collect();
    find(&History::new(&rows, Some(direction)), Settings::default())
}

/// `.034`, or `1.00`.
fn share(count: usize, of: usize) -> String {
    if of == 0 {
        return "–".to_owned();
    }
    let text = format!("{:.3}", count as f64 / of as f64);
    text.strip_prefix('0').map_or_else(|| "1.00".to_owned(), str::to_owned)
}

impl Bench {
    /// Random numbers of one cell: they do not depend on which cells were drawn before.
    fn random(&self, cell: &str) -> fastrand::Rng {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        fastrand::Rng::with_seed(cell.bytes().fold(0xcbf2_9ce4_8422_2325 ^ self.seed, mix))
    }

    fn draw<T>(&self, cell: &str, mut one: impl FnMut(&mut fastrand::Rng) -> T) -> Vec<T> {
        let mut random = self.random(cell);
        (0..self.reps).map(|_| one(&mut random)).collect()
    }

    /// False alarms, and what is found of a step and of a ramp.
    fn found(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(
            out,
            "| runs | errors | no change: alarm | shown | cannot tell | step of 2: alarm | at its \
             place | ramp of 4: alarm | drifting | stepped or mixed | cannot tell |\n\
             |---|---|---|---|---|---|---|---|---|---|---|"
        )?;
        for n in [30, 60, 100, 300, 1000] {
            for errors in Errors::ALL {
                self.found_row(out, n, errors)?;
            }
        }
        writeln!(out)
    }

    fn found_row(&self, out: &mut dyn io::Write, n: usize, errors: Errors) -> io::Result<()> {
        let cell = format!("found {n} {}", errors.name());
        let findings = |step: f64, ramp: f64| {
            self.draw(&cell, |random| {
                let mut values = errors.draw(random, n);
                for (i, value) in values.iter_mut().enumerate() {
                    *value += if i < n / 2 { 0.0 } else { step };
                    *value += ramp * i as f64 / (n - 1) as f64;
                }
                look(&values, None, Direction::Either)
            })
        };
        let of = |all: &[Finding], is: &dyn Fn(&Finding) -> bool| {
            share(all.iter().filter(|finding| is(finding)).count(), all.len())
        };
        let alarm = |finding: &Finding| finding.is_drifting();
        let shown =
            |finding: &Finding| !matches!(finding.family, Family::Steady | Family::CannotTell);
        let cannot = |finding: &Finding| finding.family == Family::CannotTell;
        // Within 5 runs, or a twentieth of the history.
        let near = |finding: &Finding| {
            let places = finding.changes.iter().map(|change| change.row);
            places.into_iter().any(|row| row.abs_diff(n / 2) <= 5.max(n / 20))
        };
        let drifting = |finding: &Finding| finding.family == Family::Drifting;
        let steps = |finding: &Finding| matches!(finding.family, Family::Stepped | Family::Mixed);
        let (none, step, ramp) = (findings(0.0, 0.0), findings(2.0, 0.0), findings(0.0, 4.0));
        writeln!(
            out,
            "| {n} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            errors.name(),
            of(&none, &alarm),
            of(&none, &shown),
            of(&none, &cannot),
            of(&step, &alarm),
            of(&step, &near),
            of(&ramp, &alarm),
            of(&ramp, &drifting),
            of(&ramp, &steps),
            of(&ramp, &cannot),
        )?;
        out.flush()
    }

    /// How often a slope is called significant at 5 % where there is none.
    fn trend(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(
            out,
            "| runs | independent | φ = 0.3 | φ = 0.6 | φ = 0.9 |\n|---|---|---|---|---|"
        )?;
        for n in [20, 30, 50, 100, 300] {
            let cells = [0.0, 0.3, 0.6, 0.9].map(|phi| {
                let significant = self.draw(&format!("trend {n} {phi}"), |random| {
                    let values = Errors::Gaussian(phi).draw(random, n);
                    let finding = look(&values, None, Direction::Either);
                    finding.trend.is_some_and(|trend| trend.p_value < 0.05)
                });
                share(significant.iter().filter(|one| **one).count(), self.reps)
            });
            writeln!(out, "| {n} | {} |", cells.join(" | "))?;
        }
        writeln!(out)
    }

    /// Whether the intervals of place and size hold the true ones, among steps that were found.
    fn place(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(
            out,
            "| errors | step | one step found | place covered | size covered | median width of the \
             place |\n|---|---|---|---|---|---|"
        )?;
        for phi in [0.0, 0.3, 0.6] {
            for size in [2.0, 4.0] {
                let errors = Errors::Gaussian(phi);
                let seen = self.draw(&format!("place {phi} {size}"), |random| {
                    let mut values = errors.draw(random, 100);
                    values[50..].iter_mut().for_each(|value| *value += size);
                    let finding = look(&values, None, Direction::Either);
                    let [change] = finding.changes.as_slice() else { return None };
                    let jump = change.jump?;
                    let (from, to) = change.rows;
                    let holds = (jump.lower..=jump.upper).contains(&size);
                    Some(((from..=to).contains(&50), holds, to - from + 1))
                });
                let seen: Vec<(bool, bool, usize)> = seen.into_iter().flatten().collect();
                let mut widths: Vec<usize> = seen.iter().map(|one| one.2).collect();
                widths.sort_unstable();
                writeln!(
                    out,
                    "| {} | {size} | {} | {} | {} | {} |",
                    errors.name(),
                    share(seen.len(), self.reps),
                    share(seen.iter().filter(|one| one.0).count(), seen.len()),
                    share(seen.iter().filter(|one| one.1).count(), seen.len()),
                    widths.get(widths.len() / 2).copied().unwrap_or(0),
                )?;
            }
        }
        writeln!(out)
    }

    /// Whether the set of times to the boundary holds the true one.
    fn forecast(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(
            out,
            "| runs | errors | answered | covered | between | not before | none established |\n\
             |---|---|---|---|---|---|---|"
        )?;
        for (n, total) in [(30, 4.0), (60, 4.0), (60, 2.0), (100, 4.0)] {
            for phi in [0.0, 0.3, 0.6] {
                let slope = total / (n - 1) as f64;
                // The line reaches the boundary half a history after the last run.
                let ahead = n as f64 / 2.0;
                let boundary = slope * ((n - 1) as f64 + ahead);
                let errors = Errors::Gaussian(phi);
                let seen = self.draw(&format!("forecast {n} {total} {phi}"), |random| {
                    let mut values = errors.draw(random, n);
                    for (i, value) in values.iter_mut().enumerate() {
                        *value += slope * i as f64;
                    }
                    look(&values, Some(boundary), Direction::Below).forecast
                });
                let known: Vec<Forecast> = seen.into_iter().flatten().collect();
                let covered = known.iter().filter(|forecast| match forecast {
                    Forecast::Between { from, to } => (*from..=*to).contains(&ahead),
                    Forecast::NotBefore { from } => *from <= ahead,
                    // Nothing is said, and so nothing wrong; it counts in a column of its own.
                    Forecast::NotEstablished(_) => false,
                });
                let kind = |is: &dyn Fn(&Forecast) -> bool| known.iter().filter(|f| is(f)).count();
                let none = kind(&|f| matches!(f, Forecast::NotEstablished(_)));
                let said = known.len() - none;
                writeln!(
                    out,
                    "| {n}, rise of {total} | {} | {} | {} | {} | {} | {} |",
                    errors.name(),
                    share(known.len(), self.reps),
                    share(covered.count(), said),
                    share(kind(&|f| matches!(f, Forecast::Between { .. })), known.len()),
                    share(kind(&|f| matches!(f, Forecast::NotBefore { .. })), known.len()),
                    share(none, known.len()),
                )?;
            }
        }
        writeln!(out)
    }

    /// How often the next run breaks the boundary, and how often it was said to.
    fn next(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "| runs | errors | boundary | said | happened |\n|---|---|---|---|---|")?;
        for (n, boundary) in [(30, 1.0), (60, 1.0), (60, 2.0)] {
            for errors in Errors::ALL.into_iter().filter(|e| !matches!(e, Errors::Gaussian(1.0))) {
                let cell = format!("next {n} {boundary} {}", errors.name());
                let seen = self.draw(&cell, |random| {
                    let mut values = errors.draw(random, n + 1);
                    let next = values.pop().unwrap_or(0.0);
                    let finding = look(&values, Some(boundary), Direction::Below);
                    finding.breaks_next.map(|said| (said, next > boundary))
                });
                let seen: Vec<(f64, bool)> = seen.into_iter().flatten().collect();
                let said = seen.iter().map(|one| one.0).sum::<f64>() / seen.len() as f64;
                let happened = seen.iter().filter(|one| one.1).count();
                let name = errors.name();
                let happened = share(happened, seen.len());
                writeln!(out, "| {n} | {name} | {boundary} | {said:.3} | {happened} |")?;
            }
        }
        writeln!(out)
    }

    /// A steady history that grows night by night: how many alarms begin in 365 nights.
    fn nights(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let reps = (self.reps / 20).max(1);
        writeln!(
            out,
            "| errors | alarms in 365 nights, mean of {reps} checks | checks with any | most of one \
             check |\n|---|---|---|---|"
        )?;
        for errors in Errors::ALL.into_iter().filter(|e| !matches!(e, Errors::Gaussian(1.0))) {
            let mut random = self.random(&format!("nights {}", errors.name()));
            let mut alarms = Vec::new();
            for _ in 0..reps {
                let values = errors.draw(&mut random, 365);
                let (mut began, mut ringing) = (0, false);
                for night in 1..=365 {
                    let now = look(&values[..night], None, Direction::Either).alerts;
                    let rings = now.iter().any(|alert| match alert {
                        Alert::Step { .. } | Alert::Drift { .. } | Alert::Outliers => true,
                    });
                    began += usize::from(rings && !ringing);
                    ringing = rings;
                }
                alarms.push(began);
            }
            let mean = alarms.iter().sum::<usize>() as f64 / reps as f64;
            let any = alarms.iter().filter(|one| **one > 0).count();
            let most = alarms.iter().max().copied().unwrap_or(0);
            writeln!(out, "| {} | {mean:.2} | {} | {most} |", errors.name(), share(any, reps))?;
            out.flush()?;
        }
        writeln!(out)
    }
}

fn main() -> io::Result<()> {
    let (mut bench, mut tables) = (Bench { seed: 1, reps: REPETITIONS }, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|text| text.parse().ok());
        match arg.as_str() {
            "--seed" => bench.seed = number().ok_or_else(wrong)?,
            "--reps" => bench.reps = number().ok_or_else(wrong)? as usize,
            // Cargo's own.
            "--bench" => {}
            table if TABLES.iter().any(|(name, _)| *name == table) => tables.push(table.to_owned()),
            _ => return Err(wrong()),
        }
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{} repetitions a cell, seed {}\n", bench.reps, bench.seed)?;
    for (name, table) in TABLES {
        if tables.is_empty() || tables.iter().any(|one| one == name) {
            table(&bench, &mut out)?;
        }
    }
    Ok(())
}

fn wrong() -> io::Error {
    io::Error::other("usage: drift-calibration [--seed N] [--reps N] [TABLE...]")
}
