//! The switches of the lab.

use std::time::Duration;

use camino::Utf8PathBuf;

use super::{
    disturbance::{Disturbance, Scheduled},
    exporter::Exposure,
    plan::{Autoscale, LabPlan, Least},
    values::{Range, at_least_one, dns_label, duration, factor, period, rate},
};

/// Switches of the lab.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LabArgs {
    /// Pods the Deployment asks for
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub replicas: usize,

    /// Namespace of the Deployment
    #[arg(long, default_value = "shop", value_name = "NAME", value_parser = dns_label)]
    pub namespace: String,

    /// Name of the Deployment and value of its pods' label `app`
    #[arg(long, default_value = "api", value_name = "NAME", value_parser = dns_label)]
    pub app: String,

    /// Seed of names, arrivals and service times
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,

    /// Whether the gateway retries once on another pod
    #[arg(long, default_value_t = Switch::On, value_enum, value_name = "SWITCH")]
    #[arg(help_heading = PODS)]
    pub retries: Switch,

    /// From the loss of a pod to the start of its replacement, as `2s`
    #[arg(long, default_value = "2s", value_parser = duration, value_name = "TIME")]
    #[arg(help_heading = PODS)]
    pub restart_delay: Duration,

    /// Between two probes of a pod; endpoints reach the gateway this much later
    #[arg(long, default_value = "1s", value_parser = period, value_name = "TIME")]
    #[arg(help_heading = PODS)]
    pub probe_period: Duration,

    /// From the start of a pod to its first good readiness answer
    #[arg(long, default_value = "500ms", value_parser = duration, value_name = "TIME")]
    #[arg(help_heading = PODS)]
    pub readiness_delay: Duration,

    /// Median time a pod works on a request
    #[arg(long, default_value = "10ms", value_parser = duration, value_name = "TIME")]
    #[arg(help_heading = PODS)]
    pub service_time: Duration,

    /// Requests a pod works on at once; the rest queue
    #[arg(long, default_value = "4", value_parser = at_least_one, value_name = "N")]
    #[arg(help_heading = PODS)]
    pub concurrency: usize,

    /// Pods a PodDisruptionBudget keeps available, as `8` or `75%`; none by default
    #[arg(long, value_name = "PODS", help_heading = PODS)]
    pub budget: Option<Least>,

    /// Pods become slow this long after the lab is ready
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = PODS)]
    pub slow_after: Option<Duration>,

    /// How many become slow
    #[arg(long, default_value = "1", value_name = "N", value_parser = at_least_one)]
    #[arg(requires = "slow_after", help_heading = PODS)]
    pub slow_pods: usize,

    /// How many times as long they take for a request
    #[arg(long, default_value = "10", value_name = "F", value_parser = factor)]
    #[arg(requires = "slow_after", help_heading = PODS)]
    pub slow_factor: f64,

    /// A pod begins to leak memory, and to slow down with it
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = PODS)]
    pub leak_after: Option<Duration>,

    /// Mebibytes it loses each second; it dies of 256
    #[arg(long, default_value = "4", value_name = "MIB", value_parser = factor)]
    #[arg(requires = "leak_after", help_heading = PODS)]
    pub leak: f64,

    /// Requests per second sent to the gateway; 0 sends none
    #[arg(long, default_value = "200", value_parser = rate, value_name = "RATE")]
    #[arg(help_heading = LOAD)]
    pub load: f64,

    /// The load is multiplied this long after the lab is ready
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = LOAD)]
    pub spike_after: Option<Duration>,

    /// By how much
    #[arg(long, default_value = "3", value_name = "F", value_parser = factor)]
    #[arg(requires = "spike_after", help_heading = LOAD)]
    pub spike: f64,

    /// For how long; for good when not given
    #[arg(long, value_name = "TIME", value_parser = duration)]
    #[arg(requires = "spike_after", help_heading = LOAD)]
    pub spike_for: Option<Duration>,

    /// A rollout of the Deployment begins this long after the lab is ready
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = SCALE)]
    pub rollout_after: Option<Duration>,

    /// The number of pods follows their load within these bounds, as `4..20`
    #[arg(long, value_name = "MIN..MAX", help_heading = SCALE)]
    pub autoscale: Option<Range>,

    /// Utilisation the autoscaler aims at, in percent of `--concurrency`
    #[arg(long, default_value_t = 60, value_name = "PERCENT")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    #[arg(requires = "autoscale", help_heading = SCALE)]
    pub autoscale_target: u32,

    /// How long less load has to last until pods are taken away
    #[arg(long, default_value = "30s", value_parser = duration, value_name = "TIME")]
    #[arg(requires = "autoscale", help_heading = SCALE)]
    pub autoscale_patience: Duration,

    /// Metrics are cut off this long after the lab is ready; the traffic goes on
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = TROUBLE)]
    pub cut_metrics_after: Option<Duration>,

    /// For how long; for good when not given
    #[arg(long, value_name = "TIME", value_parser = duration)]
    #[arg(requires = "cut_metrics_after", help_heading = TROUBLE)]
    pub cut_metrics_for: Option<Duration>,

    /// How they are cut off
    #[arg(long, value_enum, default_value_t = Exposure::Refused, value_name = "HOW")]
    #[arg(requires = "cut_metrics_after", help_heading = TROUBLE)]
    pub cut_metrics: Exposure,

    /// Every watch of the API is cut off in the middle this often
    #[arg(long, value_name = "TIME", value_parser = period, help_heading = TROUBLE)]
    pub drop_watches_every: Option<Duration>,

    /// The history that watches resume from is forgotten this often
    #[arg(long, value_name = "TIME", value_parser = period, help_heading = TROUBLE)]
    pub compact_every: Option<Duration>,

    /// Changes that history has at most
    #[arg(long, default_value = "2000", value_name = "N", value_parser = at_least_one)]
    #[arg(help_heading = TROUBLE)]
    pub history: usize,

    /// Port of service discovery (`/sd`) and of the control (`/lab`); 0 takes any free one
    #[arg(long, default_value_t = 9900, value_name = "PORT", help_heading = PORTS)]
    pub sd_port: u16,

    /// Port of the Kubernetes API; 0 takes any free one
    #[arg(long, default_value_t = 9901, value_name = "PORT", help_heading = PORTS)]
    pub api_port: u16,

    /// Port of the gateway; 0 takes any free one
    #[arg(long, default_value_t = 9902, value_name = "PORT", help_heading = PORTS)]
    pub proxy_port: u16,
}

