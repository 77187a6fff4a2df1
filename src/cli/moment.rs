//! Points in time as people type them.

use std::time::Duration;

use crate::{
    hypothesis::units::{Quantity, duration},
    time::Time,
};

/// The least number that is taken for seconds since the epoch: 2001. A smaller one is a typo, or
/// counts from elsewhere.
const LEAST_EPOCH: f64 = 1e9;
/// The greatest: 2286. A greater one is in milliseconds.
const MOST_EPOCH: f64 = 1e10;

/// A stretch of time `FROM..TO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Its beginning.
    pub(super) from: Moment,
    /// Its end.
    pub(super) to: Moment,
}

/// A point in time as it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// An instant.
    At(Time),
    /// Date and time without a zone, taken for UTC.
    Utc(Time),
    /// So long ago.
    Ago(Duration),
}

impl Moment {
    /// Which time it is, when it is `now`.
    pub(super) fn time(self, now: Time) -> Time {
        match self {
            Self::At(time) | Self::Utc(time) => time,
            Self::Ago(ago) => now.minus(ago),
        }
    }
}

/// Reads `FROM..TO`, for clap.
pub(super) fn stretch(text: &str) -> Result<Stretch, String> {
    let (from, to) = text.split_once("..").ok_or_else(|| {
        "a stretch of time is written FROM..TO, such as 2026-11-23T02:15:00Z..2026-11-23T02:20:00Z"
            .to_owned()
    })?;
    Ok(Stretch { from: moment(from)?, to: moment(to)? })
}

fn moment(text: &str) -> Result<Moment, String> {
    let text = text.trim();
    if text == "now" {
        return Ok(Moment::Ago(Duration::ZERO));
    }
    if let Some(ago) = text.strip_prefix('-') {
        return length(ago)
            .map(Moment::Ago)
            .ok_or_else(|| format!("`{text}` is not a time ago: write `-90s`, `-15m` or `-2h`"));
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return if (LEAST_EPOCH..MOST_EPOCH).contains(&seconds) {
            Ok(Moment::At(Time::from_millis((seconds * 1000.0).round() as i64)))
        } else {
            Err(format!("`{text}` is no time in seconds since 1970 between 2001 and 2286"))
        };
    }
    if let Ok(time) = text.parse::<Time>() {
        return Ok(Moment::At(time));
    }
    if let Ok(time) = format!("{}Z", text.replacen(' ', "T", 1)).parse::<Time>() {
        return Ok(Moment::Utc(time));
    }
    Err(format!(
        "`{text}` is not a time: write `2026-11-23T02:15:00Z`, seconds since 1970, `-2h` or `now`"
    ))
}

fn length(text: &str) -> Option<Duration> {
    match Quantity::parse(text).ok()? {
        Quantity::Seconds(seconds) => duration(seconds),
        Quantity::Plain(_) | Quantity::Share(_) | Quantity::Bytes(_) | Quantity::PerSecond(_) => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_800_000_000_000);

    #[track_caller]
    fn check(text: &str, want: &str) {
        let said = match stretch(text) {
            Ok(Stretch { from, to }) => format!("{} {}", from.time(NOW), to.time(NOW)),
            Err(why) => why,
        };
        assert_eq!(said, want);
    }

    #[test]
    fn a_time_may_be_typed_as_it_is_found() {
        let want = "2026-11-23T02:15:00Z 2026-11-23T02:20:00.5Z";
        check("2026-11-23T02:15:00Z..2026-11-23T02:20:00.5Z", want);
        check("2026-11-23T03:15:00+01:00..2026-11-23 02:20:00.5", want);
        check("1795400100..1795400400.5", want);
        check("-2h..now", "2027-01-15T06:00:00Z 2027-01-15T08:00:00Z");
    }

    #[test]
    fn a_time_without_a_zone_is_known_as_such() {
        let moment = moment("2026-11-23T02:15:00").unwrap();
        assert!(matches!(moment, Moment::Utc(time) if time.to_string() == "2026-11-23T02:15:00Z"));
    }

    #[test]
    fn what_is_no_time_is_refused_with_an_example() {
        check(
            "yesterday..now",
            "`yesterday` is not a time: write `2026-11-23T02:15:00Z`, seconds since 1970, `-2h` or `now`",
        );
        check(
            "1795400100000..now",
            "`1795400100000` is no time in seconds since 1970 between 2001 and 2286",
        );
        check("-2..now", "`-2` is not a time ago: write `-90s`, `-15m` or `-2h`");
        check(
            "now",
            "a stretch of time is written FROM..TO, such as 2026-11-23T02:15:00Z..2026-11-23T02:20:00Z",
        );
    }
}
