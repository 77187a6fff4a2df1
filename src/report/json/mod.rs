//! `verdict.json`: the report for programs. Exact numbers, stable codes, a schema.
//!
//! The structs of `parts` are the format; a change that a reader would notice raises [`VERSION`].

mod parts;

use std::collections::BTreeMap;

pub(crate) use parts::Document;
use parts::{
    BlastPart, BlindPart, CheckPart, FaultPart, FindingPart, HitPart, HypothesisPart,
    IndicatorPart, PhasePart, QualityPart, ReasonPart, RecoveryPart, RunPart, SourcePart,
    SummaryPart, UnseenPart, VerdictPart,
};

use super::{Subject, View, text::is_unseen};
use crate::{
    analysis::{ANALYSIS_VERSION, PhaseTrack, Track},
    hypothesis::model::{Fault, Indicator, Objective},
    number::Unit,
    time::Time,
    verdict::{CheckVerdict, Recovery, Terms},
    window::Phase,
};

/// The version of the format of `verdict.json`.
const VERSION: u32 = 1;

/// The JSON Schema of `verdict.json`.
pub(crate) fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

pub(super) fn render(view: &View) -> String {
    let text = serde_json::to_string_pretty(&view.document);
    ascii_controls(&text.expect("maps with text keys and numbers are always JSON")) + "\n"
}

