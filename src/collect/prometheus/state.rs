//! What of a server's samples and answers is known so far, and how it is brought up to a time.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use tokio::time::Instant;

use super::{
    client::{Client, Question},
    cost::Cost,
    ends::{Ends, Scrapes},
    error::QueryError,
    slices::{PointSlices, SampleSlices, Stopped},
};
use crate::{
    collect::{
        outlet::Outlet,
        seen::{Pass, Seen},
    },
    frame::{AnswerRow, Answers, QueryNote},
    hypothesis::{
        queries::{Expression, Queries},
        selector::{MatchHow, Matcher, SeriesSelector},
    },
    sample::{Labels, Series},
    time::{Time, millis},
    window::Window,
};

/// The series that tell when a target was scraped.
const UP: &str = "up";
/// Those of its targets that are needed besides: what `targets_lost` knows a target by, and when a
/// process began.
const OF_TARGETS: [&str; 2] = ["scrape_samples_scraped", "process_start_time_seconds"];
/// When the newest scrape of a server was.
const NEWEST_SCRAPE: &str = "max(timestamp(up))";

/// How long a metric is looked at whose selector matches nothing: the lookback of most servers.
const GLANCE: Duration = Duration::from_mins(5);
/// How many pages are looked at that a series left.
const PAGES: usize = 8;

/// The counters on the page of a target, as a selector.
fn counters_of(target: &Labels) -> String {
    let matchers = target.iter().filter_map(|(name, value)| {
        Matcher::new(name, MatchHow::Equal, value).ok().map(|matcher| matcher.to_string())
    });
    let counters = r#"__name__=~".+_(total|count|bucket)""#.to_owned();
    format!("{{{}}}", [counters].into_iter().chain(matchers).collect::<Vec<_>>().join(","))
}

/// What is asked, and how far each of it has come.
pub(super) struct State {
    asking: Asking,
    step: Duration,
    start: Time,
    jobs: BTreeSet<String>,
    /// Whether jobs were looked for, and all of that was answered.
    looked_for_jobs: bool,
    /// Whether a job was found by its samples only.
    late_jobs: bool,
    scrapes: Scrapes,
    ups: Vec<Followed>,
    samples: Vec<Followed>,
    expressions: Vec<Evaluated>,
}

/// How all of it is asked for.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) client: Client,
    /// How far the server's clock is ahead of ours, milliseconds.
    pub(super) ahead: i64,
    pub(super) pass: Pass,
    pub(super) outlet: Outlet,
}

/// Samples of a selector.
struct Followed {
    metric: String,
    selector: String,
    ends: Ends,
    cost: Cost,
    until: Time,
}

/// Answers to an expression.
struct Evaluated {
    expression: Expression,
    cost: Cost,
    /// The next time of the grid.
    next: Time,
}

/// A query that did not come as far as it should.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) query: String,
    pub(super) why: QueryError,
}

impl State {
    /// Nothing is known of what is after `start`.
    pub(super) fn new(asking: Asking, queries: &Queries, step: Duration, start: Time) -> Self {
        let mut expressions = queries.expressions.clone();
        if !expressions.is_empty() {
            let (indicator, promql) = (Answers::NEWEST_SCRAPE, NEWEST_SCRAPE);
            let newest = Expression { indicator: indicator.to_owned(), promql: promql.to_owned() };
            expressions.push(newest);
        }
        let evaluated = expressions.into_iter().map(|expression| Evaluated {
            cost: Cost::of(expression.promql.clone()),
            next: start.ceil_to(step),
            expression,
        });
        let followed = queries.samples.iter().map(|selector| Followed::new(selector, start));
        Self {
            asking,
            step,
            start,
            jobs: BTreeSet::new(),
            looked_for_jobs: false,
            late_jobs: false,
            scrapes: Scrapes::default(),
            ups: Vec::new(),
            samples: followed.collect(),
            expressions: evaluated.collect(),
        }
    }

