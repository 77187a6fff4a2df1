//! What a judgement was not given must not make it a pass: scripted targets on which one was
//! once made.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

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

/// 100 requests a second before the fault, and since then so many, all without an error.
fn left(per_second: f64) -> impl Fn(&Moment) -> String + Send + 'static {
    move |moment| {
        let since = moment.fault.unwrap_or_default();
        let counted = (moment.up - since) * 100.0 + since * per_second;
        format!("requests_total{{code=\"200\"}} {counted}\n")
    }
}

/// The checks, with what is asked of the traffic.
fn with_traffic(asked: &str) -> String {
    ERRORS.replace("over: 2s", &format!("over: 2s, traffic: {asked}"))
}

#[test]
fn traffic_that_went_away_is_no_success() {
    check(ERRORS, left(1.0), 11, |verdict| {
        for id in ["errors.during.below", "errors.recovers.below"] {
            let reasons = verdict.check(id).reasons().join(" ");
            assert!(reasons.starts_with("traffic_fell"), "{id}: {reasons}");
        }
    });
}

/// The sum over the phase is more than half of what it was.
#[test]
fn an_outage_of_less_than_half_of_the_phase_is_no_success() {
    let page = |moment: &Moment| {
        let lost = moment.fault.unwrap_or(0.0).min(1.8) * 99.0;
        format!("requests_total{{code=\"200\"}} {}\n", moment.up * 100.0 - lost)
    };
    check(ERRORS, page, 11, |verdict| {
        for id in ["errors.during.below", "errors.recovers.below"] {
            let reasons = verdict.check(id).reasons().join(" ");
            assert!(reasons.starts_with("traffic_fell"), "{id}: {reasons}");
        }
    });
}

#[test]
fn as_much_traffic_as_the_file_asks_for_is_enough() {
    check(&with_traffic("{at_least: 20%}"), left(40.0), 0, |verdict| {
        assert_eq!(verdict.check("errors.during.below").outcome(), "pass");
    });
}

#[test]
fn any_traffic_will_do_where_the_file_says_so() {
    check(&with_traffic("any"), left(1.0), 0, |verdict| {
        assert_eq!(verdict.check("errors.during.below").outcome(), "pass");
    });
}

#[test]
fn a_system_that_hardly_anyone_uses_is_not_disturbed() {
    let few = |moment: &Moment| format!("requests_total{{code=\"200\"}} {}\n", moment.up * 2.0);
    let target = ScriptedTarget::start(move |moment| fault_on(moment) + &few(moment));
    target.run(&format!("{}{ERRORS}", TEXT.trim_end())).run().exits(11);
    let verdict = VerdictFile::of_run(&run_directory(&target.store()));
    assert_eq!(verdict.grounds()[0], "not_injected");
}

/// 100 requests a second, and since the fault as many errors: under the label `code`.
fn failing(moment: &Moment) -> String {
    let errors = moment.fault.unwrap_or_default() * 100.0;
    format!("{}requests_total{{code=\"503\"}} {errors}\n", requests(moment))
}

/// The same run with another selector of the errors, never injected into.
#[track_caller]
fn not_injected(errors: &str, says: &str) {
    let target = ScriptedTarget::start(|moment| fault_on(moment) + &failing(moment));
    let text = ERRORS.replace("requests_total{code=~\"5..\"}", errors);
    let ended = target.run(&format!("{}{text}", TEXT.trim_end())).run().exits(11);
    let verdict = VerdictFile::of_run(&run_directory(&target.store()));
    assert_eq!(verdict.grounds()[0], "not_injected");
    assert_eq!(verdict.check("errors.during.below").reasons().last(), Some(&"matches_nothing"));
    assert!(ended.says(says), "{ended}");
}

#[test]
fn a_label_that_no_series_has_counts_nothing() {
    let says = "no series of `requests_total` has the label `status`";
    not_injected("requests_total{status=~\"5..\"}", says);
}

#[test]
fn a_pattern_that_is_not_anchored_counts_nothing() {
    not_injected("requests_total{code=~\"5\"}", "does not match 503");
}

