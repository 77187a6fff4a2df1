//! A recording in which every text that can come from outside is hostile.

use std::path::PathBuf;

use camino::Utf8Path;
use homeostat::internals::{
    frame::{
        BadLine, BlindSpan, EventRow, FaultAction, FaultRow, Ledger, PodRow, QueryNote, RawRow,
        ReadySpan, SourceNote,
    },
    record::{FORMAT_VERSION, FaultNote, Manifest, PhaseEdges, Status, Writer},
    redact::Secrets,
    sample::Labels,
    time::Time,
    window::Phase,
};
use tempfile::TempDir;

/// All that a text can hold to be more than text, in one format or another.
pub(super) const HOSTILE: &str = concat!(
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=document.title='owned'> '` ``` ]]> </svg></style></title></details><!-- \n",
    "# head\r\n- item | cell \\| \\\\| cell \x1b[31mred\x1b]0;title\x07\x1b]8;;http://evil.example\x07",
    "\u{9b}31m\u{202e}\u{2066}turned\u{2069}\u{200b}\u{feff}\u{0} ![x](https://evil.example/x.png) ",
    "[a](javascript:alert(1)) <https://evil.example> https://evil.example www.evil.example ",
    "me@evil.example @everyone #123 o/r#123 GH-123 &lt;b&gt; *b* _i_ ~~s~~ $x$ \u{fffe} ---",
);

/// A part of it that every format for people must still show.
pub(super) const SHOWN: &str = "document.title='owned'";

/// Hostile text that says where it stands.
pub(super) fn bad(field: &str) -> String {
    format!("{field} {HOSTILE}")
}

/// One word of 10 kB.
pub(super) fn long(field: &str) -> String {
    format!("{field}-{}", "x".repeat(10_000))
}

/// The claim of [`poisoned`].
pub(super) fn claim() -> String {
    bad("claim")
}

pub(super) fn at(seconds: i64) -> Time {
    Time::from_millis(1_795_400_100_000 + seconds * 1000)
}

/// A text in YAML, whatever is in it.
fn yaml(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || c == ' ';
    let escaped = text
        .chars()
        .map(|c| if safe(c) { c.to_string() } else { format!("\\U{:08X}", u32::from(c)) });
    format!("\"{}\"", escaped.collect::<String>())
}

/// The hypothesis of [`poisoned`].
pub(super) fn hypothesis() -> String {
    format!(
        "version: 1\nname: poisoned\nclaim: {claim}\nlabels: {{{name}: {value}}}\n\
         because:\n  - {{replaced: app=api, within: 15s}}\n\
         phases: {{before: 20s, during: 20s, after: 20s, step: 1s}}\n\
         sources:\n  scrape: {{http_sd: \"${{HOME}}\", interval: 1s}}\n  kubernetes: {{namespace: shop}}\n\
         fault:\n  kill_pods: {{selector: app=api, share: 50%}}\n\
         indicators:\n  load: {{gauge: {gauge}, aggregate: sum, unit: {unit}}}\n  \
         ready: {{pods_ready: app=api}}\n  warnings: {{event_count: {{kind: Pod}}}}\n\
         checks:\n  - {{indicator: load, during: {{below: 1}}}}\n  \
         - {{indicator: ready, recovers: {{above: 2, in: 15s}}}}\n  \
         - {{indicator: warnings, after: {{total_at_most: 3}}}}\n",
        claim = yaml(&claim()),
        name = yaml("<img src=x>|@everyone\u{202e}"),
        value = yaml(&long("label")),
        gauge = yaml("load{path!=\"<img src=x>|`@everyone\"}"),
        unit = yaml("<b>\u{202e}|`@x"),
    )
}

