//! The guard: stops a run early when its indicator is beyond its level, or cannot be seen, for
//! too long.
//!
//! What counts is the time for which the indicator was **not seen to be well**: beyond its level,
//! without a number, or made of samples that are overdue, in any mixture. A target that freezes
//! just after it got worse must not buy time. `docs/hypothesis.md` says it to the users.

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

/// What is known of an indicator now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// Its newest value; none when nothing was seen, NaN when there was no number.
    pub(super) newest: Option<Point>,
    /// Up to when what it is made of was seen; none when it never was.
    pub(super) seen_until: Option<Time>,
    /// For how long what was seen may be the newest that there is.
    pub(super) due_after: Duration,
}

struct Post {
    guard: Guard,
    name: String,
    unwell: Option<Unwell>,
}

/// A stretch in which an indicator was not seen to be well.
#[derive(Clone, Copy)]
struct Unwell {
    since: Time,
    beyond: bool,
    perhaps: bool,
    blind: bool,
}

impl Sentry {
    pub(super) fn new(hypothesis: &Hypothesis) -> Self {
        let post = |guard: &Guard| Post {
            guard: guard.clone(),
            name: hypothesis.indicator(guard.indicator).name.clone(),
            unwell: None,
        };
        Self { posts: hypothesis.guard.iter().map(post).collect() }
    }

    /// Looks at each indicator, in the order of the hypothesis; says why when a guard trips.
    pub(super) fn look(&mut self, now: Time, looks: &[Look]) -> Option<String> {
        let mut posts = self.posts.iter_mut();
        posts.find_map(|post| post.look(now, *looks.get(post.guard.indicator.0)?))
    }
}

impl Post {
    fn look(&mut self, now: Time, look: Look) -> Option<String> {
        let Look { newest, seen_until, due_after } = look;
        let number = newest.filter(|point| !point.value.is_nan());
        let trips = self.guard.trips;
        // Blind from when the next sample was due and did not come.
        let overdue = seen_until.map(|seen| seen.plus(due_after)).filter(|due| *due < now);
        let beyond = number.is_some_and(|point| trips.holds(point.value));
        // Only what was not counted: with a bucket alone, the value is the best that there is.
        let perhaps = number.is_some_and(|point| {
            point.uncounted > 0.0 && (trips.holds(point.lower) || trips.holds(point.upper))
        });
        let blind = number.is_none() || overdue.is_some() || seen_until.is_none();
        if !beyond && !perhaps && !blind {
            self.unwell = None;
            return None;
        }
        let since = overdue.unwrap_or(now);
        let new = Unwell { since, beyond: false, perhaps: false, blind: false };
        let unwell = self.unwell.get_or_insert(new);
        // Old samples say nothing of now, on whichever side of the level they are.
        unwell.beyond |= beyond && !blind;
        unwell.perhaps |= perhaps && !blind;
        unwell.blind |= blind;
        let unwell = *unwell;
        (now.since(unwell.since) >= self.guard.for_).then(|| self.words(unwell))
    }

