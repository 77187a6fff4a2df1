//! What the counters of an indicator counted and no sample shows, added up for the report.

use super::{
    Unseen,
    counter::{Side, rises},
    indicator::Plan,
};
use crate::frame::Observed;

/// What the counters of an indicator counted without a sample to show it, over the whole run.
/// None when it is not made of counters.
pub(super) fn unseen(plan: &Plan<'_>, observed: &Observed) -> Option<Unseen> {
    let counters = plan.counters()?;
    let whole = observed.phases.whole()?;
    let mut unseen = Unseen::default();
    for counter in counters {
        for uncounted in &counter.uncounted {
            match uncounted.side {
                // It was seen, though no rate counts it.
                Side::Between => {}
                // It is known to have begun in the run, so that all of it was seen.
                Side::First if uncounted.from >= whole.start => {}
                Side::First => {
                    unseen.began += 1;
                    unseen.first_values += uncounted.at_most;
                }
                Side::Last => {
                    unseen.ended += 1;
                    unseen.lost += uncounted.at_most;
                }
            }
        }
        let rises = rises(&counter.series, whole.end).filter(|(at, _)| *at >= whole.start);
        unseen.seen += rises.map(|(_, rise)| rise).sum::<f64>();
    }
    Some(unseen)
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
        let plan = Plan::new(&kind, &observed, Semantics::V3, Some(secs(10)));
        let got = unseen(&plan, &observed).unwrap();
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
        check(&[("up", "1x15"), ("c", "_x7 30 40")], Unseen { seen: 40.0, ..NOTHING });
        let started = ("process_start_time_seconds", "_x7 65x8");
        check(&[started, ("c", "_x7 30 40")], Unseen { seen: 40.0, ..NOTHING });
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
        let plan = Plan::new(&kind, &observed, Semantics::V3, Some(secs(10)));
        assert_eq!(unseen(&plan, &observed), None);
    }
}
