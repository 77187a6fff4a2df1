//! Where series ended, told by the scrapes of their targets.
//!
//! A server marks where a series ended, and no answer of its query API shows the mark. It can be
//! told again: at each scrape of a target (a sample of its `up`) a series has a sample at the same
//! time, or it was not on the page and ended there. A target that is not scraped any more while
//! others are is gone.

use std::{collections::HashMap, time::Duration};

use crate::{
    sample::{Labels, STALE, Series},
    time::Time,
};

/// A scrape that is missing for so many intervals will not come: of two that are late, one may be.
const GONE_AFTER: f64 = 2.5;

/// The scrapes of all targets, in order of time.
#[derive(Debug, Default)]
pub(super) struct Scrapes {
    targets: Vec<Target>,
    places: HashMap<Labels, usize>,
    /// The targets by one label, so that of a thousand a series asks few.
    by_instance: HashMap<Option<String>, Vec<usize>>,
    /// The newest of all.
    newest: Option<Time>,
}

#[derive(Debug)]
struct Target {
    /// Without the metric's name.
    labels: Labels,
    at: Vec<Time>,
    /// The last one that gave samples.
    last_read: Option<Time>,
    /// The median time between two scrapes, as far as known.
    interval: Option<Duration>,
}

/// Series of one query, from stretch to stretch.
#[derive(Debug, Default)]
pub(super) struct Ends {
    series: Vec<Known>,
    places: HashMap<Labels, usize>,
}

#[derive(Debug)]
struct Known {
    labels: Labels,
    /// The target that shows it, when one does.
    target: Option<usize>,
    /// How many of the target's scrapes were looked at.
    looked: usize,
    /// Its last sample, the mark of an end among them.
    last: Time,
    /// Its last sample that is none.
    last_real: Time,
    /// Whether its last sample was no end.
    live: bool,
    /// Whether a sample had the time of a scrape: one whose page gives it times of its own has not,
    /// and then its scrapes say nothing of it.
    on_scrapes: bool,
}

impl Scrapes {
    /// Adds the samples of `up` that follow those that are known.
    pub(super) fn add(&mut self, ups: &[Series]) {
        for up in ups {
            let labels = up.labels.without("__name__");
            let place = *self.places.entry(labels).or_insert_with_key(|labels| {
                let instance = labels.get("instance").map(str::to_owned);
                self.by_instance.entry(instance).or_default().push(self.targets.len());
                self.targets.push(Target {
                    labels: labels.clone(),
                    at: Vec::new(),
                    last_read: None,
                    interval: None,
                });
                self.targets.len() - 1
            });
            let target = &mut self.targets[place];
            let newest = target.at.last().copied();
            let new = up.times.iter().filter(|time| newest.is_none_or(|newest| **time > newest));
            target.at.extend(new);
            let read = up.times.iter().zip(&up.values).filter(|(_, value)| **value > 0.0);
            target.last_read = target.last_read.max(read.map(|(time, _)| *time).max());
            target.interval = median(&target.at);
            self.newest = self.newest.max(target.at.last().copied());
        }
    }

    /// Whether an `up` is that of a known target.
    pub(super) fn has(&self, up: &Labels) -> bool {
        self.places.contains_key(&up.without("__name__"))
    }

    /// The target with the most labels, all of which the series has.
    fn target_of(&self, series: &Labels) -> Option<usize> {
        let named = [series.get("instance").map(str::to_owned), None].into_iter();
        let named = named.filter_map(|instance| self.by_instance.get(&instance)).flatten();
        let shows = |place: &&usize| {
            let mut labels = self.targets[**place].labels.iter();
            labels.all(|(name, value)| series.get(name) == Some(value))
        };
        named.filter(shows).max_by_key(|place| self.targets[**place].labels.iter().count()).copied()
    }
}

impl Target {
    /// When its first scrape was due that did not come, if it is known to be gone: no scrape came for
    /// so long, while others did. There a server marks the end of its series, too.
    fn gone_at(&self, newest: Option<Time>) -> Option<Time> {
        let (last, interval) = (self.at.last()?, self.interval?);
        let known = newest? >= last.plus(interval.mul_f64(GONE_AFTER));
        known.then(|| last.plus(interval))
    }
}

