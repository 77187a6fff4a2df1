//! A Prometheus-compatible server as a source: what it scraped is asked for as samples, and
//! expressions are evaluated by it.
//!
//! Samples and not rates: only they say what a rate does not count, when something was seen, and
//! where a series ended ([`queries`](crate::hypothesis::queries)). So all that comes after this room
//! takes them for samples of our own.

mod answer;
mod client;
mod cost;
mod ends;
mod error;
mod pods;
mod slices;
mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::{sync::mpsc, time::Instant};

pub(crate) use error::QueryError;

use super::{
    error::CollectError,
    outlet::{Outlet, SourceContext},
    seen::{Pass, Seen},
};
use crate::{
    clock::Clock,
    frame::{BlindSpan, QueryNote, SourceNote},
    hypothesis::{
        Hypothesis,
        model::PrometheusSource,
        queries::{PodQueries, Queries},
    },
    number::length,
    sample::{Series, SeriesSet},
    time::{Time, millis},
    window::Window,
};
use client::{Client, Question};
use state::{Asking, Failed, State};

/// How long a server may take to answer for the first time.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// How long the past of a server may take.
const PAST: Duration = Duration::from_mins(15);
/// How long it may take to ask for a run again.
const AGAIN: Duration = Duration::from_mins(1);
/// How long what is new may take: the guard waits for it.
const LIVE: Duration = Duration::from_secs(10);
/// How often what is new is asked for.
const EVERY: Duration = Duration::from_secs(1);
/// A server that took a while is left alone for so many times that while.
const BUSY: u32 = 4;
/// Clocks that are closer than this are the same: samples are rarely closer together.
const SAME_CLOCK: Duration = Duration::from_millis(500);

/// A server that answers.
#[derive(Debug)]
pub(super) struct Server {
    client: Client,
    /// How far its clock is ahead of ours, milliseconds; 0 where nobody can tell them apart.
    ahead: i64,
}

impl Server {
    /// Asks a server for the first time.
    pub(super) async fn connect(
        source: &PrometheusSource,
        clock: &Clock,
    ) -> Result<Self, CollectError> {
        let client = Client::new(source)?;
        let before = clock.now();
        let asked = client.ask(&Question::Now, Instant::now() + FIRST_ANSWER).await;
        let after = clock.now();
        let refused = |source| CollectError::Server { server: client.server(), source };
        let answered = asked.map_err(refused)?;
        let theirs = answered.answer.series.first().and_then(|one| one.values.first());
        let theirs = theirs.map(|seconds| Time::from_millis((seconds * 1000.0) as i64));
        let ahead = theirs.map_or(0, |theirs| apart(theirs, before, after));
        Ok(Self { client, ahead })
    }

    /// What is asked, for the recording.
    fn note(&self) -> SourceNote {
        let detail = match self.ahead {
            0 => String::new(),
            ahead => format!(
                "its clock is {} {}; its times are laid onto ours",
                length(Duration::from_millis(ahead.unsigned_abs())),
                if ahead > 0 { "ahead" } else { "behind" }
            ),
        };
        SourceNote::new("prometheus", self.client.server(), detail)
    }
}

/// How far a clock is ahead of ours, that said `theirs` between two times of ours; 0 when it may be
/// the same.
fn apart(theirs: Time, before: Time, after: Time) -> i64 {
    let least = theirs.as_millis() - after.as_millis();
    let most = theirs.as_millis() - before.as_millis();
    let same = millis(SAME_CLOCK);
    if least <= same && most >= -same { 0 } else { i64::midpoint(least, most) }
}

/// What a server is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Selectors and expressions.
    pub(crate) queries: Queries,
    /// The distance of the grid's points.
    pub(crate) step: Duration,
    /// How far points look back.
    pub(crate) look_back: Duration,
}

impl Asked {
    /// Of a hypothesis.
    pub(crate) fn of(hypothesis: &Hypothesis, look_back: Duration) -> Self {
        Self { queries: Queries::of(hypothesis), step: hypothesis.phases.step, look_back }
    }
}

impl Server {
    /// Follows a server until the end: what is new is asked for about once a second, and less often
    /// when that takes long.
    pub(super) fn follow(&self, asked: &Asked, context: &SourceContext) -> SourceNote {
        let start = context.clock.now().minus(asked.look_back);
        let mut state = self.state(asked, start, Pass::First, context.outlet.clone());
        let context = context.clone();
        context.tasks.clone().spawn(async move {
            loop {
                let began = Instant::now();
                let advanced = state.advance(context.clock.now(), began + LIVE);
                let failed = tokio::select! {
                    () = context.outlet.stopped() => return,
                    failed = advanced => failed,
                };
                told(&mut state, failed, &context.outlet).await;
                let pause = (began.elapsed() * BUSY).max(EVERY);
                if !context.outlet.pause(pause).await {
                    return;
                }
            }
        });
        self.note()
    }

    /// Asks for a whole run again. What cannot be had now was perhaps seen before.
    pub(super) async fn again(&self, asked: &Asked, window: Window, outlet: &Outlet) {
        let start = window.start.minus(asked.look_back);
        let mut state = self.state(asked, start, Pass::Again, outlet.clone());
        let deadline = Instant::now() + AGAIN;
        let mut failed = state.all_until(window.end, deadline).await;
        failed.extend(state.look_besides(window.end, deadline).await);
        told(&mut state, failed, outlet).await;
    }