    /// Asks for all that is between what is known and a time, and hands it on. What failed keeps its
    /// place, and is asked for again the next time.
    pub(super) async fn advance(&mut self, until: Time, deadline: Instant) -> Vec<Failed> {
        let mut failed = self.find_jobs(until, deadline).await;
        failed.extend(self.targets(until, deadline).await);
        failed.extend(self.samples(until, deadline).await);
        let (asking, step) = (&self.asking, self.step);
        let all = self.expressions.iter_mut();
        let asked = all.map(|one| one.advance(asking, step, until, deadline));
        failed.extend(join_all(asked).await.into_iter().flatten());
        if self.add_jobs(self.jobs_seen()) {
            self.late_jobs = true;
            failed.extend(self.targets(until, deadline).await);
        }
        failed
    }

    /// Asks for all of a window from the start to a time.
    ///
    /// Jobs that are found by their samples only are asked for again: the scrapes of their targets
    /// were not known when the samples came.
    pub(super) async fn all_until(&mut self, until: Time, deadline: Instant) -> Vec<Failed> {
        let mut failed = self.advance(until, deadline).await;
        if self.late_jobs {
            let (start, pass) = (self.start, self.asking.pass);
            for one in &mut self.samples {
                (one.ends, one.until) = (Ends::default(), start);
            }
            self.asking.pass = Pass::Again;
            failed.extend(self.samples(until, deadline).await);
            self.asking.pass = pass;
        }
        failed
    }

    async fn samples(&mut self, until: Time, deadline: Instant) -> Vec<Failed> {
        let (asking, scrapes) = (&self.asking, &self.scrapes);
        let all = self.samples.iter_mut();
        let asked = all.map(|one| one.advance(asking, scrapes, until, deadline));
        join_all(asked).await.into_iter().flatten().collect()
    }

    fn jobs_seen(&self) -> Vec<String> {
        let all = self.samples.iter().flat_map(|one| one.ends.labels());
        let jobs: BTreeSet<&str> = all.filter_map(|labels| labels.get("job")).collect();
        jobs.into_iter().map(str::to_owned).collect()
    }

    /// Finds the jobs whose targets have to be known, before the samples are asked for.
    async fn find_jobs(&mut self, until: Time, deadline: Instant) -> Vec<Failed> {
        if self.looked_for_jobs {
            // New ones are found by their samples.
            return Vec::new();
        }
        let mut questions = Vec::new();
        let middle = self.start.plus(until.since(self.start) / 2);
        for at in [self.start, middle, until] {
            for one in &self.samples {
                let promql = format!("group by (job) ({})", one.selector);
                questions.push((promql, shifted(at, self.asking.ahead)));
            }
        }
        let client = &self.asking.client;
        let asked = questions.into_iter().map(|(promql, at)| async move {
            let question = Question::Instant { promql: promql.clone(), at };
            let answered = client.ask(&question, deadline).await;
            answered.map_err(|why| Failed { query: promql, why })
        });
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        for asked in join_all(asked).await {
            match asked {
                Ok(answered) => found.extend(
                    answered
                        .answer
                        .series
                        .iter()
                        .filter_map(|one| one.labels.get("job"))
                        .map(str::to_owned),
                ),
                Err(error) => failed.push(error),
            }
        }
        self.add_jobs(found);
        self.looked_for_jobs = failed.is_empty();
        failed
    }

    /// Adds jobs; whether there was a new one among them.
    fn add_jobs(&mut self, found: Vec<String>) -> bool {
        let new: BTreeSet<String> =
            found.into_iter().filter(|job| !self.jobs.contains(job)).collect();
        if new.is_empty() {
            return false;
        }
        let pattern: Vec<String> = new.iter().map(|job| regex::escape(job)).collect();
        self.jobs.extend(new);
        // What was escaped is a regular expression.
        let Ok(matcher) = Matcher::new("job", MatchHow::Matches, pattern.join("|")) else {
            return false;
        };
        let of = |metric: &str| SeriesSelector {
            metric: metric.to_owned(),
            matchers: vec![matcher.clone()],
        };
        self.ups.push(Followed::new(&of(UP), self.start));
        for metric in OF_TARGETS {
            self.samples.push(Followed::new(&of(metric), self.start));
        }
        true
    }

