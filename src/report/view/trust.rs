//! The quality of the data: what a reader must not take for granted.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    super::{
        Subject,
        text::{cap, count, list, percent, plain, seconds_text, together, unstarred},
    },
    check::CheckView,
    provenance::Fact,
    reach::reach,
};
use crate::{
    analysis::{Track, Unseen},
    frame::{BadLine, BlindSpan, QueryNote},
    number::{digits, length},
    verdict::CheckVerdict,
};

/// Fewer independent points than this are named as few: a 95 % interval of a mean is then a
/// quarter wider than with many (Student's t with 9 degrees of freedom, 2.26 for 1.96, on √n).
const FEW: f64 = 10.0;

/// The quality of the data.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    /// What weakens the statements of this report; empty when nothing is known to.
    pub(crate) caveats: Vec<String>,
    /// The ledger.
    pub(crate) ledger: Vec<Fact>,
    /// Lines of metrics that could not be read: where, and why.
    pub(crate) bad_lines: Vec<String>,
    /// How the numbers were made, a line for each check.
    pub(crate) method: Vec<Fact>,
}

impl Trust {
    pub(super) fn new(subject: &Subject<'_>, checks: &[CheckView]) -> Self {
        let ledger = &subject.manifest.ledger;
        Self {
            caveats: caveats(subject),
            ledger: facts(subject),
            bad_lines: ledger.bad_line_examples.iter().map(bad_line).collect(),
            method: checks.iter().map(method).collect(),
        }
    }
}

fn caveats(subject: &Subject<'_>) -> Vec<String> {
    let Subject { manifest, analysis, verdicts, hypothesis, observed } = *subject;
    let ledger = &manifest.ledger;
    let mut said: Vec<String> = Vec::new();
    said.extend(reach(subject));
    let all = || verdicts.checks.iter().chain(&verdicts.steady);
    let gaps = all().flat_map(|check| check.gaps.iter().map(move |gap| (check, gap)));
    said.extend(together(gaps.map(|(check, gap)| (name(check), unstarred(&gap.to_string())))));
    // A check that says itself what is missing needs no second line.
    said.extend(all().filter(|check| check.gaps.is_empty()).filter_map(missing));
    said.extend(verdicts.checks.iter().filter_map(few));
    for (indicator, track) in hypothesis.indicators.iter().zip(&analysis.tracks) {
        said.extend(unseen(&plain(&indicator.name), track));
    }
    for (indicator, track) in hypothesis.indicators.iter().zip(&analysis.tracks) {
        for doubt in &track.doubts {
            let text = plain(&doubt.to_string());
            // A check that cannot be told for this reason has said so.
            if !said.iter().any(|one| one.ends_with(&text)) {
                said.push(format!("{}: {text}", plain(&indicator.name)));
            }
        }
    }
    if !ledger.scrapes_failed.is_empty() {
        said.push(format!("scrapes that failed: {}", failed(subject)));
    }
    if ledger.bad_lines > 0 {
        let lines = count(ledger.bad_lines as usize, "line");
        said.push(format!("{lines} of metrics could not be read"));
    }
    if ledger.discovery_failed > 0 {
        let times = count(ledger.discovery_failed as usize, "look");
        said.push(format!("{times} at the service discovery failed"));
    }
    if hypothesis.sources.kubernetes.is_some() && !observed.pods_watched {
        said.push("pods were not watched: nothing is known of them".to_owned());
    }
    said.extend(ledger.blind.iter().map(blind));
    said.extend(ledger.notes.iter().map(|note| plain(note)));
    said.dedup();
    said
}

/// Points that are missing, though few enough to judge.
fn missing(check: &CheckVerdict) -> Option<String> {
    let gaps = check.grid.checked_sub(check.n).filter(|gaps| *gaps > 0)?;
    Some(format!("{}: {gaps} of {} points have no number", name(check), check.grid))
}

/// A check and the phase in which it was judged: the steady state has the same checks.
fn name(check: &CheckVerdict) -> String {
    format!("{} ({})", plain(&check.check_id), check.phase)
}

fn few(check: &CheckVerdict) -> Option<String> {
    let n_eff = check.n_eff.filter(|n_eff| *n_eff < FEW)?;
    let id = plain(&check.check_id);
    Some(format!("{id}: {} points are worth only {} independent ones", check.n, digits(n_eff)))
}

fn unseen(name: &str, track: &Track) -> Option<String> {
    let unseen = track.unseen.filter(|unseen| unseen.lost > 0.0 || unseen.first_values > 0.0)?;
    Some(format!("{name}: {}", unseen_text(unseen)))
}

fn unseen_text(unseen: Unseen) -> String {
    let share = |part: f64| {
        if unseen.seen > 0.0 {
            format!(" ({} of what was seen)", percent(part / unseen.seen))
        } else {
            String::new()
        }
    };
    let mut said = Vec::new();
    if unseen.lost > 0.0 {
        said.push(format!(
            "up to {} increments{} went unseen with {} that ended",
            digits(unseen.lost.ceil()),
            share(unseen.lost),
            serieses(unseen.ended)
        ));
    }
    if unseen.first_values > 0.0 {
        said.push(format!(
            "{} were counted before the first scrape of {} that began",
            digits(unseen.first_values),
            serieses(unseen.began)
        ));
    }
    said.join("; ")
}

fn serieses(number: usize) -> String {
    if number == 1 { "one series".to_owned() } else { format!("{number} series") }
}

