//! What a judgement was not given must not make it a pass: scripted targets on which one was
//! once made.

use crate::support::{
    ScriptedTarget, VerdictFile, recording::manifest, run_directory, target::Moment,
};

/// The fault shows on the page as `fault_on`.
const TEXT: &str = r#"
version: 1
name: missed
claim: Nothing that callers notice happens.
phases: {before: 5s, during: 4s, after: 4s, step: 1s}
sources: {scrape: {targets: [TARGETS], interval: 500ms}}
fault: FAULT
evidence: [{indicator: fault_on, during: {above: 1}}]
indicators:
  fault_on: {gauge: fault_on, aggregate: max}
"#;

const ERRORS: &str = r#"
  errors: {ratio: 'requests_total{code=~"5.."}', of: requests_total, over: 2s}
checks:
  - {indicator: errors, during: {below: 1%}}
  - {indicator: errors, recovers: {below: 1%, in: 4s}}
"#;

const LATENCY: &str = "
  p50: {quantile: 0.5, histogram: request_duration_seconds, over: 2s}
checks:
  - {indicator: p50, during: {below: 1s}}
";

fn fault_on(moment: &Moment) -> String {
    format!("fault_on {}\n", u8::from(moment.fault.is_some()))
}

/// 100 requests a second without an error.
fn requests(moment: &Moment) -> String {
    format!("# TYPE requests_total counter\nrequests_total{{code=\"200\"}} {}\n", moment.up * 100.0)
}

/// Runs it and holds the verdict.
#[track_caller]
fn check(
    text: &str,
    page: impl Fn(&Moment) -> String + Send + 'static,
    code: i32,
    look: impl FnOnce(&VerdictFile),
) {
    let target = ScriptedTarget::start(move |moment| fault_on(moment) + &page(moment));
    check_target(&target, text, code, look);
}

#[track_caller]
fn check_target(target: &ScriptedTarget, text: &str, code: i32, look: impl FnOnce(&VerdictFile)) {
    target.run(&format!("{}{}", TEXT.trim_end(), text)).run().exits(code);
    let verdict = VerdictFile::of_run(&run_directory(&target.store()));
    assert_eq!(verdict.evidence(), "confirmed");
    look(&verdict);
}

#[test]
fn errors_under_a_label_that_appears_with_the_fault_count() {
    let page = |moment: &Moment| {
        let born = moment.fault.map(|_| "requests_total{code=\"503\"} 500\n");
        requests(moment) + born.unwrap_or_default()
    };
    check(ERRORS, page, 10, |verdict| {
        let errors = verdict.check("errors.during.below");
        assert_eq!(errors.outcome(), "fail");
        // 500 among some 200 in the two seconds around them.
        assert!(errors.observed("value") > 0.5, "{}", errors.observed("value"));
    });
}

#[test]
fn no_error_at_all_is_a_pass() {
    check(ERRORS, requests, 0, |verdict| {
        assert_eq!(verdict.check("errors.during.below").outcome(), "pass");
    });
}

#[test]
fn an_error_counter_that_turns_to_nan_is_not_zero() {
    let page = |moment: &Moment| {
        let errors = if moment.fault.is_some() { "NaN" } else { "7" };
        format!("{}requests_total{{code=\"503\"}} {errors}\n", requests(moment))
    };
    check(ERRORS, page, 11, |verdict| {
        assert_eq!(verdict.check("errors.during.below").outcome(), "inconclusive");
    });
}

/// Buckets of a histogram: how many took at most a second, and how many there were.
fn histogram(code: u32, quick: f64, all: f64) -> String {
    let name = "request_duration_seconds_bucket";
    format!(
        "{name}{{code=\"{code}\",le=\"1\"}} {quick}\n{name}{{code=\"{code}\",le=\"+Inf\"}} {all}\n"
    )
}

#[test]
fn a_histogram_under_a_label_that_appears_with_the_fault_counts() {
    let page = |moment: &Moment| {
        let all = moment.up * 100.0;
        let born = moment.fault.map(|_| histogram(503, 0.0, 1000.0));
        "# TYPE request_duration_seconds histogram\n".to_owned()
            + &histogram(200, all, all)
            + &born.unwrap_or_default()
    };
    check(LATENCY, page, 10, |verdict| {
        assert_eq!(verdict.check("p50.during.below").outcome(), "fail");
    });
}

#[test]
fn a_gauge_with_a_time_of_its_own_that_vanishes_is_gone() {
    let depth = "
  depth: {gauge: queue_depth, aggregate: max}
checks:
  - {indicator: depth, during: {below: 10}}
";
    let page = |moment: &Moment| {
        let shown = format!("queue_depth 1 {}\n", moment.at.as_millis());
        if moment.fault.is_none() { shown } else { String::new() }
    };
    check(depth, page, 11, |verdict| {
        assert_eq!(verdict.check("depth.during.below").outcome(), "inconclusive");
    });
}

/// A run of a fault that does nothing, by an indicator that is high all along.
fn busy_anyway(since: &str, code: i32, evidence: &str) {
    let text = TEXT.replace("fault_on: {gauge: fault_on", "fault_on: {gauge: busy_ratio");
    let text = text.replace("{above: 1}}]", &format!("{{above: 80%}}{since}}}]"));
    let target = ScriptedTarget::start(|moment| requests(moment) + "busy_ratio 0.9\n");
    target.run(&format!("{}{ERRORS}", text.trim_end())).run().exits(code);
    let verdict = VerdictFile::of_run(&run_directory(&target.store()));
    assert_eq!(verdict.evidence(), evidence);
}

