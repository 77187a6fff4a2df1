//! The lab's API and its switches, on the real lab.

mod transcript;

use std::{collections::BTreeSet, net::TcpStream, time::Duration};

use serde_json::Value;

use crate::support::{
    LabProcess,
    lab::{alive, sample},
    program::until,
};

const PODS: &str = "/api/v1/namespaces/shop/pods";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/api";

fn json(lab: &LabProcess, path: &str) -> Value {
    let answer = lab.ask("GET", path, "");
    assert_eq!(answer.code, 200, "{path}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// The messages of events with a reason.
fn events(lab: &LabProcess, reason: &str) -> Vec<String> {
    let list = json(lab, &format!("/api/v1/events?fieldSelector=reason%3D{reason}"));
    let items = list["items"].as_array().unwrap().iter();
    items.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn kubectl_restarts_and_scales_the_deployment() {
    let lab = LabProcess::start(&["--replicas", "4", "--restart-delay=0s"]);
    let before: BTreeSet<_> = lab.pods().into_iter().collect();
    let Some(restart) = lab.kubectl(&["rollout", "restart", "deployment/api"]) else { return };
    restart.run().exits(0);
    let kubectl =
        |args: &[&str]| lab.kubectl(args).unwrap().timeout(Duration::from_secs(90)).run().exits(0);
    let done = kubectl(&["rollout", "status", "deployment/api", "--timeout=80s"]);
    assert!(done.stdout.contains("successfully rolled out"), "{done}");
    let sets = kubectl(&["get", "replicasets", "--no-headers"]).stdout;
    let sizes: Vec<&str> =
        sets.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert!(sizes == ["0", "4"] || sizes == ["4", "0"], "{sets}");

    kubectl(&["scale", "deployment/api", "--replicas=2"]);
    kubectl(&["scale", "deployment/api", "--current-replicas=2", "--replicas=3"]);
    kubectl(&["rollout", "status", "deployment/api", "--timeout=80s"]);
    until("three pods are left, all new", Duration::from_secs(60), || {
        let now: BTreeSet<_> = lab.pods().into_iter().collect();
        (now.len() == 3 && now.is_disjoint(&before)).then_some(())
    });
    let stale = lab.kubectl(&["scale", "deployment/api", "--current-replicas=9", "--replicas=1"]);
    stale.unwrap().run().exits(1);
}

#[test]
fn what_the_lab_cannot_change_is_refused() {
    let lab = LabProcess::start(&["--replicas", "1", "--load=0"]);
    for (patch, want) in [
        (r#"{"spec":{"replicas":-1}}"#, 422),
        (r#"{"spec":{"replicas":501}}"#, 422),
        (r#"{"spec":{"template":{"spec":{"nodeName":"x"}}}}"#, 400),
        (r#"{"metadata":{"resourceVersion":"1"},"spec":{"replicas":2}}"#, 409),
        ("nonsense", 400),
    ] {
        let answer = lab.ask("PATCH", DEPLOYMENT, patch);
        assert_eq!(answer.code, want, "{patch}: {answer:?}");
        assert!(answer.body.contains(r#""kind":"Status""#), "{answer:?}");
    }
    assert_eq!(lab.ask("PUT", DEPLOYMENT, "{}").code, 405);
    assert_eq!(json(&lab, DEPLOYMENT)["spec"]["replicas"], 1);
}

#[test]
fn a_budget_stops_evictions_and_lets_them_again_when_pods_are_ready() {
    // No replacement comes while the requests are made, however slow the machine.
    let lab = LabProcess::start(&["--replicas=3", "--budget=2", "--load=0", "--restart-delay=10s"]);
    let pods = lab.pods();
    let evict = |pod: usize, options: &str| {
        let path = format!("{PODS}/{}/eviction", pods[pod].name);
        let body = format!(r#"{{"apiVersion":"policy/v1","kind":"Eviction"{options}}}"#);
        lab.ask("POST", &path, &body)
    };
    let wrong = r#","deleteOptions":{"preconditions":{"uid":"another"}}"#;
    assert_eq!(evict(0, wrong).code, 409);
    assert_eq!(evict(0, r#","deleteOptions":{"dryRun":["All"]}"#).code, 201);
    assert_eq!(evict(0, "").code, 201);
    let refused = evict(1, "");
    assert_eq!(refused.code, 429, "{refused:?}");
    let status: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(status["details"]["causes"][0]["reason"], "DisruptionBudget");
    assert_eq!(status["reason"], "TooManyRequests");
    let budget = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets/api";
    until("the budget has room again", Duration::from_secs(60), || {
        (json(&lab, budget)["status"]["disruptionsAllowed"] == 1).then_some(())
    });
    assert_eq!(evict(1, "").code, 201);
}

#[test]
fn lists_come_in_pages_and_watches_are_dropped() {
    let lab = LabProcess::start(&["--replicas", "5", "--load=0", "--drop-watches-every=200ms"]);
    let (mut path, mut names) = (format!("{PODS}?limit=2"), Vec::new());
    loop {
        let page = json(&lab, &path);
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()));
        let Some(token) = page["metadata"]["continue"].as_str() else { break };
        path = format!("{PODS}?limit=2&continue={token}");
    }
    let all: Vec<String> = lab.pods().into_iter().map(|pod| pod.name).collect();
    assert_eq!(names, all);
    // It has no timeout of its own, and would last half an hour.
    let watch = lab.ask("GET", &format!("{PODS}?watch=1"), "");
    assert_eq!(watch.body.lines().count(), 5);
}

#[test]
fn metrics_are_cut_off_and_come_back_while_requests_go_on() {
    let switches = ["--replicas", "2", "--cut-metrics-after=0s", "--cut-metrics-for=1s"];
    let lab = LabProcess::start(&switches);
    let targets = [lab.targets("gateway"), lab.targets("api")].concat();
    assert_eq!(targets.len(), 3);
    let within = Duration::from_secs(60);
    let name = "process_start_time_seconds";
    let shown = |target: &String| sample(target, name).is_some();
    until("all come back", within, || targets.iter().all(shown).then_some(()));
    lab.disturb("cut-metrics");
    until("all refuse", within, || {
        targets.iter().all(|target| TcpStream::connect(target).is_err()).then_some(())
    });
    lab.disturb("cut-metrics?how=hang");
    until("all hang", within, || {
        let hangs = |target: &String| TcpStream::connect(target).is_ok() && !shown(target);
        targets.iter().all(hangs).then_some(())
    });
    let answered =
        || sample(&lab.targets("gateway")[0], "gateway_requests_total{code=\"200\",route=\"api\"}");
    lab.disturb("cut-metrics?how=serve");
    let before = until("the gateway shows its metrics", within, answered);
    lab.disturb("cut-metrics?for=1s");
    until("requests were answered meanwhile", within, || {
        answered().filter(|now| *now > before).map(|_| ())
    });
}

#[test]
fn the_autoscaler_follows_a_spike_and_says_so() {
    let busy = ["--load=20", "--service-time=50ms", "--concurrency=2", "--restart-delay=0s"];
    let scaled = ["--replicas=2", "--autoscale=2..6", "--autoscale-patience=1s"];
    let lab = LabProcess::start(&[&busy[..], &scaled[..]].concat());
    lab.disturb("spike?factor=8");
    let within = Duration::from_secs(90);
    let replicas = || json(&lab, DEPLOYMENT)["spec"]["replicas"].as_u64().unwrap();
    until("more pods", within, || (replicas() > 2).then_some(()));
    lab.disturb("spike?factor=1");
    until("as few as before", within, || (replicas() == 2).then_some(()));
    let said = events(&lab, "SuccessfulRescale");
    assert!(said.iter().any(|message| message.contains("above target")), "{said:?}");
    assert!(said.iter().any(|message| message.contains("All metrics below target")), "{said:?}");
    let path = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/api";
    assert_eq!(json(&lab, path)["spec"]["maxReplicas"], 6);
}

#[test]
fn a_leaking_pod_dies_of_it_and_starts_again() {
    let lab = LabProcess::start(&["--replicas=2", "--load=0", "--leak-after=0s", "--leak=512"]);
    until("a container started again", Duration::from_secs(60), || {
        let pods = json(&lab, PODS);
        let mut pods = pods["items"].as_array().unwrap().iter();
        pods.any(|pod| pod["status"]["containerStatuses"][0]["restartCount"] == 1).then_some(())
    });
}

#[test]
fn a_slow_pod_takes_longer_for_its_requests() {
    let lab = LabProcess::start(&["--replicas=2", "--service-time=2ms"]);
    let done = lab.disturb("slow?pods=1&factor=50");
    assert!(done["done"].as_str().unwrap().starts_with("slow: api-"), "{done}");
    until("the gateway waits for it", Duration::from_secs(60), || {
        let gateway = &lab.targets("gateway")[0];
        let name = "gateway_request_duration_seconds_bucket{route=\"api\",le=\"0.025\"}";
        let (quick, all) =
            (sample(gateway, name)?, sample(gateway, &name.replace("0.025", "+Inf"))?);
        (all - quick > 50.0).then_some(())
    });
}

#[test]
fn a_lab_killed_in_the_middle_of_everything_leaves_no_pod_behind() {
    let lab = LabProcess::start(&[
        "--replicas=4",
        "--autoscale=4..6",
        "--rollout-after=0s",
        "--leak-after=0s",
        "--spike-after=0s",
        "--cut-metrics-after=0s",
        "--cut-metrics=hang",
        "--compact-every=100ms",
    ]);
    let within = Duration::from_secs(60);
    until("a rollout", within, || {
        events(&lab, "ScalingReplicaSet").iter().any(|m| m.contains("Scaled down")).then_some(())
    });
    let children = lab.children();
    // One of the four may be on its way from the old template to the new.
    assert!(children.len() >= 3, "{children:?}");
    lab.kill();
    until("every pod is gone", within, || (!children.iter().any(|pid| alive(*pid))).then_some(()));
}
