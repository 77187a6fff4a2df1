//! Evidence that scrape targets were lost to the fault.

use std::{collections::HashSet, time::Duration};

use super::{EvidenceFinding, EvidenceState, confirm::required, losses::fault_span, words};
use crate::{
    frame::Observed,
    hypothesis::{model::Amount, selector::SeriesSelector},
    sample::{Labels, Series, is_stale},
    time::Time,
};

/// What the scraper writes beside the `up` of each target, and no page can.
const SCRAPED: &str = "scrape_samples_scraped";

/// Scrape targets went down or vanished.
///
/// The population is the targets whose `up` was 1 at the injection. A target is lost when in
/// *during* its `up` was 0 in two scrapes in a row (one alone may just have been slow), or ended
/// with a stale marker, or had no sample for longer than two of its scrapes take. If no `up` of any target has a sample in *during*, it was we who stopped
/// looking, and it cannot be told. A target that was down in *before*, too, does not count: that
/// it went down again says nothing of the fault.
pub(super) fn targets_lost(
    selector: &SeriesSelector,
    at_least: Amount,
    observed: &Observed,
) -> EvidenceFinding {
    let asked = format!("targets lost of {selector}, {}", words::at_least(at_least));
    let unknown = |why: &str| EvidenceFinding {
        asked: asked.clone(),
        state: EvidenceState::Unknown,
        seen: why.to_owned(),
    };
    let (Some(injected_at), Some((_, to))) = (observed.injected_at, fault_span(observed)) else {
        return unknown("nothing was injected");
    };
    // One scrape in vain, just at the injection, may have been slow.
    let up = |series: &&Series| {
        let newest = series.range(Time::from_millis(i64::MIN), injected_at).end;
        let [.., before, last] = series.values[..newest] else {
            return series.values[..newest].last().is_some_and(|up| *up > 0.0);
        };
        !is_stale(last) && (last > 0.0 || before > 0.0)
    };
    // A page may show an `up` of its own, of what its exporter looks after: that is no target.
    let nameless = |series: &Series| series.labels.without("__name__");
    let scraped: HashSet<Labels> = observed.raw.of_metric(SCRAPED).map(nameless).collect();
    let is_target = |series: &&Series| scraped.contains(&nameless(series));
    let targets: Vec<&Series> =
        observed.raw.of_metric(&selector.metric).filter(is_target).collect();
    let named = targets.iter().copied().filter(|series| selector.matches(&series.labels));
    let population: Vec<&Series> = named.filter(up).collect();
    if population.is_empty() {
        return unknown("no target that matches was up before");
    }
    let looked = |series: &Series| {
        let places = series.range(injected_at, to);
        series.values[places].iter().any(|value| !is_stale(*value))
    };
    if !targets.iter().copied().any(looked) {
        return unknown("no target at all was scraped in *during*");
    }
    let lost = population.iter().filter_map(|up| Some((*up, down_at(up, injected_at, to)?)));
    let (lost, again): (Vec<_>, Vec<_>) = lost.partition(|(up, _)| !was_down(up, observed));
    let (hit, all) = (lost.len(), population.len());
    let state = match hit {
        0 => EvidenceState::Absent,
        n if n < required(at_least, all) => EvidenceState::Smaller,
        _ => EvidenceState::Confirmed,
    };
    let at = words::when(lost.iter().map(|(_, at)| *at));
    let comma = if at.is_empty() { "" } else { "," };
    let mut seen = format!("{hit} of {all} targets lost{comma}{at}");
    if !again.is_empty() {
        seen.push_str(&format!("; {} more not counted, down before the fault, too", again.len()));
    }
    EvidenceFinding { asked, state, seen }
}

/// Whether two scrapes of a target in a row failed in *before*, or the target was gone there.
fn was_down(up: &Series, observed: &Observed) -> bool {
    let Some(before) = observed.phases.before else { return false };
    let values = &up.values[up.range(before.start, before.end)];
    let in_vain = |value: &f64| *value <= 0.0;
    values.iter().any(|value| is_stale(*value))
        || values.windows(2).any(|pair| pair.iter().all(in_vain))
}