#[test]
fn a_label_that_comes_with_the_first_error_may_be_absent() {
    let page = |moment: &Moment| {
        let errors = moment.fault.unwrap_or_default() * 100.0;
        let born = format!("requests_total{{error_type=\"timeout\"}} {errors}\n");
        requests(moment) + if moment.fault.is_some() { &born } else { "" }
    };
    let text = ERRORS.replace("requests_total{code=~\"5..\"}", "requests_total{error_type!=\"\"}");
    let text = text.replace("over: 2s", "over: 2s, absent: 0");
    check(&text, page, 10, |verdict| {
        assert_eq!(verdict.check("errors.during.below").outcome(), "fail");
    });
}

#[test]
fn a_part_that_matched_nothing_and_a_gauge_that_never_moves_are_named() {
    let page = |moment: &Moment| requests(moment) + "depth 0.734\n";
    let target = ScriptedTarget::start(move |moment| fault_on(moment) + &page(moment));
    let text = ERRORS.replace("checks:", "  depth: {gauge: depth, aggregate: max}\nchecks:\n  - {indicator: depth, during: {below: 1}}");
    let ended = target.run(&format!("{}{text}", TEXT.trim_end())).run().exits(0);
    for says in ["matched nothing: `code` was 200", "exactly 0.734 in all"] {
        assert!(ended.says(says), "{says}: {ended}");
    }
}

#[test]
fn an_address_that_several_processes_answer_is_not_one_counter() {
    // Three processes in turn, each with counters of its own.
    let page = |moment: &Moment| {
        let process = (moment.up * 2.0) as u32 % 3;
        let requests = f64::from(570_000 + process * 10_000) + moment.up * 100.0;
        let errors = [12.0, 12.0, 9.0][process as usize];
        format!(
            "requests_total{{code=\"200\"}} {requests}\nrequests_total{{code=\"503\"}} {errors}\n"
        )
    };
    let target = ScriptedTarget::start(move |moment| fault_on(moment) + &page(moment));
    let ended = target.run(&format!("{}{ERRORS}", TEXT.trim_end())).run().exits(11);
    assert!(ended.says("is it a counter, and of one process only?"), "{ended}");
}

#[test]
fn a_series_with_two_values_on_a_page_has_no_number() {
    // The greater one first, then last: a saw-tooth that never was.
    let page = |moment: &Moment| {
        let line = |value: f64| format!("requests_total{{code=\"503\"}} {value}\n");
        let [one, other] = [line(1000.0), line(990.0)];
        let turned = (moment.up * 2.0) as u32 % 2 == 1;
        requests(moment) + &if turned { other + &one } else { one + &other }
    };
    let target = ScriptedTarget::start(move |moment| fault_on(moment) + &page(moment));
    let ended = target.run(&format!("{}{ERRORS}", TEXT.trim_end())).run().exits(11);
    assert!(ended.says("lines of metrics could not be read"), "{ended}");
    let verdict = fs_err::read_to_string(run_directory(&target.store()).join("run.json")).unwrap();
    assert!(verdict.contains("with another value, so neither counts"), "{verdict}");
}

#[test]
fn a_bucket_that_only_some_pods_have_decides_nothing() {
    // The true median is 0.6 s; of the other pod nothing is known above 0.5 s.
    let page = |moment: &Moment| {
        let name = "request_duration_seconds_bucket";
        let line = |pod: &str, le: &str, rate: f64| {
            format!("{name}{{pod=\"{pod}\",le=\"{le}\"}} {}\n", moment.up * rate)
        };
        [
            ("a", "0.5", 100.0),
            ("a", "1", 120.0),
            ("a", "+Inf", 200.0),
            ("b", "0.5", 50.0),
            ("b", "+Inf", 200.0),
        ]
        .map(|(pod, le, rate)| line(pod, le, rate))
        .concat()
    };
    let target = ScriptedTarget::start(move |moment| fault_on(moment) + &page(moment));
    let text = LATENCY.replace("{below: 1s}", "{below: 800ms}");
    let ended = target.run(&format!("{}{text}", TEXT.trim_end())).run().exits(11);
    assert!(
        ended.says("has no bound 1, so that only the bounds that all have are facts"),
        "{ended}"
    );
}

/// A queue whose exporter goes on showing its last length when the backend is gone.
fn queue(moment: &Moment) -> String {
    let up = u8::from(moment.fault.is_none());
    let length = match moment.fault {
        None => 20 + (moment.up * 10.0) as u32 % 13,
        Some(_) => 33,
    };
    format!("backend_up {up}\nqueue_depth {length}\n")
}

const QUEUE: &str = "
  depth: {gauge: queue_depth, aggregate: max}
checks:
  - {indicator: depth, during: {below: 50}}
";

