//! Pods, events and hypotheses for the tests of this module.

use std::collections::BTreeMap;

use super::notation::{at, secs};
use crate::{
    frame::{Blind, EventRow, Finished, Observed, PodRow, ReadySpan, Watched},
    hypothesis::{
        Hypothesis,
        model::{
            Absent, Evidence, Fault, Indicator, IndicatorKind, Mechanism, MetricsSource,
            MinTraffic, PhasePlan, ScrapeSource, Sources,
        },
        selector::LabelSelector,
    },
    number::Unit,
    sample::Labels,
    window::{Phases, Window},
};

/// A pod of `app=api` and the replica set `rs`, there since 0 s.
pub(crate) fn pod(name: &str) -> PodRow {
    PodRow {
        uid: format!("uid-{name}"),
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        labels: Labels::new([("app".to_owned(), "api".to_owned())]),
        owner_kind: Some("ReplicaSet".to_owned()),
        owner_name: Some("rs".to_owned()),
        owner_uid: Some("uid-rs".to_owned()),
        node: None,
        created_at: at(0),
        scheduled_at: None,
        ready: Vec::new(),
        deletion_asked_at: None,
        gone_at: None,
        restarts: 0,
        restarted_at: Vec::new(),
        disruption: None,
        first_seen_at: at(0),
        finished: None,
    }
}

impl PodRow {
    /// Created, and seen, at a time.
    pub(crate) fn created(self, seconds: i64) -> Self {
        Self { created_at: at(seconds), first_seen_at: at(seconds), ..self }
    }

    /// Ready from a time on.
    pub(crate) fn ready(mut self, from: i64) -> Self {
        self.ready.push(ReadySpan { from: at(from), to: None });
        self
    }

    /// No longer ready at a time.
    pub(crate) fn unready(mut self, to: i64) -> Self {
        self.ready.last_mut().expect("was ready").to = Some(at(to));
        self
    }

    /// Its deletion asked for at a time, and gone a second later.
    pub(crate) fn deleted(self, seconds: i64) -> Self {
        Self { deletion_asked_at: Some(at(seconds)), gone_at: Some(at(seconds + 1)), ..self }
    }

    /// All its containers ended at a time, and the object stayed.
    pub(crate) fn finished(self, seconds: i64, failed: bool) -> Self {
        Self { finished: Some(Finished { at: at(seconds), failed }), ..self }
    }

    /// A container of it ended in place.
    pub(crate) fn restarted(mut self, seconds: i64) -> Self {
        self.restarted_at.push(at(seconds));
        self.restarts += 1;
        self
    }

    /// Of another application.
    pub(crate) fn app(self, app: &str) -> Self {
        Self { labels: Labels::new([("app".to_owned(), app.to_owned())]), ..self }
    }

    /// Of another controller.
    pub(crate) fn owned_by(self, owner: &str) -> Self {
        Self { owner_uid: Some(owner.to_owned()), ..self }
    }
}

/// Pods that were watched; before is 0–60 s, during 60–90 s, after 90–150 s, the fault at 60 s.
pub(crate) fn watched(pods: Vec<PodRow>) -> Observed {
    Observed {
        pods,
        pods_watched: true,
        injected_at: Some(at(60)),
        phases: phases(),
        ..Observed::default()
    }
}

/// The phases of [`watched`].
pub(crate) fn phases() -> Phases {
    Phases {
        before: Some(Window::new(at(0), at(60))),
        during: Some(Window::new(at(60), at(90))),
        after: Some(Window::new(at(90), at(150))),
    }
}

/// A stretch in which pods were not seen.
pub(crate) fn blind(from: i64, to: i64) -> Blind {
    blind_to(Watched::Pods, from, to)
}

/// A stretch in which one of the two was not seen.
pub(crate) fn blind_to(watch: Watched, from: i64, to: i64) -> Blind {
    Blind { watch, window: Window::new(at(from), at(to)) }
}

/// The pods of `app=api`.
pub(crate) fn api() -> LabelSelector {
    LabelSelector::parse("app=api").expect("a label selector")
}

/// An event about a pod.
pub(crate) fn event(reason: &str, seconds: i64, added: i64) -> EventRow {
    EventRow {
        uid: format!("{reason}-{seconds}"),
        at: at(seconds),
        severity: "Normal".to_owned(),
        reason: reason.to_owned(),
        namespace: "shop".to_owned(),
        object_kind: "Pod".to_owned(),
        object_name: "a".to_owned(),
        object_uid: "uid-a".to_owned(),
        component: "kubelet".to_owned(),
        message: String::new(),
        count: added,
        added,
    }
}

/// A hypothesis of these indicators and nothing else: scraped every second, a point every 5 s.
pub(crate) fn hypothesis(indicators: Vec<IndicatorKind>) -> Hypothesis {
    let indicators = indicators.into_iter().zip(0..).map(|(kind, n)| Indicator {
        name: format!("i{n}"),
        unit: Unit::None,
        kind,
        traffic: MinTraffic::Any,
        absent: Absent::Unknown,
        alive: None,
    });
    Hypothesis {
        name: "h".to_owned(),
        claim: String::new(),
        because: Vec::<Mechanism>::new(),
        labels: BTreeMap::new(),
        cadence: None,
        phases: PhasePlan {
            before: secs(60),
            during: secs(30),
            during_at_most: secs(60),
            after: secs(60),
            step: secs(5),
        },
        sources: Sources {
            metrics: Some(MetricsSource::Scrape(ScrapeSource {
                targets: Vec::new(),
                http_sd: Vec::new(),
                interval: secs(1),
                timeout: secs(1),
                size_limit: 1 << 20,
                file_sd: Vec::new(),
                pods: Vec::new(),
                labels: BTreeMap::new(),
                filters: Vec::new(),
                honor_labels: false,
                ca_file: None,
                bearer_token_file: None,
                sample_limit: 100_000,
            })),
            kubernetes: None,
        },
        fault: Fault::None,
        evidence: Vec::<Evidence>::new(),
        indicators: indicators.collect(),
        checks: Vec::new(),
        guard: Vec::new(),
        text_fingerprint: String::new(),
        comparable_fingerprint: String::new(),
    }
}
