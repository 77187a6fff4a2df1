//! `homeostat lab`: the miniature cluster on its own, until Ctrl-C.

use std::io::Write;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::{exit::Exit, signals};
use crate::{
    clock::Clock,
    lab::{self, Lab, LabArgs, PodArgs},
};

/// Run the miniature cluster on its own: real processes, a Kubernetes API, `/metrics`
#[derive(Debug, Args)]
pub(super) struct LabCommand {
    #[command(flatten)]
    lab: LabArgs,
    /// Where the kubeconfig is written; a temporary directory when not given
    #[arg(long, value_name = "DIR")]
    dir: Option<Utf8PathBuf>,
    /// How the addresses are printed once all pods are ready
    #[arg(long, value_enum, default_value_t = LabFormat::Text)]
    format: LabFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LabFormat {
    /// With the commands to try, for people
    Text,
    /// One line of JSON, for programs
    Json,
}

/// One pod of the lab
#[derive(Debug, Args)]
pub(super) struct LabPodCommand {
    #[command(flatten)]
    pod: PodArgs,
}

pub(super) fn run(args: &LabCommand, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Runtime::new().context("starting the async runtime")?;
    runtime.block_on(async {
        let stop = signals::listen("stopping the lab")?;
        let scratch = tempfile::tempdir().context("making a directory for the kubeconfig")?;
        let dir = match &args.dir {
            Some(dir) => dir.clone(),
            None => utf8(scratch.path())?,
        };
        let plan = args.lab.clone().into_plan(program()?, dir);
        let lab = Lab::start(plan, Clock::system()).await?;
        out.write_all(announcement(&lab, args.format).as_bytes())?;
        out.flush()?;
        stop.asked().await;
        lab.stop().await;
        Ok(Exit::Success)
    })
}

pub(super) fn run_pod(args: &LabPodCommand) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .context("starting the async runtime")?
        .block_on(lab::pod(args.pod.clone(), &Clock::system()))?;
    Ok(Exit::Success)
}

fn announcement(lab: &Lab, format: LabFormat) -> String {
    let (sd, kubeconfig) = (lab.sd_url(), lab.kubeconfig());
    match format {
        LabFormat::Json => {
            let line = serde_json::json!({
                "sd": sd, "kubeconfig": kubeconfig.as_str(), "proxy": lab.proxy_url(), "api": lab.api_url(),
            });
            format!("{line}\n")
        }
        LabFormat::Text => format!(
            "The lab is ready. In another terminal:\n\n  \
             export KUBECONFIG={kubeconfig} HOMEOSTAT_LAB_KUBECONFIG={kubeconfig} HOMEOSTAT_LAB_SD={sd}\n  \
             kubectl get pods -w\n  \
             homeostat run hypotheses/pod-loss-30.yaml\n\n\
             callers' side: {}   Kubernetes API: {}\nCtrl-C ends it.\n",
            lab.proxy_url(),
            lab.api_url(),
        ),
    }
}

/// A path as text, which every message and file of ours is.
pub(super) fn utf8(path: &std::path::Path) -> anyhow::Result<Utf8PathBuf> {
    let path = Utf8PathBuf::from_path_buf(path.to_owned());
    path.map_err(|path| anyhow::anyhow!("the path `{}` is not UTF-8", path.display()))
}

/// This program, which is also what the lab's pods run.
pub(super) fn program() -> anyhow::Result<Utf8PathBuf> {
    utf8(&std::env::current_exe().context("finding this program's own file")?)
}