#[test]
fn a_gauge_that_stands_still_since_the_fault_is_named() {
    let target = ScriptedTarget::start(|moment| fault_on(moment) + &queue(moment));
    let ended = target.run(&format!("{}{QUEUE}", TEXT.trim_end())).run().exits(0);
    assert!(ended.says("exactly 33 in all"), "{ended}");
}

#[test]
fn a_gauge_that_is_not_alive_has_no_number() {
    let text = QUEUE.replace("aggregate: max", "aggregate: max, alive: backend_up");
    check(&text, queue, 11, |verdict| {
        // The first point may lie before the first scrape since the fault.
        let reasons = verdict.check("depth.during.below").reasons().join(" ");
        assert!(["no_data", "too_many_gaps"].contains(&reasons.as_str()), "{reasons}");
    });
}

#[test]
fn an_error_counter_whose_samples_are_refused_is_not_zero() {
    // Stamped in seconds, which read as milliseconds are of 1970.
    let page = |moment: &Moment| {
        let errors = moment.fault.unwrap_or_default() * 100.0;
        let stamp = moment.at.as_seconds() as i64;
        format!("{}requests_total{{code=\"503\"}} {errors} {stamp}\n", requests(moment))
    };
    let target = ScriptedTarget::start(move |moment| fault_on(moment) + &page(moment));
    let ended = target.run(&format!("{}{ERRORS}", TEXT.trim_end())).run().exits(11);
    assert!(ended.says("lines of metrics could not be read"), "{ended}");
}

/// A run of a text of its own, held to its exit code alone.
#[track_caller]
fn ends(target: &ScriptedTarget, text: &str, code: i32) {
    target.run(text).run().exits(code);
}

fn single(page: impl Fn(&Moment) -> String + Send + 'static) -> ScriptedTarget {
    ScriptedTarget::start(move |moment| fault_on(moment) + &page(moment))
}

fn with(text: &str) -> String {
    format!("{}{text}", TEXT.trim_end())
}

/// A target away with the fault and back when it is over, beside a gateway that is well.
fn away_and_back(page: fn(&Moment, f64) -> String) -> ScriptedTarget {
    gateway_and(move |moment| {
        let since = moment.fault.unwrap_or(0.0);
        if (0.3..3.2).contains(&since) { String::new() } else { page(moment, since) }
    })
}

#[test]
fn errors_counted_while_a_target_was_away_are_not_none() {
    let page = |moment: &Moment, since: f64| {
        let errors = if since > 1.0 { 5000 } else { 0 };
        format!("{}requests_total{{code=\"503\"}} {errors}\n", requests(moment))
    };
    ends(&away_and_back(page), &with(ERRORS), 11);
}

#[test]
fn a_label_that_is_new_after_an_absence_is_not_none() {
    let page = |moment: &Moment, since: f64| {
        let born = if since > 1.0 { "requests_total{code=\"503\"} 5000\n" } else { "" };
        requests(moment) + born
    };
    ends(&away_and_back(page), &with(ERRORS), 11);
}

#[test]
fn a_series_that_leaves_its_page_and_comes_back_higher_counted() {
    let page = |moment: &Moment| {
        let errors = match moment.fault {
            None if moment.up < 3.0 => "requests_total{code=\"503\"} 7\n",
            Some(since) if since > 1.0 => "requests_total{code=\"503\"} 507\n",
            _ => "",
        };
        requests(moment) + errors
    };
    ends(&single(page), &with(ERRORS), 11);
}

#[test]
fn slow_requests_counted_while_a_target_was_away_are_not_none() {
    let gateway = |moment: &Moment| {
        let all = moment.up * 300.0;
        fault_on(moment) + &histogram(200, all, all)
    };
    let target = ScriptedTarget::start(gateway).beside(|moment| {
        let since = moment.fault.unwrap_or(0.0);
        let (quick, slow) = (moment.up * 100.0, if since > 1.0 { 5000.0 } else { 0.0 });
        if (0.3..3.2).contains(&since) {
            String::new()
        } else {
            histogram(200, quick, quick + slow)
        }
    });
    ends(&target, &with(LATENCY), 11);
}

/// A false FAIL: the counter shows, when it is back, that it never stopped.
#[test]
fn throughput_of_a_target_that_was_away_did_not_fall() {
    let text = "
  served: {rate: requests_total, over: 2s}
checks: [{indicator: served, during: {above: 350/s}}]
";
    ends(&away_and_back(|moment, _| requests(moment)), &with(text), 11);
}

