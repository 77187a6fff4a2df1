//! The guard: stops a run early, on its condition or when it has been blind for as long.

use std::time::Duration;

use crate::{
    hypothesis::{Hypothesis, model::Guard},
    number::length,
    sample::Point,
    time::Time,
};

/// Watches the guards of a hypothesis while the fault is on.
pub(super) struct Sentry {
    posts: Vec<Post>,
}

struct Post {
    guard: Guard,
    name: String,
    beyond_since: Option<Time>,
    blind_since: Option<Time>,
}

impl Sentry {
    pub(super) fn new(hypothesis: &Hypothesis) -> Self {
        let post = |guard: &Guard| Post {
            guard: guard.clone(),
            name: hypothesis.indicator(guard.indicator).name.clone(),
            beyond_since: None,
            blind_since: None,
        };
        Self { posts: hypothesis.guard.iter().map(post).collect() }
    }

    /// Looks at the newest values, by indicator; says why when a guard trips.
    pub(super) fn look(&mut self, now: Time, newest: &[Option<Point>]) -> Option<String> {
        self.posts.iter_mut().find_map(|post| post.look(now, newest.get(post.guard.indicator.0)?))
    }
}

impl Post {
    fn look(&mut self, now: Time, newest: &Option<Point>) -> Option<String> {
        let number = newest.map(|point| point.value).filter(|value| !value.is_nan());
        let beyond = number.is_some_and(|value| self.guard.trips.holds(value));
        let lasted = |since: &mut Option<Time>, on: bool| -> Option<Duration> {
            *since = if on { since.or(Some(now)) } else { None };
            since.map(|since| now.since(since))
        };
        let long = self.guard.for_;
        if lasted(&mut self.beyond_since, beyond).is_some_and(|for_| for_ >= long) {
            return Some(format!(
                "the guard on `{}` tripped: beyond its level for {}",
                self.name,
                length(long)
            ));
        }
        if lasted(&mut self.blind_since, number.is_none()).is_some_and(|for_| for_ >= long) {
            return Some(format!(
                "the guard on `{}` tripped: no number of it for {}",
                self.name,
                length(long)
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hypothesis::model::{IndicatorId, Level},
        number::Finite,
    };

    /// Values a second apart; the second at which a guard "above 0.5 for 3 s" trips.
    #[track_caller]
    fn check(values: &[Option<f64>], want: Option<i64>) {
        let guard = Guard {
            indicator: IndicatorId(0),
            trips: Level::Above(Finite::new(0.5).unwrap()),
            for_: Duration::from_secs(3),
        };
        let post = Post { guard, name: "errors".into(), beyond_since: None, blind_since: None };
        let mut sentry = Sentry { posts: vec![post] };
        let mut tripped = None;
        for (second, value) in (0..).zip(values) {
            let now = Time::from_millis(second * 1000);
            if sentry.look(now, &[value.map(|v| Point::exact(now, v))]).is_some() {
                tripped = tripped.or(Some(second));
            }
        }
        assert_eq!(tripped, want);
    }

    #[test]
    fn it_trips_when_its_level_holds_for_its_time() {
        check(&[Some(0.1), Some(0.6), Some(0.6), Some(0.6), Some(0.6)], Some(4));
    }

    #[test]
    fn a_relief_starts_the_time_again() {
        check(&[Some(0.6), Some(0.6), Some(0.6), Some(0.1), Some(0.6), Some(0.6)], None);
    }

    #[test]
    fn at_its_level_counts() {
        check(&[Some(0.5); 4], Some(3));
    }

    #[test]
    fn blindness_trips_it_too() {
        check(&[Some(0.1), None, None, Some(f64::NAN), None], Some(4));
    }
}
