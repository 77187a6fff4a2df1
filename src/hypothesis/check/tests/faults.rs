//! Sound texts, and for every code the changes that make exactly that problem.

use crate::hypothesis::Code;

/// A sound text that uses most of the format; tests replace a part of it.
pub(super) const SOUND: &str = r#"
version: 1
name: api-survives
claim: It stays up.
because:
  - {replaced: app=api, within: 30s}
phases: {before: 60s, during: 30s, after: 60s}
sources:
  scrape: {targets: ["http://proxy:9100/metrics"]}
  kubernetes: {namespace: shop}
fault: {kill_pods: {selector: app=api, share: 30%}}
evidence:
  - {pods_lost: app=api, at_least: 30%}
indicators:
  ready: {pods_ready: app=api}
  errors: {ratio: 'requests_total{code=~"5.."}', of: requests_total, over: 10s}
  p99: {quantile: 0.99, histogram: latency_seconds, over: 10s}
checks:
  - {indicator: ready, during: {above: 7}}
  - {indicator: errors, during: {below: 1%}}
  - {indicator: p99, recovers: {below: 200ms, in: 60s}}
guard:
  - {indicator: errors, above: 50%, for: 10s}
"#;

/// A sound text that shares no line with the first: for what is simpler to show on its own.
pub(super) const SMALL: &str = r#"
version: 1
name: small
claim: Errors stay low.
phases: {before: 2m, during: 1m, after: 2m}
sources: {scrape: {http_sd: "http://127.0.0.1:9900/sd"}}
fault: none
indicators: {errors: {ratio: errors_total, of: requests_total, over: 10s}}
checks: [{indicator: errors, after: {below: 2%}}]
guard: [{indicator: errors, above: 20%, for: 1m}]
"#;

/// One of the sound texts with a part replaced.
pub(in crate::hypothesis) fn with(old: &str, new: &str) -> String {
    let text = [SOUND, SMALL].into_iter().find(|text| text.contains(old));
    text.unwrap_or_else(|| panic!("no text has `{old}`")).replacen(old, new, 1)
}

