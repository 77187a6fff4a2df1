//! What counters counted and no sample shows: a bound on what is lost with killed and new pods.

use std::time::Duration;

use super::{Unseen, indicator::Plan};
use crate::{
    frame::Observed,
    sample::{Labels, Series, is_stale},
    time::Time,
};

/// A series that is first seen later than so many scrape intervals after the start of the run
/// began during it; targets are found and first scraped in the time before.
const FIRST_SCRAPES: u32 = 2;

/// What the counters of an indicator counted without a sample to show it. None when it is not
/// made of counters.
///
/// A series ends when a stale marker follows its last sample, or a failed scrape of its target
/// that no sample comes after; or it falls, because its process began again. From its last
/// sample to its death (the earlier of marker and failed scrape; at a fall the next sample) it
/// went on counting at its last rate at most, which is the greater of the rate between its last
/// two samples and that over its last `over`. A burst just before the death exceeds this bound.
///
/// A series that begins with a value counted that much before its first sample, and no rate
/// shows it. (After a fall the first value is part of the rate, and so it is where the page was
/// read before without the series: see `birth`.)
pub(super) fn unseen(
    plan: &Plan<'_>,
    observed: &Observed,
    over: Duration,
    interval: Duration,
) -> Option<Unseen> {
    let counters = plan.counters()?;
    let whole = observed.phases.whole()?;
    let begins_after = whole.start.plus(interval * FIRST_SCRAPES);
    let mut unseen = Unseen::default();
    for series in counters {
        let life = Life::of(series, whole.end);
        if let Some((_, value)) = life.first.filter(|(time, _)| *time > begins_after) {
            unseen.began += 1;
            // A counter that begins below 0 is none, and must not hide what others counted.
            unseen.first_values += if value > 0.0 { value } else { 0.0 };
        }
        let mut ends = life.falls.clone();
        ends.extend(life.last.zip(death(series, &life, observed, whole.end)));
        for (last, died_at) in ends.into_iter().filter(|(_, died_at)| *died_at >= whole.start) {
            unseen.ended += 1;
            unseen.lost += last_rate(series, last, over) * died_at.seconds_from(series.times[last]);
        }
        unseen.seen +=
            life.rises.iter().filter(|(at, _)| *at >= whole.start).map(|r| r.1).sum::<f64>();
    }
    Some(unseen)
}

/// What a series did, up to a time. Places are those of its samples.
#[derive(Default)]
struct Life {
    first: Option<(Time, f64)>,
    last: Option<usize>,
    /// The time of each sample after the first, and how much was counted since the one before.
    rises: Vec<(Time, f64)>,
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
                Some((last, before)) if value < before => {
                    life.falls.push((last, time));
                    life.rises.push((time, value));
                }
                Some((_, before)) => life.rises.push((time, value - before)),
            }
            life.last = Some(place);
        }
        life
    }
}

/// When a series ended for good, if there is a sign of it.
fn death(series: &Series, life: &Life, observed: &Observed, until: Time) -> Option<Time> {
    let last = life.last?;
    let marked = (last + 1..series.times.len())
        .find(|place| is_stale(series.values[*place]))
        .map(|place| series.times[place]);
    let failed = observed
        .raw
        .of_metric("up")
        .filter(|up| same_target(&up.labels, &series.labels))
        .filter_map(|up| {
            let place = up.range(series.times[last], until).find(|p| up.values[*p] <= 0.0)?;
            Some(up.times[place])
        })
        .min();
    [marked, failed].into_iter().flatten().min().filter(|time| *time <= until)
}

