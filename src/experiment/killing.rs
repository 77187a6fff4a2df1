//! Pods as the fault: they are chosen, killed and waited for, beside the watch all the time.

use std::time::Duration;

use super::{
    ExperimentError, Progress, Setup,
    during::inject,
    guard::Sentry,
    stretch::{Ended, Until, Work},
    watch::Watch,
};
use crate::{
    collect::kubernetes_client,
    fault::{self, KillPlan, Killing},
    frame::{FaultRow, Observed},
    hypothesis::model::{KillMeans, KillPods},
    record::FaultNote,
};

/// Kills pods and watches until their replacements are ready and *during* is over.
///
/// A signal or the guard may come at any time. Before the injection, nothing is injected then;
/// while requests are under way, no further one is sent, and what is not answered within a moment
/// is kept as a row that says so.
pub(super) async fn kill_pods(
    setup: &Setup,
    kill: &KillPods,
    watch: &mut Watch<'_>,
    progress: &mut dyn Progress,
    sentry: &mut Sentry,
) -> Result<Ended, ExperimentError> {
    let Some(cluster) = &setup.hypothesis.sources.kubernetes else {
        return Err(ExperimentError::NoCluster);
    };
    let own = setup.own_pod.as_deref();
    let planning = async {
        let client = kubernetes_client(cluster).await?;
        let plan = fault::plan_kill(&client, &cluster.namespace, kill, setup.seed, own).await?;
        Ok::<_, ExperimentError>((client, plan))
    };
    let planned = watch.unless_stopped(planning, Duration::ZERO, sentry, progress).await?;
    let (client, plan) = match planned {
        Work::Done(planned) => planned?,
        Work::Cut(ended) => return Ok(ended),
    };
    watch.keep_fault_note(note_of(&plan));
    for budget in &plan.budgets {
        progress.note(setup.clock.now(), budget);
        watch.note_in_ledger(budget.clone());
    }
    let doing = match kill.means {
        KillMeans::Delete => "deleting",
        KillMeans::Evict => "evicting",
    };
    inject(setup, watch, progress, &format!("{doing} pods: {}", plan.asked));
    let killing = fault::kill(&client, &cluster.namespace, &plan, kill, &setup.clock);
    let mut answers = Answers { setup, means: kill.means, accepted: Vec::new() };
    if let Some(ended) = answers.take_all(killing, watch, progress, sentry).await? {
        return Ok(ended);
    }
    // A pod whose end was refused will not go: nothing is gained by waiting for it.
    let accepted = answers.accepted;
    // The pods being gone is not the end of the fault: their replacements' readiness is.
    let selector = kill.selector.clone();
    let mut done = move |observed: &Observed| {
        let lost =
            |uid: &str| observed.pods.iter().any(|pod| pod.uid == uid && pod.lost_at().is_some());
        let ready = observed.pods.iter().filter(|pod| {
            let serving =
                pod.lost_at().is_none() && pod.ready.last().is_some_and(|span| span.to.is_none());
            serving && selector.matches(&pod.labels)
        });
        accepted.iter().all(|uid| lost(uid)) && ready.count() >= plan.population
    };
    let phases = setup.hypothesis.phases;
    let until =
        Until::Done { least: phases.during, most: phases.during_at_most, done: &mut done, sentry };
    let ended = watch.until(until, progress).await?;
    if ended == Ended::Done {
        watch.set_during_ended_by("replacements_ready");
    }
    Ok(ended)
}

/// What was answered to the requests.
struct Answers<'a> {
    setup: &'a Setup,
    means: KillMeans,
    /// The uids of the pods whose end was accepted.
    accepted: Vec<String>,
}

impl Answers<'_> {
    /// Keeps each answer as it comes; some when a signal or the guard ended that. Whatever ends
    /// it, an error of ours included, each request that was sent has its row.
    async fn take_all(
        &mut self,
        mut killing: Killing,
        watch: &mut Watch<'_>,
        progress: &mut dyn Progress,
        sentry: &mut Sentry,
    ) -> Result<Option<Ended>, ExperimentError> {
        let left = self.setup.hypothesis.phases.during;
        let cut = loop {
            match watch.unless_stopped(killing.next(), left, sentry, progress).await {
                Ok(Work::Done(Some(row))) => self.take(row, watch, progress),
                Ok(Work::Done(None)) => return Ok(None),
                Ok(Work::Cut(ended)) => break Ok(Some(ended)),
                Err(error) => break Err(error),
            }
        };
        let stop = watch.stop();
        for row in watch.while_doing(killing.stop(stop.hurried()), progress).await {
            self.take(row, watch, progress);
        }
        cut
    }

    fn take(&mut self, row: FaultRow, watch: &mut Watch<'_>, progress: &mut dyn Progress) {
        if row.ok {
            self.accepted.extend(row.uid.clone());
        } else {
            let done = match self.means {
                KillMeans::Delete => "deletion",
                KillMeans::Evict => "eviction",
            };
            // Refused, or without an answer: its words say which.
            let note = format!("the {done} of {} was not confirmed: {}", row.object, row.detail);
            progress.note(row.at, &note);
        }
        watch.keep_fault(row);
    }
}

fn note_of(plan: &KillPlan) -> FaultNote {
    FaultNote {
        kind: "kill_pods".to_owned(),
        asked: plan.asked.clone(),
        expected: u64::try_from(plan.expected).ok(),
        population: u64::try_from(plan.population).ok(),
        seed: Some(plan.seed),
    }
}
