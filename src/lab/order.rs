//! What the lab says to a running pod: lines on its stdin.

use std::{fmt, str::FromStr};

use super::exporter::Exposure;

/// One order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    /// Be unwell from now on, in this way.
    Suffer(Ailment),
    /// Show metrics, or do not.
    Expose(Exposure),
}

/// How a pod is unwell. It stays so until it is deleted: a new process of it begins unwell, too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ailment {
    /// How many times as long it takes for a request.
    pub(super) slow: f64,
    /// Mebibytes it loses each second.
    pub(super) leak: f64,
}

impl Default for Ailment {
    fn default() -> Self {
        Self { slow: 1.0, leak: 0.0 }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suffer(Ailment { slow, leak }) => write!(f, "suffer {slow} {leak}"),
            Self::Expose(exposure) => write!(f, "expose {exposure}"),
        }
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let order = match parts.as_slice() {
            ["suffer", slow, leak] => slow
                .parse()
                .ok()
                .zip(leak.parse().ok())
                .map(|(slow, leak)| Self::Suffer(Ailment { slow, leak })),
            ["expose", exposure] => exposure.parse().ok().map(Self::Expose),
            _ => None,
        };
        order.ok_or_else(|| format!("`{text}` is no order"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_reads_as_it_was_written() {
        let orders = [
            Order::Suffer(Ailment { slow: 10.0, leak: 0.25 }),
            Order::Expose(Exposure::Served),
            Order::Expose(Exposure::Refused),
            Order::Expose(Exposure::Hanging),
        ];
        for order in orders {
            assert_eq!(order.to_string().parse(), Ok(order));
        }
        assert!("suffer much".parse::<Order>().is_err());
    }
}
