//! A counter, with a bound on the increments that no sample shows.
//!
//! A pod that dies takes with it what it counted after its last scrape, and a series that is
//! first seen in the middle of a run has a first value that no rate counts. Either could be the
//! very requests that an experiment is about, so both widen the bounds of the points whose window
//! they touch.

use std::{borrow::Cow, time::Duration};

use super::birth::{Readings, shown_by};
use crate::{
    frame::Observed,
    sample::{Labels, Series, is_stale},
    time::Time,
};

/// A series that is first seen later than so many scrape intervals after the start of the run
/// began during it; targets are found and first scraped in the time before.
const FIRST_SCRAPES: u32 = 2;

/// More than anything counts: a page may say +∞, and no bound may end as NaN.
const MOST: f64 = 1e100;

/// A counter, with what no sample of it shows.
#[derive(Clone, Debug)]
pub(super) struct Counter<'a> {
    /// Its samples, with the zero that it began with where that is known.
    pub(super) series: Cow<'a, Series>,
    /// What no rate of these samples counts.
    pub(super) uncounted: Vec<Uncounted>,
}

/// Increments that no sample shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Uncounted {
    /// They were counted after this time…
    pub(super) from: Time,
    /// … and no later than at this one.
    pub(super) to: Time,
    /// How many there were at most.
    pub(super) at_most: f64,
    /// On which side of the samples they are.
    pub(super) side: Side,
}

/// On which side of its samples a counter counted unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Before the first one.
    First,
    /// Between two that no window holds both of.
    Between,
    /// After the last one of a process.
    Last,
}

impl Uncounted {
    /// Whether a rate over `(from, to]` may lack them.
    ///
    /// What was counted before the first sample is laid at that sample: nothing is known of its
    /// target in a window that ends before. A window that reaches back to where the counter was 0
    /// has all of it.
    pub(super) fn touches(&self, from: Time, to: Time) -> bool {
        match self.side {
            Side::First => self.to > from && self.to <= to && self.from <= from,
            Side::Between | Side::Last => self.from < to && self.to > from,
        }
    }
}

/// What an observation says of its counters.
pub(super) struct Counters<'a> {
    observed: &'a Observed,
    readings: Readings<'a>,
    /// The run up to now, and when its first scrapes are over; none where scrapes are not ours.
    run: Option<Run>,
    /// The length of the window of a rate.
    over: Duration,
}

struct Run {
    start: Time,
    end: Time,
    begins_after: Time,
}

impl<'a> Counters<'a> {
    /// `interval` is that of the scrapes; without one, what was not counted is not known, and
    /// nothing is said of it.
    pub(super) fn of(observed: &'a Observed, over: Duration, interval: Option<Duration>) -> Self {
        let run = observed.phases.whole().zip(interval).map(|(whole, interval)| Run {
            start: whole.start,
            end: whole.end,
            begins_after: whole.start.plus(interval * FIRST_SCRAPES),
        });
        Self { observed, readings: Readings::of(observed), run, over }
    }