// The headings of `--help`.
const PODS: &str = "Pods";
const LOAD: &str = "Load";
const SCALE: &str = "Rollout and autoscaler";
const TROUBLE: &str = "Trouble with what is seen";
const PORTS: &str = "Ports";

/// A switch that is said, not implied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Switch {
    /// As real gateways do.
    On,
    /// To see what the mechanism is worth.
    Off,
}

impl LabArgs {
    /// The plan these switches ask for.
    pub(crate) fn into_plan(self, program: Utf8PathBuf, dir: Utf8PathBuf) -> LabPlan {
        LabPlan {
            schedule: self.schedule(),
            budget: self.budget,
            autoscale: self.autoscale.map(|Range { least, most }| Autoscale {
                least,
                most,
                target: self.autoscale_target,
                patience: self.autoscale_patience,
            }),
            history: self.history,
            namespace: self.namespace,
            app: self.app,
            replicas: self.replicas,
            retries: match self.retries {
                Switch::On => true,
                Switch::Off => false,
            },
            restart_delay: self.restart_delay,
            probe_period: self.probe_period,
            readiness_delay: self.readiness_delay,
            load: self.load,
            service_time: self.service_time,
            concurrency: self.concurrency,
            api_port: self.api_port,
            sd_port: self.sd_port,
            proxy_port: self.proxy_port,
            dir,
            program,
            seed: self.seed,
        }
    }

    fn schedule(&self) -> Vec<Scheduled> {
        let (spike, lasts) = (self.spike, self.spike_for);
        let (exposure, cut_for) = (self.cut_metrics, self.cut_metrics_for);
        let once = [
            (self.rollout_after, Disturbance::Rollout),
            (self.spike_after, Disturbance::Spike { factor: spike, lasts }),
            (self.slow_after, Disturbance::Slow { pods: self.slow_pods, factor: self.slow_factor }),
            (self.leak_after, Disturbance::Leak { pods: 1, rate: self.leak }),
            (self.cut_metrics_after, Disturbance::Cut { exposure, lasts: cut_for }),
        ];
        let again = [
            (self.drop_watches_every, Disturbance::DropWatches),
            (self.compact_every, Disturbance::Compact),
        ];
        let once = once
            .into_iter()
            .filter_map(|(after, what)| Some(Scheduled { what, after: after?, every: None }));
        let again = again
            .into_iter()
            .filter_map(|(every, what)| Some(Scheduled { what, after: every?, every }));
        once.chain(again).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        lab: LabArgs,
    }

    fn plan(line: &[&str]) -> Result<LabPlan, clap::Error> {
        let line = Line::try_parse_from(["lab"].iter().chain(line))?;
        Ok(line.lab.into_plan("homeostat".into(), "dir".into()))
    }

    #[test]
    fn no_switch_gives_the_plan_of_the_constructor_on_the_known_ports() {
        let mut want = LabPlan::new("homeostat".into(), "dir".into());
        (want.sd_port, want.api_port, want.proxy_port) = (9900, 9901, 9902);
        assert_eq!(plan(&[]).unwrap(), want);
    }

    #[test]
    fn switches_change_the_plan() {
        let plan = plan(&["--retries", "off", "--restart-delay", "1m30s", "--load=0"]).unwrap();
        assert!(!plan.retries);
        assert_eq!(plan.restart_delay, Duration::from_secs(90));
        assert!(plan.load.abs() < f64::EPSILON);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in
            ["--load=NaN", "--load=-1", "--probe-period=0s", "--restart-delay=-1s", "--app=A_b"]
        {
            assert!(plan(&[line]).is_err(), "{line}");
        }
    }

    #[test]
    fn a_switch_with_a_time_is_a_line_of_the_schedule() {
        let line =
            ["--spike-after=5s", "--spike=2", "--drop-watches-every=3s", "--rollout-after=0s"];
        let second = Duration::from_secs(1);
        let want = [
            (Disturbance::Rollout, Duration::ZERO, None),
            (Disturbance::Spike { factor: 2.0, lasts: None }, second * 5, None),
            (Disturbance::DropWatches, second * 3, Some(second * 3)),
        ];
        let want = want.map(|(what, after, every)| Scheduled { what, after, every });
        assert_eq!(plan(&line).unwrap().schedule, want);
    }

    #[test]
    fn a_switch_that_shapes_another_asks_for_it() {
        for line in ["--spike=2", "--slow-pods=2", "--cut-metrics=hang", "--autoscale-target=50"] {
            assert!(plan(&[line]).is_err(), "{line}");
        }
        let autoscale = plan(&["--autoscale=2..8", "--autoscale-target=50"]).unwrap().autoscale;
        assert_eq!(autoscale.map(|a| (a.least, a.most, a.target)), Some((2, 8, 50)));
    }
}
