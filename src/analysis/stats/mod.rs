//! Statistics on slices: definition, reference and choices stand with each function.
//!
//! In a series over a grid a gap is NaN: it keeps its place, so that neighbours stay neighbours.

pub mod autocorrelation;
pub mod quantile;
pub mod welch;

pub use quantile::quantile;
pub use welch::{Contrast, Refusal, Side, contrast};
