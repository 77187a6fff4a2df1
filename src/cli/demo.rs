//! `homeostat demo`: the main job on the lab, with nothing installed.

use std::io::Write;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use clap::Args;

use super::{
    exit::Exit,
    lab::{program, utf8},
    run::Trial,
};
use crate::{
    clock::Clock,
    hypothesis::Reading,
    lab::{Lab, LabPlan, Switch},
    report::Format,
};

/// The hypothesis of the demo, compiled in: the demo runs from any directory.
const HYPOTHESIS: &str = include_str!("../../hypotheses/pod-loss-30.yaml");

/// Start the lab, kill 30 % of its pods, and report: no cluster, no Prometheus, one minute
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Where the recording is kept
    #[arg(long, env = "HOMEOSTAT_STORE", default_value = "reports", value_name = "DIR")]
    store: Utf8PathBuf,
    /// What is printed to stdout at the end
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// Whether the proxy retries: `off` takes away what absorbs the fault
    #[arg(long, value_enum, default_value_t = Switch::On)]
    retries: Switch,
}

pub(super) fn run(args: &DemoArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Runtime::new().context("starting the async runtime")?;
    runtime.block_on(async {
        let scratch = tempfile::tempdir().context("making a directory for the lab's kubeconfig")?;
        let plan = LabPlan {
            retries: args.retries == Switch::On,
            ..LabPlan::new(program()?, utf8(scratch.path())?)
        };
        anstream::eprintln!("starting the lab: {} pods behind a proxy, under load", plan.replicas);
        let lab = Lab::start(plan, Clock::system()).await?;
        let exit = try_on(&lab, args, out).await;
        lab.stop().await;
        exit
    })
}

async fn try_on(lab: &Lab, args: &DemoArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let variables = |name: &str| match name {
        "HOMEOSTAT_LAB_SD" => Some(lab.sd_url()),
        "HOMEOSTAT_LAB_KUBECONFIG" => Some(lab.kubeconfig().to_string()),
        _ => None,
    };
    let trial = Trial {
        text: HYPOTHESIS,
        name: "hypotheses/pod-loss-30.yaml",
        reading: Reading::ToRun(&variables),
        command_line: &[],
        store: &args.store,
        tags: &[],
        seed: None,
    };
    trial.run_within(args.format, out).await
}
