//! What the tests of this module share: a place on disk, and short runs.

use camino::{Utf8Path, Utf8PathBuf};

use super::{FORMAT_VERSION, FaultNote, Manifest, PhaseEdges, Status};
use crate::{
    frame::{EventRow, FaultAction, FaultRow, Ledger, PodRow, RawRow, ReadySpan, SourceNote},
    sample::Labels,
    time::Time,
    window::Phase,
};

/// A directory that goes away with its test.
pub(crate) struct Scratch {
    pub(crate) dir: Utf8PathBuf,
    _kept: tempfile::TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let kept = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(kept.path()).unwrap().to_owned();
        Self { dir, _kept: kept }
    }

    pub(super) fn files(&self) -> Vec<String> {
        files(&self.dir)
    }
}

/// The names in a directory, sorted.
pub(crate) fn files(dir: &Utf8Path) -> Vec<String> {
    let mut names: Vec<String> =
        dir.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned()).collect();
    names.sort();
    names
}

pub(crate) fn at(seconds: i64) -> Time {
    Time::from_millis(1_795_400_100_000 + seconds * 1000)
}

pub(super) fn labels(text: &[(&str, &str)]) -> Labels {
    Labels::new(text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

pub(super) fn raw(metric: &str, target: &str, seconds: i64, value: f64) -> RawRow {
    let labels = labels(&[("__name__", metric), ("instance", target)]);
    RawRow { labels, time: at(seconds), value }
}

pub(super) fn pod(name: &str) -> PodRow {
    PodRow {
        uid: format!("uid-of-{name}"),
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        labels: labels(&[("app", "api")]),
        owner_kind: Some("ReplicaSet".to_owned()),
        owner_name: Some("api-7d9".to_owned()),
        owner_uid: Some("uid-of-api-7d9".to_owned()),
        node: None,
        created_at: at(-60),
        scheduled_at: Some(at(-59)),
        ready: vec![
            ReadySpan { from: at(-50), to: Some(at(60)) },
            ReadySpan { from: at(70), to: None },
        ],
        deletion_asked_at: None,
        gone_at: None,
        restarts: 1,
        restarted_at: vec![at(60)],
        disruption: None,
        first_seen_at: at(0),
        finished: None,
    }
}

pub(super) fn event(uid: &str, seconds: i64) -> EventRow {
    EventRow {
        uid: uid.to_owned(),
        at: at(seconds),
        severity: "Normal".to_owned(),
        reason: "Killing".to_owned(),
        namespace: "shop".to_owned(),
        object_kind: "Pod".to_owned(),
        object_name: "api-1".to_owned(),
        object_uid: "uid-of-api-1".to_owned(),
        component: "kubelet".to_owned(),
        message: "Stopping container api".to_owned(),
        count: 1,
        added: 1,
    }
}

pub(super) fn fault(seconds: i64) -> FaultRow {
    FaultRow {
        at: at(seconds),
        action: FaultAction::DeletePod,
        object: "api-1".to_owned(),
        uid: Some("uid-of-api-1".to_owned()),
        ok: true,
        detail: "200 OK".to_owned(),
    }
}

pub(super) fn manifest() -> Manifest {
    let edges = |phase, start, end| PhaseEdges {
        phase,
        start: at(start),
        end: at(end),
        start_source: "clock".to_owned(),
        start_uncertainty_ms: 0,
    };
    Manifest {
        format_version: FORMAT_VERSION,
        tool_version: "0.1.0".to_owned(),
        run_id: "20261123T021500Z-7f3a".to_owned(),
        hypothesis_name: "api-survives-pod-loss".to_owned(),
        hypothesis_text: "version: 1\nname: api-survives-pod-loss\n".to_owned(),
        command_line: Vec::new(),
        text_fingerprint: "00".to_owned(),
        comparable_fingerprint: "11".to_owned(),
        started_at: at(0),
        ended_at: Some(at(90)),
        status: Status::Complete,
        phases: vec![
            edges(Phase::Before, 0, 30),
            edges(Phase::During, 30, 60),
            edges(Phase::After, 60, 90),
        ],
        injected_at: Some(at(30)),
        sources: vec![SourceNote {
            kind: "http_sd".to_owned(),
            address: "http://127.0.0.1:9900/sd".to_owned(),
            detail: "every 1 s".to_owned(),
        }],
        environment: [("cluster".to_owned(), "lab".to_owned())].into(),
        fault: FaultNote {
            kind: "kill_pods".to_owned(),
            asked: "30 % of 10 ready pods is 3".to_owned(),
            expected: Some(3),
            population: Some(10),
            seed: Some(7),
        },
        ledger: Ledger { kubernetes_watched: true, ..Ledger::default() },
    }
}
