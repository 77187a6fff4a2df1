//! Homeostat: the independent witness of chaos experiments.
//!
//! It watches metrics and Kubernetes objects before, during and after a fault, judges a
//! hypothesis about them, keeps what it saw, and reports. The flow is one way, module by module:
//! `hypothesis → collect → record → analysis → verdict → report`; see `ARCHITECTURE.md`.
//!
//! The program is [`cli`]; nothing else is an interface.

mod analysis;
mod causes;
pub mod cli;
mod clock;
mod collect;
mod drift;
mod experiment;
mod fault;
mod frame;
mod hypothesis;
#[doc(hidden)]
pub mod internals;
mod lab;
mod listing;
mod margin;
mod number;
mod record;
mod redact;
mod report;
mod sample;
mod store;
mod time;
mod verdict;
mod window;
