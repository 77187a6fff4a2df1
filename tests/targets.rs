//! Pods that are scraped by their annotations, in a real run on the lab.

use serde_json::Value;

use crate::support::{HypothesisFile, LabProcess, VerdictFile, run_directory};

/// The pods are the targets, and nothing else is.
const PODS: &str = r#"
version: 1
name: targets-follow-pods
claim: When pods are killed, their targets vanish, and those of their replacements come.
phases: {before: 6s, during: 6s, after: 6s, step: 1s}
sources:
  scrape: {pods: {selector: app=api, job: by-pods}, labels: {cluster: lab}, interval: 500ms}
  kubernetes: {namespace: shop, kubeconfig: "${HOMEOSTAT_LAB_KUBECONFIG}"}
fault:
  kill_pods: {selector: app=api, share: 30%}
evidence:
  - {targets_lost: '{job="by-pods",cluster="lab",namespace="shop",pod=~"api-.+",node=~".+"}', at_least: 3}
indicators:
  up: {gauge: 'up{job="by-pods"}', aggregate: sum}
checks:
  - {indicator: up, recovers: {above: 10, in: 12s}}
"#;

#[test]
fn targets_follow_the_pods_that_die_and_those_that_replace_them() {
    let lab = LabProcess::start(&[]);
    lab.run(&HypothesisFile::text(PODS)).run().exits(0);
    let run = run_directory(&lab.store());
    let verdict = VerdictFile::of_run(&run);
    assert_eq!(verdict.evidence(), "confirmed");
    let manifest = fs_err::read_to_string(run.join("run.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let kinds: Vec<&str> = manifest["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["pods", "kubernetes"]);
    assert_eq!(manifest["ledger"]["discovery_failed"], 0, "{:#}", manifest["ledger"]);
}