    fn state(&self, asked: &Asked, start: Time, pass: Pass, outlet: Outlet) -> State {
        State::new(self.asking(pass, outlet), &asked.queries, asked.step, start)
    }

    fn asking(&self, pass: Pass, outlet: Outlet) -> Asking {
        Asking { client: self.client.clone(), ahead: self.ahead, pass, outlet }
    }
}

async fn told(state: &mut State, failed: Vec<Failed>, outlet: &Outlet) {
    for Failed { query, why } in failed {
        outlet.send(Seen::QueryFailed { query, why }).await;
    }
    outlet
        .send(Seen::Queries { costs: state.notes(), said: state.take_said(), pass: state.pass() })
        .await;
}

/// Asks a server for all that a hypothesis needs of the past, and hands it on, each series in order
/// of time.
///
/// Times are those of the server. It is an error when anything of it cannot be had: what is missing
/// of the past can be asked for again.
pub(crate) async fn past(
    source: &PrometheusSource,
    asked: &Asked,
    window: Window,
    seen: mpsc::Sender<Seen>,
) -> Result<Vec<SourceNote>, CollectError> {
    let server = Server { client: Client::new(source)?, ahead: 0 };
    let start = window.start.minus(asked.look_back);
    let outlet = Outlet::new(seen);
    let deadline = Instant::now() + PAST;
    let mut state = server.state(asked, start, Pass::First, outlet.clone());
    let mut failed = state.all_until(window.end, deadline).await;
    failed.extend(state.look_besides(window.end, deadline).await);
    let mut notes = vec![server.note()];
    let (mut costs, mut said) = (state.notes(), state.take_said());
    if let Some(pods) = &asked.queries.pods {
        let asking = server.asking(Pass::First, outlet.clone());
        let found = past_pods(asking, pods, window, start, deadline).await;
        failed.extend(found.failed);
        costs.extend(found.costs);
        said.extend(found.said);
        let detail = format!("namespace {}", pods.namespace);
        notes.push(SourceNote::new("kube-state-metrics", server.client.server(), detail));
    }
    if let Some(Failed { query, why }) = failed.into_iter().next() {
        let server = server.client.server();
        return Err(CollectError::Query { server, query, source: why });
    }
    outlet.send(Seen::Queries { costs, said, pass: Pass::First }).await;
    Ok(notes)
}

/// What was found of the pods of the past.
#[derive(Default)]
struct FoundPods {
    failed: Vec<Failed>,
    costs: Vec<QueryNote>,
    said: Vec<String>,
}

/// Asks for what kube-state-metrics showed of pods, and hands it on as samples and as pods.
async fn past_pods(
    asking: Asking,
    asked: &PodQueries,
    window: Window,
    start: Time,
    deadline: Instant,
) -> FoundPods {
    let outlet = asking.outlet.clone();
    let (sender, mut arriving) = mpsc::channel(16);
    let queries = Queries { samples: pods::selectors(asked), ..Queries::default() };
    let within = Asking { outlet: Outlet::new(sender), ..asking };
    let mut state = State::new(within, &queries, Duration::from_secs(1), start);
    let mut seen = SeriesSet::default();
    let asking = async {
        let failed = state.all_until(window.end, deadline).await;
        let (costs, said) = (state.notes(), state.take_said());
        // With it goes the way in, so that the reader ends.
        drop(state);
        FoundPods { failed, costs, said }
    };
    let keeping = async {
        while let Some(arrived) = arriving.recv().await {
            if let Seen::Samples { series, .. } = &arrived {
                seen.extend(series);
            }
            outlet.send(arrived).await;
        }
    };
    let (mut found, ()) = tokio::join!(asking, keeping);
    let namespace = &asked.namespace;
    let rows = pods::pods(asked, &seen);
    if rows.is_empty() {
        found.said.push(format!(
            "the server knows no pod of the namespace `{namespace}` in that time: pods of the past \
             are told by kube-state-metrics (`{}`)",
            pods::INFO
        ));
        return found;
    }
    if !asked.labels.iter().all(|label| label == pods::OWNER) && !pods::labels_shown(&seen) {
        found.said.push(format!(
            "kube-state-metrics does not show the labels of pods: start it with \
             `--metric-labels-allowlist=pods=[{}]`, or select pods by what controls them, \
             `{}=NAME`",
            asked.labels.iter().cloned().collect::<Vec<_>>().join(","),
            pods::OWNER
        ));
    }
    outlet.send(Seen::Connected).await;
    for row in rows {
        outlet.send(Seen::Pod(row)).await;
    }
    let blind = |resource: &str, (from, to): (Time, Time), why: &str| {
        let (resource, why) = (resource.to_owned(), why.to_owned());
        Seen::Blind(BlindSpan { resource, from, to: Some(to), why })
    };
    let whole = (window.start, window.end);
    let ups: Vec<&Series> = seen.of_metric("up").collect();
    for span in pods::unseen(&ups, whole) {
        outlet.send(blind("pods", span, "kube-state-metrics was not scraped")).await;
    }
    outlet.send(blind("events", whole, "a Prometheus server keeps no events")).await;
    found
}
