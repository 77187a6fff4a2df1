//! The plan of a lab, and the switches it is made from.

use std::time::Duration;

use camino::Utf8PathBuf;

/// What to build. See [`LabPlan::new`] for the defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct LabPlan {
    /// Namespace of everything.
    pub namespace: String,
    /// Name of the Deployment, and the value of its pods' label `app`.
    pub app: String,
    /// Pods the Deployment asks for.
    pub replicas: usize,
    /// Whether the gateway tries a second pod after a failure.
    pub retries: bool,
    /// From the loss of a pod to the start of its replacement's process.
    pub restart_delay: Duration,
    /// Between two probes of a pod; a change of endpoints reaches the gateway this much later.
    pub probe_period: Duration,
    /// From the start of a pod's process to its first good readiness answer.
    pub readiness_delay: Duration,
    /// Requests per second sent to the gateway; 0 sends none.
    pub load: f64,
    /// Median time a pod works on a request.
    pub service_time: Duration,
    /// Requests a pod works on at once; the rest queue.
    pub concurrency: usize,
    /// Port of the Kubernetes API; 0 takes any free one.
    pub api_port: u16,
    /// Port of service discovery; 0 takes any free one.
    pub sd_port: u16,
    /// Port of the gateway; 0 takes any free one.
    pub proxy_port: u16,
    /// Directory the kubeconfig is written to.
    pub dir: Utf8PathBuf,
    /// The program that has the command `lab-pod`.
    pub program: Utf8PathBuf,
    /// Seed of names, arrivals and service times.
    pub seed: u64,
}

impl LabPlan {
    /// Ten replicas of `api` in `shop` under 200 requests per second, on any free ports.
    pub fn new(program: Utf8PathBuf, dir: Utf8PathBuf) -> Self {
        Self {
            namespace: "shop".to_owned(),
            app: "api".to_owned(),
            replicas: 10,
            retries: true,
            restart_delay: Duration::from_secs(2),
            probe_period: Duration::from_secs(1),
            readiness_delay: Duration::from_millis(500),
            load: 200.0,
            service_time: Duration::from_millis(10),
            concurrency: 4,
            api_port: 0,
            sd_port: 0,
            proxy_port: 0,
            dir,
            program,
            seed: 1,
        }
    }
}

/// Switches of the lab.
#[derive(Clone, Debug, clap::Args)]
pub struct LabArgs {
    /// Pods the Deployment asks for
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub replicas: usize,

    /// Namespace of the Deployment
    #[arg(long, default_value = "shop", value_name = "NAME", value_parser = dns_label)]
    pub namespace: String,

    /// Name of the Deployment and value of its pods' label `app`
    #[arg(long, default_value = "api", value_name = "NAME", value_parser = dns_label)]
    pub app: String,

    /// Whether the gateway retries once on another pod
    #[arg(long, default_value_t = Switch::On, value_enum, value_name = "SWITCH")]
    pub retries: Switch,

    /// From the loss of a pod to the start of its replacement, as `2s`
    #[arg(long, default_value = "2s", value_parser = duration, value_name = "TIME")]
    pub restart_delay: Duration,

    /// Between two probes of a pod; endpoints reach the gateway this much later
    #[arg(long, default_value = "1s", value_parser = period, value_name = "TIME")]
    pub probe_period: Duration,

    /// From the start of a pod to its first good readiness answer
    #[arg(long, default_value = "500ms", value_parser = duration, value_name = "TIME")]
    pub readiness_delay: Duration,

    /// Requests per second sent to the gateway; 0 sends none
    #[arg(long, default_value = "200", value_parser = rate, value_name = "RATE")]
    pub load: f64,

    /// Median time a pod works on a request
    #[arg(long, default_value = "10ms", value_parser = duration, value_name = "TIME")]
    pub service_time: Duration,

    /// Requests a pod works on at once; the rest queue
    #[arg(long, default_value = "4", value_parser = at_least_one, value_name = "N")]
    pub concurrency: usize,

    /// Port of service discovery (`/sd`); 0 takes any free one
    #[arg(long, default_value_t = 9900, value_name = "PORT")]
    pub sd_port: u16,

    /// Port of the Kubernetes API; 0 takes any free one
    #[arg(long, default_value_t = 9901, value_name = "PORT")]
    pub api_port: u16,

    /// Port of the gateway; 0 takes any free one
    #[arg(long, default_value_t = 9902, value_name = "PORT")]
    pub proxy_port: u16,

    /// Seed of names, arrivals and service times
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}

/// A switch that is said, not implied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// As real gateways do.
    On,
    /// To see what the mechanism is worth.
    Off,
}

impl LabArgs {
    /// The plan these switches ask for.
    pub fn into_plan(self, program: Utf8PathBuf, dir: Utf8PathBuf) -> LabPlan {
        LabPlan {
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
}

/// A length such as `500ms`, `2s` or `1m30s`. Also reads what [`written`] writes.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let length: jiff::SignedDuration =
        text.parse().map_err(|_error| format!("`{text}` is not a length of time such as `2s`"))?;
    Duration::try_from(length).map_err(|_error| format!("`{text}` is negative"))
}

/// A length as an argument for another process.
pub(super) fn written(length: Duration) -> String {
    format!("{}us", length.as_micros())
}

fn period(text: &str) -> Result<Duration, String> {
    let length = duration(text)?;
    let shortest = Duration::from_millis(10);
    if length < shortest { Err("must be at least 10ms".to_owned()) } else { Ok(length) }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
        Ok(_) | Err(_) => Err(format!("`{text}` is not a number of requests per second")),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) | Err(_) => Err(format!("`{text}` is not a count of at least 1")),
        Ok(count) => Ok(count),
    }
}

/// Both names become parts of pod names, which Kubernetes keeps to DNS labels.
fn dns_label(text: &str) -> Result<String, String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edges = !text.starts_with('-') && !text.ends_with('-');
    if (1..=40).contains(&text.len()) && edges && text.chars().all(inner) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 40 of a–z, 0–9 and `-`, and neither begin nor end with `-`".to_owned())
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
    fn a_written_duration_reads_back() {
        let length = Duration::from_micros(1_234_567);
        assert_eq!(duration(&written(length)).unwrap(), length);
    }
}
