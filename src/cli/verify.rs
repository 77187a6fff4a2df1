//! `homeostat verify`: judges an experiment that is over, from what a server kept of it.

use std::io::Write;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use clap::Args;

use super::{
    env::{self, Env},
    exit::{Exit, Invalid},
    judgement::{Judged, read_hypothesis},
    moment::{Moment, Stretch, stretch},
    progress,
    run::key_value,
};
use crate::{
    experiment::{self, PastWindows, Setup},
    hypothesis::{Hypothesis, Reading, load, recordable},
    report::{self, Format},
    time::Time,
    window::{Phase, Window},
};

/// Judge an experiment that is over, from what a Prometheus server kept of it
///
/// Nothing is injected. FROM and TO are times such as `2026-11-23T02:15:00Z`, seconds since 1970,
/// `-2h` (ago) or `now`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The hypothesis file; its source is a `prometheus` server
    file: Utf8PathBuf,
    /// When the fault was: from its first injection until it was over
    #[arg(long, value_name = "FROM..TO", value_parser = stretch, allow_hyphen_values = true)]
    during: Stretch,
    /// The steady state; by default what is before `--during`, as long as `phases.before`
    #[arg(long, value_name = "FROM..TO", value_parser = stretch, allow_hyphen_values = true)]
    before: Option<Stretch>,
    /// What followed; by default what is after `--during`, as long as `phases.after`
    #[arg(long, value_name = "FROM..TO", value_parser = stretch, allow_hyphen_values = true)]
    after: Option<Stretch>,
    /// Where recordings are kept
    #[arg(long, env = "HOMEOSTAT_STORE", default_value = "reports", value_name = "DIR")]
    store: Utf8PathBuf,
    /// What is printed to stdout at the end; every format is written beside the recording too
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// An environment tag, kept with the run: `--tag cluster=staging`
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = key_value)]
    tags: Vec<(String, String)>,
}

pub(super) fn run(args: &VerifyArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let text = load::read(&args.file)?;
    let variables = |name: &str| std::env::var(name).ok();
    let name = args.file.as_str();
    let hypothesis = read_hypothesis(&text, name, Reading::ToRun(&variables))?;
    let invalid = |problems: String| Invalid { file: name.to_owned(), problems };
    if !hypothesis.sources.has_server() {
        let problem = "the past can only be asked of a server, and `sources` names no `prometheus`";
        return Err(invalid(problem.to_owned()).into());
    }
    let Env { clock, run_id, seed } = Env::take(None)?;
    let now = clock.now();
    let windows = windows(args, &hypothesis, now).map_err(invalid)?;
    let secrets = env::secrets();
    let text = recordable(&text, &secrets).map_err(|why| invalid(why.to_string()))?;
    let mut progress = progress::of_terminal(&hypothesis, &secrets);
    for note in said(args, windows) {
        experiment::Progress::note(&mut progress, now, &note);
    }
    let setup = Setup {
        hypothesis,
        text,
        command_line: Vec::new(),
        store: args.store.clone(),
        run_id,
        clock,
        seed,
        environment: env::tags(&args.tags),
        secrets,
        program: super::lab::program()?,
        own_pod: None,
    };
    let runtime = tokio::runtime::Runtime::new().context("starting the async runtime")?;
    let dir = runtime.block_on(experiment::verify(&setup, windows, &mut progress));
    progress.clear();
    let judged = Judged::of(&dir?)?;
    let view = judged.view();
    judged.write(&view, false)?;
    write!(out, "{}", report::render(&view, args.format, env::stdout_style()))?;
    if args.format == Format::Terminal {
        writeln!(out, "\nreport: {}/report.html", judged.recording.dir)?;
    }
    Ok(judged.verdicts.outcome.into())
}

/// The phases that are meant; or what is wrong with them.
fn windows(args: &VerifyArgs, hypothesis: &Hypothesis, now: Time) -> Result<PastWindows, String> {
    let window = |flag: &str, given: &Stretch| {
        let (from, to) = (given.from.time(now), given.to.time(now));
        if from < to {
            return Ok(Window::new(from, to));
        }
        Err(format!("`--{flag}` ends at {to}, which is not after its start, {from}"))
    };
    let plan = hypothesis.phases;
    let during = window("during", &args.during)?;
    let before = match &args.before {
        Some(given) => window("before", given)?,
        None => Window::new(during.start.minus(plan.before), during.start),
    };
    let after = match &args.after {
        Some(given) => window("after", given)?,
        None => Window::new(during.end, during.end.plus(plan.after).min(now)),
    };
    if during.start > now {
        return Err(format!("`--during` begins at {}, and it is {now}", during.start));
    }
    if before.end > during.start {
        return Err(format!(
            "`--before` ends at {}, after the fault began at {}",
            before.end, during.start
        ));
    }
    if after.start < during.end {
        return Err(format!(
            "`--after` begins at {}, before the fault was over at {}",
            after.start, during.end
        ));
    }
    Ok(PastWindows { before, during, after })
}

/// What a person has to see: the phases as they were understood.
fn said(args: &VerifyArgs, windows: PastWindows) -> Vec<String> {
    let PastWindows { before, during, after } = windows;
    let phases = [(Phase::Before, before), (Phase::During, during), (Phase::After, after)];
    let mut said: Vec<String> = phases
        .iter()
        .map(|(phase, window)| format!("{phase}: {} to {}", window.start, window.end))
        .collect();
    let given = [Some(&args.during), args.before.as_ref(), args.after.as_ref()];
    let moments = given.into_iter().flatten().flat_map(|one| [one.from, one.to]);
    if moments.into_iter().any(|moment| matches!(moment, Moment::Utc(_))) {
        said.push("times without a zone were taken for UTC".to_owned());
    }
    said
}