/// A counter that, since the fault, is one less than before at every `every`th reading, `most` times.
fn dipping(
    value: impl Fn(&Moment) -> f64 + Send + 'static,
    line: &'static str,
    every: u64,
    most: u64,
) -> impl Fn(&Moment) -> String + Send + 'static {
    let state = std::sync::Mutex::new((0_u64, 0.0_f64));
    move |moment: &Moment| {
        let mut state = state.lock().unwrap();
        let mut now = value(moment).max(state.1);
        if moment.fault.is_some_and(|since| since < 6.5) {
            state.0 += 1;
            if state.0.is_multiple_of(every) && state.0 / every <= most {
                now = state.1 - 1.0;
            }
        }
        state.1 = now;
        format!("{line} {now}\n")
    }
}

/// A third of all requests fail. Every second reading since the fault is one less than the one
/// before it: 7 of some 50 scrapes.
#[test]
fn a_counter_that_dips_by_one_hides_no_errors() {
    let turn = std::sync::Mutex::new((0_u32, 0.0));
    let page = move |moment: &Moment| {
        let mut turn = turn.lock().unwrap();
        let now = 5e6 + (moment.up * 100.0).floor();
        let falls = moment.fault.is_some_and(|since| since < 6.5) && turn.0 % 2 == 1;
        *turn = (turn.0 + 1, if falls { turn.1 - 1.0 } else { now });
        let errors = moment.fault.unwrap_or(0.0) * 40.0;
        format!(
            "requests_total{{code=\"200\"}} {}\nrequests_total{{code=\"503\"}} {errors}\n",
            turn.1
        )
    };
    let text = "
  errors: {ratio: 'requests_total{code=~\"5..\"}', of: requests_total, over: 2s}
checks: [{indicator: errors, during: {below: 1%}}]
";
    ends(&single(page), &with(text).replace("before: 5s", "before: 18s"), 11);
}

#[test]
fn a_counter_that_stands_and_dips_by_one_is_no_throughput() {
    let served =
        |moment: &Moment| 5e6 + ((moment.up - moment.fault.unwrap_or(0.0)) * 100.0).floor();
    let dips = dipping(served, "checkouts_total", 3, 4);
    let text = "
  checkouts: {rate: checkouts_total, over: 2s}
checks: [{indicator: checkouts, during: {above: 50/s}}]
";
    ends(&single(dips), &with(text).replace("before: 5s", "before: 18s"), 11);
}

/// A false FAIL.
#[test]
fn one_dip_of_a_counter_of_errors_is_no_burst() {
    let dips = dipping(|_| 5000.0, "requests_total{code=\"503\"}", 3, 1);
    ends(&single(move |moment| requests(moment) + &dips(moment)), &with(ERRORS), 11);
}

/// Nothing says that its process began again: the counter beside it went on.
#[test]
fn an_error_counter_that_leaves_its_page_is_not_zero() {
    let page = |moment: &Moment| {
        let errors = if moment.fault.is_none() { "requests_total{code=\"503\"} 7\n" } else { "" };
        requests(moment) + errors
    };
    check(ERRORS, page, 11, |verdict| {
        assert_eq!(verdict.check("errors.during.below").reasons(), ["left_its_page"]);
    });
}

/// Four of five requests since the fault are in `_count` alone.
#[test]
fn a_last_bucket_that_counts_less_than_the_histogram_is_not_all() {
    let page = |moment: &Moment| {
        let (quick, slow) = (moment.up * 100.0, moment.fault.unwrap_or(0.0) * 400.0);
        let count = format!("request_duration_seconds_count{{code=\"200\"}} {}\n", quick + slow);
        histogram(200, quick, quick) + &count
    };
    check(LATENCY, page, 11, |verdict| {
        assert_eq!(verdict.check("p50.during.below").reasons(), ["uncounted"]);
    });
}

const DEPTH: &str = "
  depth: {gauge: queue_depth, aggregate: max}
checks: [{indicator: depth, during: {below: 10}}]
";

#[test]
fn a_gauge_that_was_seen_beyond_its_bound_between_two_points_was_beyond_it() {
    let page = |moment: &Moment| {
        let high = moment.fault.is_some() && moment.at.as_millis() % 1000 < 500;
        format!("queue_depth {}\n", if high { 1000 } else { 1 })
    };
    check(DEPTH, page, 10, |verdict| {
        let depth = verdict.check("depth.during.below");
        assert!((depth.observed("value") - 1000.0).abs() < 0.5, "{}", depth.observed("value"));
    });
}