    /// The scrapes of the targets of all jobs. What they tell of samples is told with these.
    async fn targets(&mut self, until: Time, deadline: Instant) -> Vec<Failed> {
        let mut failed = Vec::new();
        let Asking { client, ahead, pass, outlet } = &self.asking;
        for followed in &mut self.ups {
            let Followed { selector, ends, cost, until: known, .. } = followed;
            let window = Window::new(shifted(*known, *ahead), shifted(until, *ahead));
            let mut slices = SampleSlices::new(client, selector, window, deadline);
            *known = until;
            while let Some(slice) = slices.next(cost).await {
                match slice {
                    Ok(series) => {
                        let ups = by_our_clock(series, *ahead);
                        self.scrapes.add(&ups);
                        let until = shifted(slices.at(), -ahead);
                        let series = ends.mark(ups, &self.scrapes, until);
                        outlet.send(Seen::Samples { series, pass: *pass }).await;
                    }
                    Err(Stopped { at, why }) => {
                        *known = shifted(at, -ahead);
                        failed.push(Failed { query: selector.clone(), why });
                    }
                }
            }
        }
        failed
    }

    /// Asks for what a reader of the samples has to know besides, once all of them are there, and
    /// hands it on.
    ///
    /// - Of a selector that matched nothing: what its metric has instead, in the first and the last
    ///   minutes.
    /// - Of a series that left a page that is read on: the counters of that page at that time. One
    ///   that went on tells that something is missing.
    pub(super) async fn look_besides(&mut self, until: Time, deadline: Instant) -> Vec<Failed> {
        let ahead = self.asking.ahead;
        let mut questions = Vec::new();
        for one in self.samples.iter().filter(|one| one.ends.labels().next().is_none()) {
            for end in [self.start.plus(GLANCE), until] {
                questions.push((one.metric.clone(), end.minus(GLANCE), end));
            }
        }
        let left = self.samples.iter().flat_map(|one| one.ends.left(&self.scrapes));
        let mut pages = BTreeSet::new();
        for (target, last, end) in left {
            let interval = end.since(last);
            pages.insert((target, last.minus(interval), end.plus(interval * 2)));
        }
        for (target, after, until) in pages.into_iter().take(PAGES) {
            questions.push((counters_of(target), after, until));
        }
        let client = &self.asking.client;
        let asked = questions.into_iter().map(|(selector, after, until)| async move {
            let window = Window::new(shifted(after, ahead), shifted(until, ahead));
            let mut cost = Cost::of(selector.clone());
            let mut slices = SampleSlices::new(client, &selector, window, deadline);
            let (mut found, mut failed) = (Vec::new(), None);
            while let Some(slice) = slices.next(&mut cost).await {
                match slice {
                    Ok(series) => found.extend(by_our_clock(series, ahead)),
                    Err(Stopped { why, .. }) => {
                        failed = Some(Failed { query: selector.clone(), why });
                    }
                }
            }
            (found, failed)
        });
        let mut failed = Vec::new();
        for (mut series, error) in join_all(asked).await {
            series.retain(|one| !self.samples.iter().any(|known| known.ends.has(&one.labels)));
            // What is only glanced at may be looked at again, and is in no order.
            if !series.is_empty() {
                self.asking.outlet.send(Seen::Samples { series, pass: Pass::Again }).await;
            }
            failed.extend(error);
        }
        failed
    }

    /// Which time it is that this is asked for.
    pub(super) fn pass(&self) -> Pass {
        self.asking.pass
    }

    /// What all queries cost so far.
    pub(super) fn notes(&self) -> Vec<QueryNote> {
        self.costs().map(Cost::note).collect()
    }

    fn costs(&self) -> impl Iterator<Item = &Cost> {
        let samples = self.ups.iter().chain(&self.samples).map(|one| &one.cost);
        samples.chain(self.expressions.iter().map(|one| &one.cost))
    }

    /// What the server said besides, since this was asked last.
    pub(super) fn take_said(&mut self) -> Vec<String> {
        let samples = self.ups.iter_mut().chain(&mut self.samples).map(|one| &mut one.cost);
        let costs = samples.chain(self.expressions.iter_mut().map(|one| &mut one.cost));
        costs.flat_map(Cost::take_said).collect()
    }
}

