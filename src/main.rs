//! The `homeostat` program: a thin shell around the library.

use std::process::ExitCode;

use clap::Parser;
use homeostat::cli::{self, Cli};

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli::start_logging();
    // One TLS provider for all clients, chosen before the first of them is made.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed already");
    }
    match cli.run() {
        Ok(exit) => exit.into(),
        Err(error) => cli::fail(&error),
    }
}
