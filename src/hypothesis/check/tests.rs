//! One faulty text for each code, and what a sound text becomes.

mod faults;

use std::time::Duration;

pub(in crate::hypothesis) use self::faults::{FAULTS, with};
use self::faults::{SMALL, SOUND};
use super::*;
use crate::{
    hypothesis::{
        self, Severity,
        model::{
            Amount, Check, Evidence, IndicatorKind, KillMeans, KubernetesSource, Level, Mechanism,
            MetricsSource, Objective, Tolerance, Unowned,
        },
    },
    number::{Finite, Share, Unit},
    window::Phase,
};

fn no_variables(_: &str) -> Option<String> {
    None
}

fn said(text: &str) -> Vec<String> {
    let checked = hypothesis::check(text, "a.yaml", Reading::ToRun(&no_variables));
    assert_eq!(checked.hypothesis.is_some(), checked.problems.errors() == 0);
    checked.problems.iter().map(|p| format!("{}: {}", p.code, p.message)).collect()
}

fn sound(text: &str) -> Hypothesis {
    let checked = hypothesis::check(text, "a.yaml", Reading::ToRun(&no_variables));
    assert!(checked.problems.is_empty(), "{}", checked.problems.render(false));
    checked.hypothesis.unwrap()
}

#[test]
fn every_fault_has_its_code_and_no_other() {
    let mut wrong = Vec::new();
    for (code, old, new) in FAULTS {
        let got = said(&with(old, new));
        if got.len() != 1 || !got[0].starts_with(&format!("{code}: ")) {
            wrong.push(format!("`{new}` is not just {code}: {got:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Just inside each rule's bound: the twin of a fault above.
#[test]
fn at_the_bound_of_a_rule_there_is_no_problem() {
    for (old, new) in [
        ("during: 30s", "during: 20s"),
        ("during: 1m", "during: 10s"),
        (
            "over: 10s}}\nchecks: [{indicator: errors, after: {below: 2%}}]",
            "over: 15s}}\nchecks: [{indicator: errors, after: {within: 10%, of: during}}]",
        ),
        ("before: 2m", "before: 15s"),
        ("after: 60s}", "after: 15s, during_at_most: 5m}"),
        ("metrics\"]}", "metrics\"], interval: 5s, timeout: 5s}"),
        ("metrics\"]}", "metrics\"], interval: 5s}"),
        ("at_least: 30%", "at_least: 3"),
        ("at_least: 30%", "at_least: 30%}\n  - {targets_lost: '{job=\"api\"}', at_least: 1"),
        ("{below: 1%}", "{above: 99%}"),
        ("{below: 1%}", "{below: 0, scale: 1%}"),
        ("{above: 7}", "{above: 7, hold: 83.33%}"),
        ("{above: 7}", "{above: 7, hold: 50%, longest_breach: 10s}"),
        ("{above: 7}", "{above: 7, gaps: 10%}"),
        ("{above: 7}", "{between: [7, 8], gaps: {share: 0%, longest: 0}}"),
        ("{below: 200ms, in: 60s}", "{between: [1ms, 200ms], in: 90s}"),
        (
            "{below: 200ms, in: 60s}",
            "{below: 0.2, in: 60s}}\n  - {indicator: errors, after: {within: 10%, of: before}",
        ),
        ("within: 30s", "within: 90s"),
        ("for: 10s", "for: 5s"),
        ("histogram: latency_seconds", "histogram: 'latency_seconds{app!=\"api\"}'"),
        ("histogram: latency_seconds", "histogram: 'latency_seconds{app=\"proxy\"}'"),
        ("phases:", "cadence: 151s\nphases:"),
        ("share: 30%", "count: 3, grace: 0s"),
        ("targets: [\"http://proxy:9100/metrics\"]", "pods: {selector: app=gateway}"),
        ("metrics\"]}", "metrics\"], pods: [{selector: app=api}, {selector: app=web, job: w}]}"),
        ("metrics\"]}", "metrics\"], labels: {a: b}, keep: {job: x|y}, honor_labels: true}"),
        ("targets: [\"http://proxy:9100/metrics\"]", "file_sd: ['a/*.json', b.YML]"),
        ("within: 30s}", "within: 30s}\n  - {indicator: errors, during: {above: 0.1%}}"),
        ("namespace: shop", "namespace: '${NAMESPACE:-shop}'"),
        ("namespace: shop", "namespace: shop, kubeconfig: '${KUBE:-}'"),
        ("claim: It stays up.", "claim: &c It stays up.\nlabels: {same: *c}"),
    ] {
        // A recovery in a short watch is a problem of its own.
        let text = with(old, new);
        let text = if new.contains("after: 15s") || new.contains("during: 20s") {
            text.replace("in: 60s", "in: 30s")
        } else {
            text
        };
        assert_eq!(said(&text), [""; 0], "{new}");
    }
}

/// `scrape.pods` says whose metrics are read, so no label of a series has to give it away.
#[test]
fn metrics_scraped_from_the_pods_that_are_killed_are_no_witness() {
    let check = |scrape: &str, histogram: &str, want: usize| {
        let text = with("targets: [\"http://proxy:9100/metrics\"]", scrape)
            .replace("histogram: latency_seconds", &format!("histogram: '{histogram}'"));
        let said = said(&text);
        assert!(said.iter().all(|said| said.starts_with("witness-is-victim: ")), "{said:#?}");
        assert_eq!(said.len(), want, "{scrape} {histogram}: {said:#?}");
    };
    let all = "latency_seconds";
    let up = SOUND.replace("{pods_ready: app=api}", "{gauge: up, aggregate: sum}");
    let up =
        up.replace("{targets: [\"http://proxy:9100/metrics\"]}", "{pods: {selector: app=api}}");
    assert!(said(&up).iter().all(|said| !said.contains("`up`")), "the scraper writes it");
    check("pods: {selector: app=api}", all, 2);
    check("pods: {selector: 'app in (api, web),tier=x'}", all, 2);
    check("pods: {selector: 'app=web'}", all, 0);
    check("pods: {selector: tier=x}", all, 0);
    check("pods: [{selector: app=api}, {selector: app=gateway}]", all, 0);
    // One that says which of the pods it means.
    let mixed = "pods: [{selector: app=api}, {selector: app=gateway, job: edge}]";
    check(mixed, "latency_seconds{job=\"api\"}", 1);
    check(mixed, "latency_seconds{job=~\"api|edge\"}", 1);
    check(mixed, "latency_seconds{job=\"edge\"}", 0);
    check("http_sd: 'http://h/sd', pods: {selector: app=api}", all, 0);
    check("http_sd: 'http://h/sd', pods: {selector: app=api}", "latency_seconds{job=\"api\"}", 1);
    check("pods: {selector: app=api, job: edge}", "latency_seconds{job=\"other\"}", 1);
}

#[test]
fn all_problems_are_said_at_once_and_in_order() {
    let text = with("name: api-survives", "name: API")
        .replace("before: 60s", "before: 60")
        .replace("namespace: shop", "namespace: '${N}'")
        .replace("share: 30%", "share: 30")
        .replace("of: requests_total", "of: 'requests_total['")
        .replace("{above: 7}", "{abov: 7}")
        .replace("for: 10s", "fro: 10s");
    let said = said(&text);
    insta::assert_snapshot!(said.join("\n"), @r"
    bad-name: `API` is not a DNS label, and it becomes part of a path
    bad-quantity: `before` is a length of time, and this is a bare number
    unset-variable: the environment variable `N` is not set
    bad-quantity: `share` is a share; is this 30 %?
    bad-selector: `of`: a range such as `[5m]` is given by `over`, not in the selector
    unknown-key: `during` has no key `abov`
    unknown-key: a guard has no key `fro`
    ");
}

#[test]
fn what_is_not_a_mapping_is_said_to_be_none() {
    for text in ["", "# nothing\n", "---\n", "- 1\n", "hello\n"] {
        assert_eq!(said(text).len(), 1, "{text:?}: {:?}", said(text));
    }
}

#[test]
fn a_broken_indicator_is_reported_once() {
    let got = said(&with("of: requests_total", "of: 7"));
    assert_eq!(got, ["wrong-type: `of` must be a text, and this is a number"]);
}

#[test]
fn defaults_are_filled_in() {
    let text = with("evidence:\n  - {pods_lost: app=api, at_least: 30%}\n", "");
    let h = sound(&text);
    assert!(sound(SMALL).evidence.is_empty(), "a placebo has nothing to show");
    assert_eq!(h.phases.step, Duration::from_secs(5));
    assert_eq!(h.phases.during_at_most, Duration::from_secs(60));
    let Some(MetricsSource::Scrape(scrape)) = &h.sources.metrics else { panic!("{h:?}") };
    assert_eq!((scrape.interval, scrape.timeout), (Duration::from_secs(5), Duration::from_secs(5)));
    assert_eq!((scrape.size_limit, scrape.sample_limit), (16 * 1024 * 1024, 100_000));
    let Fault::KillPods(kill) = &h.fault else { panic!("{h:?}") };
    let evidence = Evidence::PodsLost { selector: kill.selector.clone(), at_least: kill.amount };
    assert_eq!(h.evidence, [evidence]);
    let ids: Vec<&str> = h.checks.iter().map(|check| check.id.as_str()).collect();
    assert_eq!(ids, ["ready.during.above", "errors.during.below", "p99.recovers.below"]);
    let Objective::Stays { hold, longest_breach, gaps, scale, .. } = &h.checks[1].objective else {
        panic!("{h:?}")
    };
    assert_eq!((*hold, *longest_breach), (Share::ALL, None));
    assert_eq!((gaps.share.get(), gaps.longest_steps), (0.05, 3));
    assert!((scale - 0.01).abs() < 1e-12);
}

#[test]
fn units_come_from_kind_suffix_or_word() {
    let unit = |indicator: &str| {
        let text = with("{pods_ready: app=api}", indicator);
        sound(&text).indicators[0].unit.clone()
    };
    assert_eq!(unit("{pods_ready: app=api}"), Unit::None);
    assert_eq!(unit("{gauge: heap_bytes, aggregate: max}"), Unit::Bytes);
    assert_eq!(unit("{gauge: lag_seconds, aggregate: max}"), Unit::Seconds);
    assert_eq!(unit("{gauge: lag_seconds, aggregate: max, unit: '1'}"), Unit::None);
    assert_eq!(unit("{gauge: queue, aggregate: max, unit: jobs}"), Unit::Other("jobs".to_owned()));
    assert_eq!(unit("{rate: a_total, over: 10s}"), Unit::PerSecond);
    assert_eq!(unit("{event_count: {reason: BackOff, severity: Warning}}"), Unit::None);
    assert_eq!(sound(SOUND).indicators[1].unit, Unit::Share);
    assert_eq!(sound(SOUND).indicators[2].unit, Unit::Seconds);
}

#[track_caller]
fn objective_of(old: &str, new: &str, place: usize) -> Objective {
    sound(&with(old, new)).checks[place].objective.clone()
}

#[test]
fn bounds_and_tolerances_are_in_the_unit_of_the_indicator() {
    let recovers = objective_of("below: 200ms", "below: 0.2", 2);
    assert_eq!(recovers, sound(SOUND).checks[2].objective);
    let long = ("before: 60s, during: 30s", "before: 60s, during: 60s");
    for (within, want) in [
        ("10%", Tolerance::Relative(0.1)),
        ("0.01", Tolerance::Absolute(0.01)),
        ("150%", Tolerance::Relative(1.5)),
    ] {
        let text = with(long.0, long.1);
        let text = text.replace("{below: 1%}", &format!("{{within: {within}, of: before}}"));
        let Objective::Within { tolerance, of, phase, .. } = sound(&text).checks[1].objective
        else {
            panic!("{within}")
        };
        assert_eq!((tolerance, of, phase), (want, Phase::Before, Phase::During));
    }
}

#[test]
fn a_phase_is_not_compared_with_itself() {
    let got = said(&with("{below: 1%}", "{within: 10%, of: during}"));
    assert_eq!(got, ["unknown-word: `during` is no value of `of`"]);
}

#[test]
fn the_scale_is_the_size_of_the_bound_or_what_is_left_of_a_share() {
    let scale = |old: &str, new: &str, place: usize| {
        let objective = objective_of(old, new, place);
        let Objective::Stays { scale, .. } = objective else { panic!("{objective:?}") };
        scale
    };
    assert!((scale("{below: 1%}", "{below: 2%}", 1) - 0.02).abs() < 1e-12);
    assert!((scale("{below: 1%}", "{above: 99%}", 1) - 0.01).abs() < 1e-12);
    assert!((scale("{above: 7}", "{above: 8}", 0) - 8.0).abs() < 1e-12);
    assert!((scale("{above: 7}", "{between: [6, 10]}", 0) - 2.0).abs() < 1e-12);
    assert!((scale("{above: 7}", "{above: 8, scale: 2}", 0) - 2.0).abs() < 1e-12);
}

#[test]
fn a_command_may_wait_for_the_command_line() {
    let text = with("kill_pods: {selector: app=api, share: 30%}", "command: {}");
    let Fault::Command(command) = sound(&text).fault else { panic!("not a command") };
    assert_eq!(command.argv, [""; 0]);
    assert_eq!(command.timeout, Duration::from_secs(60));
}

#[test]
fn a_cap_is_a_part_of_the_amount_and_of_the_default_evidence() {
    let text = with("share: 30%", "share: 30%, max: 2, evict: true, unowned: false")
        .replace("evidence:\n  - {pods_lost: app=api, at_least: 30%}\n", "");
    let h = sound(&text);
    let Fault::KillPods(kill) = &h.fault else { panic!("not a kill") };
    assert_eq!((kill.amount.of(6), kill.amount.of(100)), (1, 2));
    assert_eq!((kill.means, kill.unowned), (KillMeans::Evict, Unowned::Refuse));
    let [Evidence::PodsLost { at_least, .. }] = &h.evidence[..] else { panic!("{h:?}") };
    assert_eq!(*at_least, kill.amount);
}

#[test]
fn a_command_may_say_how_it_is_taken_back() {
    let kill = "kill_pods: {selector: app=api, share: 30%}";
    let of = |new: &str| {
        let Fault::Command(command) = sound(&with(kill, new)).fault else { panic!("{new}") };
        command.undo
    };
    assert_eq!(of("command: {argv: [break]}"), None);
    let mend = vec!["mend".to_owned(), String::new()];
    assert_eq!(of("command: {argv: [break], undo: [mend, '']}"), Some(mend));
}

#[test]
fn mechanisms_guards_and_levels_are_read() {
    let h = sound(SOUND);
    let [Mechanism::Replaced { selector, within }] = &h.because[..] else { panic!("{h:?}") };
    assert_eq!((selector.text(), *within), ("app=api", Duration::from_secs(30)));
    assert_eq!(h.guard[0].trips, Level::Above(Finite::new(0.5).unwrap()));
    assert!(
        matches!(h.fault, Fault::KillPods(ref kill) if kill.amount == Amount::Share(Share::new(0.3).unwrap()))
    );
    let phases: Vec<Phase> = h.checks.iter().map(Check::phase).collect();
    assert_eq!(phases, [Phase::During, Phase::During, Phase::After]);
    assert!(
        matches!(h.indicators[2].kind, IndicatorKind::Quantile { quantile, .. } if quantile.get() > 0.98)
    );
}

#[test]
fn variables_are_texts_and_never_structure() {
    let text = with("namespace: shop", "namespace: '${NS}', kubeconfig: '${FILE:-}'");
    let variable = |name: &str| (name == "NS").then(|| "a}, context: {b: 1".to_owned());
    let h = hypothesis::parse(&text, "a.yaml", Reading::ToRun(&variable)).unwrap();
    let namespace = "a}, context: {b: 1".to_owned();
    assert_eq!(
        h.sources.kubernetes,
        Some(KubernetesSource { namespace, kubeconfig: None, context: None })
    );
}

#[test]
fn no_problem_repeats_the_value_of_a_variable() {
    let text = with("http://proxy:9100/metrics", "http://${USER}@proxy/metrics");
    let variable = |_: &str| Some("me:hunter2".to_owned());
    let problems = hypothesis::parse(&text, "a.yaml", Reading::ToRun(&variable)).unwrap_err();
    assert!(!problems.render(false).contains("hunter2"), "{}", problems.render(false));
    assert_eq!(problems.errors(), 1);
}

#[test]
fn a_recording_needs_no_variables_and_may_hold_what_is_not_supported() {
    let text = with("http://proxy:9100/metrics", "${PROXY}")
        .replace("namespace: shop", "namespace: '${NS}'")
        .replace("{replaced: app=api, within: 30s}", "{hpa_scaled: api}");
    assert!(said(&text).len() == 3);
    let checked = hypothesis::check(&text, "run.json", Reading::Recorded);
    assert!(checked.problems.is_empty(), "{}", checked.problems.render(false));
    let server =
        with("scrape: {targets: [\"http://proxy:9100/metrics\"]}", "prometheus: {url: '${P}'}");
    assert!(hypothesis::parse(&server, "run.json", Reading::Recorded).is_ok());
}

#[test]
fn fingerprints_tell_a_bound_from_an_experiment() {
    let prints = |old: &str, new: &str| {
        let h = sound(&with(old, new));
        (h.text_fingerprint, h.comparable_fingerprint)
    };
    let first = prints("{above: 7}", "{above: 7}");
    assert_eq!(first.0.len(), 64);
    let tighter = prints("{above: 7}", "{above: 8}");
    assert_ne!(first.0, tighter.0);
    assert_eq!(first.1, tighter.1, "a bound does not make runs incomparable");
    for (old, new) in [
        ("share: 30%", "share: 30%, grace: 0s"),
        ("share: 30%", "share: 30%, max: 3"),
        ("share: 30%", "share: 30%, evict: true"),
        ("share: 30%", "share: 30%, unowned: true"),
        ("during: 30s", "during: 31s"),
        ("quantile: 0.99", "quantile: 0.95"),
        ("after: 60s}", "after: 60s, step: 4s}"),
    ] {
        assert_ne!(first.1, prints(old, new).1, "{new}");
    }
    let variable = |_: &str| Some("shop".to_owned());
    let text = with("namespace: shop", "namespace: '${NS}'");
    let h = hypothesis::parse(&text, "a.yaml", Reading::ToRun(&variable)).unwrap();
    let recorded = hypothesis::parse(&text, "run.json", Reading::Recorded).unwrap();
    assert_eq!(h.text_fingerprint, recorded.text_fingerprint, "taken before substitution");
    assert_eq!(h.comparable_fingerprint, first.1);
}

#[test]
fn a_warning_leaves_the_hypothesis_usable() {
    let text = with("phases:", "cadence: 1s\nphases:");
    let checked = hypothesis::check(&text, "a.yaml", Reading::ToRun(&no_variables));
    assert_eq!((checked.problems.errors(), checked.problems.warnings()), (0, 1));
    assert_eq!(checked.problems.iter().next().map(Problem::severity), Some(Severity::Warning));
    assert!(checked.hypothesis.is_some());
}

proptest::proptest! {
    /// Whatever stands in a file, there is an answer, and it can be shown.
    #[test]
    fn no_text_breaks_the_reader(at in 0..SOUND.len(), gone in 0..40_usize, new in "\\PC{0,12}") {
        let end = (at + gone).min(SOUND.len());
        let text = [&SOUND[..at], &new, &SOUND[end..]].concat();
        for reading in [Reading::ToRun(&no_variables), Reading::Recorded] {
            let checked = hypothesis::check(&text, "a.yaml", reading);
            proptest::prop_assert_eq!(checked.hypothesis.is_some(), checked.problems.errors() == 0);
            let shown = checked.problems.render(false).matches("--> a.yaml:").count();
            proptest::prop_assert_eq!(shown, checked.problems.iter().count());
        }
    }
}
