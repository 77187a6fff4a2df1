//! The lab through the eyes of `kubectl`: what people type works, and shows what happens.

use std::time::Duration;

use crate::support::LabProcess;

#[test]
fn a_deleted_pod_is_watched_going_and_being_replaced() {
    let lab = LabProcess::start(&[]);
    let before = lab.pods();
    let victim = &before[0].name;
    let Some(watch) = lab.kubectl(&["get", "pods", "-w"]) else { return };
    let mut watch = watch.start();
    let header = watch.line("the table's head", |line| line.starts_with("NAME"));
    for column in ["READY", "STATUS", "RESTARTS", "AGE"] {
        assert!(header.contains(column), "{header}");
    }
    for _ in &before {
        watch.line("a ready pod", |line| line.contains("1/1") && line.contains("Running"));
    }

    let delete = lab.kubectl(&["delete", "pod", victim]).unwrap().run().exits(0);
    assert!(delete.stdout.contains(&format!("pod \"{victim}\"")), "{delete}");
    watch.line("the pod going", |line| line.contains(victim) && line.contains("Terminating"));
    let known = |line: &str| before.iter().any(|pod| line.contains(&pod.name));
    watch.line("a ready replacement", |line| !known(line) && line.contains("1/1"));

    let events = lab.kubectl(&["get", "events"]).unwrap().run().exits(0);
    let killing = events.stdout.lines().find(|line| line.contains("Killing"));
    assert!(killing.is_some_and(|line| line.contains(victim)), "{events}");
}

#[test]
fn objects_are_listed_and_named_by_their_owners() {
    let lab = LabProcess::start(&["--replicas", "3"]);
    let Some(get) = lab.kubectl(&["get", "deployments,replicasets", "--output=name"]) else {
        return;
    };
    let names = get.run().exits(0).stdout;
    assert!(names.contains("deployment.apps/") && names.contains("replicaset.apps/"), "{names}");

    let pods = lab.kubectl(&["get", "pods", "--output=json"]).unwrap().run().exits(0);
    let pods: serde_json::Value = serde_json::from_str(&pods.stdout).unwrap();
    assert_eq!(pods["items"].as_array().unwrap().len(), 3);
    assert_eq!(pods["items"][0]["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet");
}

#[test]
fn a_selector_that_matches_nothing_deletes_nothing() {
    let lab = LabProcess::start(&["--replicas", "2"]);
    let before = lab.pods();
    let Some(delete) = lab.kubectl(&["delete", "pods", "--selector=app=nobody"]) else { return };
    let done = delete.timeout(Duration::from_secs(30)).run().exits(0);
    assert!(
        done.stdout.contains("No resources found") || done.stderr.contains("No resources found")
    );
    assert_eq!(lab.pods(), before);
}
