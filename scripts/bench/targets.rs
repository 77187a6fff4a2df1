//! usage: scripts/bench/targets [TARGETS] [SERIES] [SECONDS]
//!
//! The same targets are scraped by `homeostat run` (a placebo, to its report) and by a Prometheus
//! server, one after the other, from the start of the process to its end. Of each: the processor
//! time that it took in all, by the kernel's account, and the samples that it kept.

use std::{
    env,
    io::{self, BufRead as _, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread::sleep,
    time::Duration,
};

use axum::{Router, http::header, routing::get};
use polars_io::{SerReader as _, prelude::ParquetReader};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::{Value, json};

/// Time between two scrapes of a target.
const INTERVAL: &str = "5s";
/// The argument by which this program becomes the targets.
const SERVE: &str = "serve";
/// The unit of times under `/proc`, on every Linux that this runs on.
const TICKS: f64 = 100.0;

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |place: usize, default: usize| {
        words.get(place).map_or(default, |word| word.parse().expect("a number"))
    };
    if words.first().is_some_and(|word| word == SERVE) {
        return serve(number(1, 0), number(2, 0));
    }
    let (targets, series, seconds) = (number(0, 1000), number(1, 100), number(2, 60));
    let dir = tempfile::tempdir()?;
    let served = Served::start(dir.path(), targets, series)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{targets} targets of {series} series, every {INTERVAL}, for {seconds} s")?;
    writeln!(
        out,
        "{:<12} {:>10} {:>10} {:>14} {:>10} {:>10}",
        "", "samples", "CPU s", "CPU µs/sample", "MB", "failed"
    )?;
    let mut costs = Vec::new();
    for (name, cost) in [
        ("homeostat", homeostat(dir.path(), seconds).map(Some)),
        ("prometheus", prometheus(dir.path(), seconds)),
    ] {
        let Some(Cost { samples, cpu, peak, failed }) = cost? else {
            writeln!(out, "{name:<12} not here: see PROMETHEUS in scripts/bench/targets")?;
            continue;
        };
        let each = cpu / samples * 1e6;
        writeln!(
            out,
            "{name:<12} {samples:>10.0} {cpu:>10.2} {each:>14.2} {peak:>10.0} {failed:>10}"
        )?;
        costs.push(each);
    }
    if let [ours, theirs] = costs[..] {
        writeln!(out, "homeostat takes {:.2} times the processor time a sample", ours / theirs)?;
    }
    drop(served);
    Ok(())
}

/// What it took to scrape.
struct Cost {
    samples: f64,
    /// Seconds of processor time, of the program and of the system for it.
    cpu: f64,
    /// The most memory that it held, megabytes.
    peak: f64,
    /// Scrapes that failed: more than a few mean that the machine is too busy to compare.
    failed: u64,
}

/// The targets, in a process of their own so that their processor time is not counted.
struct Served(Child);

impl Served {
    fn start(dir: &Path, targets: usize, series: usize) -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args([SERVE, &targets.to_string(), &series.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut addresses = String::new();
        let mut said = io::BufReader::new(child.stdout.take().expect("piped"));
        said.read_line(&mut addresses)?;
        fs_err::write(dir.join("targets.json"), addresses)?;
        Ok(Self(child))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ends with its input, and it is waited for so that none is left behind.
        drop(self.0.stdin.take());
        self.0.wait().expect("the targets end");
    }
}

/// Serves pages until the input ends, and says where as a file of targets.
fn serve(targets: usize, series: usize) -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let mut addresses = Vec::new();
        for _ in 0..targets {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            addresses.push(listener.local_addr()?);
            let app = Router::new().route("/metrics", get(move || page(series)));
            tokio::spawn(async move { axum::serve(listener, app).await });
        }
        let file = json!([{"targets": addresses, "labels": {"job": "bench"}}]);
        writeln!(io::stdout(), "{file}")?;
        tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
        Ok(())
    })
}

