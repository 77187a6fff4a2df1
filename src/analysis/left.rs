//! Counters that left a page that is read on: nothing says what they counted since.

use std::{cell::LazyCell, collections::BTreeMap};

use super::{
    Doubt,
    birth::{Readings, shown_by},
    indicator::series,
};
use crate::{
    frame::Observed,
    hypothesis::{
        model::{Absent, Indicator, IndicatorKind},
        selector::SeriesSelector,
    },
    sample::{Labels, Series, is_stale},
    time::Time,
};

/// A counter of the indicator that left a page that is read on, and did not come back, while the
/// counters beside it went on.
///
/// - Beside it are those of the same target and metric (of a ratio, of either metric) that have no
///   label that it has not, but for what the selectors ask for and what says how a request ended:
///   another status code of the same route. One of them has to have risen since, and none fallen: a
///   process that began again counts from 0, and then nothing is missing.
/// - What it speaks of may be gone, such as a backend that a gateway no longer has. Then those of the
///   same labels leave as well.
/// - Where no series of its metric is left on the page, the other counters of its target tell.
/// - One that came back shows what it counted meanwhile.
/// - Exporters that drop what does not change say so with `absent: 0`.
pub(super) fn left_its_page(indicator: &Indicator, observed: &Observed) -> Option<Doubt> {
    if indicator.absent == Absent::Zero {
        return None;
    }
    let selectors = match &indicator.kind {
        IndicatorKind::Quantile { histogram, .. } => vec![histogram.buckets()],
        IndicatorKind::Ratio { part, whole, .. } => vec![part.clone(), whole.clone()],
        IndicatorKind::Rate { counter, .. } => vec![counter.clone()],
        IndicatorKind::Gauge { .. }
        | IndicatorKind::PodsReady { .. }
        | IndicatorKind::EventCount { .. }
        | IndicatorKind::PromQl(_) => return None,
    };
    // Hardly any counter leaves, and the guard asks for it every second.
    let readings = LazyCell::new(|| Readings::of(observed));
    let owners = LazyCell::new(|| Owners::of(&selectors, observed));
    let left = |one: &Series| {
        let last = one.values.iter().rposition(|value| !value.is_nan())?;
        // Only what was said of it since: an end, or a number that cannot be read.
        (last + 1 < one.values.len()).then_some(())?;
        let last = one.times[last];
        let (up, at) = readings.of_target(&one.labels).find_map(|up| {
            let shown = |place: &usize| one.times.binary_search(&up.times[*place]).is_ok();
            let mut read = up.range(last, LATEST).filter(|place| up.values[*place] > 0.0);
            // A page that shows it, as NaN, is not one that it left.
            let place = read.find(|place| !shown(place) || is_end(one, up.times[*place]))?;
            Some((up, up.times[place]))
        })?;
        let beside = Beside { observed, owners: &owners, one, last };
        let other = beside.like_it().unwrap_or_else(|| beside.of_target(up, at))?;
        let (series, beside) = (one.labels.to_string(), other.labels.to_string());
        Some(Doubt::LeftItsPage { series, at, beside })
    };
    selectors.iter().flat_map(|selector| series(selector, observed)).find_map(left)
}

/// Labels that say how a request ended and not whose it was, as clients and proxies call them: they
/// tell one outcome of the same thing from another also where no selector asks for them.
const OUTCOMES: [&str; 14] = [
    "code",
    "status",
    "status_code",
    "http_status",
    "http_status_code",
    "http_response_status_code",
    "response_code",
    "grpc_code",
    "grpc_status",
    "rpc_grpc_status_code",
    "outcome",
    "result",
    "error_type",
    "exception",
];

const LATEST: Time = Time::from_millis(i64::MAX);

/// Whether a series was marked as ended at a time.
fn is_end(series: &Series, at: Time) -> bool {
    let place = series.times.binary_search(&at);
    place.is_ok_and(|place| is_stale(series.values[place]))
}

/// The counters of some selectors' metrics, by the labels that say whose they are: all but those that
/// a selector asks for, and those that say how a request ended. Of a thousand targets with many
/// counters each, one that left is then compared with a thousand.
struct Owners<'a> {
    counters: Vec<&'a Series>,
    places: BTreeMap<Vec<(&'a str, &'a str)>, Vec<usize>>,
}

