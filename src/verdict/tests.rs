//! A run as a whole: from the analysis to the verdict and its rows.

use std::time::Duration;

use super::{
    example::{allowance, analysis, finite, hypothesis, run},
    *,
};
use crate::{
    analysis::{BlastRadius, MechanismFinding, Track},
    hypothesis::model::{Level, Tolerance},
    number::Share,
    time::Time,
    window::{Phase, Phases, Window},
};

fn objectives() -> Vec<Objective> {
    let (level, gaps) = (Level::Below(finite(0.2)), allowance(0.05, 3));
    vec![
        Objective::Stays {
            phase: Phase::During,
            level,
            hold: Share::ALL,
            longest_breach: None,
            gaps,
            scale: 0.2,
        },
        Objective::Recovers { level, within: Duration::from_secs(60), gaps },
    ]
}

fn judged(track: Track, evidence: EvidenceState) -> Verdicts {
    judge_all(&hypothesis(objectives()), &analysis(track, evidence), RunStatus::Complete)
}

#[track_caller]
fn check(track: Track, evidence: EvidenceState, want: &str, exit: u8) {
    let got = judged(track, evidence);
    let grounds: Vec<_> = got.grounds.iter().map(Ground::code).collect();
    assert_eq!(format!("{}: {}", got.outcome.name(), grounds.join(", ")), want);
    assert_eq!(got.exit_code(), exit);
}

#[test]
fn a_run_has_one_verdict_with_its_grounds() {
    let calm = || run("0.1x19", "0.1x19", "0.1x19");
    let hit = || run("0.1x19", "0.1x9 0.3 0.1x8", "0.1x19");
    check(calm(), EvidenceState::Confirmed, "pass: all_hold", 0);
    check(hit(), EvidenceState::Confirmed, "fail: failed", 10);
    check(calm(), EvidenceState::Absent, "inconclusive: evidence_absent", 11);
    check(calm(), EvidenceState::Smaller, "inconclusive: evidence_smaller", 11);
    let sick = run("0.1x18 0.3", "0.1x19", "0.1x19");
    check(sick, EvidenceState::Confirmed, "inconclusive: not_steady", 11);
    let idle = run("NaNx19", "NaNx19", "NaNx19");
    check(idle, EvidenceState::Confirmed, "inconclusive: not_steady, untold", 11);
}

#[test]
fn the_weakest_evidence_counts() {
    let calm = run("0.1x19", "0.1x19", "0.1x19");
    let mut analysis = analysis(calm, EvidenceState::Confirmed);
    let mut with = |state| {
        let mut more = analysis.evidence[0].clone();
        more.state = state;
        analysis.evidence.push(more);
        judge_all(&hypothesis(objectives()), &analysis, RunStatus::Complete).evidence
    };
    assert_eq!(with(EvidenceState::Larger), Some(EvidenceState::Larger));
    assert_eq!(with(EvidenceState::Smaller), Some(EvidenceState::Smaller));
    assert_eq!(with(EvidenceState::Absent), Some(EvidenceState::Absent));
    assert_eq!(with(EvidenceState::Unknown), Some(EvidenceState::Unknown));
    assert_eq!(with(EvidenceState::Confirmed), Some(EvidenceState::Unknown));
}

#[test]
fn a_fault_without_evidence_is_not_taken_on_trust_and_a_placebo_needs_none() {
    let calm = run("0.1x19", "0.1x19", "0.1x19");
    let mut analysis = analysis(calm, EvidenceState::Confirmed);
    analysis.evidence.clear();
    let mut hypothesis = hypothesis(objectives());
    let got = judge_all(&hypothesis, &analysis, RunStatus::Complete);
    assert_eq!(got.grounds, [Ground::Evidence(EvidenceState::Unknown)]);
    hypothesis.fault = Fault::None;
    let got = judge_all(&hypothesis, &analysis, RunStatus::Complete);
    assert_eq!((got.outcome, got.evidence), (Outcome::Pass, None));
    assert_eq!(got.grounds, [Ground::AllHold, Ground::Placebo]);
}

#[test]
fn a_pass_for_another_reason_than_the_one_claimed_is_a_near_miss() {
    let mut analysis = analysis(run("0.1x19", "0.1x19", "0.1x19"), EvidenceState::Confirmed);
    let finding = |state| MechanismFinding {
        claimed: "app=api replaced within 30 s".to_owned(),
        state,
        seen: "never".to_owned(),
    };
    analysis.mechanisms = vec![finding(MechanismState::Held), finding(MechanismState::NotSeen)];
    let got = judge_all(&hypothesis(objectives()), &analysis, RunStatus::Complete);
    assert_eq!(got.outcome, Outcome::Pass);
    assert_eq!(got.grounds, [Ground::AllHold, Ground::MechanismNotSeen]);
}

fn rows(hypothesis: &Hypothesis, analysis: &Analysis) -> Vec<crate::frame::CheckRow> {
    let at = |seconds: i64| Time::from_millis(seconds * 1000);
    let identity = RunIdentity {
        run_id: "20261123T021500Z-7f3a".to_owned(),
        started_at: at(0),
        phases: Phases {
            before: Some(Window::new(at(0), at(100))),
            during: Some(Window::new(at(100), at(200))),
            after: None,
        },
        environment: "{}".to_owned(),
        analysis_version: 1,
        format_version: 1,
    };
    let verdicts = judge_all(hypothesis, analysis, RunStatus::Complete);
    check_rows(&identity, hypothesis, analysis, &verdicts)
}

