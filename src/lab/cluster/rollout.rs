//! What the controllers of the deployment and of its replica sets do to the cluster.
//!
//! Each method is one look of one controller: it acts on what is there now, says in events what
//! it did, and leaves the rest to the next look.

use std::{cmp::Reverse, sync::Arc};

use tokio::sync::watch;

use super::{Charge, Cluster, Refusal, Slot, State, uid, word};
use crate::lab::{
    deployment::{Counts, Origin, Progress, Resize, Revision, Stage},
    events::{About, Report, Reporter},
    lifecycle::PodState,
    objects,
    order::Ailment,
    store::Kind,
};

/// A change of the deployment that somebody asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::lab) struct Change {
    /// Another number of pods.
    pub(in crate::lab) replicas: Option<usize>,
    /// Annotations of the template to set, or to remove.
    pub(in crate::lab) template: Vec<(String, Option<String>)>,
    /// Only if the deployment has this version.
    pub(in crate::lab) version: Option<String>,
    /// Only say whether it could be done.
    pub(in crate::lab) dry_run: bool,
}

impl Cluster {
    /// Changes what the deployment asks for.
    pub(in crate::lab) fn change(&self, change: &Change) -> Result<(), Refusal> {
        let mut state = self.lock();
        if let Some(version) = &change.version {
            let stored = self.store.get(Kind::Deployment, &self.spec.namespace, &self.spec.app);
            if stored.is_none_or(|stored| stored["metadata"]["resourceVersion"] != *version) {
                let why = "the object has been modified; please apply your changes to the latest \
                           version and try again";
                return Err(Refusal::Precondition(why.to_owned()));
            }
        }
        let wish = &mut state.deployment;
        let replicas = change.replicas.unwrap_or(wish.replicas);
        let mut template = wish.template.clone();
        for (name, value) in &change.template {
            match value {
                Some(value) => template.insert(name.clone(), value.clone()),
                None => template.remove(name),
            };
        }
        let is_news = replicas != wish.replicas || template != wish.template;
        if is_news && !change.dry_run {
            wish.generation += 1;
            (wish.replicas, wish.template) = (replicas, template);
            self.show_deployment(&state);
            self.publish(&mut state);
        }
        Ok(())
    }

    /// Sets an annotation of the template, which makes it a new one.
    pub(in crate::lab) fn annotate_template(&self, name: &str, value: &str) {
        let template = vec![(name.to_owned(), Some(value.to_owned()))];
        let change = Change { template, ..Change::default() };
        self.change(&change).expect("no version is asked for");
    }

    /// Asks for another number of pods.
    pub(in crate::lab) fn scale(&self, replicas: usize) {
        let change = Change { replicas: Some(replicas), ..Change::default() };
        self.change(&change).expect("no version is asked for");
    }

    /// Pods the deployment asks for.
    pub(in crate::lab) fn replicas(&self) -> usize {
        self.lock().deployment.replicas
    }

    /// The deployment's controller: a replica set for a new template, else the next change of
    /// the size of one. False when there was nothing to do.
    pub(in crate::lab) fn roll(&self) -> bool {
        let mut state = self.lock();
        if state.deployment.newest().is_none() {
            self.take_up(&mut state);
        }
        let sets = state.deployment.revisions.iter();
        let ready: Vec<usize> = sets.map(|set| self.counts_of(&state, &set.origin).ready).collect();
        let Some(resize) = state.deployment.next(&ready) else { return false };
        self.resize(&mut state, resize);
        true
    }

    /// The replica sets' controller: makes the pods that are missing and tells those to go that
    /// are too many. Returns the new ones, for the kubelet to take care of.
    pub(in crate::lab) fn staff(&self) -> Vec<Charge> {
        let mut state = self.lock();
        let mut made = Vec::new();
        for revision in state.deployment.revisions.clone() {
            let active = state.active(&revision.origin).count();
            for _ in active..revision.wanted {
                made.push(self.make(&mut state, &revision.origin));
            }
            for name in surplus(&state, &revision, active.saturating_sub(revision.wanted)) {
                self.order(&mut state, &name, None);
                self.tell(&mut state, deleted(self, &revision.origin, &name));
            }
        }
        made
    }

    /// Shows what the replica sets and the deployment have come to.
    pub(in crate::lab) fn show(&self) {
        let now = self.now();
        let mut state = self.lock();
        let all = state.counts(|_| true);
        let newest = self.newest_counts(&state);
        state.deployment.follow(all, newest, now);
        for revision in &state.deployment.revisions {
            let counts = self.counts_of(&state, &revision.origin);
            let set = objects::replica_set(&self.spec, &state.deployment, revision, counts);
            self.store.put_news(Kind::ReplicaSet, set);
        }
        self.show_deployment(&state);
        if let Some(old) = state.deployment.outlived() {
            self.store.delete(
                Kind::ReplicaSet,
                &self.spec.namespace,
                &self.spec.set_name(&old.origin),
            );
            state.deployment.revisions.remove(0);
        }
    }

