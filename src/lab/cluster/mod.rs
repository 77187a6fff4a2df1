//! The state of the lab's cluster. All parts change it here, under one lock, and every change is
//! at once an object in the store, news for the controllers, and the gateway's endpoints.
//!
//! Here are the pods; `rollout` has what the controllers of the deployment do, `eviction` the
//! disruption budget.

mod eviction;
mod rollout;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, watch};

use self::eviction::Budget;
pub(super) use self::rollout::Change;
use super::{
    LabPlan,
    deployment::{Counts, Deployment, Origin},
    events::{Recorder, Report},
    exporter::Exposure,
    lifecycle::{Deletion, PodState},
    objects::{self, Spec},
    order::Ailment,
    proxy::Endpoint,
    store::{Kind, Store},
};
use crate::{clock::Clock, time::Time};

/// Seconds from SIGTERM to SIGKILL unless another grace is asked for.
const GRACE: u64 = 30;

/// Letters of generated names: no vowels, so that no word comes up, and none that look alike.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The cluster.
pub(super) struct Cluster {
    /// What stays.
    pub(super) spec: Spec,
    /// All objects, for the API.
    pub(super) store: Store,
    /// Wakes the controllers.
    pub(super) changed: Notify,
    /// How metrics are shown.
    pub(super) exposure: watch::Sender<Exposure>,
    /// Cuts every watch each time it changes.
    pub(super) cuts: watch::Sender<u64>,
    clock: Clock,
    state: Mutex<State>,
    endpoints: watch::Sender<Vec<Endpoint>>,
}

struct State {
    pods: BTreeMap<String, Slot>,
    deployment: Deployment,
    budget: Option<Budget>,
    rng: fastrand::Rng,
    recorder: Recorder,
    trouble: Option<String>,
}

/// A pod, and the ways to tell its kubelet that it has to go, or is to be unwell.
struct Slot {
    pod: PodState,
    orders: watch::Sender<Option<Deletion>>,
    ailment: watch::Sender<Ailment>,
}

/// A pod's orders, as its kubelet hears them.
pub(super) type Orders = watch::Receiver<Option<Deletion>>;

/// What a kubelet is given of a pod that it takes care of.
pub(super) struct Charge {
    /// The pod's name.
    pub(super) name: String,
    /// Its orders.
    pub(super) orders: Orders,
    /// What it suffers from.
    pub(super) ailment: watch::Receiver<Ailment>,
}

/// A pod with an address, as service discovery tells of it.
#[derive(Clone, Debug)]
pub(super) struct Running {
    /// Its name.
    pub(super) pod: String,
    /// Where it shows its metrics.
    pub(super) metrics: SocketAddr,
}

/// Why a pod is not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is none of that name.
    NotFound,
    /// It is not the one the caller meant.
    Precondition(String),
    /// The budget does not allow it.
    Budget {
        /// Its name.
        budget: String,
        /// How many it needs.
        desired: usize,
        /// How many there are.
        healthy: usize,
    },
}

/// What a caller wants of a deletion.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// Seconds of grace; the pod's own by default.
    pub(super) grace: Option<u64>,
    /// Only if the pod has this uid.
    pub(super) uid: Option<String>,
    /// Only if the pod has this version.
    pub(super) version: Option<String>,
    /// Only say what would happen.
    pub(super) dry_run: bool,
}

impl Cluster {
    /// A cluster with its deployment, and no pod yet.
    pub(super) fn new(plan: &LabPlan, clock: Clock) -> Self {
        let now = clock.now();
        let mut rng = fastrand::Rng::with_seed(plan.seed);
        let spec = Spec {
            namespace: plan.namespace.clone(),
            app: plan.app.clone(),
            probe_seconds: plan.probe_period.as_secs().max(1),
            deployment_uid: uid(&mut rng),
            created: now,
        };
        let store = Store::new(plan.history);
        for name in ["default", &plan.namespace] {
            if store.get(Kind::Namespace, "", name).is_none() {
                store.put(Kind::Namespace, objects::namespace(name, uid(&mut rng), now));
            }
        }
        let state = State {
            pods: BTreeMap::new(),
            deployment: Deployment::new(plan.replicas, now),
            budget: plan.budget.map(|least| Budget::new(least, uid(&mut rng), now)),
            rng,
            recorder: Recorder::default(),
            trouble: None,
        };
        let cluster = Self {
            spec,
            store,
            changed: Notify::new(),
            exposure: watch::Sender::new(Exposure::Served),
            cuts: watch::Sender::new(0),
            clock,
            state: Mutex::new(state),
            endpoints: watch::Sender::default(),
        };
        cluster.publish(&mut cluster.lock());
        cluster
    }