    fn words(&self, unwell: Unwell) -> String {
        let Unwell { beyond, perhaps, blind, .. } = unwell;
        let how = match (beyond, blind) {
            (true, false) => "beyond its level",
            (true, true) => "beyond its level, then without fresh data,",
            (false, _) if perhaps => {
                "perhaps beyond its level, by what new targets counted before their first scrape,"
            }
            (false, true | false) => "no fresh data",
        };
        let (name, long) = (&self.name, length(self.guard.for_));
        format!("the guard on `{name}` tripped: {how} for {long}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hypothesis::model::{IndicatorId, Level},
        number::Finite,
    };

    /// What was seen in one second.
    #[derive(Clone, Copy)]
    enum At {
        /// A number made of samples of this second.
        Fresh(f64),
        /// The same number again, made of the samples of so many seconds ago.
        Old(f64, i64),
        /// A number made of samples of this second, that could be as much.
        UpTo(f64, f64),
        /// Nothing at all.
        Nothing,
    }
    use At::{Fresh, Nothing, Old, UpTo};

    /// Looks a second apart at a guard "above 0.5 for 3 s" over samples a second apart: the
    /// second at which it trips, and how it puts it.
    #[track_caller]
    fn check(seen: &[At], want: Option<(i64, &str)>) {
        let guard = Guard {
            indicator: IndicatorId(0),
            trips: Level::Above(Finite::new(0.5).unwrap()),
            for_: Duration::from_secs(3),
        };
        let post = Post { guard, name: "errors".into(), unwell: None };
        let mut sentry = Sentry { posts: vec![post] };
        let mut tripped = None;
        for (second, seen) in (0..).zip(seen) {
            let at = |second: i64| Time::from_millis(second * 1000);
            let due_after = Duration::from_secs(1);
            let look = |value, age: i64| Look {
                newest: Some(Point::exact(at(second), value)),
                seen_until: Some(at(second - age)),
                due_after,
            };
            let look = match *seen {
                Fresh(value) => look(value, 0),
                Old(value, age) => look(value, age),
                UpTo(value, upper) => {
                    let point = Point::between(at(second), value, value, upper);
                    let newest = Some(Point { uncounted: 1.0, ..point });
                    Look { newest, seen_until: Some(at(second)), due_after }
                }
                Nothing => Look { newest: None, seen_until: None, due_after },
            };
            if let Some(why) = sentry.look(at(second), &[look]) {
                tripped = Some((second, why.rsplit_once("tripped: ").unwrap().1.to_owned()));
                break;
            }
        }
        assert_eq!(tripped.as_ref().map(|(second, why)| (*second, why.as_str())), want);
    }

    const BEYOND: &str = "beyond its level for 3 s";
    const BLIND: &str = "no fresh data for 3 s";

    #[test]
    fn it_trips_when_its_level_holds_for_its_time() {
        check(&[Fresh(0.1), Fresh(0.6), Fresh(0.6), Fresh(0.6), Fresh(0.6)], Some((4, BEYOND)));
        check(&[Fresh(0.6), Fresh(0.6), Fresh(0.6)], None);
    }

    #[test]
    fn a_relief_starts_the_time_again() {
        check(
            &[Fresh(0.6), Fresh(0.6), Fresh(0.6), Fresh(0.1), Fresh(0.6), Fresh(0.6), Fresh(0.6)],
            None,
        );
    }

    #[test]
    fn at_its_level_counts() {
        check(&[Fresh(0.5); 4], Some((3, BEYOND)));
    }

    #[test]
    fn what_may_be_beyond_was_not_seen_to_be_well() {
        let perhaps = "perhaps beyond its level, by what new targets counted before their first \
                       scrape, for 3 s";
        check(&[UpTo(0.1, 0.6); 4], Some((3, perhaps)));
        check(&[UpTo(0.1, 0.4); 4], None);
        check(&[UpTo(0.1, 0.6), UpTo(0.1, 0.6), Fresh(0.6), Fresh(0.6)], Some((3, BEYOND)));
    }

    #[test]
    fn no_number_and_nothing_at_all_are_blind() {
        check(&[Fresh(0.1), Nothing, Fresh(f64::NAN), Fresh(f64::NAN), Nothing], Some((4, BLIND)));
        check(&[Nothing; 4], Some((3, BLIND)));
    }

    #[test]
    fn an_old_number_is_blind_from_when_the_next_was_due() {
        // The last samples are of second 0, so the next were due at 1.
        let frozen = [Fresh(0.1), Old(0.1, 1), Old(0.1, 2), Old(0.1, 3), Old(0.1, 4)];
        check(&frozen, Some((4, BLIND)));
        check(&frozen[..4], None);
    }

    #[test]
    fn a_sample_that_is_not_due_yet_is_fresh() {
        check(&[Old(0.1, 1); 9], None);
    }

    #[test]
    fn an_old_number_beyond_the_level_is_not_taken_for_news() {
        check(&[Old(0.9, 2), Old(0.9, 3), Old(0.9, 4), Old(0.9, 5)], Some((2, BLIND)));
    }

    #[test]
    fn to_freeze_after_getting_worse_buys_no_time() {
        check(
            &[Fresh(0.1), Fresh(0.6), Fresh(0.6), Old(0.6, 1), Old(0.6, 2)],
            Some((4, "beyond its level, then without fresh data, for 3 s")),
        );
    }

    #[test]
    fn to_come_back_well_starts_the_time_again() {
        check(&[Nothing, Nothing, Nothing, Fresh(0.1), Nothing, Nothing, Nothing], None);
    }
}