/// For every code, changes of the sound text that make exactly that problem.
pub(in crate::hypothesis) const FAULTS: &[(Code, &str, &str)] = &[
    (Code::Syntax, "name: api-survives", "name: [api"),
    (Code::Syntax, "claim: It stays up.", "claim: It stays: up."),
    (Code::Syntax, "claim: It stays up.", "claim: !!python/object It stays up."),
    (
        Code::BeyondLimits,
        "claim: It stays up.",
        "claim: [[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]",
    ),
    (Code::SeveralDocuments, "claim: It stays up.\n", "claim: It stays up.\n---\n"),
    (Code::DuplicateKey, "claim: It stays up.", "claim: a\nclaim: b"),
    (Code::DuplicateKey, "{above: 7}", "{above: 7, above: 8}"),
    (Code::WrongType, "claim: It stays up.", "claim: 7"),
    (Code::WrongType, "claim: It stays up.", "claim: ''"),
    (Code::WrongType, "{above: 7}", "[above, 7]"),
    (Code::WrongType, "guard:\n  -", "guard:\n "),
    (Code::WrongType, "above: 7", "between: [1]"),
    (Code::WrongType, "share: 30%", "share: 30%, evict: soon"),
    (Code::WrongType, "share: 30%", "share: 30%, unowned: 1"),
    (
        Code::WrongType,
        "kill_pods: {selector: app=api, share: 30%}",
        "command: {argv: [break], undo: mend}",
    ),
    (
        Code::WrongType,
        "kill_pods: {selector: app=api, share: 30%}",
        "command: {argv: [break], undo: []}",
    ),
    (Code::WrongType, "metrics\"]}", "metrics\"], honor_labels: 'yes'}"),
    (Code::UnknownKey, "claim:", "clam: x\nclaim:"),
    (Code::UnknownKey, "{above: 7}", "{above: 7, hodl: 99%}"),
    (Code::UnknownKey, "{pods_ready: app=api}", "{pods_ready: app=api, over: 5s}"),
    (Code::UnknownKey, "metrics\"]}", "metrics\"], pods: {selector: a=b, role: pod}}"),
    (Code::UnknownKey, "{namespace: shop}", "{namespace: shop, ns: shop}"),
    (Code::MissingKey, "version: 1\n", ""),
    (Code::MissingKey, "claim: It stays up.\n", ""),
    (Code::MissingKey, "claim: It stays up.", "claim:"),
    (Code::MissingKey, "before: 60s, ", ""),
    (Code::MissingKey, ", over: 10s}\n  p99", "}\n  p99"),
    (Code::MissingKey, "{targets: [\"http://proxy:9100/metrics\"]}", "{interval: 1s}"),
    (Code::ExactlyOne, "share: 30%", "share: 30%, count: 3"),
    (Code::ExactlyOne, ", share: 30%", ""),
    (Code::ExactlyOne, "{above: 7}", "{above: 7, below: 9}"),
    (Code::ExactlyOne, "during: {above: 7}", "during: {above: 7}, after: {above: 7}"),
    (Code::ExactlyOne, "{pods_ready: app=api}", "{pods_ready: app=api, rate: a_total}"),
    (Code::ExactlyOne, "{above: 7}", "{hold: 90%}"),
    (Code::ExactlyOne, "  kubernetes:", "  prometheus: {url: 'http://a'}\n  kubernetes:"),
    (Code::KeyNotHere, "{above: 7}", "{above: 7, of: before}"),
    (Code::KeyNotHere, "{above: 7}", "{between: [7, 20], scale: 2}"),
    (Code::KeyNotHere, "share: 30%", "count: 3, max: 2"),
    (Code::UnknownWord, "fault: {kill_pods: {selector: app=api, share: 30%}}", "fault: nothing"),
    (Code::UnknownWord, "{below: 1%}", "{within: 10%, of: now}"),
    (Code::UnknownWord, "{pods_ready: app=api}", "{gauge: up, aggregate: mean}"),
    (Code::BadQuantity, "before: 60s", "before: 60"),
    (Code::BadQuantity, "before: 60s", "before: 60 sec"),
    (Code::BadQuantity, "above: 7", "above: .nan"),
    (Code::BadQuantity, "above: 7", "above: .inf"),
    (Code::BadQuantity, "above: 7", "above: 1e999"),
    (Code::BadQuantity, "above: 7", "above: seven"),
    (Code::BadQuantity, "share: 30%", "share: 30"),
    (Code::BadQuantity, "share: 30%", "share: 0%"),
    (Code::BadQuantity, "share: 30%", "count: 0"),
    (Code::BadQuantity, "share: 30%", "share: 30%, max: 0"),
    (Code::BadQuantity, "share: 30%", "share: 30%, grace: 500ms"),
    (Code::BadQuantity, "quantile: 0.99", "quantile: 99"),
    (Code::BadQuantity, "{above: 7}", "{above: 7, hold: 0%}"),
    (Code::BadQuantity, "{above: 7}", "{above: 7, scale: 0}"),
    (Code::BadQuantity, "{above: 7}", "{above: 7, gaps: {longest: -1}}"),
    (Code::BadQuantity, "after: 60s}", "after: 60s, during_at_most: 29s}"),
    (Code::BadQuantity, "metrics\"]}", "metrics\"], size_limit: 16}"),
    (Code::BadQuantity, "metrics\"]}", "metrics\"], sample_limit: 0}"),
    (Code::UnitMismatch, "{below: 1%}", "{below: 200ms}"),
    (Code::UnitMismatch, "{below: 200ms, in", "{below: 1%, in"),
    (Code::UnitMismatch, "above: 7", "above: 7/s"),
    (Code::UnitMismatch, "above: 50%", "above: 1MiB"),
    (Code::BadSelector, "{pods_ready: app=api}", "{pods_ready: 'app in api'}"),
    (Code::BadSelector, "metrics\"]}", "metrics\"], keep: {job: 'a('}}"),
    (Code::BadSelector, "metrics\"]}", "metrics\"], pods: {selector: 'app in web'}}"),
    (Code::BadSelector, "of: requests_total", "of: 'sum(requests_total)'"),
    (Code::BadSelector, "histogram: latency_seconds", "histogram: 'latency_seconds{le=\"1\"}'"),
    (Code::BadSelector, "{pods_lost: app=api,", "{targets_lost: latency_seconds,"),
    (Code::BadName, "name: api-survives", "name: API survives"),
    (Code::BadName, "name: api-survives", "name: ../api"),
    (Code::BadName, "metrics\"]}", "metrics\"], labels: {__name__: x}}"),
    (Code::BadName, "{indicator: ready, ", "{indicator: ready, id: a/b, "),
    (Code::BadVersion, "version: 1", "version: 2"),
    (Code::BadVersion, "version: 1", "version: '1'"),
    (Code::BadUrl, "http://proxy:9100/metrics", "proxy:9100/metrics"),
    (Code::BadUrl, "http://proxy:9100/metrics", "http://proxy:9100"),
    (Code::SecretInUrl, "http://proxy:9100/metrics", "http://me:secret@proxy/metrics"),
    (Code::SecretInUrl, "http://proxy:9100/metrics", "http://proxy/metrics?token=1"),
    (Code::BadPath, "{targets: [\"http://proxy:9100/metrics\"]}", "{file_sd: 'a/*/b.json'}"),
    (
        Code::BadPath,
        "{targets: [\"http://proxy:9100/metrics\"]}",
        "{file_sd: [a.json, targets.txt]}",
    ),
    (Code::UnsetVariable, "namespace: shop", "namespace: '${NAMESPACE}'"),
    (Code::UnsetVariable, "namespace: shop", "namespace: '${NAMESPACE:-}'"),
    (Code::BadSubstitution, "namespace: shop", "namespace: '${NAMESPACE'"),
    (Code::BadSubstitution, "metrics\"]}", "metrics\"], interval: '${EVERY:-5s}'}"),
    (Code::SubstitutionNotHere, "claim: It stays up.", "claim: It stays ${UP}."),
    (
        Code::UnknownIndicator,
        "{indicator: ready,",
        "{indicator: ready, id: a, during: {above: 1}}\n  - {indicator: redy,",
    ),
    (Code::UnusedIndicator, "  p99:", "  more: {pods_ready: app=web}\n  p99:"),
    (
        Code::DuplicateId,
        "  - {indicator: errors, during",
        "  - {indicator: ready, during: {above: 5}}\n  - {indicator: errors, during",
    ),
    (Code::NoChecks, "checks: [{indicator: errors, after: {below: 2%}}]", "checks: []"),
    (
        Code::OnlyBefore,
        "  - {indicator: ready, during: {above: 7}}\n  - {indicator: errors, during: {below: 1%}}\n  - {indicator: p99, recovers: {below: 200ms, in: 60s}}",
        "  - {indicator: ready, before: {above: 7}}\n  - {indicator: errors, before: {below: 1%}}\n  - {indicator: p99, before: {below: 200ms}}",
    ),
    (Code::NoEvidence, "fault: none", "fault: {command: {argv: [kill-some]}}"),
    (Code::NoEvidence, "fault: none", "fault: {command: {}}\nevidence: []"),
    (
        Code::EvidenceWithoutFault,
        "fault: none",
        "fault: none\nevidence: [{targets_lost: up, at_least: 1}]",
    ),
    (Code::EvidenceBeyondFault, "at_least: 30%", "at_least: 31%"),
    (
        Code::EvidenceBeyondFault,
        "share: 30%}}\nevidence:\n  - {pods_lost: app=api, at_least: 30%}",
        "share: 30%, max: 2}}\nevidence:\n  - {pods_lost: app=api, at_least: 3}",
    ),
    (
        Code::ExactlyOne,
        "scrape: {targets: [\"http://proxy:9100/metrics\"]}",
        "prometheus: {url: 'http://a', bearer_token_file: t, basic_auth: {username: u, password_file: p}}",
    ),
    (Code::NotSupportedYet, "kill_pods: {selector: app=api, share: 30%}", "toxiproxy: {proxy: db}"),
    (
        Code::NotSupportedYet,
        "kill_pods: {selector: app=api, share: 30%}",
        "manifest: {path: a.yaml}",
    ),
    (Code::NotSupportedYet, "kill_pods: {selector: app=api, share: 30%}", "observe: {from: now}"),
    (Code::NotSupportedYet, "{replaced: app=api, within: 30s}", "{hpa_scaled: api}"),
    (Code::NotSupportedYet, "{replaced: app=api, within: 30s}", "{rescheduled: app=api}"),
    (Code::NoMetricsSource, "{pods_ready: app=api}", "{promql: up}"),
    (Code::NoKubernetesSource, "  kubernetes: {namespace: shop}\n", ""),
    (Code::NoMetricsSource, "  scrape: {targets: [\"http://proxy:9100/metrics\"]}\n", ""),
    (Code::TimeoutOverInterval, "metrics\"]}", "metrics\"], interval: 5s, timeout: 6s}"),
    (Code::PhaseTooShort, "during: 30s", "during: 4s"),
    (Code::PhaseTooShort, "before: 2m", "before: 14s"),
    (Code::PhaseTooShort, "after: 2m", "after: 14s"),
    (Code::OverTooShort, "over: 10s}\n  p99", "over: 9s}\n  p99"),
    (Code::OverTooShort, "after: 2m", "after: 2m, step: 11s"),
    (Code::OverTooLong, "during: 1m", "during: 9s"),
    (Code::ScaleNeeded, "{below: 1%}", "{below: 0%}"),
    (Code::ScaleNeeded, "{below: 1%}", "{above: 100%}"),
    (Code::EmptyRange, "{above: 7}", "{between: [10, 7]}"),
    (Code::EmptyRange, "{above: 7}", "{between: [7, 7]}"),
    (Code::BoundOutOfRange, "{below: 1%}", "{below: 1}"),
    (Code::BoundOutOfRange, "{below: 1%}", "{above: 0%}"),
    (Code::BoundOutOfRange, "{above: 7}", "{below: -1}"),
    (Code::BoundOutOfRange, "{above: 7}", "{above: 0, scale: 1}"),
    (Code::HoldTooFine, "{above: 7}", "{above: 7, hold: 99%}"),
    (Code::HoldTooFine, "{above: 7}", "{above: 7, hold: 84%}"),
    (Code::LongestBreachUnused, "{above: 7}", "{above: 7, hold: 100%, longest_breach: 10s}"),
    (Code::TotalOfALevel, "{above: 7}", "{total_at_most: 7}"),
    (
        Code::BaselineTooShort,
        "{below: 200ms, in: 60s}",
        "{below: 200ms, in: 60s}}\n  - {indicator: errors, after: {within: 10%, of: during}",
    ),
    (Code::RecoveryNotWatched, "in: 60s", "in: 91s"),
    (Code::RecoveryNotWatched, "within: 30s", "within: 91s"),
    (Code::RecoveryWithoutFault, "after: {below: 2%}", "recovers: {below: 2%, in: 60s}"),
    (Code::GuardTooQuick, "for: 10s", "for: 4s"),
    (Code::BucketInName, "histogram: latency_seconds", "histogram: latency_seconds_bucket"),
    (Code::CounterAsGauge, "{pods_ready: app=api}", "{gauge: a_total, aggregate: sum}"),
    (Code::UnlikelyReason, "{pods_ready: app=api}", "{event_count: {reason: Backoff}}"),
    (
        Code::WitnessIsVictim,
        "histogram: latency_seconds",
        "histogram: 'latency_seconds{app=\"api\"}'",
    ),
    (Code::WitnessIsVictim, "of: requests_total", "of: 'requests_total{app=~\"api|web\"}'"),
    (Code::CadenceTooShort, "phases:", "cadence: 150s\nphases:"),
];