#[test]
fn a_row_says_what_was_held_against_what() {
    let track = run("0.1x19", "0.1x9 0.4 0.1x8", "0.1x19");
    let mut analysis = analysis(track, EvidenceState::Confirmed);
    analysis.blast = Some(BlastRadius {
        population: 10,
        ready_at_start: 10,
        asked: Some(3),
        hit: Vec::new(),
        most_down: 0,
        pod_seconds_lost: 0.0,
        collateral: Vec::new(),
        ready: Vec::new(),
    });
    let rows = rows(&hypothesis(objectives()), &analysis);
    let columns = format!("{:?}", rows[0]).replace(", ", "\n");
    insta::assert_snapshot!(columns, @r#"
    CheckRow { format_version: 1
    analysis_version: 1
    hypothesis_name: "example"
    run_id: "20261123T021500Z-7f3a"
    started_at: Time(0)
    check_id: "c0"
    indicator: "latency"
    phase: During
    objective_kind: "below"
    unit: "s"
    direction: "up"
    bound_lo: None
    bound_hi: Some(0.2)
    scale: Some(0.2)
    hold: Some(1.0)
    observed: Some(0.4)
    observed_lo: Some(0.4)
    observed_hi: Some(0.4)
    interval_kind: "none"
    median: Some(0.1)
    margin: Some(-1.0)
    margin_lo: Some(-1.0)
    margin_hi: Some(-1.0)
    breach_share: Some(0.05)
    longest_breach_s: Some(5.0)
    area: Some(1.0)
    worst_at: Some(Time(150000))
    verdict: "fail"
    reasons: []
    n: Some(20)
    n_eff: None
    coverage: Some(1.0)
    recovery_s: None
    recovery_censored: None
    fault_kind: "command"
    asked: Some(3)
    hit: Some(0)
    population: Some(10)
    evidence: Some("confirmed")
    mechanism: None
    text_fingerprint: "text"
    comparable_fingerprint: "comparable"
    phase_s: Some(100.0)
    environment: "{}" }
    "#);
    let recovery = &rows[1];
    assert_eq!(recovery.objective_kind, "recovers");
    assert_eq!((recovery.bound_hi, recovery.scale), (Some(60.0), Some(60.0)));
    assert_eq!((recovery.recovery_s, recovery.recovery_censored), (Some(55.0), Some(false)));
    assert_eq!((recovery.observed_lo, recovery.observed_hi), (Some(50.0), Some(55.0)));
}

#[test]
fn a_longest_breach_that_stands_alone_has_no_share() {
    let Objective::Stays { phase, level, gaps, scale, .. } = objectives().remove(0) else {
        panic!("the first objective is about a level");
    };
    let row = |hold| {
        let longest_breach = Some(Duration::from_secs(10));
        let stays = Objective::Stays { phase, level, hold, longest_breach, gaps, scale };
        let analysis = analysis(run("0.1x19", "0.1x19", "0.1x19"), EvidenceState::Confirmed);
        rows(&hypothesis(vec![stays]), &analysis).remove(0).hold
    };
    assert_eq!(row(Share::ALL), None);
    assert_eq!(row(Share::new(0.9).unwrap()), Some(0.9));
}

#[test]
fn a_censored_recovery_has_no_margin_but_a_most() {
    let analysis = analysis(run("0.1x19", "0.3x9", "0.3x9"), EvidenceState::Confirmed);
    let row = &rows(&hypothesis(objectives()), &analysis)[1];
    assert_eq!((row.recovery_s, row.recovery_censored), (Some(95.0), Some(true)));
    assert_eq!((row.observed, row.observed_lo, row.observed_hi), (None, Some(95.0), None));
    assert_eq!((row.margin, row.margin_lo), (None, None));
    assert!((row.margin_hi.unwrap() - (60.0 - 95.0) / 60.0).abs() < 1e-9);
}

#[test]
fn a_phase_that_was_not_reached_leaves_its_numbers_null() {
    let analysis = analysis(run("0.1x19", "", ""), EvidenceState::Unknown);
    let row = &rows(&hypothesis(objectives()), &analysis)[0];
    assert_eq!((row.verdict.as_str(), row.n, row.coverage), ("inconclusive", None, None));
    assert_eq!(row.reasons, ["phase_not_reached"]);
}

#[test]
fn a_share_of_another_phase_keeps_its_tolerance_as_written() {
    let within = Objective::Within {
        phase: Phase::After,
        tolerance: Tolerance::Relative(0.1),
        of: Phase::Before,
        gaps: allowance(0.05, 3),
    };
    let total = Objective::TotalAtMost {
        phase: Phase::During,
        limit: finite(0.0),
        gaps: allowance(0.05, 3),
    };
    let analysis = analysis(run("200x19", "0x19", "200x19"), EvidenceState::Confirmed);
    let rows = rows(&hypothesis(vec![within, total]), &analysis);
    assert_eq!((rows[0].bound_hi, rows[0].scale), (Some(0.1), Some(20.0)));
    assert_eq!((rows[0].direction.as_str(), rows[0].phase_s), ("both", None));
    assert_eq!((rows[1].bound_hi, rows[1].scale), (Some(0.0), Some(1.0)));
    assert_eq!((rows[1].verdict.as_str(), rows[1].phase_s), ("pass", Some(100.0)));
}
