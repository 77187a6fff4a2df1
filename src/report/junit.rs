//! `junit.xml`: the report for a CI server's test view.
//!
//! One test case a check, and one each for what every verdict rests on. Fail is a failure,
//! inconclusive is an error, and nothing is ever skipped: a skipped test looks green.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    View,
    view::{CheckView, Finding, Tone},
};
use crate::verdict::Outcome;

/// What one test case came to.
struct Case {
    name: String,
    outcome: Outcome,
    kind: &'static str,
    message: String,
    body: String,
}

pub(super) fn render(view: &View) -> String {
    let mut suite = TestSuite::new(view.name.as_str());
    // From the run, not from now: the same recording gives the same bytes.
    suite.timestamp = view.started_at.to_string().parse().ok();
    suite.set_time(Duration::try_from_secs_f64(view.length_s).unwrap_or_default());
    suite.add_property(("run_id", view.run_id.as_str()));
    suite.add_property(("claim", view.claim.as_str()));
    suite.add_property(("verdict", view.outcome.name()));
    for case in cases(view) {
        suite.add_test_case(test_case(case, &view.name));
    }
    suite.set_system_out(summary(view));
    let mut report = Report::new("homeostat");
    report.timestamp = suite.timestamp;
    report.time = suite.time;
    report.add_test_suite(suite);
    let mut text = report.to_string().expect("writing XML to memory does not fail");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn cases(view: &View) -> Vec<Case> {
    let mut cases = vec![whole(view)];
    cases.extend(steady(view));
    cases.extend(evidence(view));
    cases.extend(view.checks.iter().map(check));
    cases
}

/// The verdict itself: precedence can make a run inconclusive although every check holds.
fn whole(view: &View) -> Case {
    // A passing case has no message: what kind of pass it is stands in its text.
    let first = (view.outcome == Outcome::Pass).then_some(view.headline.as_str());
    let grounds = view.grounds.iter().map(|ground| ground.text.as_str());
    let lines: Vec<&str> = first.into_iter().chain(grounds).collect();
    Case {
        name: "verdict".to_owned(),
        outcome: view.outcome,
        kind: view.grounds.first().map_or("verdict", |ground| ground.code),
        message: view.headline.clone(),
        body: lines.join("\n"),
    }
}

fn steady(view: &View) -> Option<Case> {
    let unsteady: Vec<&CheckView> =
        view.steady.iter().filter(|check| check.outcome != Outcome::Pass).collect();
    // Broken before anything was disturbed says nothing of the claim: never a failure of it.
    let outcome = if unsteady.is_empty() { Outcome::Pass } else { Outcome::Inconclusive };
    let lines: Vec<String> = unsteady.iter().map(|check| line(check)).collect();
    (!view.steady.is_empty()).then(|| Case {
        name: "steady state before".to_owned(),
        outcome,
        kind: "not_steady",
        message: "the system was not steady before it was disturbed".to_owned(),
        body: lines.join("\n"),
    })
}

fn evidence(view: &View) -> Option<Case> {
    let items = &view.fault.evidence;
    let doubtful = |item: &&Finding| item.tone != Tone::Good && item.state != "larger";
    let missing: Vec<String> = items
        .iter()
        .filter(doubtful)
        .map(|item| format!("{}: {}: {}", item.asked, item.state, item.seen))
        .collect();
    let outcome = if missing.is_empty() { Outcome::Pass } else { Outcome::Inconclusive };
    (!items.is_empty()).then(|| Case {
        name: "evidence".to_owned(),
        outcome,
        kind: "evidence",
        message: "the fault was not seen as it was asked for".to_owned(),
        body: missing.join("\n"),
    })
}

fn check(check: &CheckView) -> Case {
    let reason = check.reasons.first();
    let message = match check.outcome {
        Outcome::Pass => String::new(),
        Outcome::Fail if check.room.is_empty() => check.objective.clone(),
        Outcome::Fail => check.room.clone(),
        Outcome::Inconclusive => {
            reason.map_or_else(|| "it cannot be told".to_owned(), |reason| reason.text.clone())
        }
    };
    Case {
        name: check.id.clone(),
        outcome: check.outcome,
        kind: match check.outcome {
            Outcome::Pass | Outcome::Fail => "check",
            Outcome::Inconclusive => reason.map_or("check", |reason| reason.code),
        },
        message,
        body: line(check),
    }
}

fn line(check: &CheckView) -> String {
    let mut said = vec![check.objective.clone()];
    let parts = [
        ("observed", &check.observed),
        ("can have been", &check.interval),
        ("margin", &check.margin),
        ("in breach", &check.breach),
        ("longest breach", &check.longest),
        ("worst", &check.worst),
        ("worst at", &check.worst_at),
        ("recovery", &check.recovery),
        ("points", &check.points),
    ];
    for (name, text) in parts {
        if !text.is_empty() {
            said.push(format!("{name}: {text}"));
        }
    }
    said.extend(check.reasons.iter().map(|reason| format!("{}: {}", reason.code, reason.text)));
    said.join("\n")
}

fn test_case(case: Case, class: &str) -> TestCase {
    let status = match case.outcome {
        Outcome::Pass => TestCaseStatus::success(),
        Outcome::Fail => not_well(NonSuccessKind::Failure, &case),
        Outcome::Inconclusive => not_well(NonSuccessKind::Error, &case),
    };
    let mut test_case = TestCase::new(case.name, status);
    test_case.set_classname(class);
    if case.outcome == Outcome::Pass && !case.body.is_empty() {
        test_case.set_system_out(case.body);
    }
    test_case
}

fn not_well(kind: NonSuccessKind, case: &Case) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(case.kind);
    status.set_message(case.message.as_str());
    if !case.body.is_empty() {
        status.set_description(case.body.as_str());
    }
    status
}

/// The first screen, for CI servers that show a suite's output.
fn summary(view: &View) -> String {
    let mut lines = vec![format!("{}: {}", view.word(), view.headline)];
    for answer in &view.answers {
        lines.push(format!("{} {}", answer.question, answer.text));
        lines.extend(answer.details.iter().map(|detail| format!("  {detail}")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Format, Style, fixture};

    #[track_caller]
    fn check(sample: &fixture::Sample, failures: usize, errors: usize) -> String {
        let view = View::new(&sample.subject());
        let xml = crate::report::render(&view, Format::Junit, Style::default());
        let report = Report::deserialize_from_str(&xml).unwrap();
        let suite = &report.test_suites[0];
        assert_eq!((suite.failures, suite.errors, suite.skipped), (failures, errors, 0), "{xml}");
        assert_eq!(suite.tests, suite.test_cases.len());
        xml
    }

    #[test]
    fn a_pass_has_neither_failures_nor_errors() {
        let xml = check(&fixture::held(), 0, 0);
        assert!(xml.contains(r#"timestamp="2026-11-23T02:14:00.000+00:00""#), "{xml}");
    }

    #[test]
    fn a_fail_is_a_failure_with_the_number() {
        let xml = check(&fixture::failed(), 2, 0);
        assert!(xml.contains("19 % beyond the bound: 238 ms of 200 ms"), "{xml}");
    }

    #[test]
    fn inconclusive_is_an_error_with_its_code_and_is_never_skipped() {
        let xml = check(&fixture::untold(), 0, 2);
        assert!(xml.contains(r#"type="bound_inside_bucket""#), "{xml}");
    }

    #[test]
    fn missing_evidence_is_an_error() {
        let xml = check(&fixture::no_fault(), 0, 2);
        assert!(xml.contains(r#"<testcase name="evidence""#), "{xml}");
    }
}
