//! The signed distance to the boundary, on one scale for every kind of objective.
//!
//! 1 is as far inside as there is a natural limit for, 0 is at the boundary, and below 0 is
//! beyond it. The table is in `docs/method.md`; each function is one row of it.

/// `(b − v) / s`: room below an upper bound `b`, on the scale `s` (its size, unless given).
pub(crate) fn below(value: f64, bound: f64, scale: f64) -> f64 {
    (bound - value) / scale
}

/// `(v − b) / s`: room above a lower bound `b`, on the scale `s`.
pub(crate) fn above(value: f64, bound: f64, scale: f64) -> f64 {
    (value - bound) / scale
}

/// The smaller distance to either end, over half the width.
pub(crate) fn between(value: f64, low: f64, high: f64) -> f64 {
    (value - low).min(high - value) / ((high - low) / 2.0)
}

/// `(t − |d|) / t`: what is left of the tolerance `t` after a difference `d`.
pub(crate) fn within(difference: f64, tolerance: f64) -> f64 {
    (tolerance - difference.abs()) / tolerance
}

/// `(t − r) / t`: what is left of the time `t` allowed for a recovery that took `r`.
pub(crate) fn recovers(took_s: f64, allowed_s: f64) -> f64 {
    (allowed_s - took_s) / allowed_s
}

/// `(N − n) / max(N, 1)`: what is left of an allowed number.
pub(crate) fn total_at_most(seen: f64, allowed: f64) -> f64 {
    (allowed - seen) / allowed.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_is_zero_and_the_natural_limit_is_one() {
        let rows = [
            (below(0.2, 0.2, 0.2), 0.0),
            (below(0.0, 0.2, 0.2), 1.0),
            (below(0.3, 0.2, 0.2), -0.5),
            (above(0.99, 0.99, 0.01), 0.0),
            (above(1.0, 0.99, 0.01), 1.0),
            (between(5.0, 0.0, 10.0), 1.0),
            (between(10.0, 0.0, 10.0), 0.0),
            (within(-0.1, 0.1), 0.0),
            (within(0.0, 0.1), 1.0),
            (recovers(60.0, 60.0), 0.0),
            (total_at_most(0.0, 0.0), 0.0),
            (total_at_most(1.0, 0.0), -1.0),
        ];
        for (got, want) in rows {
            assert!((got - want).abs() < 1e-9, "{got} is not {want}");
        }
    }
}
