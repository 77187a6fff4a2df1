//! What several test modules stand on: real programs, the lab, a target whose page is written
//! by the test, a hypothesis to edit, a recording to judge, a browser, a
//! Prometheus server.

pub(crate) mod api_proxy;
pub(crate) mod chromium;
pub(crate) mod hypothesis;
pub(crate) mod lab;
pub(crate) mod machine;
pub(crate) mod program;
pub(crate) mod prometheus;
pub(crate) mod recording;
pub(crate) mod server_proxy;
pub(crate) mod target;
pub(crate) mod tool;
pub(crate) mod verdict;

pub(crate) use hypothesis::HypothesisFile;
pub(crate) use lab::LabProcess;
pub(crate) use program::{Done, Program, Running, homeostat};
pub(crate) use prometheus::PrometheusServer;
pub(crate) use recording::{run_directory, shared_recording};
pub(crate) use target::ScriptedTarget;
pub(crate) use verdict::VerdictFile;