    /// Writes that a pod was made, once its object is there.
    pub(in crate::lab) fn tell_made(&self, name: &str) {
        let mut state = self.lock();
        let Some(slot) = state.pods.get(name) else { return };
        let origin = Arc::clone(&slot.pod.origin);
        self.tell(&mut state, created(self, &origin, name));
    }

    /// A replica set for the template asked for: the one that had it before, or a new one.
    fn take_up(&self, state: &mut State) {
        let (number, now) = (state.deployment.next_number(), self.now());
        let template = state.deployment.template.clone();
        let known = |revision: &Revision| revision.origin.template == template;
        let revisions = &mut state.deployment.revisions;
        let revision = match revisions.iter().position(known) {
            Some(place) => Revision { number, ..revisions.remove(place) },
            None => {
                let (hash, uid) = (word(&mut state.rng, 9), uid(&mut state.rng));
                let origin = Arc::new(Origin { hash, uid, template });
                Revision { origin, number, wanted: 0, generation: 0, created: now }
            }
        };
        state.deployment.revisions.push(revision);
        state.deployment.progress = Progress { stage: Stage::Created, since: now };
    }

    fn resize(&self, state: &mut State, Resize { set, to }: Resize) {
        let Some(revision) = state.deployment.revisions.get_mut(set) else { return };
        let from = std::mem::replace(&mut revision.wanted, to);
        revision.generation += 1;
        let revision = revision.clone();
        let counts = self.counts_of(state, &revision.origin);
        let object = objects::replica_set(&self.spec, &state.deployment, &revision, counts);
        self.store.put_news(Kind::ReplicaSet, object);
        self.show_deployment(state);
        let up = if to > from { "up" } else { "down" };
        let name = self.spec.set_name(&revision.origin);
        let report = Report {
            by: Reporter::DeploymentController,
            about: About::deployment(&self.spec),
            warning: false,
            reason: "ScalingReplicaSet",
            message: format!("Scaled {up} replica set {name} from {from} to {to}"),
        };
        self.tell(state, report);
    }

    fn make(&self, state: &mut State, origin: &Arc<Origin>) -> Charge {
        let name = loop {
            let name = format!("{}-{}", self.spec.set_name(origin), word(&mut state.rng, 5));
            if !state.pods.contains_key(&name) {
                break name;
            }
        };
        let uid = uid(&mut state.rng);
        let pod = PodState::new(name.clone(), uid, Arc::clone(origin), self.now());
        self.store.put(Kind::Pod, objects::pod(&self.spec, &pod));
        let (orders, hears) = watch::channel(None);
        let (ailment, suffers) = watch::channel(Ailment::default());
        state.pods.insert(name.clone(), Slot { pod, orders, ailment });
        self.publish(state);
        Charge { name, orders: hears, ailment: suffers }
    }

    fn show_deployment(&self, state: &State) {
        let (all, newest) = (state.counts(|_| true), self.newest_counts(state));
        let object = objects::deployment(&self.spec, &state.deployment, all, newest);
        self.store.put_news(Kind::Deployment, object);
    }

    fn newest_counts(&self, state: &State) -> Counts {
        let newest = state.deployment.newest();
        newest.map_or_else(Counts::default, |newest| self.counts_of(state, &newest.origin))
    }

    fn counts_of(&self, state: &State, origin: &Origin) -> Counts {
        state.counts(|other| other == origin)
    }

    fn tell(&self, state: &mut State, report: Report) {
        let uid = uid(&mut state.rng);
        state.recorder.record(&self.spec, &self.store, uid, self.now(), report);
    }

    /// A pod of the first replica set, whatever its size.
    #[cfg(test)]
    pub(in crate::lab) fn one_pod(&self) -> Charge {
        let mut state = self.lock();
        if state.deployment.newest().is_none() {
            self.take_up(&mut state);
        }
        let origin = Arc::clone(&state.deployment.revisions[0].origin);
        self.make(&mut state, &origin)
    }
}

/// The pods that go first: those that are not ready, and the youngest.
fn surplus(state: &State, revision: &Revision, count: usize) -> Vec<String> {
    let mut pods: Vec<&PodState> = state.active(&revision.origin).collect();
    pods.sort_by_key(|pod| (pod.ready.0, Reverse(pod.created), pod.name.clone()));
    pods.into_iter().take(count).map(|pod| pod.name.clone()).collect()
}

fn created(cluster: &Cluster, origin: &Origin, pod: &str) -> Report {
    let (reason, message) = ("SuccessfulCreate", format!("Created pod: {pod}"));
    let (by, about) = (Reporter::ReplicaSetController, About::replica_set(&cluster.spec, origin));
    Report { by, about, warning: false, reason, message }
}