fn failed(subject: &Subject<'_>) -> String {
    let ledger = &subject.manifest.ledger;
    let classes: Vec<String> = ledger
        .scrapes_failed
        .iter()
        .map(|(class, number)| format!("{number} {}", plain(class).replace('_', " ")))
        .collect();
    // The counts are the recording's, which may be a stranger's.
    let failed = ledger.scrapes_failed.values();
    let all = failed.fold(ledger.scrapes_ok, |all, failed| all.saturating_add(*failed));
    format!("{} (of {all})", list(&classes, 8))
}

fn blind(span: &BlindSpan) -> String {
    let lasted = match span.to {
        Some(to) => format!("for {} from {}", length(to.since(span.from)), span.from.clock_text()),
        None => format!("from {} to the end", span.from.clock_text()),
    };
    let (resource, why) = (plain(&span.resource), plain(&span.why));
    // The API server names who may not do what; this is what to grant.
    let grant = if why.contains("forbidden") {
        format!("; the account needs `list` and `watch` on `{resource}`")
    } else {
        String::new()
    };
    format!("the watch of {resource} was blind {lasted}: {why}{grant}")
}

fn bad_line(line: &BadLine) -> String {
    let (at, text) = (line.at.clock_text(), cap(&plain(&line.text), 160));
    format!("{} line {} at {at}: {}: {text}", plain(&line.target), line.line, plain(&line.why))
}

fn facts(subject: &Subject<'_>) -> Vec<Fact> {
    let ledger = &subject.manifest.ledger;
    let watched = match (subject.hypothesis.sources.kubernetes.is_some(), ledger.blind.len()) {
        (false, _) => "no cluster was given".to_owned(),
        (true, _) if !ledger.kubernetes_watched => "not watched".to_owned(),
        (true, 0) => "watched without a break".to_owned(),
        (true, 1) => "watched, with one blind stretch".to_owned(),
        (true, breaks) => format!("watched, with {breaks} blind stretches"),
    };
    let failed = if ledger.scrapes_failed.is_empty() { "none".to_owned() } else { failed(subject) };
    let mut facts = if subject.hypothesis.sources.has_server() {
        queries(&ledger.queries)
    } else {
        vec![
            Fact::new("Scrapes with samples", ledger.scrapes_ok.to_string()),
            Fact::new("Scrapes that failed", failed),
            Fact::new("Lines that could not be read", ledger.bad_lines.to_string()),
            Fact::new("Failed looks at the discovery", ledger.discovery_failed.to_string()),
        ]
    };
    facts.push(Fact::new("Pods and events", watched));
    facts.extend(ledger.blind.iter().map(|span| Fact::new("Blind", blind(span))));
    for (indicator, track) in subject.hypothesis.indicators.iter().zip(&subject.analysis.tracks) {
        if let Some(unseen) = track.unseen {
            let text = unseen_text(unseen);
            let text = if text.is_empty() { "no increments".to_owned() } else { text };
            facts.push(Fact::new(&format!("Unseen in {}", plain(&indicator.name)), text));
        }
    }
    for edge in &subject.manifest.phases {
        let source = edge.start_source.replace('_', " ");
        let off = seconds_text(edge.start_uncertainty_ms.unsigned_abs() as f64 / 1000.0);
        let text = format!("set by {}, known to ±{off}", plain(&source));
        facts.push(Fact::new(&format!("Start of {}", edge.phase), text));
    }
    facts
}

/// What a server was asked, all together, and what each query cost.
fn queries(queries: &[QueryNote]) -> Vec<Fact> {
    // The counts are the recording's, which may be a stranger's.
    let sum = |part: fn(&QueryNote) -> u64| {
        queries.iter().fold(0_u64, |all, one| all.saturating_add(part(one)))
    };
    let failed: BTreeMap<&str, u64> =
        queries.iter().flat_map(|one| &one.failed).fold(BTreeMap::new(), |mut all, one| {
            let times: &mut u64 = all.entry(one.0).or_default();
            *times = times.saturating_add(*one.1);
            all
        });
    let given_up: Vec<String> =
        failed.iter().map(|(class, times)| format!("{times} {}", plain(class))).collect();
    let given_up = if given_up.is_empty() { "none".to_owned() } else { list(&given_up, 8) };
    let mut facts = vec![
        Fact::new("Queries that the server answered", sum(|one| one.answered).to_string()),
        Fact::new("Queries that were given up", given_up),
        Fact::new("Samples of the server", sum(|one| one.samples).to_string()),
    ];
    // Those that cost the most come first; the rest is in `run.json`.
    let mut dear: Vec<&QueryNote> = queries.iter().filter(|one| one.samples > 0).collect();
    dear.sort_by_key(|one| Reverse(one.samples));
    facts.extend(dear.into_iter().take(QUERIES).map(|one| {
        let cost = format!(
            "{} of {}, {} MB in {}",
            count(usize::try_from(one.samples).unwrap_or(usize::MAX), "sample"),
            serieses(usize::try_from(one.series).unwrap_or(usize::MAX)),
            digits(one.bytes as f64 / 1e6),
            seconds_text(one.seconds),
        );
        Fact::new(&format!("Query {}", cap(&plain(&one.query), 120)), cost)
    }));
    facts
}

/// How many queries are named.
const QUERIES: usize = 5;

fn method(check: &CheckView) -> Fact {
    let mut said = vec![match check.points.as_str() {
        "" => "no point of the phase".to_owned(),
        points => format!("{points} points with a number"),
    }];
    if !check.n_eff.is_empty() {
        said.push(format!("worth {} independent ones", check.n_eff));
    }
    if !check.median.is_empty() {
        said.push(format!("median {}", check.median));
    }
    if !check.margin_interval.is_empty() {
        said.push(format!("margin {}", check.margin_interval));
    }
    if !check.interval.is_empty() {
        said.push(format!("number {}", check.interval));
    }
    Fact::new(&check.id, said.join("; "))
}
