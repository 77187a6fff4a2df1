//! The command line: one file a command, each a pipeline that reads aloud.
//!
//! Everything that a run takes from the machine (clock, environment, terminal, seed) is taken
//! here and passed on. `cli` sees every module and is seen by none.

mod demo;
mod drift;
mod env;
mod exit;
mod first_reading;
mod judge;
mod judgement;
mod lab;
mod lint;
mod log;
mod moment;
mod progress;
mod report;
mod run;
mod schema;
mod shell;
mod signals;
mod supervise;
mod undo;
mod verify;

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
};

use clap::{Parser, Subcommand};

pub use exit::Exit;

/// Did the steady state hold, for the reason claimed, and how much room was left?
///
/// Homeostat watches Prometheus metrics and Kubernetes objects before, during and after a chaos
/// experiment, judges a hypothesis about them, keeps what it saw and reports. It ends with 0
/// (pass), 10 (fail), 11 (inconclusive), 12 (drifting), 1 (could not run), 2 (usage or invalid
/// hypothesis) or 130 (interrupted).
#[derive(Debug, Parser)]
#[command(name = "homeostat", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Lint(lint::LintArgs),
    Run(run::RunArgs),
    Verify(verify::VerifyArgs),
    Judge(judge::JudgeArgs),
    Report(report::ReportArgs),
    Drift(drift::DriftArgs),
    Undo(undo::UndoArgs),
    Lab(Box<lab::LabCommand>),
    Schema(schema::SchemaArgs),
    Completions(shell::CompletionsArgs),
    Man(shell::ManArgs),
    #[command(hide = true)]
    LabPod(lab::LabPodCommand),
    #[command(hide = true)]
    Supervise(supervise::SuperviseCommand),
    #[command(hide = true)]
    FirstReading(first_reading::FirstReadingArgs),
}

impl Cli {
    /// Carries the command out. Data goes to stdout, everything else to stderr.
    pub fn run(self) -> anyhow::Result<Exit> {
        let out = &mut anstream::stdout().lock();
        let result = match &self.command {
            Command::Demo(args) => demo::run(args, out),
            Command::Lint(args) => lint::run(args, out),
            Command::Run(args) => run::run(args, out),
            Command::Verify(args) => verify::run(args, out),
            Command::Judge(args) => judge::run(args, out),
            Command::Report(args) => report::run(args, out),
            Command::Drift(args) => drift::run(args, out),
            Command::Undo(args) => undo::run(args, out),
            Command::Lab(args) => lab::run(args, out),
            Command::LabPod(args) => lab::run_pod(args),
            Command::Supervise(args) => supervise::run(args),
            Command::FirstReading(args) => first_reading::run(args),
            Command::Schema(args) => schema::run(args, out),
            Command::Completions(args) => shell::completions(args, out),
            Command::Man(args) => shell::man(args, out),
        };
        match result {
            // A reader that has seen enough (`| head`) is no error of ours.
            Err(error) if is_broken_pipe(&error) => Ok(Exit::Success),
            other => other,
        }
    }
}

/// Logs go to stderr, as `HOMEOSTAT_LOG` asks; without it only warnings.
pub fn start_logging() {
    let secrets = Arc::new(env::secrets());
    let filter = tracing_subscriber::EnvFilter::try_from_env("HOMEOSTAT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || log::Redacting::new(io::stderr(), &secrets))
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// Prints an error with its causes, and a way out where one is known.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    let mut err = anstream::stderr().lock();
    let text = harmless(&format!("error: {error:#}"));
    let hint = exit::hint(error).map(|hint| format!("hint: {}\n", harmless(&hint)));
    let text = format!("{text}\n{}", hint.unwrap_or_default());
    // Nobody is left to tell when stderr is gone too.
    drop(err.write_all(text.as_bytes()));
    exit::code_of(error).into()
}

/// What an error says can come from a cluster, a target or a stranger's recording.
fn harmless(text: &str) -> String {
    /// The most characters of an error: a list of candidates fits, a page of a target does not.
    const MOST: usize = 4000;
    crate::report::plain_lines(&crate::report::cut_to(&env::secrets().redact(text), MOST))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