fn deleted(cluster: &Cluster, origin: &Origin, pod: &str) -> Report {
    let (reason, message) = ("SuccessfulDelete", format!("Deleted pod: {pod}"));
    Report { reason, message, ..created(cluster, origin, pod) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Clock, lab::LabPlan, time::Time};

    fn cluster(replicas: usize) -> Cluster {
        let plan = LabPlan { replicas, ..LabPlan::new("homeostat".into(), "dir".into()) };
        Cluster::new(&plan, Clock::starting_at(Time::from_millis(1_795_450_905_000)))
    }

    /// Looks again and again, with every pod ready and every deletion done at once.
    fn settle(cluster: &Cluster) {
        let mut most = 0;
        loop {
            let rolled = cluster.roll();
            for charge in cluster.staff() {
                let now = cluster.now();
                cluster.update(&charge.name, |pod| pod.set_ready(true, now));
            }
            most = most.max(cluster.counts().active);
            let (replicas, ready) = (cluster.replicas(), cluster.counts().ready);
            assert!(ready >= replicas - replicas / 4 || !rolled, "{ready} of {replicas}");
            assert!(most <= replicas + replicas.div_ceil(4) || !rolled, "{most} of {replicas}");
            cluster.show();
            let gone: Vec<String> = {
                let state = cluster.lock();
                let going = state.pods.values().filter(|slot| slot.pod.deletion.is_some());
                going.map(|slot| slot.pod.name.clone()).collect()
            };
            gone.iter().for_each(|name| cluster.remove(name));
            if !rolled && gone.is_empty() {
                cluster.show();
                return;
            }
        }
    }

    fn restart(cluster: &Cluster, at: &str) {
        cluster.annotate_template("restartedAt", at);
    }

    fn sets(cluster: &Cluster) -> Vec<(u64, usize)> {
        let sets = &cluster.lock().deployment.revisions;
        sets.iter().map(|set| (set.number, set.wanted)).collect()
    }

    #[test]
    fn a_new_template_gets_a_replica_set_and_an_old_one_its_own_again() {
        let cluster = cluster(4);
        settle(&cluster);
        restart(&cluster, "now");
        settle(&cluster);
        assert_eq!(sets(&cluster), [(1, 0), (2, 4)]);
        let template = vec![("restartedAt".to_owned(), None)];
        cluster.change(&Change { template, ..Change::default() }).unwrap();
        settle(&cluster);
        assert_eq!(sets(&cluster), [(2, 0), (3, 4)]);
        assert_eq!(cluster.store.list(Kind::ReplicaSet).1.len(), 2);
    }

    #[test]
    fn old_replica_sets_are_forgotten_after_ten() {
        let cluster = cluster(1);
        for turn in 0..14 {
            restart(&cluster, &turn.to_string());
            settle(&cluster);
        }
        assert_eq!(cluster.store.list(Kind::ReplicaSet).1.len(), 11);
    }

    #[test]
    fn the_youngest_pods_go_first_and_those_that_are_not_ready_before_them() {
        let cluster = cluster(3);
        cluster.roll();
        let names: Vec<String> = cluster.staff().into_iter().map(|charge| charge.name).collect();
        let born = cluster.now();
        for (age, name) in names.iter().enumerate() {
            let ready = age != 0;
            cluster.update(name, |pod| {
                pod.created = born.plus(std::time::Duration::from_secs(age as u64));
                pod.set_ready(ready, born);
            });
        }
        cluster.scale(1);
        cluster.roll();
        cluster.staff();
        let stays = |name: &String| cluster.pod(name).is_some_and(|pod| pod.deletion.is_none());
        assert_eq!(names.iter().map(stays).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn a_change_to_what_is_asked_for_already_is_none() {
        let cluster = cluster(3);
        settle(&cluster);
        let version = cluster.store.version();
        cluster.scale(3);
        let dry = Change { replicas: Some(5), dry_run: true, ..Change::default() };
        cluster.change(&dry).unwrap();
        settle(&cluster);
        assert_eq!(cluster.store.version(), version);
    }

    #[test]
    fn a_change_of_another_version_is_refused() {
        let cluster = cluster(3);
        settle(&cluster);
        let change = |version: &str| {
            let (replicas, version) = (Some(5), Some(version.to_owned()));
            cluster.change(&Change { replicas, version, ..Change::default() })
        };
        assert!(matches!(change("1"), Err(Refusal::Precondition(_))));
        let stored = cluster.store.get(Kind::Deployment, "shop", "api").unwrap();
        change(stored["metadata"]["resourceVersion"].as_str().unwrap()).unwrap();
        assert_eq!(cluster.replicas(), 5);
    }
}
