//! Watches of a cluster that see nothing, each for itself.

use std::time::Duration;

use crate::support::{
    HypothesisFile, LabProcess, VerdictFile,
    api_proxy::{ApiProxy, Reply},
    program::Done,
    run_directory,
};

/// A pod is killed; the check is about pods, and about events.
fn hypothesis() -> HypothesisFile {
    HypothesisFile::short()
        .set("phases", "{before: 5s, during: 6s, after: 4s, step: 1s}")
        .without("because")
        .set(
            "indicators",
            "{ready: {pods_ready: app=api}, killed: {event_count: {reason: Killing}}}",
        )
        .set(
            "checks",
            "[{indicator: ready, during: {above: 1}}, {indicator: killed, during: {total_at_most: 9}}]",
        )
}

/// Runs it for an account that may not list or watch one resource.
#[track_caller]
fn without(resource: &'static str) -> (Done, VerdictFile) {
    let lab = LabProcess::start(&[]);
    let path = format!("/{resource}?");
    let reply = move |asked: &str| {
        if asked.starts_with("GET ") && asked.contains(&path) && !asked.contains("labelSelector") {
            Reply::Forbidden
        } else {
            Reply::Pass
        }
    };
    let api = ApiProxy::start(&lab, Duration::ZERO, reply);
    let done = lab.run(&hypothesis()).env("HOMEOSTAT_LAB_KUBECONFIG", api.kubeconfig()).run();
    let verdict = VerdictFile::of_run(&run_directory(&lab.store()));
    (done, verdict)
}

#[test]
fn who_may_not_list_events_still_sees_pods() {
    let (done, verdict) = without("events");
    let done = done.exits(11);
    assert_eq!(verdict.steady("ready.during.above").outcome(), "pass");
    assert_eq!(verdict.steady("killed.during.total_at_most").outcome(), "inconclusive");
    assert!(done.says("events were not watched in before"), "{done}");
    assert!(done.says("the account needs `list` and `watch` on `events`"), "{done}");
}

#[test]
fn who_may_not_list_pods_still_sees_events() {
    let (done, verdict) = without("pods");
    let done = done.exits(11);
    assert_eq!(verdict.steady("ready.during.above").outcome(), "inconclusive");
    assert_eq!(verdict.steady("killed.during.total_at_most").outcome(), "pass");
    assert!(done.says("the account needs `list` and `watch` on `pods`"), "{done}");
}
