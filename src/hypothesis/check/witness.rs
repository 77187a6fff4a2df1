//! The witness must not be the victim, where a discovery says outright whose metrics are read.

use super::{Context, Scope};
use crate::hypothesis::{
    code::Code,
    model::{Fault, KillPods, MetricsSource, PodTargets, ScrapeSource, Sources},
    problem::Problem,
    selector::{LabelSelector, MatchHow, SeriesSelector},
};

/// The series that the scraper writes itself: no pod takes them along.
const OURS: [&str; 3] = ["up", "scrape_duration_seconds", "scrape_samples_scraped"];

/// Metrics that are scraped from the pods to be killed, by `scrape.pods`. An indicator that a
/// label gave away already is not reported again.
pub(super) fn discovered_witness_is_not_the_victim(
    scope: &Scope<'_>,
    sources: Option<&Sources>,
    cx: &mut Context<'_>,
) {
    let Some(Fault::KillPods(kill)) = scope.fault else { return };
    let Some(MetricsSource::Scrape(scrape)) = sources.and_then(|s| s.metrics.as_ref()) else {
        return;
    };
    for entry in &scope.table.entries {
        let given_away = entry.selectors.iter().any(|(_, span)| {
            cx.problems.iter().any(|p| p.code == Code::WitnessIsVictim && p.span == *span)
        });
        if given_away {
            continue;
        }
        for (selector, span) in &entry.selectors {
            let Some(pods) = victims(selector, kill, scrape) else { continue };
            let message = format!(
                "`{}` is scraped from pods that are killed: `{}` and the fault's `{}` choose the same",
                selector.metric, pods.selector, kill.selector
            );
            let hint =
                "a pod that dies takes its last counts along; measure at the caller or the proxy";
            cx.report(Problem::new(Code::WitnessIsVictim, *span, message).hint(hint));
            break;
        }
    }
}

/// The discovery of victims that serves a selector: the one it names by `job`, or any when there
/// is no other source of targets.
fn victims<'s>(
    selector: &SeriesSelector,
    kill: &KillPods,
    scrape: &'s ScrapeSource,
) -> Option<&'s PodTargets> {
    if OURS.contains(&selector.metric.as_str()) {
        return None;
    }
    let overlap = |pods: &&PodTargets| may_share(&pods.selector, &kill.selector);
    let only = scrape.targets.is_empty()
        && scrape.http_sd.is_empty()
        && scrape.file_sd.is_empty()
        && scrape.pods.iter().all(|pods| overlap(&pods));
    let job = selector.matchers.iter().find(|matcher| matcher.label == "job");
    scrape.pods.iter().filter(overlap).find(|pods| {
        let named = job.filter(|m| matches!(m.how, MatchHow::Equal | MatchHow::Matches));
        match (jobs(pods), named) {
            (Some(jobs), Some(named)) => jobs.iter().any(|job| named.holds_for(job)),
            (Some(_) | None, _) => only,
        }
    })
}

/// What the `job` of the pods can be, when it is known without asking.
fn jobs(pods: &PodTargets) -> Option<&[String]> {
    if let Some(job) = &pods.job {
        return Some(std::slice::from_ref(job));
    }
    // The order in which the collector looks for it.
    PodTargets::APPLICATION_LABELS
        .iter()
        .find_map(|label| pods.selector.known_labels().find(|(key, _)| key == label))
        .map(|(_, values)| values)
}

/// Whether a pod can match both: they name a label in common, and differ in none.
fn may_share(one: &LabelSelector, other: &LabelSelector) -> bool {
    let mut shared = false;
    for (key, values) in one.known_labels() {
        for (_, others) in other.known_labels().filter(|(name, _)| *name == key) {
            if !values.iter().any(|value| others.contains(value)) {
                return false;
            }
            shared = true;
        }
    }
    shared
}
