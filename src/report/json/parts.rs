//! The shape of `verdict.json`: every field, with what it says. The schema is made of this.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// What a run came to, for programs.
///
/// Times are RFC 3339 in UTC. A number that is not finite is null, and `not_finite` beside it
/// says what it was.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(title = "Homeostat verdict")]
pub(crate) struct Document {
    /// The version of this format.
    pub(super) version: u32,
    /// What was claimed.
    pub(super) hypothesis: HypothesisPart,
    /// The run.
    pub(super) run: RunPart,
    /// What it came to.
    #[serde(flatten)]
    pub(super) verdict: VerdictPart,
    /// Each check, in the order of the hypothesis.
    pub(super) checks: Vec<CheckPart>,
    /// Each absolute objective, held against the phase before.
    pub(super) steady: Vec<CheckPart>,
    /// What was disturbed, and what was seen of it.
    pub(super) fault: FaultPart,
    /// Each indicator in figures.
    pub(super) indicators: Vec<IndicatorPart>,
    /// The quality of the data.
    pub(super) quality: QualityPart,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct HypothesisPart {
    /// Its name.
    pub(super) name: String,
    /// What it claims.
    pub(super) claim: String,
    /// Its labels.
    pub(super) labels: BTreeMap<String, String>,
    /// SHA-256 of its text as written.
    pub(super) text_fingerprint: String,
    /// SHA-256 of what makes runs comparable.
    pub(super) comparable_fingerprint: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct RunPart {
    /// Its id.
    pub(super) id: String,
    /// `complete`, `incomplete`, `not_injected`, `interrupted` or `guard_tripped`.
    pub(super) status: String,
    /// When it started.
    pub(super) started_at: String,
    /// When its last phase ended.
    pub(super) ended_at: Option<String>,
    /// When the first injection was asked for.
    pub(super) injected_at: Option<String>,
    /// The phases that were reached.
    pub(super) phases: Vec<PhasePart>,
    /// Version of the program that recorded it.
    pub(super) tool_version: String,
    /// Version of the recording's format.
    pub(super) format_version: u32,
    /// Version of the rules by which it was judged.
    pub(super) analysis_version: u32,
    /// Where data came from, secrets removed.
    pub(super) sources: Vec<SourcePart>,
    /// Environment tags.
    pub(super) environment: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct PhasePart {
    /// `before`, `during` or `after`.
    pub(super) phase: String,
    /// Its first instant.
    pub(super) start: String,
    /// The first instant after it.
    pub(super) end: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct SourcePart {
    /// `scrape`, `http_sd`, `file_sd`, `pods`, `kubernetes`.
    pub(super) kind: String,
    /// Its address.
    pub(super) address: String,
    /// What else is known.
    pub(super) detail: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct VerdictPart {
    /// `pass`, `fail` or `inconclusive`.
    pub(super) verdict: String,
    /// 0 for a pass, 10 for a fail, 11 for inconclusive.
    pub(super) exit_code: u8,
    /// The same in a sentence.
    pub(super) headline: String,
    /// Why, the deciding ground first.
    pub(super) grounds: Vec<ReasonPart>,
    /// `confirmed`, `larger`, `smaller`, `absent` or `unknown`; null for a placebo run.
    pub(super) evidence: Option<String>,
    /// `held`, `not_seen` or `unknown`; null when no mechanism is claimed.
    pub(super) mechanism: Option<String>,
    /// Whether nothing was meant to be disturbed.
    pub(super) placebo: bool,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct ReasonPart {
    /// A stable code.
    pub(super) code: String,
    /// The sentence.
    pub(super) text: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct CheckPart {
    /// Its id.
    pub(super) id: String,
    /// Its indicator.
    pub(super) indicator: String,
    /// The phase that was judged.
    pub(super) phase: String,
    /// `below`, `above`, `between`, `within`, `recovers` or `total_at_most`; in `steady` also `seen`,
    /// where no more is asked of *before*.
    pub(super) kind: String,
    /// The unit of `observed` and the bounds: empty, `s`, `%` (a share, from 0 to 1), `B`, `1/s` or another.
    pub(super) unit: String,
    /// The lower bound.
    pub(super) bound_lower: Option<f64>,
    /// The upper bound; for `within` the tolerance, in the unit; for `recovers` the time allowed.
    pub(super) bound_upper: Option<f64>,
    /// The share of the phase that must hold.
    pub(super) hold: Option<f64>,
    /// `pass`, `fail` or `inconclusive`.
    pub(super) verdict: String,
    /// Why it could not be told, or what weakens it.
    pub(super) reasons: Vec<ReasonPart>,
    /// The number that was held against the bound.
    pub(super) observed: Option<f64>,
    /// The least it can have been.
    pub(super) observed_lower: Option<f64>,
    /// The most it can have been.
    pub(super) observed_upper: Option<f64>,
    /// Where the interval is from: `none`, `bucket`, `uncounted` or `sampling` (95 %).
    pub(super) interval: String,
    /// The margin: 0 at the bound, negative beyond it.
    pub(super) margin: Option<f64>,
    /// The least it can have been.
    pub(super) margin_lower: Option<f64>,
    /// The most it can have been.
    pub(super) margin_upper: Option<f64>,
    /// The phase's median.
    pub(super) median: Option<f64>,
    /// Share of the phase's points in breach.
    pub(super) breach_share: Option<f64>,
    /// Longest stretch in breach, seconds.
    pub(super) longest_breach_s: Option<f64>,
    /// Area beyond the bound, unit × seconds.
    pub(super) area: Option<f64>,
    /// When the worst point was.
    pub(super) worst_at: Option<String>,
    /// Its value.
    pub(super) worst: Option<f64>,
    /// Points of the phase's grid.
    pub(super) grid: usize,
    /// Points with a number.
    pub(super) n: usize,
    /// How many independent points they are worth.
    pub(super) n_eff: Option<f64>,
    /// The recovery, for `recovers`.
    pub(super) recovery: Option<RecoveryPart>,
    /// Fields that are null because their number is not finite: `NaN`, `+Inf`, `-Inf`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) not_finite: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct RecoveryPart {
    /// Whether it had not recovered when the watching ended.
    pub(super) censored: bool,
    /// The least it can have taken, from the injection, seconds; if censored, what was watched.
    pub(super) least_s: Option<f64>,
    /// The most it can have taken; null if censored.
    pub(super) most_s: Option<f64>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct FaultPart {
    /// `kill_pods`, `command`, `none`, …
    pub(super) kind: String,
    /// What it was asked to do, in words.
    pub(super) asked: String,
    /// The seed of the choice.
    pub(super) seed: Option<u64>,
    /// What was seen of the pods it is about; null when it names none.
    pub(super) blast: Option<BlastPart>,
    /// Each item of evidence.
    pub(super) evidence: Vec<FindingPart>,
    /// Each mechanism that is claimed.
    pub(super) mechanisms: Vec<FindingPart>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct BlastPart {
    /// How many were meant to be hit.
    pub(super) asked: Option<usize>,
    /// Pods that matched when the fault began.
    pub(super) population: usize,
    /// How many of them were ready.
    pub(super) ready_at_start: usize,
    /// The most that were down at once.
    pub(super) most_down: usize,
    /// Area between ready at the start and ready, pods × seconds.
    pub(super) pod_seconds_lost: f64,
    /// Pods outside the selector that were lost.
    pub(super) collateral: Vec<String>,
    /// The pods that were lost.
    pub(super) hit: Vec<HitPart>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct HitPart {
    /// Its uid.
    pub(super) uid: String,
    /// Its name.
    pub(super) name: String,
    /// When it was lost.
    pub(super) lost_at: String,
    /// What came in its place.
    pub(super) replaced_by: Option<String>,
    /// When that was ready.
    pub(super) replacement_ready_at: Option<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct FindingPart {
    /// What was asked for, or claimed.
    pub(super) asked: String,
    /// What came of it.
    pub(super) state: String,
    /// What was seen.
    pub(super) seen: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct IndicatorPart {
    /// Its name.
    pub(super) name: String,
    /// Its unit.
    pub(super) unit: String,
    /// Its phases.
    pub(super) phases: Vec<SummaryPart>,
    /// Counter increments that the samples cannot show; null without counters.
    pub(super) unseen: Option<UnseenPart>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct SummaryPart {
    /// Which phase.
    pub(super) phase: String,
    /// Points of its grid.
    pub(super) grid: usize,
    /// Points with a number.
    pub(super) n: usize,
    /// What the counters behind a ratio or a quantile counted in the phase: requests, say. Null
    /// for all other indicators.
    pub(super) traffic: Option<f64>,
    /// The least.
    pub(super) min: Option<f64>,
    /// The first quartile.
    pub(super) q1: Option<f64>,
    /// The median.
    pub(super) median: Option<f64>,
    /// The third quartile.
    pub(super) q3: Option<f64>,
    /// The greatest.
    pub(super) max: Option<f64>,
    /// The mean.
    pub(super) mean: Option<f64>,
    /// As in a check.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) not_finite: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct UnseenPart {
    /// Series that ended during the run.
    pub(super) ended: usize,
    /// Bound of the increments lost with them.
    pub(super) lost: f64,
    /// Series that began during the run.
    pub(super) began: usize,
    /// Their first values, added up.
    pub(super) first_values: f64,
    /// All increments that were seen.
    pub(super) seen: f64,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct QualityPart {
    /// What weakens the statements of the report, as sentences.
    pub(super) caveats: Vec<String>,
    /// Scrapes that gave samples.
    pub(super) scrapes_ok: u64,
    /// Scrapes that failed, by class.
    pub(super) scrapes_failed: BTreeMap<String, u64>,
    /// Lines that could not be read.
    pub(super) bad_lines: u64,
    /// Failed looks at a discovery address.
    pub(super) discovery_failed: u64,
    /// Whether pods and events were watched.
    pub(super) kubernetes_watched: bool,
    /// When a watch was blind.
    pub(super) blind: Vec<BlindPart>,
    /// What else a reader must know.
    pub(super) notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct BlindPart {
    /// `pods` or `events`.
    pub(super) resource: String,
    /// From when.
    pub(super) from: String,
    /// To when; null when it never came back.
    pub(super) to: Option<String>,
    /// What happened.
    pub(super) why: String,
}
