//! A real Prometheus server, started for one test and ended with it.
//!
//! It listens on loopback only and keeps all it has in a temporary directory.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::Url;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Program, Running,
    lab::{alive, ask},
    program::{Heard, until},
    tool,
};

/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server scrapes, every second.
///
/// The server itself takes five seconds to begin with a target that it has been told of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Targets<'a> {
    /// The pages under `/metrics` at these addresses.
    Fixed(&'a [SocketAddr]),
    /// Those that this address names, in the JSON of Prometheus' `http_sd`.
    HttpSd(&'a str),
}

/// A running `prometheus` on a port of its own.
pub(crate) struct PrometheusServer {
    running: Running,
    url: String,
    _dir: TempDir,
}

impl PrometheusServer {
    /// Starts a server that scrapes these targets, when it is installed.
    #[track_caller]
    pub(crate) fn scraping(targets: Targets<'_>) -> Option<Self> {
        Self::start(TempDir::new().unwrap(), targets)
    }

    /// Starts a server that scrapes nothing and has this history, when it is installed.
    ///
    /// The text is in the OpenMetrics format: each sample with its time in seconds, all of one
    /// metric together, and `# EOF` as the last line.
    #[track_caller]
    pub(crate) fn remembering(openmetrics: &str) -> Option<Self> {
        let promtool = tool::need(&["promtool"])?;
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("history.txt");
        fs_err::write(&file, openmetrics).unwrap();
        Program::new(promtool)
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&file, &data(dir.path())])
            .timeout(PATIENCE)
            .run()
            .exits(0);
        Self::start(dir, Targets::Fixed(&[]))
    }

    #[track_caller]
    fn start(dir: TempDir, targets: Targets<'_>) -> Option<Self> {
        let program = tool::need(&["prometheus"])?;
        // When the test is killed, nothing of ours is left to end the server: the kernel does,
        // as soon as the thread is gone that started it.
        let setpriv = tool::need(&["setpriv"])?.display().to_string();
        let file = dir.path().join("prometheus.yml");
        fs_err::write(&file, config(targets).to_string()).unwrap();
        let mut running = Program::new(program)
            .args([format!("--config.file={}", file.display())])
            .args([format!("--storage.tsdb.path={}", data(dir.path()).display())])
            // A history may be of any year.
            .args(["--storage.tsdb.retention.time=100y", "--web.listen-address=127.0.0.1:0"])
            .cwd(dir.path())
            .timeout(PATIENCE)
            .through(&[&setpriv, "--pdeathsig", "KILL", "--"])
            .start();
        let line = running.line("the server's address", |line| line.contains("\"Listening on\""));
        let address = line.split_whitespace().find_map(|word| word.strip_prefix("address="));
        let url = format!("http://{}", address.unwrap());
        until("Prometheus is ready", PATIENCE, || {
            assert!(!matches!(running.hear(Duration::from_millis(20)), Heard::End), "{running}");
            (ask(&url, "GET", "/-/ready", "").code == 200).then_some(())
        });
        Some(Self { running, url, _dir: dir })
    }

    /// Where it is, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sends its process a signal.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// The `data` of its answer to a GET of `/api/v1/WHAT`.
    #[track_caller]
    pub(crate) fn api(&self, what: &str, parameters: &[(&str, &str)]) -> Value {
        let url = format!("{}/api/v1/{what}", self.url());
        let url = Url::parse_with_params(&url, parameters).unwrap();
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let answer = ask(self.url(), "GET", &path, "");
        assert_eq!(answer.code, 200, "{path}: {answer:?}");
        let mut body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["status"], "success", "{path}: {answer:?}");
        body["data"].take()
    }
}

/// Where it keeps its samples.
fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// JSON is YAML.
fn config(targets: Targets<'_>) -> Value {
    let mut job = json!({"job_name": "test"});
    match targets {
        Targets::Fixed(addresses) => job["static_configs"] = json!([{"targets": addresses}]),
        Targets::HttpSd(url) => {
            job["http_sd_configs"] = json!([{"url": url, "refresh_interval": "1s"}]);
        }
    }
    json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [job],
    })
}

impl Drop for PrometheusServer {
    fn drop(&mut self) {
        let pid = self.running.pid();
        if alive(pid) {
            self.running.signal(Signal::KILL);
            // Its directory goes next, and until then it may write there.
            if !std::thread::panicking() {
                until("the server is gone", PATIENCE, || (!alive(pid)).then_some(()));
            }
        }
    }
}
