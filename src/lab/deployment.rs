//! The deployment: how many pods of which template are asked for, and the next step there.
//!
//! The rules are those of the Kubernetes deployment controller with its defaults, a surge and an
//! unavailability of 25 % each. Nothing here acts: `cluster` does, one step at a time. Left out
//! is the proportional scaling of a deployment that is resized in the middle of a rollout: here
//! the newest replica set takes all of the change.

use std::{collections::BTreeMap, sync::Arc};

use crate::time::Time;

/// Old replica sets that are kept, as by default in Kubernetes.
const HISTORY: usize = 10;

/// Annotations of the pod template; a change of them is a change of the template.
pub(super) type Annotations = BTreeMap<String, String>;

/// What is asked for, and how far it is.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    /// Pods asked for.
    pub(super) replicas: usize,
    /// The template asked for.
    pub(super) template: Annotations,
    /// Which wish this is, counted from 1.
    pub(super) generation: u64,
    /// The last wish that the controller has acted on.
    pub(super) observed: u64,
    /// Its replica sets; the newest is the last.
    pub(super) revisions: Vec<Revision>,
    /// Whether enough pods are ready.
    pub(super) availability: Availability,
    /// How far the newest replica set is.
    pub(super) progress: Progress,
}

/// A replica set.
#[derive(Clone, Debug)]
pub(super) struct Revision {
    /// What its pods carry.
    pub(super) origin: Arc<Origin>,
    /// Its number; a set that is taken up again gets a new one.
    pub(super) number: u64,
    /// Pods it should have.
    pub(super) wanted: usize,
    /// How often that was said.
    pub(super) generation: u64,
    /// When it was created.
    pub(super) created: Time,
}

/// What a pod has of its replica set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The template's hash, part of all names below the deployment.
    pub(super) hash: String,
    /// The replica set's uid.
    pub(super) uid: String,
    /// The template's annotations.
    pub(super) template: Annotations,
}

/// How many pods are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Not told to go.
    pub(super) active: usize,
    /// Of those, ready.
    pub(super) ready: usize,
    /// Told to go, not gone.
    pub(super) terminating: usize,
}

/// Since when the deployment is available, or is not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Availability {
    /// Whether enough pods are ready: all but a quarter, rounded down.
    pub(super) available: bool,
    /// Since when.
    pub(super) since: Time,
}

/// How far the newest replica set is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// How far.
    pub(super) stage: Stage,
    /// Since when.
    pub(super) since: Time,
}

/// The stages of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The replica set exists.
    Created,
    /// Some of its pods are ready.
    Updated,
    /// All are, and those of the others are gone. It stays so until the template changes.
    Available,
}

/// A replica set is to have another number of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resize {
    /// Which, by its place.
    pub(super) set: usize,
    /// How many pods it should have.
    pub(super) to: usize,
}

impl Deployment {
    /// A deployment without a replica set.
    pub(super) fn new(replicas: usize, now: Time) -> Self {
        Self {
            replicas,
            template: Annotations::new(),
            generation: 1,
            observed: 0,
            revisions: Vec::new(),
            availability: Availability { available: false, since: now },
            progress: Progress { stage: Stage::Created, since: now },
        }
    }

    /// The replica set of the template asked for, once it exists.
    pub(super) fn newest(&self) -> Option<&Revision> {
        self.revisions.last().filter(|revision| revision.origin.template == self.template)
    }

    /// The number of the next revision.
    pub(super) fn next_number(&self) -> u64 {
        self.revisions.last().map_or(1, |revision| revision.number + 1)
    }

    /// Pods all replica sets should have together.
    pub(super) fn wanted(&self) -> usize {
        self.revisions.iter().map(|revision| revision.wanted).sum()
    }

    /// The most pods there may be in a rollout.
    pub(super) fn most(&self) -> usize {
        self.replicas + self.replicas.div_ceil(4)
    }

    /// The fewest pods that must be ready in a rollout.
    pub(super) fn least(&self) -> usize {
        self.replicas - self.replicas / 4
    }

    /// The next step, given how many pods of each replica set are ready; none when there is
    /// nothing to do now.
    pub(super) fn next(&self, ready: &[usize]) -> Option<Resize> {
        let (newest, old) = self.revisions.split_last()?;
        let (newest_ready, old_ready) = ready.split_last()?;
        let (last, all) = (old.len(), self.wanted());
        if newest.wanted > self.replicas {
            return Some(Resize { set: last, to: self.replicas });
        }
        let up = self.most().saturating_sub(all).min(self.replicas - newest.wanted);
        if up > 0 {
            return Some(Resize { set: last, to: newest.wanted + up });
        }
        // What is not ready yet of the new may still fail: it replaces nothing.
        let coming = newest.wanted.saturating_sub(*newest_ready);
        let spare = all.saturating_sub(self.least()).saturating_sub(coming);
        let sets = || old.iter().zip(old_ready).enumerate();
        let shrink =
            |set: usize, by: usize| (by > 0).then(|| Resize { set, to: old[set].wanted - by });
        // Those that serve nobody go first.
        let useless = sets().find_map(|(set, (revision, ready))| {
            shrink(set, revision.wanted.saturating_sub(*ready).min(spare))
        });
        let ready: usize = ready.iter().sum();
        let spare = spare.min(ready.saturating_sub(self.least()));
        useless.or_else(|| {
            sets().find_map(|(set, (revision, _))| shrink(set, revision.wanted.min(spare)))
        })
    }

