//! A point in time, to the millisecond, as Prometheus keeps it.
//!
//! Everything that is compared, stored or put on an axis uses this one type. The
//! calendar (RFC 3339, UTC) is only for reading and writing.

use std::{fmt, str::FromStr, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// A time from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, with fraction.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The time `length` later.
    #[must_use]
    pub fn plus(self, length: Duration) -> Self {
        Self(self.0.saturating_add(millis(length)))
    }

    /// The time `length` earlier.
    #[must_use]
    pub fn minus(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(millis(length)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Seconds from `other` to this time; negative when this is earlier.
    pub fn seconds_from(self, other: Self) -> f64 {
        (self.0.saturating_sub(other.0)) as f64 / 1000.0
    }

    /// The first multiple of `step` since the epoch that is not before this time.
    #[must_use]
    pub fn ceil_to(self, step: Duration) -> Self {
        let step = millis(step).max(1);
        Self(self.0.div_euclid(step) * step + if self.0.rem_euclid(step) == 0 { 0 } else { step })
    }

    /// `20261123T021500Z`: the form used in run ids, which sorts by time.
    pub fn compact(self) -> String {
        self.calendar().strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// The time of day, `02:15:07`, UTC.
    pub fn clock_text(self) -> String {
        self.calendar().strftime("%H:%M:%S").to_string()
    }

    fn calendar(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// A length in whole milliseconds; saturates far beyond any run.
pub(crate) fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_millisecond())
    }
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC, with milliseconds where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.calendar())
    }
}

/// Why a text is not a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an RFC 3339 time such as `2026-11-23T02:15:00Z`")]
pub struct NotATime(String);

impl FromStr for Time {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        text.parse::<Timestamp>().map(Self::from).ok().ok_or_else(|| NotATime(text.to_owned()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_sorts() {
        let time: Time = "2026-11-23T02:15:00.25Z".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-23T02:15:00.25Z");
        assert_eq!(time.compact(), "20261123T021500Z");
        assert_eq!(time.to_string().parse::<Time>().unwrap(), time);
    }

    #[test]
    fn the_grid_starts_at_or_after() {
        let step = Duration::from_secs(5);
        assert_eq!(Time::from_millis(10_000).ceil_to(step), Time::from_millis(10_000));
        assert_eq!(Time::from_millis(10_001).ceil_to(step), Time::from_millis(15_000));
    }

    #[test]
    fn since_never_goes_below_zero() {
        assert_eq!(Time::from_millis(1).since(Time::from_millis(5)), Duration::ZERO);
        assert!(Time::from_millis(1).seconds_from(Time::from_millis(5)) < 0.0);
    }
}
