//! The values of the lab's switches, from text.

use std::{str::FromStr, time::Duration};

use super::plan::Least;

/// A length such as `500ms`, `2s` or `1m30s`. Also reads what [`written`] writes.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let length: jiff::SignedDuration =
        text.parse().map_err(|_error| format!("`{text}` is not a length of time such as `2s`"))?;
    Duration::try_from(length).map_err(|_error| format!("`{text}` is negative"))
}

/// A length as an argument for another process.
pub(super) fn written(length: Duration) -> String {
    format!("{}us", length.as_micros())
}

/// A length between two turns, which must not be none.
pub(super) fn period(text: &str) -> Result<Duration, String> {
    let length = duration(text)?;
    let shortest = Duration::from_millis(10);
    if length < shortest { Err("must be at least 10ms".to_owned()) } else { Ok(length) }
}

/// A finite number that is not negative.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
        Ok(_) | Err(_) => Err(format!("`{text}` is not a number of at least 0")),
    }
}

/// A finite number above 0.
pub(super) fn factor(text: &str) -> Result<f64, String> {
    rate(text)
        .ok()
        .filter(|factor| *factor > 0.0)
        .ok_or_else(|| format!("`{text}` is not a number above 0"))
}

/// A count that is not 0.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) | Err(_) => Err(format!("`{text}` is not a count of at least 1")),
        Ok(count) => Ok(count),
    }
}

/// A part of the name of a pod, which Kubernetes keeps to DNS labels.
pub(super) fn dns_label(text: &str) -> Result<String, String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edges = !text.starts_with('-') && !text.ends_with('-');
    if (1..=40).contains(&text.len()) && edges && text.chars().all(inner) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 40 of a–z, 0–9 and `-`, and neither begin nor end with `-`".to_owned())
    }
}

/// The fewest and the most of something, `2..10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// The fewest.
    pub(super) least: usize,
    /// The most.
    pub(super) most: usize,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ends = text.split_once("..").and_then(|(least, most)| {
            Some(Self { least: least.parse().ok()?, most: most.parse().ok()? })
        });
        ends.filter(|range| (1..=range.most).contains(&range.least))
            .ok_or_else(|| format!("`{text}` is not a range of counts such as `2..10`"))
    }
}

impl FromStr for Least {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let least = match text.strip_suffix('%') {
            Some(percent) => {
                percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Percent)
            }
            None => text.parse().ok().map(Self::Pods),
        };
        least
            .ok_or_else(|| format!("`{text}` is neither a count of pods nor a share such as `75%`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_duration_reads_back() {
        let length = Duration::from_micros(1_234_567);
        assert_eq!(duration(&written(length)).unwrap(), length);
    }

    #[test]
    fn ranges_have_two_ends_in_order_and_are_not_empty() {
        assert_eq!("2..10".parse(), Ok(Range { least: 2, most: 10 }));
        for text in ["", "2", "2..", "0..3", "4..3", "-1..2"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_budget_is_a_count_or_a_share_rounded_up() {
        let of = |text: &str, pods| text.parse::<Least>().map(|least| least.of(pods));
        assert_eq!((of("3", 10), of("75%", 10), of("0%", 10)), (Ok(3), Ok(8), Ok(0)));
        for text in ["", "%", "101%", "-1", "1.5"] {
            assert!(of(text, 10).is_err(), "{text}");
        }
    }

    #[test]
    fn a_factor_is_above_zero() {
        assert!(factor("0.5").is_ok());
        for text in ["0", "-1", "NaN", "inf", "x"] {
            assert!(factor(text).is_err(), "{text}");
        }
    }
}
