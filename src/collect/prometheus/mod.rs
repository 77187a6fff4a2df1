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
    frame::SourceNote,
    hypothesis::{Hypothesis, model::PrometheusSource, queries::Queries},
    number::length,
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
        let failed = state.all_until(window.end, deadline).await;
        told(&mut state, failed, outlet).await;
    }

    fn state(&self, asked: &Asked, start: Time, pass: Pass, outlet: Outlet) -> State {
        let asking = Asking { client: self.client.clone(), ahead: self.ahead, pass, outlet };
        State::new(asking, &asked.queries, asked.step, start)
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
) -> Result<SourceNote, CollectError> {
    let server = Server { client: Client::new(source)?, ahead: 0 };
    let start = window.start.minus(asked.look_back);
    let mut state = server.state(asked, start, Pass::First, Outlet::new(seen.clone()));
    let deadline = Instant::now() + PAST;
    let failed = state.all_until(window.end, deadline).await;
    if let Some(Failed { query, why }) = failed.into_iter().next() {
        let server = server.client.server();
        return Err(CollectError::Query { server, query, source: why });
    }
    told(&mut state, Vec::new(), &Outlet::new(seen)).await;
    Ok(server.note())
}
