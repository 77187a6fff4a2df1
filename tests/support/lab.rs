//! The miniature cluster, started for one test and ended with it.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{HypothesisFile, Program, Running, homeostat, program::until};

/// A running `homeostat lab` on ports of its own.
pub(crate) struct LabProcess {
    running: Running,
    ready: Value,
    dir: TempDir,
}

impl LabProcess {
    /// Starts a lab with these switches and waits until it says that it is ready.
    #[track_caller]
    pub(crate) fn start(switches: &[&str]) -> Self {
        Self::start_with(switches, &[])
    }

    /// The same, with something added to the environment that it and its pods inherit.
    #[track_caller]
    pub(crate) fn start_with(switches: &[&str], environment: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut program = homeostat(["lab", "--format", "json"]);
        for (name, value) in environment {
            program = program.env(name, value);
        }
        let mut running = program
            .args(["--sd-port", "0", "--api-port", "0", "--proxy-port", "0", "--dir"])
            .args([dir.path()])
            .args(switches)
            .timeout(Duration::from_secs(180))
            .start();
        let line = running.line("the lab's addresses", |line| line.starts_with('{'));
        let ready = serde_json::from_str(&line).unwrap();
        Self { running, ready, dir }
    }

    /// The environment that the examples under `hypotheses/` ask for.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        [("HOMEOSTAT_LAB_SD", self.address("sd")), ("HOMEOSTAT_LAB_KUBECONFIG", self.kubeconfig())]
    }

    /// `homeostat run` of a hypothesis against this lab, into a store of its own. What an earlier
    /// run did to the lab is waited for: *before* is to be steady.
    #[track_caller]
    pub(crate) fn run(&self, hypothesis: &HypothesisFile) -> Program {
        self.settle();
        let file = hypothesis.write(self.dir.path());
        let mut program = homeostat(["run".as_ref(), file.as_os_str()])
            .args(["--store".as_ref(), self.store().as_os_str()])
            .timeout(Duration::from_secs(120))
            .cwd(self.dir.path());
        for (name, value) in self.environment() {
            program = program.env(name, value);
        }
        program
    }

    /// Waits until every pod that is wanted is ready, and the gateway knows all of them.
    ///
    /// The gateway hears of a change later than the API shows it: a pod that was killed may still
    /// get requests, and its replacement none.
    #[track_caller]
    fn settle(&self) {
        until("the lab is steady", Duration::from_secs(60), || {
            let lists = ["/apis/apps/v1/deployments", "/api/v1/pods"];
            let [deployments, pods] =
                lists.map(|path| -> Value { serde_json::from_str(&self.get(path)).unwrap() });
            let wanted = deployments["items"][0]["spec"]["replicas"].as_u64().unwrap();
            let pods = pods["items"].as_array().unwrap();
            let known = sample(self.targets("gateway").first()?, "gateway_endpoints")?;
            let counted = [pods.len() as u64, known as u64] == [wanted; 2];
            (counted && pods.iter().all(is_ready)).then_some(())
        });
    }

    /// Where [`LabProcess::run`] keeps its recording.
    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// `kubectl` on this lab, when it is installed.
    #[track_caller]
    pub(crate) fn kubectl(&self, args: &[&str]) -> Option<Program> {
        let program = super::tool::need(&["kubectl"])?;
        let flag = format!("--kubeconfig={}", self.kubeconfig());
        // kubectl keeps a cache of what an API serves under HOME.
        Some(Program::new(program).args([flag.as_str()]).args(args).env("HOME", self.dir.path()))
    }

    /// The file that points `kubectl` at this lab.
    pub(crate) fn kubeconfig(&self) -> String {
        self.address("kubeconfig")
    }

    /// The pods of the lab as its API lists them.
    pub(crate) fn pods(&self) -> Vec<Pod> {
        self.pods_in("shop")
    }

    /// The pods of a namespace.
    pub(crate) fn pods_in(&self, namespace: &str) -> Vec<Pod> {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let list: Value = serde_json::from_str(&self.get(&path)).unwrap();
        let pod = |item: &Value| Pod {
            uid: text(&item["metadata"]["uid"]),
            name: text(&item["metadata"]["name"]),
        };
        list["items"].as_array().unwrap().iter().map(pod).collect()
    }

    /// Its own process: the proxy, the load, the cluster's API and its discovery.
    pub(crate) fn pid(&self) -> i32 {
        self.running.pid()
    }

    /// The processes behind the pods: the lab's children.
    pub(crate) fn children(&self) -> Vec<i32> {
        let lab = self.running.pid();
        let mut children = Vec::new();
        for entry in fs_err::read_dir("/proc").unwrap() {
            let name = entry.unwrap().file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            if parent_of(pid) == Some(lab) {
                children.push(pid);
            }
        }
        children
    }

    /// Kills the lab's own process, and nothing else.
    pub(crate) fn kill(&self) {
        self.running.signal(Signal::KILL);
    }

    /// One of the addresses that it said: `sd`, `api`, `proxy` or `kubeconfig`.
    #[track_caller]
    pub(crate) fn address(&self, which: &str) -> String {
        text(&self.ready[which])
    }

    /// The body of a GET to the lab's API.
    fn get(&self, path: &str) -> String {
        let answer = self.ask("GET", path, "");
        assert_eq!(answer.code, 200, "{path}: {answer:?}");
        answer.body
    }

    /// The answer of the lab's API. A body of a PATCH is a merge patch. A watch is read to its
    /// end, so it should have a `timeoutSeconds`.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        ask(&self.address("api"), method, path, body)
    }

    /// Disturbs the lab now: `POST /lab/WHAT`.
    pub(crate) fn disturb(&self, what: &str) -> Value {
        let directory = self.address("sd");
        let base = directory.strip_suffix("/sd").unwrap();
        let answer = ask(base, "POST", &format!("/lab/{what}"), "");
        assert_eq!(answer.code, 200, "{what}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// The targets that service discovery names with this `job`.
    pub(crate) fn targets(&self, job: &str) -> Vec<String> {
        let directory = self.address("sd");
        let answer = ask(directory.strip_suffix("/sd").unwrap(), "GET", "/sd", "");
        let groups: Value = serde_json::from_str(&answer.body).unwrap();
        let groups = groups.as_array().unwrap().iter();
        groups
            .filter(|group| group["labels"]["job"] == job)
            .map(|group| text(&group["targets"][0]))
            .collect()
    }
}

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// One request to a server on this machine.
pub(crate) fn ask(server: &str, method: &str, path: &str, body: &str) -> Answer {
    let host = server.trim_start_matches("http://").trim_end_matches('/');
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let mut stream = TcpStream::connect(host).unwrap();
    // A version 1.0 request is answered without chunks, and the connection closed.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json\r\n\
         Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let code = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_lowercase(), value.to_owned()))
    };
    Answer { code, headers: lines.filter_map(header).collect(), body: body.to_owned() }
}

/// A sample of a target's page; none while it cannot be read.
pub(crate) fn sample(target: &str, name: &str) -> Option<f64> {
    let mut stream = TcpStream::connect(target).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: {target}\r\n\r\n").ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).ok()?;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line?.parse().ok()
}

/// Whether a pod of a list is ready and stays.
fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.is_some_and(|conditions| conditions.iter().any(ready))
}

impl Drop for LabProcess {
    fn drop(&mut self) {
        let pid = self.running.pid();
        if alive(pid) {
            // A test may have frozen it.
            self.running.signal(Signal::CONT);
            self.running.signal(Signal::TERM);
            if !std::thread::panicking() {
                until("the lab ends when asked", Duration::from_secs(60), || {
                    (!alive(pid)).then_some(())
                });
            }
        }
    }
}

/// A pod as the API lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pod {
    pub(crate) uid: String,
    pub(crate) name: String,
}

/// Whether a process runs; one that waits to be reaped does not.
pub(crate) fn alive(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| fields.first().is_some_and(|state| state != "Z"))
}

fn parent_of(pid: i32) -> Option<i32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// The fields of `/proc/PID/stat` after the program's name, which may hold anything.
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}
