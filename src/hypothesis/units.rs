//! Quantities as people write them: `200ms`, `30%`, `10MiB`, `100/s`, `3`.
//!
//! A quantity says what it counts; whether that fits is decided where it is used, by
//! [`Quantity::in_unit`] or by the kind of value that is asked for.

use std::time::Duration;

use crate::number::Unit;

/// A number together with what it was said to count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Quantity {
    /// A bare number.
    Plain(f64),
    /// A percentage, as a part of 1.
    Share(f64),
    /// A length of time, in seconds.
    Seconds(f64),
    /// A size.
    Bytes(f64),
    /// So many a second.
    PerSecond(f64),
}

/// Why a text is not a quantity, or not the one that is needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAQuantity {
    /// There is no number in it.
    #[error("`{0}` is not a number")]
    NoNumber(String),
    /// The unit is not known.
    #[error("{}", no_unit(unit))]
    UnknownUnit {
        /// What stands where the unit should.
        unit: String,
    },
    /// Parts of a time in the wrong order, or twice.
    #[error("the parts of `{0}` are not in order")]
    Disordered(String),
    /// NaN, infinite, or too great to be one of our numbers.
    #[error("`{0}` is not a finite number")]
    NotFinite(String),
    /// The unit is known, but another is needed.
    #[error("{got} does not fit {wanted}")]
    Misfit {
        /// What was given: `a length of time`.
        got: &'static str,
        /// What is needed: `a share`.
        wanted: String,
    },
}

fn no_unit(unit: &str) -> String {
    if unit.is_empty() {
        return "a part of it has no unit".to_owned();
    }
    format!("`{unit}` is not a unit")
}

impl NotAQuantity {
    /// The way out.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::NoNumber(_) => "write a number with its unit: `200ms`, `30%`, `10MiB` or `100/s`",
            Self::UnknownUnit { unit } => Self::meant(unit),
            Self::Disordered(_) => "the longest unit stands first, and each once: `1h30m`",
            Self::NotFinite(_) => {
                "nothing can be compared with NaN, and everything is on one side of infinity"
            }
            Self::Misfit { .. } => "write it in the unit of the indicator",
        }
    }

    fn meant(unit: &str) -> &'static str {
        match unit.to_lowercase().as_str() {
            "min" | "mins" | "minute" | "minutes" => "minutes are written `m`: `5m`",
            "sec" | "secs" | "second" | "seconds" => "seconds are written `s`: `30s`",
            "h" | "hr" | "hrs" | "hour" | "hours" => "hours are written `h`: `1h`",
            "s" | "ms" | "us" | "d" | "w" => "units of time are written in lower case",
            "day" | "days" => "days are written `d`: `1d`",
            "percent" | "pct" => "a share is written `30%`",
            "," => "write a decimal point: `1.5`",
            "_" => "write the digits without `_`",
            ":" => "a length of time is written like `1m30s`",
            "rps" | "qps" | "hz" | "/sec" | "/m" | "/min" => "a rate is so many a second: `100/s`",
            _ => {
                "time is `us ms s m h d w`, a share `%`, a size `B kB MB GB KiB MiB GiB`, a rate `/s`"
            }
        }
    }
}

/// Units of time, the longest first, in seconds.
const TIME: [(&str, f64); 8] = [
    ("w", 604_800.0),
    ("d", 86_400.0),
    ("h", 3600.0),
    ("m", 60.0),
    ("s", 1.0),
    ("ms", 1e-3),
    ("us", 1e-6),
    ("µs", 1e-6),
];

/// Units of size, in bytes.
const SIZE: [(&str, f64); 9] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];

impl Quantity {
    /// Reads a quantity. A minus sign is read; who cannot use it refuses it.
    pub(crate) fn parse(text: &str) -> Result<Self, NotAQuantity> {
        let text = text.trim();
        let quantity = if let Some(number) = text.strip_suffix('%') {
            Self::Share(number_in(number, text)? / 100.0)
        } else if let Some(number) = text.strip_suffix("/s") {
            Self::PerSecond(number_in(number, text)?)
        } else if let Ok(number) = text.parse::<f64>() {
            Self::Plain(number)
        } else {
            Self::sized(text)?
        };
        if quantity.number().is_finite() {
            Ok(quantity)
        } else {
            Err(NotAQuantity::NotFinite(text.to_owned()))
        }
    }

