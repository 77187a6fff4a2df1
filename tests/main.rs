//! The one integration binary: a module a command, played by the real program on the real lab.
//!
//! `support` starts and ends programs, `tidy` holds the rules of the code base that the compiler
//! cannot. A test that measures latency runs alone: see `.config/nextest.toml`.
#![cfg(test)]

mod blind;
mod bounds;
mod campaign;
mod command;
mod demo;
mod drift;
mod guard;
mod hostile;
mod judge;
mod kubectl;
mod lab_api;
mod lint;
mod missed;
mod orphans;
mod prometheus;
mod readme;
mod report;
mod run;
mod schema;
mod secrets;
mod server;
mod slow;
mod sudden;
mod support;
mod targets;
mod tidy;
mod undo;
