//! The disruption budget: how many pods may go, and the evictions that ask.
//!
//! A look at the budget and the eviction it allows are one step under the cluster's lock, so two
//! callers can never spend the same allowance.

use super::{Cluster, Refusal, State, Wish};
use crate::{
    lab::{
        lifecycle::Container,
        objects::{self, Budgeted},
        plan::Least,
        store::Kind,
    },
    time::Time,
};

/// The budget, and what was last shown of it.
pub(super) struct Budget {
    least: Least,
    uid: String,
    allowed: bool,
    since: Time,
}

impl Budget {
    pub(super) fn new(least: Least, uid: String, now: Time) -> Self {
        Self { least, uid, allowed: false, since: now }
    }

    fn known(&self, state: &State) -> Budgeted {
        let expected = state.deployment.replicas;
        let healthy = state.counts(|_| true).ready;
        Budgeted { expected, desired: self.least.of(expected), healthy, since: self.since }
    }
}

impl Cluster {
    /// Orders a pod to go, if the budget allows it.
    pub(in crate::lab) fn evict(&self, name: &str, wish: &Wish) -> Result<(), Refusal> {
        let now = self.now();
        let mut state = self.lock();
        self.check(&state, name, wish)?;
        let Some(slot) = state.pods.get(name) else { return Err(Refusal::NotFound) };
        // A pod that serves nobody yet, or no more, costs nothing.
        let free = slot.pod.deletion.is_some()
            || slot.pod.ended.is_some()
            || matches!(slot.pod.container, Container::Waiting(_));
        let ready = slot.pod.ready.0;
        if let Some(budget) = state.budget.as_ref().filter(|_| !free) {
            let known = budget.known(&state);
            // One that is not ready may go as long as enough others are.
            let enough = if ready { known.allowed() > 0 } else { known.healthy >= known.desired };
            if !enough {
                let (desired, healthy) = (known.desired, known.healthy);
                return Err(Refusal::Budget { budget: self.spec.app.clone(), desired, healthy });
            }
        }
        if !wish.dry_run {
            if let Some(slot) = state.pods.get_mut(name) {
                slot.pod.disrupted = Some((now, "Eviction API: evicting"));
                self.store.put(Kind::Pod, objects::pod(&self.spec, &slot.pod));
            }
            self.order(&mut state, name, wish.grace);
        }
        Ok(())
    }

    /// Shows the budget, if there is one and it is news.
    pub(super) fn show_budget(&self, state: &mut State) {
        let Some(budget) = &state.budget else { return };
        let allowed = budget.known(state).allowed() > 0;
        if let Some(budget) = &mut state.budget
            && budget.allowed != allowed
        {
            (budget.allowed, budget.since) = (allowed, self.now());
        }
        if let Some(budget) = &state.budget {
            let known = budget.known(state);
            let least = budget.least.json();
            let object = objects::budget(&self.spec, &budget.uid, &least, &known);
            self.store.put_news(Kind::Budget, object);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Clock, lab::LabPlan};

    /// A cluster with a budget and some pods, of which the first ones are ready.
    fn cluster(least: Least, ready: usize, all: usize) -> (Cluster, Vec<String>) {
        let plan = LabPlan {
            budget: Some(least),
            replicas: all,
            ..LabPlan::new("homeostat".into(), "dir".into())
        };
        let cluster = Cluster::new(&plan, Clock::starting_at(Time::from_millis(0)));
        cluster.roll();
        let names: Vec<String> = cluster.staff().into_iter().map(|charge| charge.name).collect();
        for (number, name) in names.iter().enumerate() {
            let now = cluster.now();
            cluster.update(name, |pod| {
                pod.container = Container::Running(now);
                pod.set_ready(number < ready, now);
            });
        }
        (cluster, names)
    }

    fn allowed(cluster: &Cluster) -> u64 {
        let budget = cluster.store.get(Kind::Budget, "shop", "api").unwrap();
        budget["status"]["disruptionsAllowed"].as_u64().unwrap()
    }

    #[test]
    fn evictions_spend_what_the_budget_allows_and_then_are_refused() {
        let (cluster, names) = cluster(Least::Pods(3), 4, 4);
        assert_eq!(allowed(&cluster), 1);
        cluster.evict(&names[0], &Wish::default()).unwrap();
        assert_eq!(allowed(&cluster), 0);
        let refused = cluster.evict(&names[1], &Wish::default());
        let budget = "api".to_owned();
        assert_eq!(refused, Err(Refusal::Budget { budget, desired: 3, healthy: 3 }));
        cluster.evict(&names[0], &Wish::default()).unwrap();
        assert!(cluster.pod(&names[0]).unwrap().disrupted.is_some());
        cluster.delete(&names[1], &Wish::default()).unwrap();
    }

    #[test]
    fn a_pod_that_is_not_ready_may_go_as_long_as_enough_others_are() {
        let (cluster, names) = cluster(Least::Percent(75), 3, 4);
        cluster.evict(&names[3], &Wish::default()).unwrap();
        let (short, names) = self::cluster(Least::Percent(75), 2, 4);
        assert!(short.evict(&names[3], &Wish::default()).is_err());
    }

    #[test]
    fn a_dry_run_spends_nothing_and_a_missing_pod_is_said() {
        let (cluster, names) = cluster(Least::Pods(3), 4, 4);
        cluster.evict(&names[0], &Wish { dry_run: true, ..Wish::default() }).unwrap();
        assert_eq!(allowed(&cluster), 1);
        assert_eq!(cluster.evict("none", &Wish::default()), Err(Refusal::NotFound));
    }
}