#[test]
fn what_was_so_before_is_no_evidence() {
    busy_anyway("", 11, "absent");
}

#[test]
fn what_is_meant_to_be_so_all_along_may_be_evidence() {
    busy_anyway(", since: before", 0, "confirmed");
}

#[test]
fn the_guard_counts_them_too() {
    // Twice a second errors of another kind, of which there never are more: the ratio stays high.
    let page = |moment: &Moment| {
        let kinds = moment.fault.map_or(0, |seconds| 1 + (seconds * 2.0) as u32).min(100);
        let born = |kind: u32| format!("requests_total{{code=\"5{kind:02}\"}} 500\n");
        requests(moment) + &(0..kinds).map(born).collect::<String>()
    };
    let guarded = format!("{ERRORS}guard: [{{indicator: errors, above: 50%, for: 1s}}]\n");
    check(&guarded, page, 10, |verdict| {
        assert_eq!(verdict.grounds(), ["failed", "guard_tripped"]);
    });
}

/// A target that callers reach all the time, without an error, and another one beside it.
fn gateway_and(page: impl Fn(&Moment) -> String + Send + 'static) -> ScriptedTarget {
    let gateway = |moment: &Moment| {
        format!("{}requests_total{{code=\"200\"}} {}\n", fault_on(moment), moment.up * 300.0)
    };
    ScriptedTarget::start(gateway).beside(page)
}

/// A target that is new with the fault, and has counted errors when it is read first.
fn new_target(more: fn(&Moment) -> String) -> ScriptedTarget {
    gateway_and(move |moment| {
        let errors = "requests_total{code=\"503\"} 500\n";
        if moment.fault.is_some() { more(moment) + errors } else { String::new() }
    })
}

#[test]
fn what_a_new_target_counted_before_its_first_scrape_may_be_errors() {
    check_target(&new_target(|_| String::new()), ERRORS, 11, |verdict| {
        let errors = verdict.check("errors.during.below");
        assert_eq!(
            (errors.outcome(), errors.reasons().join(" ")),
            ("inconclusive", "uncounted".into())
        );
        assert!(errors.observed("upper") > 0.3, "{}", errors.observed("upper"));
    });
}

#[test]
fn what_a_new_target_counted_is_known_when_it_says_when_it_began() {
    let began = |moment: &Moment| {
        let started = moment.at.as_seconds() - moment.fault.unwrap_or_default() - 0.5;
        format!("process_start_time_seconds {started}\n")
    };
    check_target(&new_target(began), ERRORS, 10, |verdict| {
        assert_eq!(verdict.check("errors.during.below").outcome(), "fail");
    });
}

/// A target that dies with the fault, having served a quarter of all requests.
fn dying_target() -> ScriptedTarget {
    gateway_and(|moment| if moment.fault.is_none() { requests(moment) } else { String::new() })
}

#[test]
fn what_was_lost_with_a_target_may_be_errors() {
    check_target(&dying_target(), ERRORS, 11, |verdict| {
        let errors = verdict.check("errors.during.below");
        assert_eq!(
            (errors.outcome(), errors.reasons().join(" ")),
            ("inconclusive", "uncounted".into())
        );
    });
}

#[test]
fn what_was_lost_is_forgiven_where_it_cannot_decide() {
    check_target(&dying_target(), &ERRORS.replace("1%", "50%"), 0, |verdict| {
        let errors = verdict.check("errors.during.below");
        assert_eq!(errors.outcome(), "pass");
        assert!(errors.observed("upper") > 0.01, "{}", errors.observed("upper"));
    });
}

#[test]
fn a_window_that_outlasts_its_samples_is_not_seen() {
    let page = |moment: &Moment| {
        let away = moment.fault.is_some_and(|seconds| (0.5..2.8).contains(&seconds));
        if away { String::new() } else { requests(moment) }
    };
    let text = ERRORS.replace("over: 2s", "over: 3s");
    check_target(&ScriptedTarget::start(fault_on).beside(page), &text, 11, |verdict| {
        let reasons = verdict.check("errors.during.below").reasons().join(" ");
        assert_eq!(reasons, "too_many_gaps");
    });
}

#[test]
fn another_program_is_another_fault() {
    let quick =
        TEXT.replace("{before: 5s, during: 4s, after: 4s,", "{before: 2s, during: 1s, after: 1s,");
    let text = quick.trim_end().replace("FAULT", "{command: {}}")
        + "\nchecks: [{indicator: fault_on, during: {below: 1}}]\n";
    let fingerprint = |program: &[&str]| {
        let target = ScriptedTarget::start(fault_on);
        target.run(&text).args(["--"]).args(program).run().exits(11);
        let run = run_directory(&target.store());
        let written = manifest(&run)["comparable_fingerprint"].clone();
        let verdict = fs_err::read_to_string(run.join("verdict.json")).unwrap();
        assert!(verdict.contains(written.as_str().unwrap()), "{verdict}");
        written
    };
    let (one, other) = (fingerprint(&["true"]), fingerprint(&["sleep", "0.1"]));
    assert_ne!(one, other);
    assert_eq!(one, fingerprint(&["true"]));
}