/// A gateway with a queue of its own, and a target that shows what it does since the fault.
fn gateway_with_queue(own: &'static str, page: fn(f64) -> String) -> ScriptedTarget {
    ScriptedTarget::start(move |moment| fault_on(moment) + own)
        .beside(move |moment| moment.fault.map_or("queue_depth 1\n".to_owned(), page))
}

#[test]
fn a_gauge_that_leaves_its_page_is_not_that_of_the_others() {
    let target = gateway_with_queue("queue_depth 1\n", |_| "other 1\n".to_owned());
    check_target(&target, DEPTH, 11, |verdict| {
        assert_eq!(verdict.check("depth.during.below").outcome(), "inconclusive");
    });
}

/// The one that is read proves it, whatever the other is.
#[test]
fn a_gauge_that_leaves_its_page_hides_no_breach_of_the_others() {
    let own = |moment: &Moment| if moment.fault.is_some() { "50" } else { "1" };
    let target = ScriptedTarget::start(move |moment| {
        fault_on(moment) + &format!("queue_depth {}\n", own(moment))
    });
    let beside = |moment: &Moment| {
        if moment.fault.is_some() { "other 1\n".to_owned() } else { "queue_depth 1\n".to_owned() }
    };
    check_target(&target.beside(beside), DEPTH, 10, |verdict| {
        let depth = verdict.check("depth.during.below");
        assert!((depth.observed("value") - 50.0).abs() < 0.5, "{}", depth.observed("value"));
    });
}

#[test]
fn a_gauge_that_turns_to_nan_is_not_that_of_the_others() {
    let page = |moment: &Moment| {
        let b = if moment.fault.is_some() { "NaN" } else { "1" };
        format!("queue_depth{{pod=\"a\"}} 1\nqueue_depth{{pod=\"b\"}} {b}\n")
    };
    ends(&single(page), &with(DEPTH), 11);
}

/// A page that is late once, a second after the fault.
fn slow_once(page: &'static str) -> impl Fn(&Moment) -> String + Send + 'static {
    let late = AtomicBool::new(true);
    move |moment| {
        if moment.fault.is_some_and(|since| since > 1.0) && late.swap(false, Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(700));
        }
        page.to_owned()
    }
}

/// Its target is scraped in vain once or twice; its last sample speaks for it so long.
#[test]
fn a_sum_without_a_target_that_was_slow_once_is_no_breach() {
    let gateway = |moment: &Moment| fault_on(moment) + "workers_ready 5\n";
    let target = ScriptedTarget::start(gateway).beside(slow_once("workers_ready 5\n"));
    let text = "
  workers: {gauge: workers_ready, aggregate: sum}
checks: [{indicator: workers, during: {above: 8}}]
";
    target.run(&with(text)).run();
    let verdict = VerdictFile::of_run(&run_directory(&target.store()));
    assert_ne!(verdict.check("workers.during.above").outcome(), "fail");
}

const TARGETS_LOST: &str = "{targets_lost: up, at_least: 1}";
const FAULT_ON: &str = "{indicator: fault_on, during: {above: 1}}";

#[test]
fn one_slow_scrape_is_no_lost_target() {
    let gateway = |moment: &Moment| fault_on(moment) + &requests(moment);
    let target = ScriptedTarget::start(gateway).beside(slow_once("x 1\n"));
    ends(&target, &with(ERRORS).replace(FAULT_ON, TARGETS_LOST), 11);
}

#[test]
fn an_up_that_a_page_shows_is_no_target() {
    let page = |moment: &Moment| {
        let up = u8::from(moment.fault.is_none_or(|since| since < 1.0));
        format!("up{{job=\"db\"}} {up}\n{}", requests(moment))
    };
    ends(&single(page), &with(ERRORS).replace(FAULT_ON, TARGETS_LOST), 11);
}

#[test]
fn errors_on_a_line_that_cannot_be_read_are_not_none() {
    let page = |moment: &Moment| {
        let errors = moment.fault.map_or("7".into(), |since| format!("{},5", (since * 1e3) as u64));
        format!("{}requests_total{{code=\"503\"}} {errors}\n", requests(moment))
    };
    ends(&single(page), &with(ERRORS), 11);
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