pub(super) fn manifest() -> Manifest {
    let edges = |phase, start, end| PhaseEdges {
        phase,
        start: at(start),
        end: at(end),
        start_source: bad("start source"),
        start_uncertainty_ms: 5,
    };
    Manifest {
        format_version: FORMAT_VERSION,
        tool_version: bad("tool version"),
        run_id: "20261123T021500Z-7f3a".to_owned(),
        hypothesis_name: "poisoned".to_owned(),
        hypothesis_text: hypothesis(),
        command_line: vec![bad("command line"), long("command")],
        text_fingerprint: bad("text fingerprint"),
        comparable_fingerprint: bad("comparable fingerprint"),
        started_at: at(0),
        ended_at: Some(at(60)),
        status: Status::Complete,
        phases: vec![
            edges(Phase::Before, 0, 20),
            edges(Phase::During, 20, 40),
            edges(Phase::After, 40, 60),
        ],
        injected_at: Some(at(20)),
        sources: vec![SourceNote {
            kind: bad("source kind"),
            address: bad("source address"),
            detail: long("source"),
        }],
        environment: [(bad("tag name"), bad("tag")), (long("tag"), long("tag"))].into(),
        fault: FaultNote {
            kind: bad("fault kind"),
            asked: bad("asked"),
            expected: Some(2),
            population: Some(4),
            seed: Some(u64::MAX),
        },
        ledger: Ledger {
            scrapes_ok: u64::MAX,
            scrapes_failed: [(bad("class"), u64::MAX), (long("class"), 1)].into(),
            bad_lines: u64::MAX,
            bad_line_examples: vec![BadLine {
                target: bad("target"),
                at: at(3),
                line: u64::MAX,
                text: bad("line"),
                why: long("why"),
            }],
            discovery_failed: 3,
            kubernetes_watched: true,
            queries: vec![
                QueryNote {
                    query: bad("query"),
                    answered: u64::MAX,
                    failed: [(bad("class"), u64::MAX), (long("class"), 1)].into(),
                    series: u64::MAX,
                    samples: u64::MAX,
                    bytes: u64::MAX,
                    seconds: 1e300,
                },
                QueryNote { query: long("query"), samples: 1, ..QueryNote::default() },
            ],
            blind: vec![BlindSpan {
                resource: bad("resource"),
                from: at(50),
                to: None,
                why: long("blind"),
            }],
            notes: vec![bad("note"), long("note")],
        },
    }
}

fn pod(uid: &str, name: String, created: i64, ready: i64, lost: Option<i64>) -> PodRow {
    PodRow {
        uid: uid.to_owned(),
        namespace: bad("namespace"),
        name,
        labels: Labels::new([("app".into(), "api".into()), (bad("pod label"), long("pod label"))]),
        owner_kind: Some("ReplicaSet".to_owned()),
        owner_name: Some(bad("owner")),
        owner_uid: Some("owner".to_owned()),
        node: Some(bad("node")),
        created_at: at(created),
        scheduled_at: Some(at(created)),
        ready: vec![ReadySpan { from: at(ready), to: lost.map(at) }],
        deletion_asked_at: lost.map(at),
        gone_at: lost.map(|lost| at(lost + 1)),
        restarts: i64::MAX,
        restarted_at: vec![at(45)],
        disruption: Some(bad("disruption")),
        first_seen_at: at(created.max(0)),
        finished: None,
    }
}

fn event(uid: &str, seconds: i64, message: String) -> EventRow {
    EventRow {
        uid: uid.to_owned(),
        at: at(seconds),
        severity: bad("severity"),
        reason: bad("reason"),
        namespace: "shop".to_owned(),
        object_kind: bad("object kind"),
        object_name: bad("object name"),
        object_uid: String::new(),
        component: bad("component"),
        message,
        count: i64::MAX,
        added: i64::MAX,
    }
}

fn step(seconds: i64, object: String, detail: String) -> FaultRow {
    let (uid, ok) = (Some(bad("uid")), seconds % 2 == 0);
    FaultRow { at: at(seconds), action: FaultAction::DeletePod, object, uid, ok, detail }
}

/// A recording on its way to the disk.
pub(super) fn writer(store: &Utf8Path) -> Writer {
    let mut writer = Writer::create(store, manifest(), Secrets::default()).unwrap();
    let labels = Labels::new([
        ("__name__".to_owned(), "load".to_owned()),
        (bad("series label"), bad("series")),
        ("instance".to_owned(), long("instance")),
    ]);
    let sample = |i| RawRow { labels: labels.clone(), time: at(i), value: (i % 3) as f64 };
    writer.raw((0..60).map(sample).collect());
    writer.pod(pod("1", bad("pod"), -60, -50, Some(21)));
    writer.pod(pod("2", long("pod"), -60, -50, Some(22)));
    writer.pod(pod("3", bad("pod"), -60, -50, None));
    writer.pod(pod("4", long("other"), -60, -50, None));
    writer.pod(pod("5", bad("new pod"), 23, 27, None));
    writer.pod(pod("6", long("new"), 23, 28, None));
    writer.event(event("1", 21, bad("message")));
    writer.event(event("2", 21, long("message")));
    writer.fault(step(20, bad("object"), bad("detail")));
    writer.fault(step(21, long("object"), long("detail")));
    writer
}

/// A finished recording, hostile in every text, and where it is.
pub(super) fn poisoned() -> (PathBuf, TempDir) {
    let store = TempDir::new().unwrap();
    let run = writer(Utf8Path::from_path(store.path()).unwrap()).finish().unwrap();
    (run.into_std_path_buf(), store)
}

/// The same recording, killed after its first save: in parts, and without checksums.
pub(super) fn killed() -> (PathBuf, TempDir) {
    let store = TempDir::new().unwrap();
    let mut writer = writer(Utf8Path::from_path(store.path()).unwrap());
    writer.save().unwrap();
    (writer.dir().to_owned().into_std_path_buf(), store)
}