    /// The time.
    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Follows the pods that should get requests.
    pub(super) fn endpoints(&self) -> watch::Receiver<Vec<Endpoint>> {
        self.endpoints.subscribe()
    }

    /// The pods that have an address, ready or not.
    pub(super) fn running(&self) -> Vec<Running> {
        let state = self.lock();
        let running = state.pods.values().filter_map(|slot| {
            Some(Running { pod: slot.pod.name.clone(), metrics: address(slot.pod.metrics_port?) })
        });
        running.collect()
    }

    /// How many pods are in which state.
    pub(super) fn counts(&self) -> Counts {
        self.lock().counts(|_| true)
    }

    /// Makes some ready pods unwell that are well, and returns their names.
    pub(super) fn afflict(&self, pods: usize, change: impl Fn(&mut Ailment)) -> Vec<String> {
        let state = self.lock();
        let well = state.pods.values().filter(|slot| {
            slot.pod.takes_requests() && *slot.ailment.borrow() == Ailment::default()
        });
        let chosen = well.take(pods);
        chosen
            .map(|slot| {
                slot.ailment.send_modify(&change);
                slot.pod.name.clone()
            })
            .collect()
    }

    /// Why a pod could not be started, if that ever happened.
    pub(super) fn trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }

    /// Notes why a pod could not be started.
    pub(super) fn note_trouble(&self, trouble: String) {
        self.lock().trouble = Some(trouble);
    }

    /// Changes a pod. Does nothing when it is gone.
    pub(super) fn update(&self, name: &str, change: impl FnOnce(&mut PodState)) {
        let mut state = self.lock();
        let Some(slot) = state.pods.get_mut(name) else { return };
        change(&mut slot.pod);
        self.store.put(Kind::Pod, objects::pod(&self.spec, &slot.pod));
        self.publish(&mut state);
    }

    /// A pod as it is now.
    pub(super) fn pod(&self, name: &str) -> Option<PodState> {
        self.lock().pods.get(name).map(|slot| slot.pod.clone())
    }

    /// Removes a pod whose process is gone.
    pub(super) fn remove(&self, name: &str) {
        let mut state = self.lock();
        if state.pods.remove(name).is_some() {
            self.store.delete(Kind::Pod, &self.spec.namespace, name);
            self.publish(&mut state);
        }
    }

    /// Orders a pod to go. The kubelet does it; the object stays until the process is gone.
    pub(super) fn delete(&self, name: &str, wish: &Wish) -> Result<(), Refusal> {
        let mut state = self.lock();
        self.check(&state, name, wish)?;
        if !wish.dry_run {
            self.order(&mut state, name, wish.grace);
        }
        Ok(())
    }

    /// Whether a pod is the one that is meant.
    fn check(&self, state: &State, name: &str, wish: &Wish) -> Result<(), Refusal> {
        let slot = state.pods.get(name).ok_or(Refusal::NotFound)?;
        let stored = self.store.get(Kind::Pod, &self.spec.namespace, name);
        let version = stored.as_deref().map(|pod| pod["metadata"]["resourceVersion"].clone());
        let version = version.as_ref().and_then(|v| v.as_str()).unwrap_or_default();
        for (what, wanted, is) in
            [("UID", &wish.uid, slot.pod.uid.as_str()), ("ResourceVersion", &wish.version, version)]
        {
            if let Some(wanted) = wanted
                && wanted != is
            {
                return Err(Refusal::Precondition(format!(
                    "Precondition failed: {what} in precondition: {wanted}, \
                     {what} in object meta: {is}"
                )));
            }
        }
        Ok(())
    }

    /// Tells a pod to go, within its own grace unless another is said.
    fn order(&self, state: &mut State, name: &str, grace: Option<u64>) {
        let Some(slot) = state.pods.get_mut(name) else { return };
        let grace = grace.unwrap_or(GRACE);
        let at = self.now().plus(Duration::from_secs(grace));
        // A second order may only shorten the grace.
        if slot.pod.deletion.is_none_or(|earlier| at < earlier.at) {
            let deletion = Deletion { grace, at };
            slot.pod.deletion = Some(deletion);
            self.store.put(Kind::Pod, objects::pod(&self.spec, &slot.pod));
            slot.orders.send_replace(Some(deletion));
            self.publish(state);
        }
    }

    /// A uid that no object has.
    pub(super) fn fresh_uid(&self) -> String {
        uid(&mut self.lock().rng)
    }

    /// Writes an event.
    pub(super) fn report(&self, report: Report) {
        let now = self.now();
        let mut state = self.lock();
        let uid = uid(&mut state.rng);
        state.recorder.record(&self.spec, &self.store, uid, now, report);
    }

    /// Tells everybody who follows the pods that something about them is new.
    fn publish(&self, state: &mut State) {
        self.show_budget(state);
        let ready = state.pods.values().filter(|slot| slot.pod.takes_requests());
        let endpoints: Vec<Endpoint> = ready
            .filter_map(|slot| {
                Some(Endpoint { pod: slot.pod.name.clone(), address: address(slot.pod.port?) })
            })
            .collect();
        self.endpoints.send_if_modified(|known| {
            let is_news = *known != endpoints;
            *known = endpoints;
            is_news
        });
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts the pods of the replica sets that are meant.
    fn counts(&self, meant: impl Fn(&Origin) -> bool) -> Counts {
        let mut counts = Counts::default();
        for Slot { pod, .. } in self.pods.values().filter(|slot| meant(&slot.pod.origin)) {
            if pod.deletion.is_some() {
                counts.terminating += 1;
            } else {
                counts.active += 1;
                counts.ready += usize::from(pod.ready.0);
            }
        }
        counts
    }

    /// The pods of a replica set that have not been told to go.
    fn active(&self, origin: &Origin) -> impl Iterator<Item = &PodState> {
        let pods = self.pods.values().map(|slot| &slot.pod);
        pods.filter(move |pod| pod.deletion.is_none() && *pod.origin == *origin)
    }
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn word(rng: &mut fastrand::Rng, letters: usize) -> String {
    (0..letters).map(|_| char::from(LETTERS[rng.usize(..LETTERS.len())])).collect()
}

/// A random uid (version 4).
fn uid(rng: &mut fastrand::Rng) -> String {
    let (high, low) = (rng.u64(..), rng.u64(..));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | ((low >> 48) & 0x3fff),
        low & 0xffff_ffff_ffff,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Cluster {
        let plan = LabPlan::new("homeostat".into(), "dir".into());
        let clock = Clock::starting_at(Time::from_millis(1_795_450_905_000));
        Cluster::new(&plan, clock)
    }

    fn ready_pod(cluster: &Cluster) -> (String, Orders) {
        let Charge { name, orders, .. } = cluster.one_pod();
        cluster.update(&name, |pod| {
            pod.port = Some(4000);
            pod.set_ready(true, pod.created);
        });
        (name, orders)
    }

    #[test]
    fn names_look_like_those_of_kubernetes() {
        let name = cluster().one_pod().name;
        let parts: Vec<&str> = name.split('-').collect();
        assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("api", 9, 5), "{name}");
        let uid = uid(&mut fastrand::Rng::with_seed(1));
        assert_eq!(uid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{uid}");
        assert_eq!(uid.as_bytes()[14], b'4');
    }

    #[test]
    fn a_pod_told_to_go_gets_no_requests_though_it_is_ready() {
        let cluster = cluster();
        let (name, orders) = ready_pod(&cluster);
        assert_eq!(cluster.endpoints().borrow().len(), 1);
        cluster.delete(&name, &Wish::default()).unwrap();
        assert_eq!(cluster.endpoints().borrow().len(), 0);
        assert_eq!(cluster.counts(), Counts { active: 0, ready: 0, terminating: 1 });
        assert_eq!(orders.borrow().unwrap().grace, 30);
        assert!(cluster.store.get(Kind::Pod, "shop", &name).is_some(), "its process still runs");
    }

    #[test]
    fn a_second_order_may_shorten_the_grace_and_never_lengthen_it() {
        let cluster = cluster();
        let (name, orders) = ready_pod(&cluster);
        for (wish, want) in [(10, 10), (20, 10), (0, 0), (5, 0)] {
            cluster.delete(&name, &Wish { grace: Some(wish), ..Wish::default() }).unwrap();
            assert_eq!(orders.borrow().unwrap().grace, want, "after an order of {wish} s");
        }
    }

    #[test]
    fn a_deletion_meant_for_another_pod_is_refused() {
        let cluster = cluster();
        let (name, orders) = ready_pod(&cluster);
        let wish = Wish { uid: Some("another".to_owned()), ..Wish::default() };
        assert!(matches!(cluster.delete(&name, &wish), Err(Refusal::Precondition(_))));
        let uid = cluster.pod(&name).map(|pod| pod.uid);
        assert!(orders.borrow().is_none());
        cluster.delete(&name, &Wish { uid, ..Wish::default() }).unwrap();
        assert_eq!(cluster.delete("none", &wish), Err(Refusal::NotFound));
    }

    #[test]
    fn a_dry_run_deletes_nothing() {
        let cluster = cluster();
        let (name, orders) = ready_pod(&cluster);
        cluster.delete(&name, &Wish { dry_run: true, ..Wish::default() }).unwrap();
        assert!(orders.borrow().is_none());
    }
}
