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

fn no_kill_event() -> HypothesisFile {
    hypothesis().set("checks", "[{indicator: killed, during: {total_at_most: 0}}]")
}

fn watches(asked: &str, what: &str) -> bool {
    asked.starts_with("GET ") && asked.contains(&format!("/{what}?")) && asked.contains("watch=")
}

/// Three pods are killed, each with an event `Killing`; the watch of events is never answered.
#[test]
fn a_watch_of_events_that_hangs_sees_none() {
    let lab = LabProcess::start(&[]);
    let reply = |asked: &str| if watches(asked, "events") { Reply::Late } else { Reply::Pass };
    let api = ApiProxy::start(&lab, Duration::from_secs(60), reply);
    lab.run(&no_kill_event()).env("HOMEOSTAT_LAB_KUBECONFIG", api.kubeconfig()).run().exits(11);
}

/// Three pods are killed, in a cluster whose clock is far behind.
#[test]
fn events_of_a_cluster_whose_clock_is_behind_are_of_now() {
    let lab = LabProcess::start(&[]);
    let reply = |asked: &str| if asked.contains("/events?") { Reply::LongAgo } else { Reply::Pass };
    let api = ApiProxy::start(&lab, Duration::ZERO, reply);
    lab.run(&no_kill_event()).env("HOMEOSTAT_LAB_KUBECONFIG", api.kubeconfig()).run().exits(10);
}

/// They are ready again before the next point, and the report says that they were not.
#[test]
fn pods_that_were_not_ready_between_two_points_were_not_ready() {
    let hypothesis = hypothesis()
        .set("phases", "{before: 5s, during: 5s, after: 5s, step: 5s}")
        .set("checks", "[{indicator: ready, during: {above: 10}}]");
    let lab = LabProcess::start(&["--restart-delay", "0s"]);
    let program = lab.run(&hypothesis);
    // So that the injection, 5 s later, comes just after a point.
    let now = || homeostat::internals::clock::Clock::system().now().as_millis() % 5000;
    while !(4900..4999).contains(&now()) {
        std::thread::sleep(Duration::from_millis(20));
    }
    program.run().exits(10);
}

/// All ten pods are deleted; the watch of pods hangs, for the whole run or for half a minute.
#[track_caller]
fn hung_pods(during: &str, hangs: usize) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let lab = LabProcess::start(&[]);
    let hung = AtomicUsize::new(0);
    let reply = move |asked: &str| {
        let hang = watches(asked, "pods") && hung.fetch_add(1, Ordering::SeqCst) < hangs;
        if hang { Reply::Late } else { Reply::Pass }
    };
    let api = ApiProxy::start(&lab, Duration::from_secs(60), reply);
    let config = lab.kubeconfig();
    let delete =
        format!("kubectl --kubeconfig={config} -n shop delete pod -l app=api --wait=false");
    let hypothesis = hypothesis()
        .set("phases", &format!("{{before: 5s, during: {during}, after: 4s, step: 1s}}"))
        .set("fault", &format!("{{command: {{argv: [sh, -c, \"{delete}\"]}}}}"))
        .set("evidence", "[{indicator: gateway, during: {below: 9}}]")
        .set(
            "indicators",
            "{ready: {pods_ready: app=api}, gateway: {gauge: gateway_endpoints, aggregate: min}}",
        )
        .set("checks", "[{indicator: ready, during: {above: 10}}]");
    lab.run(&hypothesis).env("HOMEOSTAT_LAB_KUBECONFIG", api.kubeconfig()).run().exits(11);
}

#[test]
fn a_watch_of_pods_that_hangs_sees_none() {
    hung_pods("6s", usize::MAX);
}

#[test]
fn a_watch_that_hung_was_blind_since_it_was_last_heard() {
    hung_pods("40s", 1);
}

#[test]
fn deletions_that_were_refused_killed_nothing() {
    let lab = LabProcess::start(&[]);
    let reply =
        |asked: &str| if asked.starts_with("DELETE ") { Reply::Forbidden } else { Reply::Pass };
    let api = ApiProxy::start(&lab, Duration::ZERO, reply);
    let hypothesis = hypothesis()
        .set("phases", "{before: 5s, during: 15s, after: 4s, step: 1s}")
        .set("checks", "[{indicator: ready, during: {above: 1}}]");
    let running = lab.run(&hypothesis).env("HOMEOSTAT_LAB_KUBECONFIG", api.kubeconfig()).start();
    let store = lab.store();
    crate::support::program::until("the injection", Duration::from_secs(60), || {
        let run = crate::support::recording::find_run(&store)?;
        let text = fs_err::read_to_string(run.join("run.json")).ok()?;
        text.contains("\"injection\"").then_some(())
    });
    lab.disturb("rollout");
    running.finish().exits(11);
}

#[test]
fn pods_of_a_selector_that_matches_none_are_not_counted() {
    let hypothesis = hypothesis()
        .set("indicators", "{ready: {pods_ready: app=apii}}")
        .set("checks", "[{indicator: ready, during: {below: 12}}]");
    let lab = LabProcess::start(&[]);
    lab.run(&hypothesis).run().exits(11);
}
