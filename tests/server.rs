//! A Prometheus server as the source: what it kept is judged as what is scraped.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, sync::OnceLock, time::Duration};

use camino::Utf8Path;
use homeostat::internals::{
    analysis::analyse,
    clock::Clock,
    hypothesis::{self, Reading},
    record,
    time::Time,
};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{
    Done, HypothesisFile, LabProcess, Program, PrometheusServer, Running, ScriptedTarget,
    VerdictFile, homeostat,
    program::until,
    prometheus::Targets,
    recording::manifest,
    run_directory,
    server_proxy::{ServerProxy, Trouble},
};

/// The value of a series at each scrape, none where it has none.
type Values<'a> = dyn Fn(usize) -> Option<f64> + 'a;

const MINUTE: Duration = Duration::from_secs(60);

/// When the fault of the history is: on a whole minute, and between two scrapes.
const FAULT: i64 = 1_700_006_400;
/// How far apart its scrapes are.
const INTERVAL: i64 = 15;

/// Two hours of a gateway and three pods behind it. At the fault one of the pods is gone for two
/// minutes; until it is back, the given part of the requests fails.
fn history(failing: f64) -> String {
    let mut text = String::new();
    let times: Vec<i64> = (0..480).map(|n| FAULT - 3600 + 7 + n * INTERVAL).collect();
    let broken = |time: i64| (FAULT..FAULT + 120).contains(&time);
    let mut family = |name: &str, kind: &str, series: &[(&str, &Values<'_>)]| {
        writeln!(text, "# TYPE {name} {kind}").unwrap();
        for (labels, value) in series {
            for (place, time) in times.iter().enumerate() {
                let Some(value) = value(place) else { continue };
                let name =
                    if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
                writeln!(text, "{name}{labels} {value} {time}").unwrap();
            }
        }
    };
    // 20 requests a second, all of them to the gateway.
    let failed: Vec<f64> = times
        .iter()
        .scan(0.0, |sum, time| {
            *sum += if broken(*time) { 300.0 * failing } else { 0.0 };
            Some(*sum)
        })
        .collect();
    let up = |pod: usize| {
        move |place: usize| Some(f64::from(u8::from(pod != 1 || !broken(times_at(place)))))
    };
    family(
        "up",
        "gauge",
        &[
            ("{instance=\"gateway\",job=\"gateway\"}", &|_| Some(1.0)),
            ("{instance=\"a\",job=\"api\"}", &up(0)),
            ("{instance=\"b\",job=\"api\"}", &up(1)),
            ("{instance=\"c\",job=\"api\"}", &up(2)),
        ],
    );
    family(
        "scrape_samples_scraped",
        "gauge",
        &[
            ("{instance=\"gateway\",job=\"gateway\"}", &|_| Some(2.0)),
            ("{instance=\"a\",job=\"api\"}", &|_| Some(0.0)),
            ("{instance=\"b\",job=\"api\"}", &|_| Some(0.0)),
            ("{instance=\"c\",job=\"api\"}", &|_| Some(0.0)),
        ],
    );
    family(
        "requests",
        "counter",
        &[
            ("{code=\"200\",instance=\"gateway\",job=\"gateway\"}", &|place| {
                Some(place as f64 * 300.0 - failed[place])
            }),
            // Counted for the first time with the fault: no server's rate counts what came first.
            ("{code=\"500\",instance=\"gateway\",job=\"gateway\"}", &|place| {
                Some(failed[place]).filter(|failed| *failed > 0.0)
            }),
        ],
    );
    text
}

/// What kube-state-metrics shows of the three pods: `b` is deleted 8 s after the fault, between two
/// scrapes, and `d` comes in its place within a second, ready 20 s later.
fn pods(labels: bool) -> String {
    let mut text = String::new();
    let scrapes: Vec<i64> = (0..480).map(times_at).collect();
    let (died, born) = (FAULT + 8, FAULT + 9);
    let there = |pod: &str, time: i64| match pod {
        "b" => time < died,
        "d" => time >= born,
        _ => true,
    };
    let mut family = |name: &str, labels: &str, value: &dyn Fn(&str, i64) -> i64| {
        writeln!(text, "# TYPE {name} gauge").unwrap();
        for pod in ["a", "b", "c", "d"] {
            for time in scrapes.iter().filter(|time| there(pod, **time)) {
                let value = value(pod, *time);
                let own = format!("namespace=\"shop\",pod=\"api-{pod}\",uid=\"uid-{pod}\"");
                let target = "instance=\"ksm\",job=\"kube-state-metrics\"";
                writeln!(text, "{name}{{{own}{labels},{target}}} {value} {time}").unwrap();
            }
        }
    };
    let made = ",node=\"n\",created_by_kind=\"ReplicaSet\",created_by_name=\"api-7d9c\"";
    family("kube_pod_info", made, &|_, _| 1);
    family("kube_pod_created", "", &|pod, _| if pod == "d" { born } else { FAULT - 86_400 });
    family("kube_pod_status_ready", ",condition=\"true\"", &|pod, time| {
        i64::from(pod != "d" || time >= born + 20)
    });
    if labels {
        family("kube_pod_labels", ",label_app=\"api\"", &|_, _| 1);
    }
    text
}

/// The same with `up` of kube-state-metrics, whole.
fn with_pods(failing: f64, labels: bool) -> String {
    let up = "up{instance=\"a\",job=\"api\"}";
    let mut ksm = String::new();
    for time in (0..480).map(times_at) {
        writeln!(ksm, "up{{instance=\"ksm\",job=\"kube-state-metrics\"}} 1 {time}").unwrap();
    }
    // All of one metric stand together.
    let history = history(failing).replacen(up, &format!("{ksm}{up}"), 1);
    history + &pods(labels) + "# EOF\n"
}

fn times_at(place: usize) -> i64 {
    FAULT - 3600 + 7 + place as i64 * INTERVAL
}

fn whole(failing: f64) -> String {
    history(failing) + "# EOF\n"
}

/// One pod of three is away, and at most 1 % of the requests fail.
fn hypothesis(server: &PrometheusServer) -> HypothesisFile {
    HypothesisFile::text(format!(
        "version: 1
name: one-of-three
claim: With one of three pods away, at most 1 % of the requests fail.
phases: {{before: 10m, during: 2m, after: 10m, step: 15s}}
sources: {{prometheus: {{url: \"{}\"}}}}
fault: {{command: {{argv: [\"true\"]}}}}
evidence: [{{targets_lost: 'up{{job=\"api\"}}', at_least: 1}}]
indicators:
  errors: {{ratio: 'requests_total{{code=~\"5..\"}}', of: requests_total, over: 1m}}
  throughput: {{promql: 'sum(rate(requests_total[1m]))', unit: 1/s}}
checks:
  - {{indicator: errors, during: {{below: 1%}}}}
  - {{indicator: throughput, during: {{above: 10/s}}}}
",
        server.url()
    ))
}

/// Verifies that the fault was at so many seconds from where it was, two minutes long.
#[track_caller]
fn verify(hypothesis: &HypothesisFile, moved: i64, code: i32) -> (VerdictFile, Done, TempDir) {
    let dir = TempDir::new().unwrap();
    let file = hypothesis.write(dir.path());
    let (from, to) = (FAULT + moved, FAULT + moved + 120);
    let done = homeostat(["verify", file.to_str().unwrap()])
        .args([format!("--during={from}..{to}")])
        .args([format!("--store={}", dir.path().join("store").display())])
        .run()
        .exits(code);
    let verdict = VerdictFile::of_run(&run_directory(&dir.path().join("store")));
    (verdict, done, dir)
}

#[test]
fn what_a_server_remembers_is_judged() {
    let Some(server) = PrometheusServer::remembering(&whole(0.005)) else { return };
    let (verdict, _, dir) = verify(&hypothesis(&server), 0, 0);
    assert_eq!(verdict.evidence(), "confirmed");
    // The server leaves out what the errors had counted before their first sample.
    let throughput = verdict.check("throughput.during.above").observed("value");
    assert!((19.9..=20.0).contains(&throughput), "{throughput}");
    // Offline, the same.
    drop(server);
    let run = run_directory(&dir.path().join("store"));
    let before = fs_err::read(run.join("verdict.json")).unwrap();
    homeostat(["judge", run.to_str().unwrap()]).run().exits(0);
    assert_eq!(fs_err::read(run.join("verdict.json")).unwrap(), before);
    assert_eq!(manifest(&run)["ledger"]["notes"], serde_json::json!([]), "nothing is there twice");
    let queries = &manifest(&run)["ledger"]["queries"];
    let asked: Vec<&str> =
        queries.as_array().unwrap().iter().map(|one| one["query"].as_str().unwrap()).collect();
    for query in ["requests_total", "sum(rate(requests_total[1m]))"] {
        assert!(asked.contains(&query), "{asked:?}");
    }
}

#[test]
fn errors_in_the_past_fail() {
    let Some(server) = PrometheusServer::remembering(&whole(0.2)) else { return };
    let (verdict, ..) = verify(&hypothesis(&server), 0, 10);
    assert_eq!(verdict.check("errors.during.below").outcome(), "fail");
    // The server's own rate leaves out what the series had counted before its first sample; the
    // page was read before without it, so it began at 0.
    let worst = verdict.check("errors.during.below").observed("value");
    assert!((worst - 0.2).abs() < 1e-9, "{worst}");
}

#[test]
fn five_minutes_beside_the_fault_there_is_no_evidence_of_it() {
    let Some(server) = PrometheusServer::remembering(&whole(0.005)) else { return };
    for moved in [-300, 300] {
        let (verdict, ..) = verify(&hypothesis(&server), moved, 11);
        assert_eq!(verdict.evidence(), "absent", "{moved}");
    }
}

#[test]
fn a_time_that_the_server_does_not_remember_is_not_judged() {
    let Some(server) = PrometheusServer::remembering(&whole(0.005)) else { return };
    let (verdict, done, _) = verify(&hypothesis(&server), 86_400, 11);
    assert_eq!(verdict.grounds()[0], "not_steady");
    assert!(done.says("the server has no sample of any series"), "{done}");
    // The history begins an hour before the fault.
    let (_, done, _) = verify(&hypothesis(&server), -3500, 11);
    assert!(done.says("begins at 2023-11-14T22:51:40Z, and the oldest sample"), "{done}");
    assert!(done.says("that the server has is of 2023-11-14T23:00:07Z"), "{done}");
}

#[test]
fn an_expression_that_the_server_refuses_is_an_error_in_its_words() {
    let Some(server) = PrometheusServer::remembering(&whole(0.0)) else { return };
    let dir = TempDir::new().unwrap();
    let file = hypothesis(&server)
        .replace(r"sum\(rate\(requests_total\[1m\]\)\)", "sum(rate(")
        .write(dir.path());
    let store = dir.path().join("store");
    let done = homeostat(["verify", file.to_str().unwrap()])
        .args([format!("--during={FAULT}..{}", FAULT + 120)])
        .args([format!("--store={}", store.display())])
        .run()
        .exits(1);
    assert!(done.stderr.contains("refused with status 400"), "{done}");
    assert!(done.stderr.contains("parse error"), "{done}");
    let left = fs_err::read_dir(store.join("hypothesis=one-of-three")).unwrap().count();
    assert_eq!(left, 0, "nothing is left behind");
}

#[test]
fn an_expression_that_gives_two_series_cannot_be_told() {
    let Some(server) = PrometheusServer::remembering(&whole(0.2)) else { return };
    let two = hypothesis(&server)
        .replace(r"sum\(rate\(requests_total\[1m\]\)\)", "sum by (code) (rate(requests_total[1m]))")
        .replace(r"  - \{indicator: errors.*\n", "");
    let (verdict, ..) = verify(&two, 0, 11);
    assert!(verdict.check("throughput.during.above").reasons().contains(&"several_series"));
}

/// A history in which each series of the errors is as the change makes it.
#[track_caller]
fn check_errors(change: impl Fn(&str) -> Option<String>, errors: &str, reason: &str) {
    let history = whole(0.005);
    let lines = history.lines().filter_map(|line| {
        let counts_errors = line.starts_with("requests_total") && line.contains("500");
        let line = if counts_errors { change(line)? } else { line.to_owned() };
        Some(line + "\n")
    });
    let Some(server) = PrometheusServer::remembering(&lines.collect::<String>()) else { return };
    let errors = format!("errors: {errors}");
    let hypothesis =
        hypothesis(&server).replace("errors: .*", &errors).replace("below: 1%", "below: 1/s");
    let (verdict, ..) = verify(&hypothesis, 0, 11);
    let check = verdict.check("errors.during.below");
    let reasons = check.reasons();
    assert!(reasons.contains(&reason), "{errors}: {reasons:?}");
}

/// Each of these is 0 errors in the eyes of the server.
#[test]
fn what_a_server_takes_for_no_errors_is_told_from_none() {
    let own = |line: &str| Some(line.to_owned());
    // Nothing has such a label.
    check_errors(own, "{rate: 'requests_total{status=\"500\"}', over: 1m}", "matches_nothing");
    // A pattern has to match all of a value.
    check_errors(own, "{rate: 'requests_total{code=~\"5\"}', over: 1m}", "matches_nothing");
    // The errors leave the page in the middle of the fault, and the page is read on.
    let leaves = |line: &str| {
        let time: i64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        (time < FAULT + 60).then(|| line.to_owned())
    };
    check_errors(leaves, "{rate: 'requests_total{code=\"500\"}', over: 1m}", "left_its_page");
}

/// The fault is pods that were killed, as their owner and not the file did it.
fn about_pods(server: &PrometheusServer, selector: &str) -> HypothesisFile {
    hypothesis(server)
        .replace("(sources: .*)\\}\\n", &format!("sources: {{prometheus: {{url: \"{}\"}}, kubernetes: {{namespace: shop}}}}\n", server.url()))
        .replace("fault: .*", &format!("fault: {{kill_pods: {{selector: {selector}, count: 1}}}}"))
        .replace("evidence: .*\n", "")
        .replace("indicators:\n", &format!("because: [{{replaced: {selector}, within: 40s}}]\nindicators:\n  ready: {{pods_ready: {selector}}}\n"))
        .replace("checks:\n", "checks:\n  - {indicator: ready, recovers: {above: 3, in: 60s}}\n")
}

#[test]
fn pods_of_the_past_are_told_by_kube_state_metrics() {
    let Some(server) = PrometheusServer::remembering(&with_pods(0.005, true)) else { return };
    let (verdict, done, dir) = verify(&about_pods(&server, "app=api"), 0, 0);
    assert_eq!(verdict.evidence(), "confirmed", "{done}");
    // Dated by the creation of the pod in its place; seen to be ready at a scrape, up to 15 s late.
    assert!(done.says("1 of 3 pods lost, at 00:00:09 UTC"), "{done}");
    assert!(done.says("1 of 1 replaced in time, the slowest after 28 s"), "{done}");
    let run = run_directory(&dir.path().join("store"));
    assert_eq!(manifest(&run)["sources"][1]["kind"], "kube-state-metrics");
    // Five minutes beside it, none was lost.
    for moved in [-300, 300] {
        let (verdict, ..) = verify(&about_pods(&server, "app=api"), moved, 11);
        assert_eq!(verdict.evidence(), "absent", "{moved}");
    }
}

#[test]
fn where_the_labels_of_pods_are_not_shown_their_owner_selects_them() {
    let Some(server) = PrometheusServer::remembering(&with_pods(0.005, false)) else { return };
    let (verdict, ..) = verify(&about_pods(&server, "owner=api"), 0, 0);
    assert_eq!(verdict.evidence(), "confirmed");
    let (verdict, done, _) = verify(&about_pods(&server, "app=api"), 0, 11);
    assert_ne!(verdict.evidence(), "confirmed");
    assert!(done.says("--metric-labels-allowlist=pods=[app]"), "{done}");
    assert!(done.says("or select pods by what controls them"), "{done}");
}

#[test]
fn without_kube_state_metrics_nothing_is_known_of_pods() {
    let Some(server) = PrometheusServer::remembering(&whole(0.005)) else { return };
    let (verdict, done, _) = verify(&about_pods(&server, "app=api"), 0, 11);
    assert_eq!(verdict.evidence(), "unknown");
    assert!(done.says("pods of the past are told by kube-state-metrics"), "{done}");
}

#[test]
fn windows_that_cannot_be_meant_are_wrong_usage() {
    let dir = TempDir::new().unwrap();
    let text = "version: 1\nname: a\nclaim: b\nphases: {before: 1m, during: 1m, after: 1m}\n\
                sources: {prometheus: {url: \"http://127.0.0.1:1\"}}\nfault: none\n\
                indicators: {x: {promql: x}}\nchecks: [{indicator: x, during: {below: 1}}]\n";
    let file = HypothesisFile::text(text).write(dir.path());
    for (flags, want) in [
        (vec!["--during=-1h..-2h"], "`--during` ends at"),
        (vec!["--during=-2h..-1h", "--before=-3h..-1h"], "`--before` ends at"),
        (vec!["--during=-2h..-1h", "--after=-90m..now"], "`--after` begins at"),
        (vec!["--during=yesterday..now"], "`yesterday` is not a time"),
    ] {
        let done = homeostat(["verify", file.to_str().unwrap()]).args(&flags).run().exits(2);
        assert!(done.stderr.contains(want), "{flags:?}: {done}");
    }
    // Pages tell nothing of the past.
    let example = HypothesisFile::short().write(dir.path());
    let done = homeostat(["verify", example.to_str().unwrap(), "--during=-2h..-1h"]).run().exits(2);
    assert!(done.stderr.contains("the past can only be asked of a server"), "{done}");
}

/// The lab's gateway and pods, scraped by a server every second.
#[test]
fn a_run_is_judged_from_a_server() {
    let lab = LabProcess::start(&[]);
    let Some(server) = PrometheusServer::scraping(Targets::HttpSd(&lab.address("sd"))) else {
        return;
    };
    until("the gateway is up", MINUTE, || {
        let up = server.api("query", &[("query", "up{job=\"gateway\"}")]);
        (!up["result"].as_array().unwrap().is_empty()).then_some(())
    });
    let hypothesis = HypothesisFile::example("pod-loss-server")
        .set("phases", "{before: 8s, during: 8s, after: 8s, step: 1s}")
        .replace(r"over: *2m", "over: 5s")
        .replace(r"\[2m\]", "[5s]")
        .replace("below: 200ms", "below: 2.5s")
        .without("guard");
    let done = lab.run(&hypothesis).env("PROMETHEUS_URL", server.url()).run().exits(0);
    let run = run_directory(&lab.store());
    let verdict = VerdictFile::of_run(&run);
    assert_eq!((verdict.outcome(), verdict.evidence()), ("pass", "confirmed"), "{done}");
    assert_eq!(manifest(&run)["sources"][0]["kind"], "prometheus");
}

/// A page on which 50 requests a second are counted and none fails.
fn healthy() -> ScriptedTarget {
    ScriptedTarget::start(|now| {
        let requests = (now.up * 50.0).floor();
        format!("# TYPE requests_total counter\nrequests_total{{code=\"200\"}} {requests}\n")
    })
}

/// A server that scrapes a target, and has for a while.
fn scraping(target: &ScriptedTarget) -> Option<PrometheusServer> {
    let server = PrometheusServer::scraping(Targets::Fixed(target.addresses()))?;
    until("the target is up", MINUTE, || {
        let up = server.api("query", &[("query", "count_over_time(up[1m]) > 3")]);
        (!up["result"].as_array().unwrap().is_empty()).then_some(())
    });
    Some(server)
}

/// A placebo run of `before` 8 s, `during` 6 s and `after` 6 s.
fn placebo(url: &str, dir: &TempDir) -> Program {
    let text = format!(
        "version: 1
name: placebo
claim: Nothing fails.
phases: {{before: 8s, during: 6s, after: 6s, step: 1s}}
sources: {{prometheus: {{url: \"{url}\"}}}}
fault: none
indicators:
  errors: {{ratio: 'requests_total{{code=~\"5..\"}}', of: requests_total, over: 4s}}
  rate: {{promql: 'sum(rate(requests_total[4s]))', unit: 1/s}}
checks:
  - {{indicator: errors, during: {{below: 1%}}}}
  - {{indicator: errors, after: {{below: 1%}}}}
  - {{indicator: rate, during: {{above: 10/s}}}}
"
    );
    let file = HypothesisFile::text(text).write(dir.path());
    homeostat(["run".as_ref(), file.as_os_str()])
        .args([format!("--store={}", dir.path().join("store").display())])
        .timeout(MINUTE * 4)
}

/// Reads on until a phase begins.
#[track_caller]
fn until_phase(running: &mut Running, phase: &str) {
    running.line(phase, |line| line.starts_with(&format!("{phase}: ")));
}

/// What the server scraped meanwhile it has later, so that the run misses nothing.
#[test]
fn a_way_to_the_server_that_is_troubled_for_a_while_costs_nothing() {
    let target = healthy();
    let Some(server) = scraping(&target) else { return };
    let troubles = [
        Trouble::Closed,
        Trouble::Instead("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        Trouble::Instead("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"),
        Trouble::Instead("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>"),
        Trouble::Cut(200),
        Trouble::Late(Duration::from_secs(4)),
    ];
    let runs: Vec<_> = troubles
        .into_iter()
        .map(|trouble| {
            // From the first query on: 10 s are *before*, and what comes before that.
            let first: OnceLock<(Clock, Time)> = OnceLock::new();
            let proxy = ServerProxy::start(&server, move || {
                let (clock, start) = first.get_or_init(|| {
                    let clock = Clock::system();
                    let start = clock.now();
                    (clock, start)
                });
                let since = clock.now().since(*start).as_secs();
                (10..16).contains(&since).then_some(trouble)
            });
            let dir = TempDir::new().unwrap();
            (placebo(proxy.url(), &dir).start(), proxy, dir, trouble)
        })
        .collect();
    for (running, proxy, dir, trouble) in runs {
        let done = running.finish().exits(0);
        assert!(proxy.troubled() > 0, "{trouble:?}");
        let verdict = VerdictFile::of_run(&run_directory(&dir.path().join("store")));
        assert_eq!(verdict.outcome(), "pass", "{trouble:?}: {done}");
    }
}

#[test]
fn a_server_that_is_frozen_while_the_fault_is_on_measured_nothing() {
    let target = healthy();
    let Some(server) = scraping(&target) else { return };
    let dir = TempDir::new().unwrap();
    let mut running = placebo(server.url(), &dir).start();
    until_phase(&mut running, "during");
    server.signal(Signal::STOP);
    until_phase(&mut running, "after");
    server.signal(Signal::CONT);
    let done = running.finish().exits(11);
    let verdict = VerdictFile::of_run(&run_directory(&dir.path().join("store")));
    for check in ["errors.during.below", "rate.during.above"] {
        assert_eq!(verdict.check(check).outcome(), "inconclusive", "{done}");
    }
}

#[test]
fn a_server_that_dies_before_the_fault_keeps_it_from_being_injected() {
    let target = healthy();
    let Some(server) = scraping(&target) else { return };
    let dir = TempDir::new().unwrap();
    let mut running = placebo(server.url(), &dir).start();
    until_phase(&mut running, "before");
    server.signal(Signal::KILL);
    let done = running.finish().exits(11);
    let run = run_directory(&dir.path().join("store"));
    assert_eq!(manifest(&run)["status"], "not_injected", "{done}");
}

#[test]
fn a_server_that_dies_with_the_fault_and_stays_away_is_not_waited_for_without_end() {
    let target = healthy();
    let Some(server) = scraping(&target) else { return };
    let dir = TempDir::new().unwrap();
    let mut running = placebo(server.url(), &dir).start();
    until_phase(&mut running, "during");
    server.signal(Signal::KILL);
    let done = running.finish().exits(11);
    let verdict = VerdictFile::of_run(&run_directory(&dir.path().join("store")));
    assert_eq!(verdict.check("errors.after.below").reasons(), ["no_data"], "{done}");
}

#[test]
fn a_server_that_is_not_there_is_an_error_before_anything_is_done() {
    let dir = TempDir::new().unwrap();
    let done = placebo("http://127.0.0.1:1", &dir).run().exits(1);
    assert!(done.stderr.contains("not reachable: connection refused"), "{done}");
    assert!(done.stderr.contains("hint: is the server up"), "{done}");
}

/// The points of each indicator of a recording: time and value.
fn points(run: &Path) -> BTreeMap<String, BTreeMap<i64, f64>> {
    let recording = record::open(Utf8Path::from_path(run).unwrap()).unwrap();
    let text = &recording.manifest.hypothesis_text;
    let hypothesis = hypothesis::parse(text, "h", Reading::Recorded).unwrap();
    let analysis = analyse(&hypothesis, &recording.observed);
    let names = hypothesis.indicators.iter().map(|one| one.name.clone());
    let points = analysis.tracks.iter().map(|track| {
        track.points.iter().map(|point| (point.time.as_millis(), point.value)).collect()
    });
    names.zip(points).collect()
}

/// Indicators of this version and their twins, which the server evaluates, in that order.
fn twins(case: usize, over: &str) -> Vec<[String; 2]> {
    let of = |metric: &str, more: &str| format!("{metric}{{case=\"{case}\"{more}}}");
    let rate = |selector: &str| format!("sum(rate({selector}[{over}]))");
    let (part, whole) = (of("c_total", ",kind=\"a\""), of("c_total", ""));
    vec![
        [format!("{{rate: '{whole}', over: {over}}}"), rate(&whole)],
        [
            format!("{{ratio: '{part}', of: '{whole}', over: {over}, traffic: any}}"),
            format!("({} or vector(0)) / {}", rate(&part), rate(&whole)),
        ],
        [
            format!("{{quantile: 0.9, histogram: '{}', over: {over}, traffic: any}}", of("h", "")),
            format!("histogram_quantile(0.9, sum by (le) (rate({}[{over}])))", of("h_bucket", "")),
        ],
        [format!("{{gauge: '{}', aggregate: sum}}", of("g", "")), format!("sum({})", of("g", ""))],
        [format!("{{gauge: '{}', aggregate: max}}", of("g", "")), format!("max({})", of("g", ""))],
    ]
}

/// Holds each typed indicator `t…` of a recording to the values of its twin `p…`. Returns how many
/// were compared.
#[track_caller]
fn check_twins(run: &Path) -> usize {
    let all = points(run);
    let mut compared = 0;
    for (name, typed) in all.iter().filter(|(name, _)| name.starts_with('t')) {
        let twin = &all[&name.replacen('t', "p", 1)];
        for (time, value) in typed.iter().filter(|(_, value)| !value.is_nan()) {
            let Some(theirs) = twin.get(time).filter(|theirs| !theirs.is_nan()) else { continue };
            let same = (value - theirs).abs() <= 1e-9 * theirs.abs().max(1.0);
            assert!(same, "{name} at {time}: {value} is not {theirs}");
            compared += 1;
        }
    }
    compared
}

/// The indicators of twins, each typed one beside its expression.
fn indicators(twins: impl Iterator<Item = (String, [String; 2])>) -> String {
    let pair = |(name, [typed, promql]): (String, [String; 2])| {
        format!("  t{name}: {typed}\n  p{name}: {{promql: '{promql}'}}\n")
    };
    twins.map(pair).collect()
}

/// A generator of numbers for made-up series (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below
    }
}

/// Resets, gaps, series that begin late and end early: the server's value is ours.
#[test]
fn made_up_series_have_the_values_of_the_server() {
    const CASES: usize = 12;
    const INTERVAL_MS: i64 = 2000;
    let mut numbers = Numbers(20_261_201);
    let start = FAULT * 1000 - 120_000;
    let mut lines: BTreeMap<&str, String> = BTreeMap::new();
    for case in 0..CASES {
        let mut series: Vec<(&str, String)> = Vec::new();
        for kind in ["a", "b", "c"] {
            series.push(("c", format!("c_total{{case=\"{case}\",kind=\"{kind}\"}}")));
            series.push(("g", format!("g{{case=\"{case}\",kind=\"{kind}\"}}")));
        }
        for pod in 0..2 {
            for le in ["0.1", "0.5", "+Inf"] {
                series
                    .push(("h", format!("h_bucket{{case=\"{case}\",pod=\"{pod}\",le=\"{le}\"}}")));
            }
        }
        let phase = 1 + numbers.next(1998) as i64;
        let (mut born, mut dies) = (numbers.next(20), 110 - numbers.next(30));
        let mut hidden = numbers.next(90);
        let mut of_histogram = 0;
        for (metric, name) in series {
            // Of a histogram all buckets come, go, and count together: a bucket counts what is below it.
            let own = of_histogram % 3 == 0;
            of_histogram += usize::from(metric == "h");
            if metric != "h" || own {
                (born, dies) = (numbers.next(20), 110 - numbers.next(30));
                hidden = numbers.next(90);
            }
            let resets = if metric == "g" { 0 } else { numbers.next(80) };
            let growth = match name.contains("+Inf") {
                true => 40,
                false if name.contains("0.5") => 20,
                false => 8,
            };
            let mut value = numbers.next(1000) as f64;
            for n in 0..110_u64 {
                match metric {
                    "g" => value = numbers.next(1000) as f64 / 8.0 - 50.0,
                    "h" => value += growth as f64,
                    _ if resets > 0 && n == resets => value = numbers.next(5) as f64,
                    _ => value += numbers.next(20) as f64,
                }
                if n < born || n > dies || (hidden..hidden + 3).contains(&n) {
                    continue;
                }
                let at = start + phase + n as i64 * INTERVAL_MS;
                let (seconds, millis) = (at / 1000, at % 1000);
                writeln!(lines.entry(metric).or_default(), "{name} {value} {seconds}.{millis:03}")
                    .unwrap();
            }
        }
    }
    let kinds = [("c", "counter"), ("g", "gauge"), ("h", "unknown")];
    let mut text = String::new();
    for (metric, kind) in kinds {
        let name = if metric == "h" { "h_bucket" } else { metric };
        write!(text, "# TYPE {name} {kind}\n{}", lines[metric]).unwrap();
    }
    text.push_str("# EOF\n");
    let Some(server) = PrometheusServer::remembering(&text) else { return };
    let named = |case: usize| {
        let of_case = twins(case, "15s").into_iter().enumerate();
        of_case.map(move |(kind, pair)| (format!("{case}x{kind}"), pair))
    };
    let text = format!(
        "version: 1
name: twins
claim: They are equal.
phases: {{before: 60s, during: 60s, after: 60s, step: 1s}}
sources: {{prometheus: {{url: \"{}\"}}}}
fault: none
checks: [{{indicator: t0x0, during: {{above: 1}}}}]
indicators:
{}",
        server.url(),
        indicators((0..CASES).flat_map(named))
    );
    let dir = TempDir::new().unwrap();
    let file = HypothesisFile::text(text).write(dir.path());
    let store = dir.path().join("store");
    let done = homeostat(["verify", file.to_str().unwrap()])
        .args([format!("--during={}..{}", FAULT - 30, FAULT + 30)])
        .args([format!("--store={}", store.display())])
        .run();
    assert!(matches!(done.code, Some(0 | 10 | 11)), "{done}");
    let compared = check_twins(&run_directory(&store));
    assert!(compared > 4000, "{compared} values were compared");
}

/// Pods are killed and replaced while homeostat and a server scrape them, each at its own times.
#[test]
fn a_run_and_what_a_server_kept_of_it_come_to_the_same() {
    let lab = LabProcess::start(&[]);
    let Some(server) = PrometheusServer::scraping(Targets::HttpSd(&lab.address("sd"))) else {
        return;
    };
    until("the server has scraped for a while", MINUTE, || {
        let up = server.api("query", &[("query", "count_over_time(up{job=\"gateway\"}[1m]) > 6")]);
        (!up["result"].as_array().unwrap().is_empty()).then_some(())
    });
    let memory = "process_resident_memory_bytes{job=\"api\"}";
    let own = format!(
        "indicators:
  latency_p99: {{quantile: 0.99, histogram: gateway_request_duration_seconds, over: 5s}}
  error_ratio: {{ratio: 'gateway_requests_total{{code=~\"5..\"}}', of: gateway_requests_total, over: 5s}}
  requests: {{rate: gateway_requests_total, over: 5s}}
  memory: {{gauge: '{memory}', aggregate: sum}}
"
    );
    let hypothesis = HypothesisFile::short()
        .without("because")
        .without("indicators")
        .set("evidence", "[{targets_lost: 'up{job=\"api\"}', at_least: 3}]")
        .set("checks", "[{indicator: latency_p99, during: {below: 2.5s}}, {indicator: error_ratio, during: {below: 1%}}]");
    let scraped = hypothesis.clone().append(&own);
    let done = lab.run(&scraped).run();
    let run = run_directory(&lab.store());
    let phases = manifest(&run)["phases"].clone();
    let edge = |phase: usize, which: &str| phases[phase][which].as_str().unwrap().to_owned();
    until("the server has all of it", MINUTE, || {
        let newest = server.api("query", &[("query", "max(timestamp(up))")]);
        let newest: f64 = newest["result"][0]["value"][1].as_str().unwrap().parse().unwrap();
        let end: Time = edge(2, "end").parse().unwrap();
        (newest > end.as_seconds() + 2.0).then_some(())
    });

    // While a target cannot be read, its last sample counts for a while here, and not there.
    let read = "min(up{job=\"api\"}) == 1";
    let memory_twin = [
        format!("{{gauge: '{memory}', aggregate: sum}}"),
        format!("sum({memory}) and on () {read}"),
    ];
    let source = format!("prometheus: {{url: \"{}\"}}", server.url());
    let asked = hypothesis
        .replace(r#"(?s)scrape:\s+http_sd: [^\n]*\n\s+interval: 1s"#, &source)
        .append(&(own + &indicators([("m".to_owned(), memory_twin)].into_iter())));
    let dir = TempDir::new().unwrap();
    let file = asked.write(dir.path());
    let store = dir.path().join("store");
    let verified = homeostat(["verify", file.to_str().unwrap()])
        .args([format!("--before={}..{}", edge(0, "start"), edge(0, "end"))])
        .args([format!("--during={}..{}", edge(1, "start"), edge(1, "end"))])
        .args([format!("--after={}..{}", edge(2, "start"), edge(2, "end"))])
        .args([format!("--store={}", store.display())])
        .run();
    let kept = run_directory(&store);
    assert_eq!(verified.code, done.code, "{done}\n{verified}");
    let [one, other] = [&run, &kept].map(|run| VerdictFile::of_run(run));
    assert_eq!(one.evidence(), other.evidence(), "{done}\n{verified}");
    for check in ["latency_p99.during.below", "error_ratio.during.below"] {
        assert_eq!(one.check(check).outcome(), other.check(check).outcome(), "{check}");
    }
    assert!(check_twins(&kept) > 10, "{verified}");

    // Two scrapes a second apart see windows that are at most a second apart. What one of them counts
    // and the other does not is counted in less than two seconds of five, so that a rate is no further
    // off than two fifths, and no further out of what the other saw in the seconds around.
    let [mut ours, mut theirs] = [&run, &kept].map(|run| points(run));
    // What was before the run began only the server has seen.
    let begun: Time = edge(0, "start").parse().unwrap();
    let whole_windows = begun.plus(Duration::from_secs(6)).as_millis();
    for all in [&mut ours, &mut theirs] {
        all.get_mut("requests").unwrap().retain(|time, _| *time > whole_windows);
    }
    let mut compared = 0;
    for (time, value) in &theirs["requests"] {
        let around = ours["requests"].range(time - 1000..=time + 1000).map(|(_, value)| *value);
        let (low, high) = around.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| {
            (low.min(value), high.max(value))
        });
        if low.is_finite() && value.is_finite() {
            assert!((low * 0.6..=high * 1.4).contains(value), "{time}: {value} in {low}..{high}");
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared} rates were compared");
    let mean = |points: &BTreeMap<i64, f64>| {
        let numbers: Vec<f64> =
            points.values().copied().filter(|value| value.is_finite()).collect();
        numbers.iter().sum::<f64>() / numbers.len() as f64
    };
    let [one, other] = [&ours, &theirs].map(|all| mean(&all["requests"]));
    assert!((one / other - 1.0).abs() < 0.05, "{one} and {other} requests a second");
}
