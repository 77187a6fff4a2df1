//! How many points an analysis would compute, before it computes them.

use std::time::Duration;

use crate::{frame::Observed, hypothesis::Hypothesis, number::length};

/// The most points of all indicators together that are computed: about 500 MB. Fifty indicators
/// at one point a second over a whole day are fewer.
pub(crate) const MOST_POINTS: u64 = 5_000_000;

/// A run and a hypothesis that would give more points than any report could show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the run lasted {lasted}, and its hypothesis asks for {indicators} indicators every {step}: \
     these are {points} points, and at most {MOST_POINTS} are computed"
)]
pub struct TooManyPoints {
    lasted: String,
    indicators: usize,
    step: String,
    points: u64,
}

/// Fails when there would be more than [`MOST_POINTS`].
pub fn check_size(hypothesis: &Hypothesis, observed: &Observed) -> Result<(), TooManyPoints> {
    let lasted = observed.phases.whole().map_or(Duration::ZERO, |whole| whole.length());
    let step = hypothesis.phases.step.max(Duration::from_millis(1));
    let indicators = hypothesis.indicators.len();
    let each = u64::try_from(lasted.as_millis() / step.as_millis()).unwrap_or(u64::MAX);
    let points = each.saturating_mul(indicators as u64);
    if points <= MOST_POINTS {
        return Ok(());
    }
    Err(TooManyPoints { lasted: length(lasted), indicators, step: length(step), points })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            notation::{at, secs},
            scene::{api, hypothesis},
        },
        hypothesis::model::IndicatorKind,
        window::{Phases, Window},
    };

    fn check(seconds: i64) -> Option<String> {
        let mut hypothesis = hypothesis(vec![IndicatorKind::PodsReady { selector: api() }]);
        hypothesis.phases.step = secs(1);
        let before = Some(Window::new(at(0), at(seconds)));
        let phases = Phases { before, ..Phases::default() };
        let observed = Observed { phases, ..Observed::default() };
        check_size(&hypothesis, &observed).err().map(|error| error.to_string())
    }

    #[test]
    fn a_run_of_years_every_second_is_refused() {
        assert_eq!(check(5_000_000), None);
        let why = check(5_000_001).unwrap();
        assert!(
            why.ends_with("these are 5000001 points, and at most 5000000 are computed"),
            "{why}"
        );
    }
}