/// Whether an `up` is that of a series: the labels that say where it was scraped are the same.
fn same_target(up: &Labels, series: &Labels) -> bool {
    let same = |name| up.get(name) == series.get(name);
    same("instance") && same("job")
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
    use crate::{
        analysis::{
            notation::{secs, set},
            scene::watched,
            semantics::Semantics,
        },
        hypothesis::{model::IndicatorKind, selector::SeriesSelector},
    };

    /// Samples 10 s apart, from 0 s to 150 s; rates over 60 s.
    #[track_caller]
    fn check(rows: &[(&str, &str)], want: Unseen) {
        let observed = Observed { raw: set(10, rows), ..watched(Vec::new()) };
        let counter = SeriesSelector::parse("c").unwrap();
        let kind = IndicatorKind::Rate { counter, over: secs(60) };
        let plan = Plan::new(&kind, &observed, Semantics::V3);
        let got = unseen(&plan, &observed, secs(60), secs(10)).unwrap();
        assert_eq!((got.ended, got.began), (want.ended, want.began), "{got:?}");
        for (got, want) in
            [(got.lost, want.lost), (got.first_values, want.first_values), (got.seen, want.seen)]
        {
            assert!((got - want).abs() < 1e-9, "{got} is not {want}");
        }
    }

    const NOTHING: Unseen = Unseen { ended: 0, lost: 0.0, began: 0, first_values: 0.0, seen: 0.0 };

    #[test]
    fn a_series_that_lives_through_hides_nothing() {
        check(&[("c", "5+10x15")], Unseen { seen: 150.0, ..NOTHING });
    }

    #[test]
    fn a_series_that_ends_loses_what_it_counted_after_its_last_sample() {
        // 1/s, dead 10 s after the last sample.
        check(&[("c", "0+10x5 stale")], Unseen { ended: 1, lost: 10.0, seen: 50.0, ..NOTHING });
    }

    #[test]
    fn the_death_is_the_first_sign_of_it() {
        let rows = [
            ("c{instance=\"a\",job=\"j\"}", "0+10x5 _ _ stale"),
            ("up{instance=\"a\",job=\"j\"}", "1x5 0 0 stale"),
            ("up{instance=\"b\",job=\"j\"}", "1x3 0 1x9"),
        ];
        check(&rows, Unseen { ended: 1, lost: 10.0, seen: 50.0, ..NOTHING });
        let rows = [rows[0], rows[2]];
        check(&rows, Unseen { ended: 1, lost: 30.0, seen: 50.0, ..NOTHING });
    }

    #[test]
    fn the_last_rate_is_the_greater_of_both() {
        // 1/s for long, 5/s at last; then the other way round.
        check(&[("c", "0+10x3 80 stale")], Unseen { ended: 1, lost: 50.0, seen: 80.0, ..NOTHING });
        check(&[("c", "0 50 50 stale")], Unseen { ended: 1, lost: 25.0, seen: 50.0, ..NOTHING });
    }

    #[test]
    fn a_process_that_begins_again_is_an_end() {
        // 1/s up to 30; then 4, which the rate shows.
        check(&[("c", "0+10x3 4 14")], Unseen { ended: 1, lost: 10.0, seen: 44.0, ..NOTHING });
    }

    #[test]
    fn a_series_that_comes_back_after_a_marker_has_not_ended() {
        check(&[("c", "0+10x3 stale 40 50")], Unseen { seen: 50.0, ..NOTHING });
    }

    #[test]
    fn a_new_series_begins_with_what_no_rate_shows() {
        check(
            &[("c", "_x7 30 40")],
            Unseen { began: 1, first_values: 30.0, seen: 10.0, ..NOTHING },
        );
        // First scraped as late as can be expected at the start of a run.
        check(&[("c", "_ _ 30 40")], Unseen { seen: 10.0, ..NOTHING });
        check(
            &[("c", "_ _ _ 30 40")],
            Unseen { began: 1, first_values: 30.0, seen: 10.0, ..NOTHING },
        );
    }

    #[test]
    fn a_first_value_that_is_known_to_have_risen_from_zero_is_seen() {
        check(&[("up", "1x15"), ("c", "_x7 30 40")], Unseen { began: 1, seen: 40.0, ..NOTHING });
    }

    #[test]
    fn a_failed_scrape_of_a_target_that_comes_back_is_no_end() {
        let rows = [
            ("c{instance=\"a\",job=\"j\"}", "0+10x5 _ 70 80"),
            ("up{instance=\"a\",job=\"j\"}", "1x5 0 1 1"),
        ];
        check(&rows, Unseen { seen: 80.0, ..NOTHING });
    }

    #[test]
    fn gauges_count_nothing() {
        let observed = watched(Vec::new());
        let gauge = SeriesSelector::parse("g").unwrap();
        let aggregate = crate::hypothesis::model::Aggregate::Sum;
        let kind = IndicatorKind::Gauge { gauge, aggregate };
        let plan = Plan::new(&kind, &observed, Semantics::V3);
        assert_eq!(unseen(&plan, &observed, secs(60), secs(10)), None);
    }
}
