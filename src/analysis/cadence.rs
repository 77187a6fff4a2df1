//! How far apart the samples of an indicator are.

use std::{collections::BTreeMap, time::Duration};

use super::{indicator::series, track::FRESH_FOR};
use crate::{
    frame::Observed,
    hypothesis::{
        Hypothesis,
        model::{Indicator, MetricsSource, Sources},
        queries::samples_of,
    },
    sample::{Series, is_stale},
    time::Time,
};

/// How far apart the scrapes of an indicator's series are: as the file says, or, where a server
/// makes them, by the median of what is between two samples of its series: of a server's targets each
/// job can have an interval of its own, and the file need not know it. None for what is not scraped.
///
/// Of series that have a sample each at most, zero: nothing says for how long such a sample speaks.
pub(crate) fn interval(
    sources: &Sources,
    indicator: &Indicator,
    observed: &Observed,
) -> Option<Duration> {
    match &sources.metrics {
        Some(MetricsSource::Scrape(_)) => sources.scrape_interval(),
        Some(MetricsSource::Prometheus(_)) => {
            let selectors = samples_of(&indicator.kind);
            let all = selectors.iter().flat_map(|selector| series(selector, observed));
            (!selectors.is_empty()).then(|| median(all).unwrap_or_default())
        }
        None => None,
    }
}

/// For how long what was seen of an indicator may be the newest that there is to see.
///
/// Of scrapes of our own that is their interval. A server's samples take a while to arrive and to be
/// asked for, so that one scrape of it may be under way when the next one is due.
pub(crate) fn due_after(
    hypothesis: &Hypothesis,
    indicator: &Indicator,
    observed: &Observed,
) -> Duration {
    let interval = interval(&hypothesis.sources, indicator, observed);
    let interval = interval.unwrap_or(hypothesis.phases.step);
    if hypothesis.sources.has_server() { interval * FRESH_FOR + ARRIVES } else { interval }
}

/// What a sample of a server takes to arrive and to be asked for.
const ARRIVES: Duration = Duration::from_secs(2);

/// Whether a server has all samples up to a time, as far as its scrapes tell: its newest one is an
/// interval later. Without targets, its answers tell.
pub(crate) fn has_until(observed: &Observed, at: Time) -> bool {
    let last = |series: &Series| series.times.last().copied();
    match observed.raw.of_metric("up").filter_map(last).max() {
        Some(newest) => {
            let interval = median(observed.raw.of_metric("up")).unwrap_or_default();
            newest >= at.plus(interval)
        }
        None => {
            let mut all = observed.answers.all();
            all.any(|series| last(series).is_some_and(|newest| newest >= at))
        }
    }
}

/// How long a server is waited for that has to have a time: two of its scrapes, and what its samples
/// take to arrive.
pub(crate) fn patience(observed: &Observed) -> Duration {
    match median(observed.raw.of_metric("up")) {
        Some(interval) => interval * FRESH_FOR + ARRIVES * 5,
        None => UNKNOWN,
    }
}

/// How long a server is waited for of whose scrapes nothing is known.
const UNKNOWN: Duration = Duration::from_secs(30);

/// The median time between two samples of the same series; none when no series has two.
fn median<'a>(all: impl IntoIterator<Item = &'a Series>) -> Option<Duration> {
    // Of millions of distances, hardly any differ from the one before.
    let mut apart: BTreeMap<i64, usize> = BTreeMap::new();
    for series in all {
        let samples = series.times.iter().zip(&series.values);
        let mut times = samples.filter(|(_, value)| !is_stale(**value)).map(|(time, _)| time);
        let Some(mut before) = times.next() else { continue };
        let mut like_it = (0, 0_usize);
        for time in times {
            let distance = time.as_millis() - before.as_millis();
            if like_it.0 != distance {
                *apart.entry(like_it.0).or_default() += like_it.1;
                like_it = (distance, 0);
            }
            like_it.1 += 1;
            before = time;
        }
        *apart.entry(like_it.0).or_default() += like_it.1;
    }
    let middle = apart.values().sum::<usize>().checked_sub(1)? / 2;
    let mut below = 0;
    let (median, _) = apart.into_iter().find(|(_, number)| {
        below += number;
        below > middle
    })?;
    u64::try_from(median).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::notation::{secs, set};

    #[track_caller]
    fn check(rows: &[(&str, &str)], want: Option<u64>) {
        assert_eq!(median(set(10, rows).iter()), want.map(secs));
    }

    #[test]
    fn the_interval_is_what_is_mostly_between_two_samples() {
        check(&[("a", "1x10")], Some(10));
        check(&[("a", "1 _ 1 _ 1x3"), ("b", "1x9")], Some(10));
        check(&[("a", "1 _ 1 _ 1 _ 1"), ("b", "1 _ 1 _ 1")], Some(20));
    }

    #[test]
    fn of_single_samples_no_interval_is_known() {
        check(&[("a", "1"), ("b", "_ 1 stale")], None);
        check(&[], None);
    }
}
