//! The table of a campaign: a line a seed, and how each kind of fault ended.

use std::{collections::BTreeMap, fmt::Write as _};

use super::plan::Plan;

/// One trial as the table shows it.
pub(super) struct Row {
    pub(super) plan: Plan,
    pub(super) exit: Exit,
    pub(super) verdict: String,
    pub(super) ground: String,
    /// Each way in which the law was broken.
    pub(super) broken: Vec<String>,
}

/// How homeostat ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    Pass,
    Fail,
    Inconclusive,
    Error,
    Interrupted,
    Killed,
    /// With a code that says nothing, or never.
    Other,
}

impl Exit {
    const ALL: [Self; 7] = [
        Self::Pass,
        Self::Fail,
        Self::Inconclusive,
        Self::Error,
        Self::Interrupted,
        Self::Killed,
        Self::Other,
    ];

    pub(super) fn of(code: Option<i32>) -> Self {
        match code {
            Some(0) => Self::Pass,
            Some(10) => Self::Fail,
            Some(11) => Self::Inconclusive,
            Some(1) => Self::Error,
            Some(130) => Self::Interrupted,
            None => Self::Killed,
            Some(_) => Self::Other,
        }
    }

    fn word(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

pub(super) fn head() -> String {
    format!("{:>5} | {:<12} | {:<12} | {:<8} | faults", "seed", "exit", "verdict", "law")
}

/// A row, and below it whatever is wrong.
pub(super) fn line(row: &Row) -> String {
    let law = if row.broken.is_empty() { "ok" } else { "violated" };
    let mut text = format!(
        "{:>5} | {:<12} | {:<12} | {law:<8} | {}\n      = {}",
        row.plan.seed,
        row.exit.word(),
        row.verdict,
        row.plan,
        row.ground.replace('\n', " ")
    );
    for why in &row.broken {
        write!(text, "\n      ! {}", why.replace('\n', "\n        ")).unwrap();
    }
    text
}

/// Fault by outcome: in how many trials with a fault the run ended so.
pub(super) fn totals(rows: &[Row]) -> String {
    let mut kinds: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if row.plan.is_control() {
            kinds.entry("(none: control)".to_owned()).or_default().push(row);
        }
        for planned in &row.plan.faults {
            kinds.entry(planned.fault.to_string()).or_default().push(row);
        }
    }
    let mut text = format!("{:<24}", "fault");
    for exit in Exit::ALL {
        write!(text, " {:>12}", exit.word()).unwrap();
    }
    writeln!(text, " {:>9}", "violated").unwrap();
    let all: Vec<&Row> = rows.iter().collect();
    for (kind, rows) in
        kinds.iter().map(|(kind, rows)| (kind.as_str(), rows)).chain([("all", &all)])
    {
        write!(text, "{kind:<24}").unwrap();
        for exit in Exit::ALL {
            write!(text, " {:>12}", rows.iter().filter(|row| row.exit == exit).count()).unwrap();
        }
        let violated = rows.iter().filter(|row| !row.broken.is_empty()).count();
        writeln!(text, " {violated:>9}").unwrap();
    }
    text
}