impl<'a> Owners<'a> {
    fn of(selectors: &[SeriesSelector], observed: &'a Observed) -> Self {
        let asked = |name: &str| {
            let mut matchers = selectors.iter().flat_map(|selector| &selector.matchers);
            matches!(name, "__name__" | "le")
                || OUTCOMES.contains(&name)
                || matchers.any(|matcher| matcher.label == name)
        };
        let metrics: Vec<&str> = selectors.iter().map(|s| s.metric.as_str()).collect();
        let of_metrics = metrics
            .iter()
            .enumerate()
            .filter(|(place, metric)| !metrics[..*place].contains(metric))
            .flat_map(|(_, metric)| observed.raw.of_metric(metric));
        let counters: Vec<&Series> = of_metrics.collect();
        let mut places: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (place, series) in counters.iter().enumerate() {
            let own = series.labels.iter().filter(|(name, _)| !asked(name)).collect();
            places.entry(own).or_default().push(place);
        }
        Self { counters, places }
    }

    /// The counters all of whose own labels another one has, too.
    fn like(&self, labels: &Labels) -> Vec<&'a Series> {
        let has =
            |own: &[(&str, &str)]| own.iter().all(|(name, value)| labels.get(name) == Some(*value));
        let like = self.places.iter().filter(|(own, _)| has(own));
        let mut places: Vec<usize> = like.flat_map(|(_, places)| places).copied().collect();
        places.sort_unstable();
        places.into_iter().map(|place| self.counters[place]).collect()
    }
}

/// What was counted beside a counter since its last sample.
struct Beside<'a, 'o> {
    observed: &'a Observed,
    owners: &'o Owners<'a>,
    one: &'a Series,
    last: Time,
}

impl<'a> Beside<'a, '_> {
    /// Of the counters that differ from it only in what the selectors ask for, one that went on;
    /// `Some(None)` when there are some and they tell that nothing is missing, none when there are
    /// none.
    fn like_it(&self) -> Option<Option<&'a Series>> {
        let mut others = self.owners.like(&self.one.labels);
        others.retain(|other| self.is_beside(other));
        (!others.is_empty()).then(|| went_on(&others, self.last))
    }

    /// A counter of its target that went on, where no series of its metric is left there.
    fn of_target(&self, up: &Series, at: Time) -> Option<&'a Series> {
        let of_target = |other: &&'a Series| shown_by(&up.labels, &other.labels);
        let same = self.observed.raw.of_metric(self.one.labels.metric()).filter(of_target);
        let still = |other: &Series| other.range(self.last, at).any(|p| !other.values[p].is_nan());
        if same.into_iter().any(still) {
            return None;
        }
        let is_counter = |labels: &Labels| {
            ["_total", "_count", "_bucket"].iter().any(|end| labels.metric().ends_with(end))
        };
        let counters = self.observed.raw.iter().filter(|other| is_counter(&other.labels));
        let others: Vec<&Series> =
            counters.filter(of_target).filter(|other| self.is_beside(other)).collect();
        went_on(&others, self.last)
    }

    /// Whether another series has samples when this one had its last, and after.
    fn is_beside(&self, other: &Series) -> bool {
        let real = |place: &usize| !other.values[*place].is_nan();
        other.labels != self.one.labels
            && other.times.binary_search(&self.last).is_ok()
            && other.range(self.last, LATEST).any(|place| real(&place))
    }
}

/// One of some counters that has risen since a time, if none has fallen in the scrapes just after.
fn went_on<'a>(all: &[&'a Series], since: Time) -> Option<&'a Series> {
    let values = |series: &'a Series| {
        let from = series.times.partition_point(|time| *time < since);
        series.values[from..].iter().copied().filter(|value| !value.is_nan())
    };
    let fell = |series: &&&'a Series| {
        let mut values = values(series);
        let first = values.next();
        first.zip(values.next()).is_some_and(|(first, next)| next < first)
    };
    let rose = |series: &&&'a Series| {
        let mut values = values(series);
        let first = values.next();
        first.is_some_and(|first| values.any(|value| value > first))
    };
    if all.iter().any(|series| fell(&series)) {
        return None;
    }
    all.iter().find(rose).copied()
}
