//! Nothing outlives the lab, even when it is killed without a word.

use std::time::Duration;

use crate::support::{LabProcess, lab::alive, program::until};

#[test]
fn a_killed_lab_leaves_no_pod_behind() {
    let lab = LabProcess::start(&["--replicas", "4"]);
    let children = lab.children();
    assert!(children.len() >= 4, "a pod is a process: {children:?}");
    assert!(children.iter().all(|pid| alive(*pid)));
    lab.kill();
    until("every pod is gone", Duration::from_secs(60), || {
        (!children.iter().any(|pid| alive(*pid))).then_some(())
    });
}