impl Ends {
    /// The samples of a stretch of time up to `until`, with the marks of the ends that its scrapes
    /// tell. The scrapes have to be known before the samples are asked for: else the newest would seem
    /// to lack samples that came a moment later. Later ones may be known, too.
    ///
    /// Samples that were in a stretch before are left out.
    pub(super) fn mark(
        &mut self,
        samples: Vec<Series>,
        scrapes: &Scrapes,
        until: Time,
    ) -> Vec<Series> {
        let mut marked = Vec::with_capacity(samples.len());
        let mut seen = vec![false; self.series.len()];
        for series in samples {
            let place = self.place(&series.labels);
            seen.resize(self.series.len(), false);
            seen[place] = true;
            marked.push(self.series[place].mark(&series, scrapes, until));
        }
        for (known, seen) in self.series.iter_mut().zip(seen) {
            if !seen && known.live {
                let none = Series { labels: known.labels.clone(), ..Series::default() };
                marked.push(known.mark(&none, scrapes, until));
            }
        }
        marked.retain(|series| !series.times.is_empty());
        marked
    }

    /// The series that ended although their targets were read on: their target, the last sample of
    /// one, and where it ended.
    pub(super) fn left<'s>(&self, scrapes: &'s Scrapes) -> Vec<(&'s Labels, Time, Time)> {
        let left = self.series.iter().filter(|known| known.on_scrapes && !known.live);
        let read_on = left.filter_map(|known| {
            let target = &scrapes.targets[known.target?];
            let read = target.last_read.is_some_and(|read| read >= known.last);
            read.then_some((&target.labels, known.last_real, known.last))
        });
        read_on.collect()
    }

    /// The labels of all series that were seen.
    pub(super) fn labels(&self) -> impl Iterator<Item = &Labels> {
        self.series.iter().map(|known| &known.labels)
    }

    /// Whether a series was seen.
    pub(super) fn has(&self, labels: &Labels) -> bool {
        self.places.contains_key(labels)
    }

    fn place(&mut self, labels: &Labels) -> usize {
        if let Some(place) = self.places.get(labels) {
            return *place;
        }
        self.series.push(Known {
            labels: labels.clone(),
            target: None,
            looked: 0,
            last: Time::from_millis(i64::MIN),
            last_real: Time::from_millis(i64::MIN),
            live: false,
            on_scrapes: false,
        });
        self.places.insert(labels.clone(), self.series.len() - 1);
        self.series.len() - 1
    }
}

impl Known {
    fn mark(&mut self, samples: &Series, scrapes: &Scrapes, until: Time) -> Series {
        if self.target.is_none() {
            self.target = scrapes.target_of(&self.labels);
        }
        let first_new = samples.times.partition_point(|time| *time <= self.last);
        let mut new = samples.times[first_new..].iter().copied().zip(&samples.values[first_new..]);
        let mut marked = Series { labels: self.labels.clone(), ..Series::default() };
        let Some(target) = self.target.map(|place| &scrapes.targets[place]) else {
            new.for_each(|(time, value)| self.sample(time, *value, &mut marked));
            return marked;
        };
        let mut next = new.next();
        let looked = target.at.partition_point(|scrape| *scrape <= until).max(self.looked);
        for scrape in &target.at[self.looked..looked] {
            while let Some((time, value)) = next.filter(|(time, _)| time <= scrape) {
                self.on_scrapes |= time == *scrape;
                self.sample(time, *value, &mut marked);
                next = new.next();
            }
            if self.on_scrapes && self.live && self.last < *scrape {
                self.end(*scrape, &mut marked);
            }
        }
        self.looked = looked;
        for (time, value) in next.into_iter().chain(new) {
            self.sample(time, *value, &mut marked);
        }
        let gone = target.gone_at(scrapes.newest.min(Some(until)));
        if let Some(gone) = gone.filter(|gone| *gone > self.last)
            && self.live
        {
            self.end(gone, &mut marked);
        }
        marked
    }

    fn sample(&mut self, time: Time, value: f64, marked: &mut Series) {
        marked.push(time, value);
        (self.last, self.last_real, self.live) = (time, time, true);
    }

    fn end(&mut self, at: Time, marked: &mut Series) {
        marked.push(at, STALE);
        (self.last, self.live) = (at, false);
    }
}

