//! How much the counters behind a ratio or a quantile counted in a phase.

use super::{Traffic, counter::rise, indicator::Plan};
use crate::{sample::Series, time::Time, window::Window};

/// What was counted in a window: for a ratio the whole, for a quantile all observations. None for
/// an indicator that is no part of any traffic.
///
/// Only what samples show counts. An increase between two samples is spread evenly over the time
/// between them, so that the traffic before a fault is not counted as traffic during it.
pub(super) fn traffic(plan: &Plan<'_>, window: Window) -> Option<Traffic> {
    let seconds = window.end.since(window.start).as_secs_f64();
    let counters = plan.whole()?;
    let requests = counters.iter().map(|one| increments(&one.series, window)).sum::<f64>() + 0.0;
    Some(Traffic { requests, seconds })
}

/// The increments of a counter in a window. After a reset it counts from 0, as in Prometheus.
fn increments(series: &Series, window: Window) -> f64 {
    // The mark of an end is a NaN as well.
    let is_real = |value: f64| !value.is_nan();
    let inside = series.times.partition_point(|time| *time <= window.start);
    let first = series.values[..inside].iter().rposition(|value| is_real(*value)).unwrap_or(inside);
    let samples = series.times[first..].iter().copied().zip(series.values[first..].iter().copied());
    let (mut sum, mut last) = (0.0, None::<(Time, f64)>);
    for (to, value) in samples.filter(|(_, value)| is_real(*value)) {
        if let Some((from, before)) = last.replace((to, value)) {
            if from >= window.end {
                break;
            }
            let inside = to.min(window.end).since(from.max(window.start));
            sum +=
                rise(before, value).max(0.0) * inside.as_secs_f64() / to.since(from).as_secs_f64();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            notation::{at, secs, set},
            scene::watched,
            semantics::Semantics,
        },
        frame::Observed,
        hypothesis::{model::IndicatorKind, selector::SeriesSelector},
        number::Share,
    };

    /// Samples 10 s apart; what was counted from 60 s to 90 s.
    #[track_caller]
    fn check(kind: &IndicatorKind, rows: &[(&str, &str)], want: Option<f64>) {
        let observed = Observed { raw: set(10, rows), ..watched(Vec::new()) };
        let plan = Plan::new(kind, &observed, Semantics::default(), Some(secs(10)));
        let got = traffic(&plan, Window::new(at(60), at(90)));
        assert_eq!(got.map(|traffic| traffic.requests.round()), want);
        assert!(got.is_none_or(|traffic| (traffic.seconds - 30.0).abs() < 1e-9));
    }

    fn ratio() -> IndicatorKind {
        let [part, whole] =
            ["r{code=\"500\"}", "r"].map(|text| SeriesSelector::parse(text).unwrap());
        IndicatorKind::Ratio { part, whole, over: secs(20) }
    }

    #[test]
    fn the_whole_of_a_ratio_is_its_traffic() {
        let rows = [("r{code=\"200\"}", "0+1000x20"), ("r{code=\"500\"}", "0+10x20")];
        check(&ratio(), &rows, Some(3030.0));
        check(&ratio(), &[], Some(0.0));
    }

    #[test]
    fn all_observations_are_the_traffic_of_a_quantile() {
        let (quantile, over) = (Share::new(0.99).unwrap(), secs(20));
        let histogram = SeriesSelector::parse("h").unwrap();
        let kind = IndicatorKind::Quantile { quantile, histogram, over };
        let rows = [("h_bucket{le=\"1\"}", "0+10x20"), ("h_bucket{le=\"+Inf\"}", "0+20x20")];
        check(&kind, &rows, Some(60.0));
    }

    #[test]
    fn a_rate_is_no_part_of_any_traffic() {
        let counter = SeriesSelector::parse("r").unwrap();
        check(&IndicatorKind::Rate { counter, over: secs(20) }, &[("r", "0+10x20")], None);
    }

    #[test]
    fn what_was_counted_before_the_window_is_not_counted_in_it() {
        // 100 a second up to 60 s, then one, and a scrape every 10 s at 5, 15, …: of the increase
        // from 55 s to 65 s one half belongs to each side.
        let values = "_ 0 1000 2000 3000 4000 5000 5505 5515 5525 5535";
        let mut raw = set(10, &[("r", values)]);
        let shifted: Vec<(Time, f64)> = raw
            .of_metric("r")
            .flat_map(|one| one.times.clone().into_iter().zip(one.values.clone()))
            .map(|(time, value)| (time.minus(secs(5)), value))
            .collect();
        let labels = raw.of_metric("r").next().unwrap().labels.clone();
        raw = crate::sample::SeriesSet::default();
        for (time, value) in shifted {
            raw.push(&labels, time, value);
        }
        let observed = Observed { raw, ..watched(Vec::new()) };
        let kind = ratio();
        let plan = Plan::new(&kind, &observed, Semantics::default(), None);
        let got = traffic(&plan, Window::new(at(60), at(90))).unwrap().requests;
        assert!((got - (505.0 / 2.0 + 25.0)).abs() < 1e-6, "{got}");
    }

    #[test]
    fn a_reset_and_a_gap_lose_nothing_that_was_seen() {
        check(&ratio(), &[("r", "0 10 20 30 40 50 60 5 15 25")], Some(25.0));
        check(&ratio(), &[("r", "0 10 20 30 40 50 60 _ 80 NaN 100")], Some(30.0));
        check(&ratio(), &[("r", "0 10 20 30 40 50 60 stale")], Some(0.0));
    }
}