    /// The number in the base unit: parts of 1, seconds, bytes, per second.
    pub(crate) fn number(self) -> f64 {
        match self {
            Self::Plain(n) | Self::Share(n) | Self::Seconds(n) | Self::Bytes(n) => n,
            Self::PerSecond(n) => n,
        }
    }

    /// What it counts, in words.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Plain(_) => "a bare number",
            Self::Share(_) => "a share",
            Self::Seconds(_) => "a length of time",
            Self::Bytes(_) => "a size",
            Self::PerSecond(_) => "a rate",
        }
    }

    /// The number in an indicator's unit. A bare number is always in that unit.
    pub(crate) fn in_unit(self, unit: &Unit) -> Result<f64, NotAQuantity> {
        match (self, unit) {
            (Self::Plain(number), _)
            | (Self::Share(number), Unit::Share)
            | (Self::Seconds(number), Unit::Seconds)
            | (Self::Bytes(number), Unit::Bytes)
            | (Self::PerSecond(number), Unit::PerSecond) => Ok(number),
            (
                Self::Share(_) | Self::Seconds(_) | Self::Bytes(_) | Self::PerSecond(_),
                Unit::None
                | Unit::Share
                | Unit::Seconds
                | Unit::Bytes
                | Unit::PerSecond
                | Unit::Other(_),
            ) => Err(NotAQuantity::Misfit { got: self.kind(), wanted: in_words(unit) }),
        }
    }

    /// A time made of parts (`1h30m`), or a size of one part (`10MiB`).
    fn sized(text: &str) -> Result<Self, NotAQuantity> {
        let (sign, unsigned) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
        let (mut rest, mut seconds, mut next) = (unsigned, 0.0, 0);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
            let (number, after) = rest.split_at(digits.unwrap_or(rest.len()));
            let number = number_in(number, text)?;
            let after = after.trim_start();
            let letters = after.find(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
            let (unit, after) = after.split_at(letters.unwrap_or(after.len()));
            let unit = unit.trim_end();
            if let Some((_, bytes)) = SIZE.iter().find(|(name, _)| *name == unit)
                && rest.len() == unsigned.len()
                && after.is_empty()
            {
                return Ok(Self::Bytes(sign * number * bytes));
            }
            let place = TIME.iter().position(|(name, _)| *name == unit);
            let place = place.ok_or_else(|| NotAQuantity::UnknownUnit { unit: unit.to_owned() })?;
            if place < next {
                return Err(NotAQuantity::Disordered(text.to_owned()));
            }
            seconds += number * TIME[place].1;
            (rest, next) = (after, place + 1);
        }
        Ok(Self::Seconds(sign * seconds))
    }
}

fn number_in(number: &str, whole: &str) -> Result<f64, NotAQuantity> {
    let number = number.trim();
    number.parse().ok().ok_or_else(|| NotAQuantity::NoNumber(whole.to_owned()))
}

/// A unit as it stands in messages.
fn in_words(unit: &Unit) -> String {
    match unit {
        Unit::None => "an indicator without a unit".to_owned(),
        Unit::Seconds => "an indicator in seconds".to_owned(),
        Unit::Share => "an indicator that is a share".to_owned(),
        Unit::Bytes => "an indicator in bytes".to_owned(),
        Unit::PerSecond => "an indicator that is a rate".to_owned(),
        Unit::Other(text) => format!("an indicator in `{text}`"),
    }
}

/// The longest time that a hypothesis can name: a year and a day.
pub(crate) const LONGEST: Duration = Duration::from_secs(367 * 86_400);

