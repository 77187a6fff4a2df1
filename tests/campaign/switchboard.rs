//! What is broken now: the plan puts faults in, the proxy asks before everything it does.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use homeostat::internals::{clock::Clock, time::Time};

use super::{
    http::Answer,
    later::{Forbidden, SlowWrite},
    plan::{ApiFault, DeleteFault, DiscoveryFault, Fault, PageFault, Whose},
    series::{SeriesFault, Stamps},
};

/// The faults of one run, each with its time, and what the proxy notes meanwhile.
pub(super) struct Switchboard {
    /// Whether a series of errors is there until a fault takes it away.
    pub(super) has_gone: bool,
    clock: Clock,
    broken: Mutex<Vec<Broken>>,
    asked: Mutex<Vec<Scrape>>,
    kept: Mutex<HashMap<SocketAddr, Answer>>,
}

struct Broken {
    fault: Fault,
    from: Time,
    to: Time,
}

/// What is broken, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since<T> {
    pub(super) what: T,
    pub(super) from: Time,
}

/// Somebody asked for the page of the gateway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scrape {
    /// When the request came.
    pub(super) at: Time,
    /// How many requests the page counts, when a whole and readable page was answered.
    pub(super) total: Option<f64>,
    /// How many errors it counts, then.
    pub(super) errors: f64,
}

impl Switchboard {
    pub(super) fn new(clock: Clock, has_gone: bool) -> Self {
        let (broken, asked, kept) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { has_gone, clock, broken, asked, kept }
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Breaks something, from now on.
    pub(super) fn put(&self, fault: Fault, lasts: Duration) {
        let from = self.now();
        lock(&self.broken).push(Broken { fault, from, to: from.plus(lasts) });
    }

    /// The first fault that is on now and of which `such` says something.
    fn on<T>(&self, such: impl Fn(Fault) -> Option<T>) -> Option<T> {
        self.on_since(such).map(|on| on.what)
    }

    fn on_since<T>(&self, such: impl Fn(Fault) -> Option<T>) -> Option<Since<T>> {
        let now = self.now();
        let broken = lock(&self.broken);
        let mut on = broken.iter().filter(|one| one.from <= now && now < one.to);
        on.find_map(|one| Some(Since { what: such(one.fault)?, from: one.from }))
    }

    pub(super) fn page(&self, whose: Whose) -> Option<PageFault> {
        self.on(|fault| {
            let Fault::Page(of, how) = fault else { return None };
            (of == whose).then_some(how)
        })
    }

    pub(super) fn discovery(&self) -> Option<DiscoveryFault> {
        self.on(|fault| if let Fault::Discovery(how) = fault { Some(how) } else { None })
    }

    pub(super) fn api(&self) -> Option<ApiFault> {
        self.on(|fault| if let Fault::Api(how) = fault { Some(how) } else { None })
    }

    pub(super) fn delete(&self) -> Option<DeleteFault> {
        self.on(|fault| if let Fault::Delete(how) = fault { Some(how) } else { None })
    }

    pub(super) fn series(&self) -> Option<SeriesFault> {
        self.on(|fault| if let Fault::Series(how) = fault { Some(how) } else { None })
    }

    pub(super) fn stamps(&self) -> Option<Since<Stamps>> {
        self.on_since(|fault| if let Fault::Stamps(how) = fault { Some(how) } else { None })
    }

    pub(super) fn forbidden(&self) -> Option<Forbidden> {
        self.on(|fault| if let Fault::Forbidden(what) = fault { Some(what) } else { None })
    }

    /// Since when nobody may watch pods, if it is so.
    pub(super) fn blind(&self) -> Option<Time> {
        let is_pods = |fault| {
            matches!(fault, Fault::Forbidden(Forbidden::Pods | Forbidden::PodsWatch)).then_some(())
        };
        self.on_since(is_pods).map(|since| since.from)
    }

    pub(super) fn writes(&self) -> Option<SlowWrite> {
        self.on(|fault| if let Fault::Writes(how) = fault { Some(how) } else { None })
    }

    /// Notes that the page of the gateway was asked for.
    pub(super) fn note(&self, scrape: Scrape) {
        lock(&self.asked).push(scrape);
    }

    /// Every time that the page of the gateway was asked for.
    pub(super) fn scrapes(&self) -> Vec<Scrape> {
        let mut scrapes = lock(&self.asked).clone();
        scrapes.sort_by_key(|scrape| scrape.at);
        scrapes
    }

    /// The page that is kept of a target: this one, when there is none yet.
    pub(super) fn keep(&self, target: SocketAddr, page: Answer) -> Answer {
        lock(&self.kept).entry(target).or_insert(page).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