/// Counters that grow with every look.
async fn page(series: usize) -> ([(header::HeaderName, &'static str); 1], String) {
    static LOOKS: AtomicU64 = AtomicU64::new(0);
    let looks = LOOKS.fetch_add(1, Ordering::Relaxed);
    let mut page = "# HELP requests_total Requests.\n# TYPE requests_total counter\n".to_owned();
    for one in 0..series as u64 {
        let (route, code) = (one / 4, 200 + one % 4 * 100);
        page +=
            &format!("requests_total{{code=\"{code}\",route=\"/r/{route}\"}} {}\n", looks + one);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page)
}

fn homeostat(dir: &Path, seconds: usize) -> io::Result<Cost> {
    let phase = format!("{}s", (seconds / 3).max(6));
    let hypothesis = format!(
        "version: 1\nname: bench\nclaim: All targets are up.\n\
         phases: {{before: {phase}, during: {phase}, after: {phase}}}\n\
         sources: {{scrape: {{file_sd: '{}', interval: {INTERVAL}}}}}\n\
         fault: none\nindicators: {{up: {{gauge: up, aggregate: min}}}}\n\
         checks: [{{indicator: up, during: {{above: 1}}}}]\n",
        dir.join("targets.json").display()
    );
    let file = dir.join("bench.yaml");
    fs_err::write(&file, hypothesis)?;
    let store = dir.join("store");
    let before = children();
    let child = Command::new(env!("CARGO_BIN_EXE_homeostat"))
        .arg("run")
        .arg(&file)
        .arg("--store")
        .arg(&store)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut child = Measured(child);
    let peak = watched(&mut child.0, None)?;
    let cpu = children() - before;
    let run = only_below(&only_below(&store)?)?;
    let manifest: Value = serde_json::from_slice(&fs_err::read(run.join("run.json"))?)?;
    let rows = fs_err::File::open(run.join("raw.parquet"))?;
    let rows = ParquetReader::new(rows.into_parts().0).num_rows();
    let samples = rows.map_err(io::Error::other)? as f64;
    let failed = manifest["ledger"]["scrapes_failed"]
        .as_object()
        .map_or(0, |classes| classes.values().filter_map(Value::as_u64).sum());
    Ok(Cost { samples, cpu, peak, failed })
}

fn prometheus(dir: &Path, seconds: usize) -> io::Result<Option<Cost>> {
    let Some(program) = env::var_os("PROMETHEUS").filter(|program| !program.is_empty()) else {
        return Ok(None);
    };
    let config = format!(
        "global: {{scrape_interval: {INTERVAL}, scrape_timeout: {INTERVAL}}}\n\
         scrape_configs:\n- job_name: bench\n  file_sd_configs:\n  - files: ['{}']\n",
        dir.join("targets.json").display()
    );
    let file = dir.join("prometheus.yml");
    fs_err::write(&file, config)?;
    // A port that is free now; nobody else begins to listen here meanwhile.
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let before = children();
    let child = Command::new(program)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
        .arg(format!("--web.listen-address={free}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut child = Measured(child);
    sleep(Duration::from_secs(seconds as u64));
    // All that a scrape keeps: the samples of its page and the series about itself.
    let samples = asked(
        free,
        "sum(sum_over_time(scrape_samples_scraped[1h])) + 5 * sum(count_over_time(up[1h]))",
    )?;
    let failed = asked(free, "sum(count_over_time(up[1h])) - sum(sum_over_time(up[1h]))")? as u64;
    let peak = watched(&mut child.0, Some(Signal::TERM))?;
    Ok(Some(Cost { samples, cpu: children() - before, peak, failed }))
}

/// The one number that a Prometheus server answers to a query.
fn asked(server: SocketAddr, query: &str) -> io::Result<f64> {
    // Losing a race for it means that it is there.
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Runtime::new()?;
    let answer = runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
        let address = format!("http://{server}/api/v1/query");
        let address = reqwest::Url::parse_with_params(&address, [("query", query)]);
        client.get(address.expect("an address")).send().await?.json::<Value>().await
    });
    let answer = answer.map_err(io::Error::other)?;
    let number = answer["data"]["result"][0]["value"][1].as_str().and_then(|n| n.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("no number: {answer}")))
}

/// A program that is measured; it is ended when the bench gives up on it.
struct Measured(Child);

impl Drop for Measured {
    fn drop(&mut self) {
        // Both fail only for one that ended and was waited for.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Waits for a program, after a signal if one is given; the most memory that it held, megabytes.
fn watched(child: &mut Child, signal: Option<Signal>) -> io::Result<f64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    let mut signal = signal;
    loop {
        if let Ok(text) = fs_err::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            peak = peak.max(kilobytes.unwrap_or(0.0) / 1024.0);
        }
        if let Some(signal) = signal.take() {
            kill_process(Pid::from_child(child), signal)?;
        }
        if child.try_wait()?.is_some() {
            return Ok(peak);
        }
        sleep(Duration::from_millis(50));
    }
}

/// The processor time of all children that were waited for, seconds.
fn children() -> f64 {
    let stat = fs_err::read_to_string("/proc/self/stat").expect("this is Linux");
    // The name of the program, in parentheses, may hold blanks.
    let after = stat.rsplit(") ").next().expect("fields follow the name");
    let field = |place: usize| -> f64 {
        after.split(' ').nth(place).and_then(|text| text.parse().ok()).expect("a number")
    };
    (field(13) + field(14)) / TICKS
}

fn only_below(dir: &Path) -> io::Result<PathBuf> {
    let mut entries = fs_err::read_dir(dir)?;
    entries.next().unwrap_or_else(|| panic!("nothing under {}", dir.display())).map(|e| e.path())
}