/// A length of time in whole milliseconds, which is how finely time is kept.
pub(crate) fn duration(seconds: f64) -> Option<Duration> {
    let millis = (seconds * 1000.0).round();
    let exact = (seconds * 1000.0 - millis).abs() < 1e-6;
    let length = Duration::from_millis(millis as u64);
    (exact && millis >= 0.0 && length <= LONGEST).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, want: Quantity) {
        let got = Quantity::parse(text).unwrap();
        let close = (got.number() - want.number()).abs() <= want.number().abs() * 1e-12;
        assert!(close && got.kind() == want.kind(), "{text} is {got:?}, not {want:?}");
    }

    #[track_caller]
    fn refuses(text: &str, want: NotAQuantity) {
        assert_eq!(Quantity::parse(text), Err(want));
    }

    #[test]
    fn quantities_read_as_people_write_them() {
        reads("200ms", Quantity::Seconds(0.2));
        reads("5m", Quantity::Seconds(300.0));
        reads("1h30m", Quantity::Seconds(5400.0));
        reads("1d", Quantity::Seconds(86_400.0));
        reads("2w", Quantity::Seconds(1_209_600.0));
        reads("1.5s", Quantity::Seconds(1.5));
        reads("500us", Quantity::Seconds(0.0005));
        reads("-50ms", Quantity::Seconds(-0.05));
        reads("30%", Quantity::Share(0.3));
        reads("0.1 %", Quantity::Share(0.001));
        reads("10MiB", Quantity::Bytes(10_485_760.0));
        reads("5 MB", Quantity::Bytes(5e6));
        reads("512B", Quantity::Bytes(512.0));
        reads("100/s", Quantity::PerSecond(100.0));
        reads("0.3", Quantity::Plain(0.3));
        reads("-4e2", Quantity::Plain(-400.0));
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_the_reason() {
        refuses("soon", NotAQuantity::NoNumber("soon".to_owned()));
        refuses("%", NotAQuantity::NoNumber("%".to_owned()));
        refuses("1..2s", NotAQuantity::NoNumber("1..2s".to_owned()));
        refuses("5 min", NotAQuantity::UnknownUnit { unit: "min".to_owned() });
        refuses("5M", NotAQuantity::UnknownUnit { unit: "M".to_owned() });
        refuses("5s3", NotAQuantity::UnknownUnit { unit: String::new() });
        refuses("1m1h", NotAQuantity::Disordered("1m1h".to_owned()));
        refuses("1s1s", NotAQuantity::Disordered("1s1s".to_owned()));
        refuses("nan", NotAQuantity::NotFinite("nan".to_owned()));
        refuses("inf%", NotAQuantity::NotFinite("inf%".to_owned()));
        refuses("1e999", NotAQuantity::NotFinite("1e999".to_owned()));
    }

    #[track_caller]
    fn fits(text: &str, unit: Unit, want: Option<f64>) {
        assert_eq!(Quantity::parse(text).unwrap().in_unit(&unit).ok(), want);
    }

    #[test]
    fn a_bound_is_taken_in_the_unit_of_its_indicator() {
        fits("200ms", Unit::Seconds, Some(0.2));
        fits("0.2", Unit::Seconds, Some(0.2));
        fits("1%", Unit::Share, Some(0.01));
        fits("1KiB", Unit::Bytes, Some(1024.0));
        fits("10/s", Unit::PerSecond, Some(10.0));
        fits("3", Unit::Other("m".to_owned()), Some(3.0));
        fits("200ms", Unit::Share, None);
        fits("1%", Unit::Seconds, None);
        fits("5s", Unit::Other("ms".to_owned()), None);
        fits("10/s", Unit::None, None);
    }

    #[test]
    fn a_length_of_time_is_in_whole_milliseconds_and_has_an_end() {
        assert_eq!(duration(0.2), Some(Duration::from_millis(200)));
        assert_eq!(duration(0.0), Some(Duration::ZERO));
        assert_eq!(duration(0.0005), None);
        assert_eq!(duration(-1.0), None);
        assert_eq!(duration(1e12), None);
    }
}