    /// Follows the counts: of all pods, and of the newest replica set.
    pub(super) fn follow(&mut self, all: Counts, newest: Counts, now: Time) {
        let available = all.ready >= self.least();
        if available != self.availability.available {
            self.availability = Availability { available, since: now };
        }
        let complete = self.newest().is_some()
            && [newest.active, newest.ready, all.active] == [self.replicas; 3];
        let stage = match self.progress.stage {
            Stage::Available => Stage::Available,
            Stage::Created | Stage::Updated if complete => Stage::Available,
            Stage::Created if newest.ready > 0 => Stage::Updated,
            stage @ (Stage::Created | Stage::Updated) => stage,
        };
        if stage != self.progress.stage {
            self.progress = Progress { stage, since: now };
        }
        self.observed = self.generation;
    }

    /// The oldest replica set, when there are more than are kept and it has no pods.
    pub(super) fn outlived(&self) -> Option<&Revision> {
        let oldest = self.revisions.first()?;
        (self.revisions.len() > HISTORY + 1 && oldest.wanted == 0).then_some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(0);

    /// A deployment of so many replicas, whose sets should have these pods.
    fn deployment(replicas: usize, wanted: &[usize]) -> Deployment {
        let origin =
            Origin { hash: "h".to_owned(), uid: "u".to_owned(), template: Annotations::new() };
        let revision = |wanted: &usize| Revision {
            origin: Arc::new(origin.clone()),
            number: 1,
            wanted: *wanted,
            generation: 1,
            created: NOW,
        };
        let revisions = wanted.iter().map(revision).collect();
        Deployment { revisions, ..Deployment::new(replicas, NOW) }
    }

    /// Steps until nothing is left to do, with every pod ready at once.
    fn story(replicas: usize, wanted: &[usize]) -> Vec<Vec<usize>> {
        let mut deployment = deployment(replicas, wanted);
        let mut story = Vec::new();
        loop {
            let sizes: Vec<usize> = deployment.revisions.iter().map(|r| r.wanted).collect();
            let Some(resize) = deployment.next(&sizes) else { return story };
            deployment.revisions[resize.set].wanted = resize.to;
            story.push(deployment.revisions.iter().map(|r| r.wanted).collect());
        }
    }

    #[test]
    fn a_rollout_goes_one_up_and_one_down_as_recorded() {
        let want = [[3, 1], [2, 1], [2, 2], [1, 2], [1, 3], [0, 3]];
        assert_eq!(story(3, &[3, 0]), want);
    }

    #[test]
    fn a_larger_rollout_goes_in_quarters() {
        assert_eq!(story(8, &[8, 0])[..3], [[8, 2], [4, 2], [4, 6]]);
    }

    #[test]
    fn a_change_of_size_is_one_step() {
        assert_eq!(story(5, &[3]), [[5]]);
        assert_eq!(story(3, &[5]), [[3]]);
        assert_eq!(story(10, &[0]), [[10]]);
        assert!(story(3, &[3]).is_empty());
        assert_eq!(story(0, &[3]), [[0]]);
    }

    #[track_caller]
    fn check(wanted: &[usize], ready: &[usize], want: Option<(usize, usize)>) {
        let next = deployment(4, wanted).next(ready);
        assert_eq!(next.map(|resize| (resize.set, resize.to)), want);
    }

    #[test]
    fn old_pods_stay_as_long_as_the_new_ones_are_not_ready() {
        check(&[4, 1], &[4, 0], Some((0, 3)));
        check(&[3, 2], &[3, 0], None);
        check(&[3, 2], &[3, 1], Some((0, 2)));
    }

    #[test]
    fn an_old_pod_that_is_not_ready_goes_first() {
        check(&[2, 2, 1], &[2, 1, 1], Some((1, 1)));
    }

    #[test]
    fn a_rollout_is_done_when_the_old_pods_are_gone_and_stays_done() {
        let mut deployment = deployment(4, &[1, 4]);
        let count = |n| Counts { active: n, ready: n, terminating: 0 };
        let mut stage = |all, newest| {
            deployment.follow(count(all), count(newest), NOW);
            deployment.progress.stage
        };
        assert_eq!(stage(4, 0), Stage::Created);
        assert_eq!(stage(5, 2), Stage::Updated);
        assert_eq!(stage(5, 4), Stage::Updated);
        assert_eq!(stage(4, 4), Stage::Available);
        assert_eq!(stage(2, 2), Stage::Available);
    }

    #[test]
    fn a_deployment_is_available_with_a_quarter_missing_and_not_with_more() {
        let mut deployment = deployment(4, &[4]);
        let later = Time::from_millis(1000);
        let ready = |ready| Counts { ready, ..Counts::default() };
        deployment.follow(ready(3), ready(3), NOW);
        assert!(deployment.availability.available);
        deployment.follow(ready(2), ready(2), later);
        assert!(!deployment.availability.available);
        assert_eq!(deployment.availability.since, later);
    }
}