    /// A counter as it is to be read.
    ///
    /// A series ends when a stale marker follows its last sample, or a failed scrape of its target
    /// that no sample comes after; or it falls, because its process began again. From its last
    /// sample to its death (the earlier of marker and failed scrape; at a fall the next sample) it
    /// went on counting at its last rate at most, which is the greater of the rate between its last
    /// two samples and that over its last `over`. A burst just before the death exceeds this bound.
    ///
    /// A series that begins with a value counted that much before its first sample. (After a fall
    /// the first value is part of the rate, and so it is where the page was read before without the
    /// series: see `birth`.) Where the target says when the series or its process began, the
    /// counter was 0 then.
    pub(super) fn read(&self, series: &'a Series) -> Counter<'a> {
        let mut counter =
            Counter { series: self.readings.with_zero(series), uncounted: Vec::new() };
        let Some(run) = &self.run else { return counter };
        let known = matches!(counter.series, Cow::Owned(_));
        let life = Life::of(series, run.end);
        let first = life.first.filter(|(time, value)| *time > run.begins_after && *value > 0.0);
        if let Some((to, at_most)) = first.filter(|_| !known && !series.forgotten) {
            let began = self.began(&series.labels, to);
            if let Some(began) = began {
                counter.series = Cow::Owned(series.with_first(began, 0.0));
            }
            let from = began.unwrap_or(Time::from_millis(i64::MIN));
            let at_most = at_most.min(MOST);
            counter.uncounted.push(Uncounted { from, to, at_most, side: Side::First });
        }
        // One that says itself when it began is told above.
        let mut apart = apart(&counter.series, self.over, run);
        apart.retain(|between| counter.uncounted.iter().all(|other| other.to != between.to));
        counter.uncounted.extend(apart);
        let mut ends = life.falls.clone();
        ends.extend(life.last.zip(self.death(series, &life, run.end)));
        for (last, to) in ends.into_iter().filter(|(_, to)| *to >= run.start) {
            let from = series.times[last];
            let at_most = last_rate(series, last, self.over) * to.seconds_from(from);
            let at_most = if at_most.is_nan() { 0.0 } else { at_most.clamp(0.0, MOST) };
            counter.uncounted.push(Uncounted { from, to, at_most, side: Side::Last });
        }
        counter
    }

    /// When a counter was 0, as its target says beside its first sample: when the series was made
    /// (`_created`, OpenMetrics 1.0), or when the process began (`process_start_time_seconds`, as
    /// Prometheus' client libraries have it).
    fn began(&self, counter: &Labels, first: Time) -> Option<Time> {
        let metric = counter.metric();
        let family = ["_total", "_bucket", "_count"].iter().find_map(|s| metric.strip_suffix(s));
        let created = format!("{}_created", family.unwrap_or(metric));
        let created = self.observed.raw.of_metric(&created).find(|created| {
            let own = |(name, _): &(&str, &str)| *name != "__name__" && *name != "le";
            shown_by(&created.labels, counter)
                && counter
                    .iter()
                    .filter(own)
                    .all(|(name, value)| created.labels.get(name) == Some(value))
        });
        let process = || {
            let mut processes = self.observed.raw.of_metric("process_start_time_seconds");
            processes.find(|process| shown_by(&process.labels, counter))
        };
        let said = created.or_else(process)?;
        let place = said.times.partition_point(|time| *time <= first).checked_sub(1)?;
        let seconds = said.values[place];
        // Beyond what milliseconds can hold, it is no time; and after the sample, no beginning.
        let began = (seconds > 0.0 && seconds < 1e15)
            .then(|| Time::from_millis((seconds * 1000.0) as i64))?;
        (began < first).then_some(began)
    }

    /// When a series ended for good, if there is a sign of it.
    fn death(&self, series: &Series, life: &Life, until: Time) -> Option<Time> {
        let last = life.last?;
        let marked = (last + 1..series.times.len())
            .find(|place| is_stale(series.values[*place]))
            .map(|place| series.times[place]);
        let failed = self.readings.of_target(&series.labels).filter_map(|up| {
            let place = up.range(series.times[last], until).find(|p| up.values[*p] <= 0.0)?;
            Some(up.times[place])
        });
        marked.into_iter().chain(failed).min().filter(|time| *time <= until)
    }
}

/// What a series did, up to a time. Places are those of its samples.
#[derive(Default)]
struct Life {
    first: Option<(Time, f64)>,
    last: Option<usize>,
    /// The last sample before each fall, and when the next one was.
    falls: Vec<(usize, Time)>,
}

impl Life {
    fn of(series: &Series, until: Time) -> Self {
        let mut life = Self::default();
        for place in series.range(Time::from_millis(i64::MIN), until) {
            let (time, value) = (series.times[place], series.values[place]);
            if value.is_nan() {
                continue;
            }
            match life.last.map(|last| (last, series.values[last])) {
                None => life.first = Some((time, value)),
                Some((last, before)) if value < before => life.falls.push((last, time)),
                Some(_) => {}
            }
            life.last = Some(place);
        }
        life
    }
}

/// The time of each sample of a counter after the first, up to a time, and how much was counted since
/// the one before.
pub(super) fn rises(series: &Series, until: Time) -> impl Iterator<Item = (Time, f64)> {
    pairs(series, until).map(|((_, before), (time, value))| (time, rise(before, value)))
}

/// Each two samples that follow each other, up to a time, NaN left out.
fn pairs(series: &Series, until: Time) -> impl Iterator<Item = ((Time, f64), (Time, f64))> {
    let places = series.range(Time::from_millis(i64::MIN), until);
    let samples = series.times[places.clone()].iter().copied();
    let samples = samples.zip(series.values[places].iter().copied());
    let mut before = None;
    let real = samples.filter(|(_, value)| !value.is_nan());
    real.filter_map(move |sample| before.replace(sample).map(|before| (before, sample)))
}

/// What was counted between two samples that are farther apart than a window is long: no rate has
/// both, so that none counts it, and it may have been counted at any time between them. A target
/// that was away and comes back shows that it went on counting.
fn apart(series: &Series, over: Duration, run: &Run) -> Vec<Uncounted> {
    let between = |((from, before), (to, value)): ((Time, f64), (Time, f64))| {
        let rise = rise(before, value);
        let apart = to.since(from) > over && to >= run.start && rise > 0.0;
        apart.then_some(Uncounted { from, to, at_most: rise.min(MOST), side: Side::Between })
    };
    pairs(series, run.end).filter_map(between).collect()
}

/// What a counter counted from one sample to the next. After a fall it began again at 0.
pub(super) fn rise(before: f64, value: f64) -> f64 {
    if value < before { value } else { value - before }
}

/// The rate of a counter up to the sample at a place; 0 when nothing was there to compare.
fn last_rate(series: &Series, last: usize, over: Duration) -> f64 {
    let until = series.times[last];
    let mut steps = Vec::new();
    let mut newer: Option<(Time, f64)> = None;
    for place in series.range(until.minus(over), until).rev() {
        let (time, value) = (series.times[place], series.values[place]);
        if value.is_nan() {
            continue;
        }
        if let Some((after, reached)) = newer {
            if reached < value {
                break;
            }
            steps.push((reached - value, after.seconds_from(time)));
        }
        newer = Some((time, value));
    }
    let newest = steps.first().map_or(0.0, |(rise, seconds)| rise / seconds);
    let (rise, seconds) = steps.iter().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
    if seconds > 0.0 { newest.max(rise / seconds) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{
        notation::{at, secs, set},
        scene::watched,
    };

    /// Samples 10 s apart; what is uncounted of the first series `c…`, as `from..to at most`.
    #[track_caller]
    fn check(rows: &[(&str, &str)], want: &[&str]) {
        let observed = Observed { raw: set(10, rows), ..watched(Vec::new()) };
        let counters = Counters::of(&observed, secs(60), Some(secs(10)));
        let series = observed.raw.iter().find(|one| one.labels.metric().starts_with('c')).unwrap();
        let read = counters.read(series);
        let said: Vec<String> = read
            .uncounted
            .iter()
            .map(|Uncounted { from, to, at_most, .. }| {
                let from =
                    if *from < at(0) { "?".to_owned() } else { from.as_seconds().to_string() };
                format!("{from}..{} {at_most}", to.as_seconds())
            })
            .collect();
        assert_eq!(said, want);
    }

    const C: &str = "c_total{code=\"503\",instance=\"a\"}";

    #[test]
    fn a_first_value_of_a_new_target_may_be_of_any_time() {
        check(&[(C, "_x7 30 40")], &["?..70 30"]);
        check(&[("up{instance=\"a\"}", "0x6 1x8"), (C, "_x7 30 40")], &["?..70 30"]);
        check(&[("up{instance=\"a\"}", "0x5 1x9"), (C, "_x7 30 40")], &[]);
        check(&[(C, "_x7 0 40")], &[]);
        check(&[(C, "_x7 Inf")], &[&format!("?..70 {MOST}")]);
    }

    #[test]
    fn a_target_that_says_when_it_began_settles_it() {
        let process = |labels: &str| format!("process_start_time_seconds{labels}");
        check(&[(&process("{instance=\"a\"}"), "_x7 65x8"), (C, "_x7 30 40")], &["65..70 30"]);
        check(&[(&process("{instance=\"b\"}"), "_x7 65x8"), (C, "_x7 30 40")], &["?..70 30"]);
        // Before its first scrape, or not at all.
        for impossible in ["70", "71", "0", "-5", "NaN", "Inf"] {
            let said =
                format!("_x7 {impossible}x8").replace("NaNx8", "NaN").replace("Infx8", "Inf");
            check(&[(&process("{instance=\"a\"}"), &said), (C, "_x7 30 40")], &["?..70 30"]);
        }
    }

    #[test]
    fn a_series_that_says_when_it_was_made_settles_it() {
        let created = "x_created{code=\"503\",instance=\"a\"}";
        let of =
            |metric: &str, more: &str| format!("{metric}{{code=\"503\",instance=\"a\"{more}}}");
        for (metric, more) in
            [("c_total", ""), ("c_bucket", ",le=\"1\""), ("c_count", ""), ("c", "")]
        {
            let counter = of(metric, more);
            let created = created.replace('x', "c");
            let rows = [(counter.as_str(), "_x7 30 40"), (created.as_str(), "_x7 66x8")];
            check(&rows, &["66..70 30"]);
        }
        // That of another series, and one of a process that is older.
        let other = of("c_created", "").replace("503", "200");
        check(&[(C, "_x7 30 40"), (&other, "_x7 66x8")], &["?..70 30"]);
    }

    #[test]
    fn only_a_window_that_lacks_them_is_touched() {
        let first = Uncounted { from: at(60), to: at(70), at_most: 1.0, side: Side::First };
        let touches = |one: Uncounted, from, to| one.touches(at(from), at(to));
        assert_eq!(
            [59, 60, 69, 70].map(|from| touches(first, from, 90)),
            [false, true, true, false]
        );
        assert!(!touches(first, 62, 69));
        let last = Uncounted { side: Side::Last, ..first };
        assert_eq!([59, 69, 70].map(|from| touches(last, from, 90)), [true, true, false]);
        assert_eq!([60, 61].map(|to| touches(last, 0, to)), [false, true]);
    }
}
