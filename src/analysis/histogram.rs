//! The series of histograms: buckets by their bounds, and counts with the buckets that they go with.

use std::collections::HashMap;

use super::counter::Counter;
use crate::sample::{Labels, Series};

/// Groups series by the number in `le`, so that `0.1` and `0.10` are one bound. A series
/// without a readable `le` is no bucket.
pub(super) fn by_bound<S>(all: Vec<S>, series: impl Fn(&S) -> &Series) -> Vec<(f64, Vec<S>)> {
    let mut groups: Vec<(f64, Vec<S>)> = Vec::new();
    for one in all {
        let bound = series(&one).labels.get("le").and_then(|le| le.parse::<f64>().ok());
        let Some(bound) = bound.filter(|bound| !bound.is_nan()) else { continue };
        match groups.iter_mut().find(|(known, _)| known.total_cmp(&bound).is_eq()) {
            Some((_, group)) => group.push(one),
            None => groups.push((bound, vec![one])),
        }
    }
    groups
}

/// The `_count` of a histogram, and the last bucket that goes with it.
#[derive(Clone, Debug)]
pub(super) struct Total<'a> {
    pub(super) counter: Counter<'a>,
    pub(super) last_bucket: Option<Counter<'a>>,
}

/// Each `_count` with its last bucket; `buckets` are by bound.
pub(super) fn totals<'a>(
    counts: Vec<Counter<'a>>,
    buckets: &[(f64, Vec<Counter<'a>>)],
) -> Vec<Total<'a>> {
    let own = |labels: &Labels| labels.without("__name__").without("le");
    let last = buckets.iter().filter(|(bound, _)| *bound == f64::INFINITY);
    let last = last.flat_map(|(_, all)| all).map(|one| (own(&one.series.labels), one));
    let last: HashMap<Labels, &Counter<'a>> = last.collect();
    let total = |counter: Counter<'a>| {
        let last_bucket = last.get(&own(&counter.series.labels)).map(|one| (*one).clone());
        Total { counter, last_bucket }
    };
    counts.into_iter().map(total).collect()
}