fn median(times: &[Time]) -> Option<Duration> {
    let mut apart: Vec<Duration> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    let middle = apart.len().checked_sub(1)? / 2;
    let (_, median, _) = apart.select_nth_unstable(middle);
    Some(*median)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{SeriesSet, is_stale};

    /// Rows of samples 10 s apart: `_` is none.
    fn series(rows: &[(&[(&str, &str)], &str)]) -> Vec<Series> {
        let mut set = SeriesSet::default();
        for (labels, values) in rows {
            let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let labels = Labels::new(labels.iter().map(pair));
            for (place, value) in values.split(' ').enumerate().filter(|(_, value)| *value != "_") {
                set.push(&labels, Time::from_millis(place as i64 * 10_000), value.parse().unwrap());
            }
        }
        set.iter().cloned().collect()
    }

    const UP: &[(&str, &str)] = &[("__name__", "up"), ("instance", "a"), ("job", "j")];
    const OTHER: &[(&str, &str)] = &[("__name__", "up"), ("instance", "b"), ("job", "j")];
    const C: &[(&str, &str)] = &[("__name__", "c"), ("instance", "a"), ("job", "j"), ("x", "1")];

    /// The series `C` after all of it was marked at once, and after each sample alone.
    #[track_caller]
    fn check(ups: &[(&[(&str, &str)], &str)], values: &str, want: &str) {
        let (ups, samples) = (series(ups), series(&[(C, values)]));
        let mut scrapes = Scrapes::default();
        scrapes.add(&ups);
        let end = Time::from_millis(200_000);
        assert_eq!(text(&Ends::default().mark(samples.clone(), &scrapes, end)), want, "at once");
        for scrapes in [Scrapes::default(), scrapes] {
            check_stretches(scrapes, &ups, &samples, want);
        }
    }

    /// Whether the scrapes are known as far as the samples, or all of them.
    #[track_caller]
    fn check_stretches(mut scrapes: Scrapes, ups: &[Series], samples: &[Series], want: &str) {
        let (mut ends, mut all) = (Ends::default(), SeriesSet::default());
        for until in (0..20).map(|place| Time::from_millis(place * 10_000)) {
            let part = |all: &[Series]| -> Vec<Series> {
                // Each stretch overlaps the one before.
                let after = until.minus(Duration::from_secs(20));
                all.iter().map(|one| one.part(after, until)).collect()
            };
            scrapes.add(&part(ups));
            for one in ends.mark(part(samples), &scrapes, until) {
                one.times.iter().zip(&one.values).for_each(|(t, v)| all.push(&one.labels, *t, *v));
            }
        }
        assert_eq!(text(&all.iter().cloned().collect::<Vec<_>>()), want, "one by one");
    }

    fn text(all: &[Series]) -> String {
        let Some(one) = all.first() else { return String::new() };
        let sample = |(time, value): (&Time, &f64)| {
            let value = if is_stale(*value) { "end".to_owned() } else { value.to_string() };
            format!("{}:{value}", time.as_millis() / 1000)
        };
        one.times.iter().zip(&one.values).map(sample).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_series_that_is_not_on_its_page_any_more_ended_there() {
        check(&[(UP, "1 1 1 1")], "5 6 _ _", "0:5 10:6 20:end");
        check(&[(UP, "1 1 1 1")], "5 _ 6 7", "0:5 10:end 20:6 30:7");
        // A scrape that failed shows nothing.
        check(&[(UP, "1 1 0 1")], "5 6 _ 7", "0:5 10:6 20:end 30:7");
    }

    #[test]
    fn where_nothing_was_scraped_nothing_ended() {
        check(&[(UP, "1 1 _ _ _ 1")], "5 6 _ _ _ 7", "0:5 10:6 50:7");
        check(&[(OTHER, "1 1 1 1")], "5 6 _ _", "0:5 10:6");
    }

    #[test]
    fn a_target_that_is_scraped_no_more_is_gone_with_its_series() {
        let both = [(UP, "1 1 1"), (OTHER, "1 1 1 1 1 1")];
        check(&both, "5 6 7", "0:5 10:6 20:7 30:end");
        // The server itself has stopped, as far as anybody can see.
        check(&[(UP, "1 1 1"), (OTHER, "1 1 1")], "5 6 7", "0:5 10:6 20:7");
    }

    #[test]
    fn a_series_with_times_of_its_own_is_not_told_by_scrapes() {
        let ups = series(&[(UP, "1 1 1 1")]);
        let mut scrapes = Scrapes::default();
        scrapes.add(&ups);
        let mut stamped = series(&[(C, "5 6 7")]);
        stamped[0].times.iter_mut().for_each(|time| *time = time.plus(Duration::from_millis(7)));
        let marked = Ends::default().mark(stamped.clone(), &scrapes, Time::from_millis(100_000));
        assert_eq!(marked, stamped);
    }
}
