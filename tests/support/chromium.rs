//! A headless browser that looks at one page and tells what a person, or their network, would see.
//!
//! It is driven over the DevTools protocol on a pair of pipes: no port, no socket, no driver.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use homeostat::internals::{clock::Clock, time::Time};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::tool;

/// The protocol speaks on descriptors 3 and 4, a child here has only 0 to 2: a shell moves them.
const PIPES: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;

/// Nothing but the page: no updates, no look-ups of its own.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
];

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// CSS pixels.
    pub(crate) width: u32,
    /// CSS pixels.
    pub(crate) height: u32,
    /// What the system prefers.
    pub(crate) dark: bool,
    /// A phone lays out and scrolls in its own way.
    pub(crate) phone: bool,
}

/// A browser with one page.
pub(crate) struct Chromium {
    pid: Pid,
    to: ChildStdin,
    from: Receiver<Value>,
    clock: Clock,
    session: Option<String>,
    next_id: u64,
    /// The address of the page.
    page: String,
    /// What the page said and asked for since it was opened.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts it, when it is installed.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        let program = tool::need(&["chromium", "chromium-browser", "google-chrome"])?;
        let profile = TempDir::new().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", PIPES, "sh"])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            // Whatever it keeps beside its profile stays out of the home of who runs the tests.
            .env("HOME", profile.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let (sender, from) = mpsc::channel();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            let mut message = Vec::new();
            while out.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { break };
                message.clear();
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        let to = child.stdin.take().unwrap();
        thread::spawn(move || child.wait());
        let (clock, page) = (Clock::system(), String::new());
        let mut browser = Self {
            pid,
            to,
            from,
            clock,
            session: None,
            next_id: 0,
            page,
            events: Vec::new(),
            _profile: profile,
        };
        browser.attach();
        Some(browser)
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", json!({"url": "about:blank"}));
        let id = &target["targetId"];
        let session = self.call("Target.attachToTarget", json!({"targetId": id, "flatten": true}));
        self.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        self.call("Page.setLifecycleEventsEnabled", json!({"enabled": true}));
    }

    /// Opens a file and waits until it is laid out and has no request under way.
    #[track_caller]
    pub(crate) fn open(&mut self, file: &Path, look: Look) {
        let Look { width, height, dark, phone } = look;
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
        self.events.clear();
        self.page = format!("file://{}", file.canonicalize().unwrap().display());
        let loader = self.call("Page.navigate", json!({"url": self.page}))["loaderId"].clone();
        let quiet = |event: &Value| {
            event["method"] == "Page.lifecycleEvent"
                && event["params"]["name"] == "networkIdle"
                && event["params"]["loaderId"] == loader
        };
        let deadline = self.deadline();
        while !self.events.iter().any(quiet) {
            let event = self.receive(deadline, "the page to load");
            self.events.push(event);
        }
    }

    /// Errors and warnings on the console, uncaught exceptions, and whatever the browser itself
    /// complains about.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let complaint = |event: &Value| {
            let params = &event["params"];
            match event["method"].as_str()? {
                "Runtime.consoleAPICalled"
                    if ["error", "warning", "assert"].contains(&params["type"].as_str()?) =>
                {
                    Some(params["args"].to_string())
                }
                "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
                "Log.entryAdded"
                    if ["error", "warning"].contains(&params["entry"]["level"].as_str()?) =>
                {
                    Some(params["entry"].to_string())
                }
                _ => None,
            }
        };
        self.events.iter().filter_map(complaint).collect()
    }

    /// Every address that was asked for, other than the page itself and what it carries inside.
    pub(crate) fn requests(&self) -> Vec<String> {
        let asked = |event: &Value| {
            let params = &event["params"];
            let url = match event["method"].as_str()? {
                "Network.requestWillBeSent" => params["request"]["url"].as_str()?,
                "Network.webSocketCreated" => params["url"].as_str()?,
                _ => return None,
            };
            let own = url == self.page || url.starts_with("data:");
            (!own).then(|| url.to_owned())
        };
        self.events.iter().filter_map(asked).collect()
    }

    /// The value of a JavaScript expression in the page.
    #[track_caller]
    pub(crate) fn ask(&mut self, expression: &str) -> Value {
        let query = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", query);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer:#}");
        answer["result"]["value"].clone()
    }

    /// Keeps a picture of the whole page, for people, and returns where.
    pub(crate) fn picture(&mut self, name: &str) -> String {
        let query = json!({"format": "png", "captureBeyondViewport": true});
        let data = self.call("Page.captureScreenshot", query)["data"].as_str().unwrap().to_owned();
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
        fs_err::create_dir_all(&dir).unwrap();
        let file = dir.join(format!("{name}.png"));
        fs_err::write(&file, base64(&data)).unwrap();
        file.display().to_string()
    }

    /// Calls a method of the protocol and keeps the events that arrive before its answer.
    #[track_caller]
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let mut message = json!({"id": self.next_id, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(b"\0").unwrap();
        self.to.flush().unwrap();
        let deadline = self.deadline();
        loop {
            let answer = self.receive(deadline, method);
            if answer["id"] == self.next_id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn deadline(&self) -> Time {
        self.clock.now().plus(Duration::from_secs(30))
    }

    #[track_caller]
    fn receive(&self, deadline: Time, what: &str) -> Value {
        let left = deadline.since(self.clock.now());
        let answer = self.from.recv_timeout(left);
        answer.unwrap_or_else(|error| {
            panic!("waiting for {what}: the browser is gone or stuck ({error})")
        })
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        kill_process(self.pid, Signal::KILL).ok();
    }
}

/// The bytes of a base64 text with the standard alphabet.
fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let Some(six) = alphabet.iter().position(|a| *a == letter) else { continue };
        bits = (bits << 6) | u32::try_from(six).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    bytes
}

#[test]
fn base64_is_read() {
    assert_eq!(base64("aG9tZW9zdGF0IQ=="), b"homeostat!");
}
