//! Homeostat: the independent witness of chaos experiments.
//!
//! It watches metrics and Kubernetes objects before, during and after a fault, judges a
//! hypothesis about them, keeps what it saw, and reports. The flow is one way, module by module:
//! `hypothesis → collect → record → analysis → verdict → report`; see `ARCHITECTURE.md`.

pub mod analysis;
mod causes;
pub mod cli;
pub mod clock;
pub mod collect;
pub mod experiment;
pub mod fault;
pub mod frame;
pub mod hypothesis;
pub mod lab;
pub mod margin;
pub mod number;
pub mod record;
pub mod redact;
pub mod report;
pub mod sample;
pub mod store;
pub mod time;
pub mod verdict;
pub mod window;