/// When a target that was up at one time was first down, or missed, up to another time.
fn down_at(up: &Series, from: Time, to: Time) -> Option<Time> {
    let before = up.range(Time::from_millis(i64::MIN), from);
    let last = up.times[..before.end].last().copied().unwrap_or(from);
    let interval = match up.times[..before.end] {
        [.., one, two] => two.since(one),
        _ => Duration::ZERO,
    };
    // A scrape that takes all of its interval costs the next one, too.
    let patience = interval * 5 / 2;
    let mut expected_by = last.plus(patience);
    for place in up.range(from, to) {
        let (time, value) = (up.times[place], up.values[place]);
        if !patience.is_zero() && time > expected_by {
            return Some(expected_by);
        }
        let in_vain = |value: f64| is_stale(value) || value <= 0.0;
        let next = up.values.get(place + 1).is_some_and(|next| in_vain(*next));
        if is_stale(value) || (value <= 0.0 && next) {
            return Some(time);
        }
        expected_by = time.plus(patience);
    }
    (!patience.is_zero() && expected_by < to).then_some(expected_by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{notation::set, scene::watched};

    /// Samples 10 s apart; the fault is from 60 s to 90 s.
    #[track_caller]
    fn check_targets(rows: &[(&str, &str)], at_least: usize, want: &str) {
        // What the scraper writes beside each `up`.
        let beside: Vec<(String, &str)> =
            rows.iter().map(|(up, _)| (up.replacen("up", SCRAPED, 1), "2x13")).collect();
        let mut all = rows.to_vec();
        all.extend(beside.iter().map(|(name, values)| (name.as_str(), *values)));
        let observed = Observed { raw: set(10, &all), ..watched(Vec::new()) };
        let selector = SeriesSelector::parse("up{job=\"api\"}").unwrap();
        let found = targets_lost(&selector, Amount::Count(at_least), &observed);
        assert_eq!(format!("{}: {}", found.state.name(), found.seen), want);
    }

    const A: &str = "up{instance=\"a\",job=\"api\"}";
    const B: &str = "up{instance=\"b\",job=\"api\"}";
    const OTHER: &str = "up{instance=\"c\",job=\"web\"}";

    #[test]
    fn a_target_that_is_down_is_lost() {
        let rows = [(A, "1x6 0x7"), (B, "1x13")];
        check_targets(&rows, 1, "confirmed: 1 of 2 targets lost, at 00:01:10 UTC");
        check_targets(&rows, 2, "smaller: 1 of 2 targets lost, at 00:01:10 UTC");
        check_targets(&[(A, "1x13"), (B, "1x13")], 1, "absent: 0 of 2 targets lost");
    }

    #[test]
    fn one_scrape_in_vain_is_no_loss() {
        check_targets(&[(A, "1x6 0 1x6")], 1, "absent: 0 of 1 targets lost");
        check_targets(&[(A, "1x6 0 1 0 1x4")], 1, "absent: 0 of 1 targets lost");
        check_targets(&[(A, "1x6 0 0 1x5")], 1, "confirmed: 1 of 1 targets lost, at 00:01:10 UTC");
        // With the target gone after it.
        check_targets(&[(A, "1x6 0 stale")], 1, "confirmed: 1 of 1 targets lost, at 00:01:10 UTC");
    }

    #[test]
    fn a_target_that_vanishes_is_lost() {
        let rows = [(A, "1x6 _ stale"), (B, "1x13")];
        check_targets(&rows, 1, "confirmed: 1 of 2 targets lost, at 00:01:20 UTC");
        // No word of it: missed when a second scrape did not come.
        let rows = [(A, "1x6"), (B, "1x13")];
        check_targets(&rows, 1, "confirmed: 1 of 2 targets lost, at 00:01:25 UTC");
    }

    #[test]
    fn a_target_that_was_down_before_cannot_be_lost() {
        check_targets(&[(A, "0x13"), (B, "1x13")], 1, "absent: 0 of 1 targets lost");
        check_targets(&[(A, "0x13")], 1, "unknown: no target that matches was up before");
    }

    #[test]
    fn a_target_that_went_down_before_the_fault_too_does_not_count() {
        let rows = [(A, "1x1 0 0 1x3 0x7"), (B, "1x13")];
        let too = "; 1 more not counted, down before the fault, too";
        check_targets(&rows, 1, &format!("absent: 0 of 2 targets lost{too}"));
        let rows = [(A, "1x1 0 0 1x3 0x7"), (B, "1x6 0x7")];
        let one = format!("1 of 2 targets lost, at 00:01:10 UTC{too}");
        check_targets(&rows, 1, &format!("confirmed: {one}"));
        check_targets(&rows, 2, &format!("smaller: {one}"));
        // Down before, and up throughout the fault.
        check_targets(&[(A, "1x1 0 0 1x10")], 1, "absent: 0 of 1 targets lost");
        // One that was slow once, in *before* or at the injection.
        let lost = |at: &str| format!("confirmed: 1 of 1 targets lost, at {at} UTC");
        check_targets(&[(A, "1x2 0 1x3 0x7")], 1, &lost("00:01:20"));
        check_targets(&[(A, "1x5 0 0x7")], 1, &lost("00:01:10"));
    }

    #[test]
    fn when_nothing_was_scraped_it_is_us() {
        let rows = [(A, "1x6"), (OTHER, "1x6")];
        check_targets(&rows, 1, "unknown: no target at all was scraped in *during*");
    }
}
