//! Numbers that were checked at the door, and the units they are said in.
//!
//! YAML can say `.nan`, and every comparison with NaN is false: so a bound is [`Finite`], a part
//! of a whole is a [`Share`], and both are made only by parsing.

use std::{fmt, time::Duration};

/// A number that is neither NaN nor infinite.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Finite(f64);

impl Finite {
    /// The number, unless it is NaN or infinite.
    pub fn new(value: f64) -> Option<Self> {
        // `+ 0.0` makes −0 into 0, so that no text ever reads "-0".
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// A part of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Share(f64);

impl Share {
    /// The whole.
    pub const ALL: Self = Self(1.0);
    /// A half.
    pub const HALF: Self = Self(0.5);

    /// The share, when it lies within 0 and 1.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value + 0.0))
    }

    /// The number from 0 to 1.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// This share of `whole` things, rounded down: never more than was asked for.
    ///
    /// Products that differ from a whole number by rounding error only count as that number
    /// (0.3 × 10 is 3).
    pub fn floor_of(self, whole: usize) -> usize {
        (self.0 * whole as f64 + 1e-9).floor() as usize
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Unit::Share.show(self.0))
    }
}

/// What a number counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A bare number.
    None,
    /// Seconds.
    Seconds,
    /// A part of a whole, said as a percentage.
    Share,
    /// Bytes, said with binary prefixes.
    Bytes,
    /// So many a second.
    PerSecond,
    /// Any other unit, said as it was written.
    Other(String),
}

impl Unit {
    /// The unit for a text such as `s`, `%`, `B`, `1/s` or anything else.
    pub fn from_text(text: &str) -> Self {
        match text.trim() {
            "" | "1" => Self::None,
            "s" | "seconds" => Self::Seconds,
            "%" | "ratio" | "share" => Self::Share,
            "B" | "bytes" => Self::Bytes,
            "1/s" | "/s" | "per second" => Self::PerSecond,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The text that [`Unit::from_text`] reads back.
    pub fn text(&self) -> &str {
        match self {
            Self::None => "",
            Self::Seconds => "s",
            Self::Share => "%",
            Self::Bytes => "B",
            Self::PerSecond => "1/s",
            Self::Other(text) => text,
        }
    }

    /// A value in this unit as people read it: `183 ms`, `0.4 %`, `12 MiB`, `310/s`.
    ///
    /// Three significant digits; the exact value is in the JSON. NaN reads `no number`.
    pub fn show(&self, value: f64) -> String {
        if value.is_nan() {
            return "no number".to_owned();
        }
        if value.is_infinite() {
            return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
        }
        match self {
            Self::None => digits(value),
            Self::Seconds => seconds(value),
            Self::Share => format!("{} %", digits(value * 100.0)),
            Self::Bytes => bytes(value),
            Self::PerSecond => format!("{}/s", digits(value)),
            Self::Other(unit) => format!("{} {unit}", digits(value)),
        }
    }
}

/// Three significant digits without trailing zeros; whole numbers are said in full.
pub(crate) fn digits(value: f64) -> String {
    let size = value.abs();
    if size < 1e-12 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.2e}");
    }
    let places = (2.0 - size.log10().floor()).clamp(0.0, 7.0) as usize;
    let text = format!("{value:.places$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.to_owned()
}

/// A length of time as people read it: `180 ms`, `2.5 s`, `1 min 30 s`, `2 h`.
pub(crate) fn length(length: Duration) -> String {
    seconds(length.as_secs_f64())
}

fn seconds(value: f64) -> String {
    let size = value.abs();
    match size {
        s if s < 1e-12 => "0 s".to_owned(),
        s if s < 1e-3 => format!("{} µs", digits(value * 1e6)),
        s if s < 0.9995 => format!("{} ms", digits(value * 1e3)),
        s if s < 120.0 => format!("{} s", digits(value)),
        s => {
            let whole = s.round() as u64;
            let parts = [
                (whole / 86400, "d"),
                (whole % 86400 / 3600, "h"),
                (whole % 3600 / 60, "min"),
                (whole % 60, "s"),
            ];
            let said: Vec<String> = parts
                .iter()
                .filter(|(n, _)| *n > 0)
                .take(2)
                .map(|(n, unit)| format!("{n} {unit}"))
                .collect();
            format!("{}{}", if value < 0.0 { "-" } else { "" }, said.join(" "))
        }
    }
}

fn bytes(value: f64) -> String {
    let mut scaled = value;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if scaled.abs() < 1024.0 {
            return format!("{} {unit}", digits(scaled));
        }
        scaled /= 1024.0;
    }
    format!("{} PiB", digits(scaled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(unit: &Unit, value: f64, want: &str) {
        assert_eq!(unit.show(value), want);
    }

    #[test]
    fn values_read_as_people_say_them() {
        check(&Unit::Seconds, 0.183_4, "183 ms");
        check(&Unit::Seconds, 0.2, "200 ms");
        check(&Unit::Seconds, 2.5, "2.5 s");
        check(&Unit::Seconds, 90.0, "90 s");
        check(&Unit::Seconds, 150.0, "2 min 30 s");
        check(&Unit::Seconds, 93_600.0, "1 d 2 h");
        check(&Unit::Share, 0.004, "0.4 %");
        check(&Unit::Share, 0.3, "30 %");
        check(&Unit::Bytes, 12.0 * 1024.0 * 1024.0, "12 MiB");
        check(&Unit::PerSecond, 310.4, "310/s");
        check(&Unit::None, 10.0, "10");
        check(&Unit::None, -0.5, "-0.5");
        check(&Unit::None, f64::NAN, "no number");
    }

    #[test]
    fn a_bound_is_a_number() {
        assert_eq!(Finite::new(f64::NAN), None);
        assert_eq!(Finite::new(f64::INFINITY), None);
        assert_eq!(Share::new(1.01), None);
    }

    #[test]
    fn a_share_never_takes_more_than_asked() {
        let share = Share::new(0.3).unwrap();
        assert_eq!([10, 7, 4, 3, 0].map(|n| share.floor_of(n)), [3, 2, 1, 0, 0]);
    }
}