/// The same JSON, with what acts unseen written as escapes: programs read what was there, and a
/// person who looks at it in a terminal sees it.
pub(super) fn ascii_controls(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        // Such characters stand in texts only: JSON itself is ASCII.
        if c == '\x7f' || is_unseen(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                safe += &format!("\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

impl Document {
    pub(super) fn new(subject: &Subject<'_>, headline: &str, caveats: &[String]) -> Self {
        let Subject { manifest, hypothesis, analysis, verdicts, .. } = *subject;
        let checks = |all: &[CheckVerdict]| all.iter().map(|one| check(subject, one)).collect();
        Self {
            version: VERSION,
            hypothesis: HypothesisPart {
                name: manifest.hypothesis_name.clone(),
                claim: hypothesis.claim.clone(),
                labels: hypothesis.labels.clone(),
                text_fingerprint: manifest.text_fingerprint.clone(),
                comparable_fingerprint: manifest.comparable_fingerprint.clone(),
            },
            run: run(subject),
            verdict: VerdictPart {
                verdict: verdicts.outcome.name().to_owned(),
                exit_code: verdicts.exit_code(),
                headline: headline.to_owned(),
                grounds: verdicts
                    .grounds
                    .iter()
                    .map(|ground| reason(ground.code(), &ground.to_string()))
                    .collect(),
                evidence: verdicts.evidence.map(|state| state.name().to_owned()),
                mechanism: verdicts.mechanism.map(|state| state.name().to_owned()),
                placebo: matches!(hypothesis.fault, Fault::None),
            },
            checks: checks(&verdicts.checks),
            steady: checks(&verdicts.steady),
            fault: fault(subject),
            indicators: hypothesis
                .indicators
                .iter()
                .zip(&analysis.tracks)
                .map(|(one, track)| indicator(one, track))
                .collect(),
            quality: quality(subject, caveats),
        }
    }
}

/// Keeps finite numbers, and notes what the others were.
#[derive(Default)]
struct Numbers(BTreeMap<String, String>);

impl Numbers {
    fn keep(&mut self, name: &str, value: impl Into<Option<f64>>) -> Option<f64> {
        let value = value.into()?;
        let what = match value {
            v if v.is_nan() => "NaN",
            f64::INFINITY => "+Inf",
            f64::NEG_INFINITY => "-Inf",
            finite => return Some(finite),
        };
        self.0.insert(name.to_owned(), what.to_owned());
        None
    }
}

fn reason(code: &str, text: &str) -> ReasonPart {
    ReasonPart { code: code.to_owned(), text: text.to_owned() }
}

fn run(subject: &Subject<'_>) -> RunPart {
    let Subject { manifest, observed, .. } = *subject;
    let text = |time: Option<Time>| time.map(|time| time.to_string());
    let phase = |phase: Phase| {
        let window = observed.phases.window(phase)?;
        let (start, end) = (window.start.to_string(), window.end.to_string());
        Some(PhasePart { phase: phase.name().to_owned(), start, end })
    };
    let status = serde_json::to_value(manifest.status).ok();
    RunPart {
        id: manifest.run_id.clone(),
        status: status.and_then(|s| s.as_str().map(str::to_owned)).unwrap_or_default(),
        started_at: manifest.started_at.to_string(),
        ended_at: text(manifest.ended_at),
        injected_at: text(manifest.injected_at),
        phases: Phase::ALL.into_iter().filter_map(phase).collect(),
        tool_version: manifest.tool_version.clone(),
        format_version: manifest.format_version,
        analysis_version: ANALYSIS_VERSION,
        sources: manifest
            .sources
            .iter()
            .map(|source| SourcePart {
                kind: source.kind.clone(),
                address: source.address.clone(),
                detail: source.detail.clone(),
            })
            .collect(),
        environment: manifest.environment.clone(),
    }
}

fn check(subject: &Subject<'_>, verdict: &CheckVerdict) -> CheckPart {
    let hypothesis = subject.hypothesis;
    let check = hypothesis.checks.iter().find(|check| check.id == verdict.check_id);
    let indicator = check.map(|check| hypothesis.indicator(check.indicator));
    let terms = verdict.terms.as_ref();
    let unit = match terms.map(|terms| &terms.objective) {
        Some(Objective::Recovers { .. }) => Unit::Seconds,
        Some(
            Objective::Stays { .. } | Objective::Within { .. } | Objective::TotalAtMost { .. },
        )
        | None => indicator.map_or(Unit::None, |indicator| indicator.unit.clone()),
    };
    let (bound_lower, bound_upper) = terms.map(Terms::bounds).unwrap_or_default();
    let mut numbers = Numbers::default();
    let (observed, margin) = (verdict.observed, verdict.margin);
    CheckPart {
        id: verdict.check_id.clone(),
        indicator: indicator.map(|indicator| indicator.name.clone()).unwrap_or_default(),
        phase: verdict.phase.name().to_owned(),
        kind: terms.map_or("seen", |terms| terms.objective.kind()).to_owned(),
        unit: unit.text().to_owned(),
        bound_lower,
        bound_upper,
        hold: terms.and_then(Terms::hold),
        verdict: verdict.outcome.name().to_owned(),
        reasons: verdict.gaps.iter().map(|gap| reason(gap.code(), &gap.to_string())).collect(),
        observed: numbers.keep("observed", observed.map(|m| m.value)),
        observed_lower: numbers.keep("observed_lower", observed.map(|m| m.lower)),
        observed_upper: numbers.keep("observed_upper", observed.map(|m| m.upper)),
        interval: verdict.interval.name().to_owned(),
        margin: numbers.keep("margin", margin.map(|m| m.value)),
        margin_lower: numbers.keep("margin_lower", margin.map(|m| m.lower)),
        margin_upper: numbers.keep("margin_upper", margin.map(|m| m.upper)),
        median: numbers.keep("median", verdict.median),
        breach_share: numbers.keep("breach_share", verdict.breach_share),
        longest_breach_s: numbers.keep("longest_breach_s", verdict.longest_breach_s),
        area: numbers.keep("area", verdict.area),
        worst_at: verdict.worst.map(|(time, _)| time.to_string()),
        worst: numbers.keep("worst", verdict.worst.map(|(_, value)| value)),
        grid: verdict.grid,
        n: verdict.n,
        n_eff: numbers.keep("n_eff", verdict.n_eff),
        recovery: verdict.recovery.map(|recovery| match recovery {
            Recovery::Took { least_s, most_s } => RecoveryPart {
                censored: false,
                least_s: numbers.keep("recovery.least_s", least_s),
                most_s: numbers.keep("recovery.most_s", most_s),
            },
            Recovery::Censored { watched_s } => RecoveryPart {
                censored: true,
                least_s: numbers.keep("recovery.least_s", watched_s),
                most_s: None,
            },
        }),
        not_finite: numbers.0,
    }
}

fn fault(subject: &Subject<'_>) -> FaultPart {
    let Subject { manifest, analysis, hypothesis, .. } = *subject;
    FaultPart {
        kind: hypothesis.fault.kind().to_owned(),
        asked: manifest.fault.asked.clone(),
        seed: manifest.fault.seed,
        blast: analysis.blast.as_ref().map(|blast| BlastPart {
            asked: blast.asked,
            population: blast.population,
            ready_at_start: blast.ready_at_start,
            most_down: blast.most_down,
            pod_seconds_lost: blast.pod_seconds_lost,
            collateral: blast.collateral.clone(),
            hit: blast
                .hit
                .iter()
                .map(|hit| HitPart {
                    uid: hit.uid.clone(),
                    name: hit.name.clone(),
                    lost_at: hit.at.to_string(),
                    replaced_by: hit.replaced_by.clone(),
                    replacement_ready_at: hit.replacement_ready_at.map(|time| time.to_string()),
                })
                .collect(),
        }),
        evidence: analysis
            .evidence
            .iter()
            .map(|item| FindingPart {
                asked: item.asked.clone(),
                state: item.state.name().to_owned(),
                seen: item.seen.clone(),
            })
            .collect(),
        mechanisms: analysis
            .mechanisms
            .iter()
            .map(|item| FindingPart {
                asked: item.claimed.clone(),
                state: item.state.name().to_owned(),
                seen: item.seen.clone(),
            })
            .collect(),
    }
}

fn indicator(indicator: &Indicator, track: &Track) -> IndicatorPart {
    IndicatorPart {
        name: indicator.name.clone(),
        unit: indicator.unit.text().to_owned(),
        phases: track.phases.iter().map(summary).collect(),
        unseen: track.unseen.map(|unseen| UnseenPart {
            ended: unseen.ended,
            lost: unseen.lost,
            began: unseen.began,
            first_values: unseen.first_values,
            seen: unseen.seen,
        }),
    }
}

fn summary(track: &PhaseTrack) -> SummaryPart {
    let mut numbers = Numbers::default();
    let five = track.summary;
    SummaryPart {
        phase: track.phase.name().to_owned(),
        grid: track.grid.len(),
        n: track.n(),
        traffic: track.traffic.map(|traffic| traffic.requests),
        min: numbers.keep("min", five.map(|s| s.min)),
        q1: numbers.keep("q1", five.map(|s| s.q1)),
        median: numbers.keep("median", five.map(|s| s.median)),
        q3: numbers.keep("q3", five.map(|s| s.q3)),
        max: numbers.keep("max", five.map(|s| s.max)),
        mean: numbers.keep("mean", five.map(|s| s.mean)),
        not_finite: numbers.0,
    }
}

fn quality(subject: &Subject<'_>, caveats: &[String]) -> QualityPart {
    let ledger = &subject.manifest.ledger;
    QualityPart {
        caveats: caveats.to_vec(),
        scrapes_ok: ledger.scrapes_ok,
        scrapes_failed: ledger.scrapes_failed.clone(),
        bad_lines: ledger.bad_lines,
        discovery_failed: ledger.discovery_failed,
        kubernetes_watched: ledger.kubernetes_watched,
        blind: ledger
            .blind
            .iter()
            .map(|span| BlindPart {
                resource: span.resource.clone(),
                from: span.from.to_string(),
                to: span.to.map(|to| to.to_string()),
                why: span.why.clone(),
            })
            .collect(),
        notes: ledger.notes.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        report::{Format, Style, fixture, render},
        verdict::Measured,
    };

    fn json(sample: &fixture::Sample) -> Value {
        let view = View::new(&sample.subject());
        serde_json::from_str(&render(&view, Format::Json, Style::default())).unwrap()
    }

    #[test]
    fn numbers_are_exact_and_times_are_rfc_3339() {
        let json = json(&fixture::held());
        assert_eq!(json["version"], 1);
        assert_eq!(json["exit_code"], 0);
        assert_eq!(json["checks"][0]["observed"], 0.166);
        assert_eq!(json["checks"][0]["bound_upper"], 0.2);
        assert_eq!(json["checks"][0]["worst_at"], "2026-11-23T02:15:09Z");
        assert_eq!(json["fault"]["blast"]["hit"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn what_is_not_finite_is_null_and_says_why() {
        let mut sample = fixture::held();
        let odd = Measured { value: f64::NAN, lower: f64::NEG_INFINITY, upper: f64::INFINITY };
        sample.verdicts.checks[0].observed = Some(odd);
        let check = &json(&sample)["checks"][0];
        assert_eq!(check["observed"], Value::Null);
        assert_eq!(
            check["not_finite"],
            serde_json::json!({
                "observed": "NaN", "observed_lower": "-Inf", "observed_upper": "+Inf",
            })
        );
    }

    /// Every object of the document must have a schema that knows exactly its keys.
    fn assert_described(value: &Value, schema: &Value, root: &Value, path: &str) {
        let schema = match schema.get("$ref").or_else(|| schema.pointer("/anyOf/0/$ref")) {
            Some(at) => root.pointer(at.as_str().unwrap().trim_start_matches('#')).unwrap(),
            None => schema,
        };
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let known = schema.pointer(&format!("/properties/{key}"));
                    let Some(known) = known.or_else(|| schema.get("additionalProperties")) else {
                        panic!("{path}.{key} is not in the schema");
                    };
                    assert_described(value, known, root, &format!("{path}.{key}"));
                }
            }
            Value::Array(items) => {
                for item in items {
                    assert_described(item, &schema["items"], root, path);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn the_schema_describes_every_field() {
        let schema = schema();
        assert_described(&json(&fixture::held()), &schema, &schema, "$");
    }
}
