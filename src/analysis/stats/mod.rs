//! Statistics on slices: definition, reference and choices stand with each function.
//!
//! In a series over a grid a gap is NaN: it keeps its place, so that neighbours stay neighbours.

pub(crate) mod autocorrelation;
pub(crate) mod welch;

pub(crate) use welch::{Contrast, Refusal, Side, contrast};
