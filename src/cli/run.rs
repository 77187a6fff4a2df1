//! `homeostat run`: before → fault → after, verdict, report.

use std::io::Write;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::{
    env::{self, Env},
    exit::{Exit, Invalid},
    judgement::{Judged, complete_command, read_hypothesis},
    progress, signals,
};
use crate::{
    experiment::{self, Setup},
    hypothesis::{Reading, load, model::Fault, recordable},
    record::Status,
    report::{self, Format},
};

/// What is said when a run is asked to stop.
const STOPPING: &str = "stopping: the fault is ended and taken back, the recording is closed";

/// Try a hypothesis: watch, inject its fault, watch on, judge and report
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The hypothesis file
    file: Utf8PathBuf,
    /// Where recordings are kept
    #[arg(long, env = "HOMEOSTAT_STORE", default_value = "reports", value_name = "DIR")]
    store: Utf8PathBuf,
    /// What is printed to stdout at the end; every format is written beside the recording too
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// An environment tag, kept with the run: `--tag cluster=staging`
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = key_value)]
    tags: Vec<(String, String)>,
    /// The seed of every random choice; recorded
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The program of a `command` fault, when the file names none
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

pub(super) fn run(args: &RunArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let text = load::read(&args.file)?;
    let variables = |name: &str| std::env::var(name).ok();
    let trial = Trial {
        text: &text,
        name: args.file.as_str(),
        reading: Reading::ToRun(&variables),
        command_line: &args.command,
        store: &args.store,
        tags: &args.tags,
        seed: args.seed,
    };
    trial.run(args.format, out)
}

/// One hypothesis to try, wherever it came from.
pub(super) struct Trial<'a> {
    pub(super) text: &'a str,
    pub(super) name: &'a str,
    pub(super) reading: Reading<'a>,
    pub(super) command_line: &'a [String],
    pub(super) store: &'a Utf8Path,
    pub(super) tags: &'a [(String, String)],
    pub(super) seed: Option<u64>,
}

impl Trial<'_> {
    /// Runs, judges, writes the reports and prints one of them.
    pub(super) fn run(self, format: Format, out: &mut dyn Write) -> anyhow::Result<Exit> {
        let runtime = tokio::runtime::Runtime::new().context("starting the async runtime")?;
        runtime.block_on(self.run_within(format, out))
    }

    /// The same, for a caller that has a runtime already.
    pub(super) async fn run_within(
        self,
        format: Format,
        out: &mut dyn Write,
    ) -> anyhow::Result<Exit> {
        let setup = self.setup()?;
        let stop = signals::listen(STOPPING)?;
        let mut progress = progress::of_terminal(&setup.hypothesis, &setup.secrets);
        let dir = experiment::run(&setup, &mut progress, stop).await;
        progress.clear();
        let judged = Judged::of(&dir?)?;
        let view = judged.view();
        judged.write(&view, false)?;
        write!(out, "{}", report::render(&view, format, env::stdout_style()))?;
        if format == Format::Terminal {
            // Data for programs stays alone on stdout; people want to know where to look.
            writeln!(out, "\nreport: {}/report.html", judged.recording.dir)?;
        }
        Ok(match judged.recording.manifest.status {
            Status::Interrupted => Exit::Interrupted,
            Status::Incomplete | Status::Complete | Status::NotInjected | Status::GuardTripped => {
                judged.verdicts.outcome.into()
            }
        })
    }

    fn setup(&self) -> anyhow::Result<Setup> {
        let mut hypothesis = read_hypothesis(self.text, self.name, self.reading)?;
        complete_command(&mut hypothesis, self.command_line);
        self.check_command(&hypothesis.fault)?;
        let secrets = env::secrets();
        let text = recordable(self.text, &secrets).map_err(|why| self.invalid(why.to_string()))?;
        let Env { clock, run_id, seed } = Env::take(self.seed)?;
        Ok(Setup {
            hypothesis,
            text,
            command_line: self.command_line.to_vec(),
            store: self.store.to_owned(),
            run_id,
            clock,
            seed,
            environment: env::tags(self.tags),
            secrets,
            program: super::lab::program()?,
            own_pod: env::variable("HOSTNAME")
                .filter(|_| env::variable("KUBERNETES_SERVICE_HOST").is_some()),
        })
    }

    /// A program is given once: in the file or on the command line.
    fn check_command(&self, fault: &Fault) -> anyhow::Result<()> {
        let problem = match fault {
            Fault::Command(command) if command.argv.is_empty() => {
                "its fault is a `command` without `argv`: give the program after `--`"
            }
            Fault::Command(_) => return Ok(()),
            Fault::None
            | Fault::KillPods(_)
            | Fault::Manifest(_)
            | Fault::Toxiproxy(_)
            | Fault::Observe(_)
                if !self.command_line.is_empty() =>
            {
                "its fault is not a `command`, so there is nothing to do with the program after `--`"
            }
            Fault::None
            | Fault::KillPods(_)
            | Fault::Manifest(_)
            | Fault::Toxiproxy(_)
            | Fault::Observe(_) => {
                return Ok(());
            }
        };
        Err(self.invalid(problem.to_owned()).into())
    }

    fn invalid(&self, problems: String) -> Invalid {
        Invalid { file: self.name.to_owned(), problems }
    }
}

/// Reads `KEY=VALUE`, for clap.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("a tag is written KEY=VALUE".to_owned()),
    }
}