impl Followed {
    fn new(selector: &SeriesSelector, start: Time) -> Self {
        Self {
            metric: SeriesSelector { matchers: Vec::new(), ..selector.clone() }.to_string(),
            selector: selector.to_string(),
            ends: Ends::default(),
            cost: Cost::of(selector.to_string()),
            until: start,
        }
    }

    /// Asks for what is new up to a time, and hands it on.
    async fn advance(
        &mut self,
        asking: &Asking,
        scrapes: &Scrapes,
        until: Time,
        deadline: Instant,
    ) -> Option<Failed> {
        let Asking { client, ahead, pass, outlet } = asking;
        let Self { metric, selector, ends, cost, until: known } = self;
        // A sample can arrive a little after those of other series with its time.
        let after = shifted(known.minus(OVERLAP), *ahead);
        let window = Window::new(after, shifted(until, *ahead));
        let mut slices = SampleSlices::new(client, selector, window, deadline);
        *known = until;
        let mut failed = None;
        while let Some(slice) = slices.next(cost).await {
            match slice {
                Ok(mut series) => {
                    // Those of the jobs were handed on before.
                    series.retain(|one| metric != UP || !scrapes.has(&one.labels));
                    let until = shifted(slices.at(), -ahead);
                    let series = ends.mark(by_our_clock(series, *ahead), scrapes, until);
                    outlet.send(Seen::Samples { series, pass: *pass }).await;
                }
                Err(Stopped { at, why }) => {
                    *known = shifted(at, -ahead);
                    failed = Some(Failed { query: selector.clone(), why });
                }
            }
        }
        failed
    }
}

/// Series of a server whose clock is so many milliseconds ahead.
fn by_our_clock(mut series: Vec<Series>, ahead: i64) -> Vec<Series> {
    if ahead != 0 {
        for time in series.iter_mut().flat_map(|one| &mut one.times) {
            *time = shifted(*time, -ahead);
        }
    }
    series
}

/// How far each stretch of samples reaches back into the one before.
const OVERLAP: Duration = Duration::from_secs(10);

impl Evaluated {
    async fn advance(
        &mut self,
        asking: &Asking,
        step: Duration,
        until: Time,
        deadline: Instant,
    ) -> Option<Failed> {
        let Asking { client, ahead, pass, outlet } = asking;
        let (ahead, pass) = (*ahead, *pass);
        let last = Time::from_millis(
            until.as_millis().div_euclid(millis(step).max(1)) * millis(step).max(1),
        );
        if last < self.next {
            return None;
        }
        let Self { expression: Expression { indicator, promql }, cost, next } = self;
        let theirs = (shifted(*next, ahead), shifted(last, ahead));
        let mut slices = PointSlices::new(client, promql, theirs, step, deadline);
        *next = last.plus(step);
        let mut failed = None;
        while let Some(slice) = slices.next(cost).await {
            match slice {
                Ok(series) => {
                    let rows = answers(indicator, series, ahead);
                    outlet.send(Seen::Answers { rows, pass }).await;
                }
                Err(Stopped { at, why }) => {
                    *next = shifted(at, -ahead);
                    failed = Some(Failed { query: promql.clone(), why });
                }
            }
        }
        failed
    }
}

/// The answers to the expression of an indicator, in order of time.
fn answers(indicator: &str, series: Vec<Series>, ahead: i64) -> Vec<AnswerRow> {
    // The newest scrape is told by their clock.
    let is_time = indicator == Answers::NEWEST_SCRAPE;
    let mut rows = Vec::new();
    for Series { labels, times, values, .. } in by_our_clock(series, ahead) {
        for (time, value) in times.into_iter().zip(values) {
            let (indicator, labels) = (indicator.to_owned(), labels.clone());
            let value = if is_time { value - ahead as f64 / 1000.0 } else { value };
            rows.push(AnswerRow { indicator, labels, time, value });
        }
    }
    rows.sort_by_key(|row| row.time);
    rows
}

/// A time by a clock that is so many milliseconds ahead.
fn shifted(at: Time, ahead: i64) -> Time {
    Time::from_millis(at.as_millis().saturating_add(ahead))
}
