//! Live progress on stderr: a bar on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    experiment::Progress,
    hypothesis::Hypothesis,
    number::length,
    redact::Secrets,
    report::{cut_to, plain},
    time::Time,
    window::Phase,
};

/// Where nobody sees a bar, the newest values are said this often.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// The most characters of a line.
const LONGEST: usize = 1000;

/// Progress on stderr.
pub(super) struct Console {
    bar: Option<ProgressBar>,
    phase: &'static str,
    planned: Duration,
    said_at_left: Duration,
    secrets: Secrets,
}

/// A bar when stderr is a terminal, plain lines otherwise.
pub(super) fn of_terminal(hypothesis: &Hypothesis, secrets: &Secrets) -> Console {
    let bar = io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix:>7} {bar:24} {msg}")
            .expect("the template is valid");
        bar.set_style(style.progress_chars("█▌ "));
        bar
    });
    let (planned, said_at_left) = (Duration::ZERO, Duration::ZERO);
    let console = Console { bar, phase: "", planned, said_at_left, secrets: secrets.clone() };
    console.say(&format!("{}: {}", hypothesis.name, hypothesis.claim.trim()));
    console
}

impl Console {
    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Names, claims and answers in a line come from outside: nothing in it drives the terminal.
    /// A secret is taken out before the line is cut, which could leave half of it.
    fn shown(&self, line: &str) -> String {
        plain(&cut_to(&self.secrets.redact(line), LONGEST))
    }

    fn say(&self, line: &str) {
        let line = self.shown(line);
        match &self.bar {
            Some(bar) => bar.println(&line),
            None => anstream::eprintln!("{line}"),
        }
    }
}

impl Progress for Console {
    fn note(&mut self, at: Time, line: &str) {
        self.say(&format!("{} {line}", at.clock_text()));
    }

    fn phase(&mut self, phase: Phase, planned: Duration) {
        self.phase = phase.name();
        self.planned = planned;
        self.said_at_left = Duration::MAX;
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(self.phase);
                bar.set_length(u64::try_from(planned.as_millis()).unwrap_or(u64::MAX));
                bar.set_position(0);
            }
            None => self.say(&format!("{phase}: {}", length(planned))),
        }
    }

    fn tick(&mut self, left: Duration, values: &[(String, String)]) {
        let values: Vec<String> =
            values.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let line =
            format!("{} left  {}", length(Duration::from_secs(left.as_secs())), values.join("  "));
        match &self.bar {
            Some(bar) => {
                let done = self.planned.saturating_sub(left);
                bar.set_position(u64::try_from(done.as_millis()).unwrap_or(0));
                bar.set_message(self.shown(&line));
            }
            None if self.said_at_left.saturating_sub(left) >= SAY_EVERY => {
                self.said_at_left = left;
                self.say(&format!("{:>7} {line}", self.phase));
            }
            None => {}
        }
    }
}
