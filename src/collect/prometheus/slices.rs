//! A stretch of time, asked for in slices that a server can answer and that fit into memory.

use std::time::Duration;

use tokio::{task::JoinHandle, time::Instant};

use super::{
    client::{Answered, Client, Question},
    cost::Cost,
    error::QueryError,
};
use crate::{
    sample::Series,
    time::{Time, millis},
    window::Window,
};

/// How long the first slice of samples is: nobody knows how many there are.
const FIRST_SLICE: Duration = Duration::from_mins(2);
/// The shortest slice; what is too much of it is too much.
const SHORTEST_SLICE: Duration = Duration::from_secs(5);
/// The longest one: Prometheus reads blocks of two hours.
const LONGEST_SLICE: Duration = Duration::from_hours(6);
/// How many samples a slice is to have: some 10 MB of JSON.
const SAMPLES_A_SLICE: usize = 400_000;
/// The most steps of one range query. Prometheus refuses more than 11,000 points of a series.
const STEPS_A_SLICE: u32 = 10_999;
/// How long one slice may take, repetitions included.
const PATIENCE: Duration = Duration::from_mins(1);

/// How far a query came, and what went wrong where it stopped.
#[derive(Debug)]
pub(super) struct Stopped {
    /// Up to here all was answered.
    pub(super) at: Time,
    /// Why no further.
    pub(super) why: QueryError,
}

/// The samples of a selector in a window, its first instant left out, slice by slice in order of
/// time.
///
/// While a slice is being looked at, the next one is asked for. Slices get longer while they are
/// small, and shorter when they are too much for the server.
pub(super) struct SampleSlices<'a> {
    client: &'a Client,
    selector: &'a str,
    deadline: Instant,
    at: Time,
    end: Time,
    length: Duration,
    /// The longest that the server has not refused.
    most: Duration,
    ahead: Option<(Time, Asked)>,
}

type Asked = JoinHandle<Result<Answered, QueryError>>;

impl<'a> SampleSlices<'a> {
    pub(super) fn new(
        client: &'a Client,
        selector: &'a str,
        window: Window,
        deadline: Instant,
    ) -> Self {
        let (at, end, length) = (window.start, window.end, FIRST_SLICE);
        Self { client, selector, deadline, at, end, length, most: LONGEST_SLICE, ahead: None }
    }

    /// Up to when all samples were handed on.
    pub(super) fn at(&self) -> Time {
        self.at
    }

    /// The series of the next slice; none at the end of the window. After an error there is no more.
    pub(super) async fn next(&mut self, cost: &mut Cost) -> Option<Result<Vec<Series>, Stopped>> {
        while self.at < self.end {
            let (until, asked) = match self.ahead.take() {
                Some(asked) => asked,
                None => self.ask(self.at),
            };
            match joined(asked).await {
                Ok(answered) => {
                    let next = next_length(self.length, answered.answer.samples());
                    self.length = next.min(self.most);
                    self.at = until;
                    if until < self.end {
                        self.ahead = Some(self.ask(until));
                    }
                    cost.add(&answered);
                    let mut series = answered.answer.series;
                    series.iter_mut().for_each(|one| one.keep_until(until));
                    return Some(Ok(series));
                }
                Err(error) if error.may_be_less() && until.since(self.at) > SHORTEST_SLICE => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "asking for less");
                    let length = until.since(self.at);
                    self.most = whole_seconds(length / 2);
                    self.length = whole_seconds(length / 4);
                }
                Err(why) => {
                    cost.fail(&why);
                    let at = std::mem::replace(&mut self.at, self.end);
                    return Some(Err(Stopped { at, why }));
                }
            }
        }
        None
    }

    fn ask(&self, after: Time) -> (Time, Asked) {
        let until = after.plus(self.length).min(self.end);
        let question = Question::Samples { selector: self.selector.to_owned(), after, until };
        (until, spawn(self.client.clone(), question, self.deadline))
    }
}

impl Drop for SampleSlices<'_> {
    /// What is not wanted any more is not waited for by the server either.
    fn drop(&mut self) {
        if let Some((_, asked)) = &self.ahead {
            asked.abort();
        }
    }
}

/// The values of an expression at every step from one time to another, both included, slice by slice.
pub(super) struct PointSlices<'a> {
    client: &'a Client,
    promql: &'a str,
    deadline: Instant,
    at: Time,
    to: Time,
    step: Duration,
    steps: u32,
}

impl<'a> PointSlices<'a> {
    pub(super) fn new(
        client: &'a Client,
        promql: &'a str,
        (at, to): (Time, Time),
        step: Duration,
        deadline: Instant,
    ) -> Self {
        Self { client, promql, deadline, at, to, step, steps: STEPS_A_SLICE }
    }

    /// The series of the next slice; none after the last. After an error there is no more.
    pub(super) async fn next(&mut self, cost: &mut Cost) -> Option<Result<Vec<Series>, Stopped>> {
        while self.at <= self.to {
            let until = self.at.plus(self.step * self.steps).min(self.to);
            let (promql, from, step) = (self.promql.to_owned(), self.at, self.step);
            let question = Question::Range { promql, from, to: until, step };
            match joined(spawn(self.client.clone(), question, self.deadline)).await {
                Ok(answered) => {
                    cost.add(&answered);
                    self.at = until.plus(step);
                    return Some(Ok(answered.answer.series));
                }
                Err(error) if error.may_be_less() && until > from => {
                    let here = millis(until.since(from)) / millis(step).max(1);
                    // One step less at least, or one alone.
                    self.steps = u32::try_from(here / 4).unwrap_or(STEPS_A_SLICE);
                }
                Err(why) => {
                    cost.fail(&why);
                    self.at = self.to.plus(step);
                    return Some(Err(Stopped { at: from, why }));
                }
            }
        }
        None
    }
}

fn spawn(client: Client, question: Question, deadline: Instant) -> Asked {
    tokio::spawn(async move {
        let deadline = deadline.min(Instant::now() + PATIENCE);
        client.ask(&question, deadline).await
    })
}

async fn joined(asked: Asked) -> Result<Answered, QueryError> {
    asked.await.unwrap_or_else(|error| Err(QueryError::NotAsked(error.to_string())))
}

/// How long the next slice is to be, after one of so many samples.
fn next_length(length: Duration, samples: usize) -> Duration {
    let factor = SAMPLES_A_SLICE as f64 / samples.max(1) as f64;
    let next = length.mul_f64(factor.clamp(0.25, 4.0));
    whole_seconds(next.min(LONGEST_SLICE))
}

/// A length that is written in few letters, and is long enough.
fn whole_seconds(length: Duration) -> Duration {
    Duration::from_secs(length.as_secs()).max(SHORTEST_SLICE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_get_as_long_as_they_may_be_full() {
        let next = |seconds, samples| next_length(Duration::from_secs(seconds), samples).as_secs();
        assert_eq!(next(100, 400_000), 100);
        assert_eq!(next(100, 200_000), 200);
        assert_eq!(next(100, 0), 400);
        assert_eq!(next(100, 4_000_000), 25);
        assert_eq!(next(6, 4_000_000), 5);
        assert_eq!(next(20_000, 1), 21_600);
    }
}
