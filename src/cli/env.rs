//! What a command takes from the machine: clock, run id, seed, secrets, terminal.
//!
//! `HOMEOSTAT_NOW` and `HOMEOSTAT_RUN_ID` pin the first two, for tests and for whoever names
//! runs elsewhere.

use std::{collections::BTreeMap, env, ffi::OsString, io};

use anyhow::Context as _;

use crate::{clock::Clock, record, redact::Secrets, report::Style};

/// Clock, id and seed of one run.
pub(super) struct Env {
    pub(super) clock: Clock,
    pub(super) run_id: String,
    pub(super) seed: u64,
}

impl Env {
    /// Takes them from the machine, or from where they are pinned.
    pub(super) fn take(seed: Option<u64>) -> anyhow::Result<Self> {
        let clock = match variable("HOMEOSTAT_NOW") {
            Some(text) => Clock::starting_at(text.parse().context("`HOMEOSTAT_NOW`")?),
            None => Clock::system(),
        };
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        let run_id = variable("HOMEOSTAT_RUN_ID")
            .unwrap_or_else(|| record::run_id(clock.now(), fastrand::u16(..)));
        Ok(Self { clock, run_id, seed })
    }
}

/// A variable that is set and not empty.
pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The secrets of our environment. A program inherits them and may print them, a command line may
/// hold them; nothing of it is kept or said.
pub(super) fn secrets() -> Secrets {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Secrets::among(env::vars_os().filter_map(text))
}

/// Environment tags: what the run's surroundings say of themselves, and what was given.
pub(super) fn tags(given: &[(String, String)]) -> BTreeMap<String, String> {
    const KNOWN: [(&str, &str); 3] =
        [("commit", "GITHUB_SHA"), ("commit", "CI_COMMIT_SHA"), ("ci_run", "GITHUB_RUN_ID")];
    let known = KNOWN.iter().filter_map(|(tag, name)| Some(((*tag).to_owned(), variable(name)?)));
    known.chain(given.iter().cloned()).collect()
}

/// How text on stdout may look.
pub(super) fn stdout_style() -> Style {
    let colour = match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => false,
        anstream::ColorChoice::Auto
        | anstream::ColorChoice::Always
        | anstream::ColorChoice::AlwaysAnsi => true,
    };
    let columns = variable("COLUMNS").and_then(|text| text.parse().ok());
    let width =
        rustix::termios::tcgetwinsize(io::stdout()).map_or(100, |size| usize::from(size.ws_col));
    Style { colour, width: columns.unwrap_or(width).clamp(40, 160) }
}
