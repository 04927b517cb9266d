//! Logs: on stderr, for people on a terminal and JSON for programs elsewhere.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// What is logged where nothing is asked: our own words, and the MQTT library's troubles.
pub(crate) const DEFAULT_FILTER: &str = "info,mqtt5=warn";

/// Starts logging what `filter` lets through.
pub(crate) fn start(filter: &str) -> Result<(), Failure> {
    let parsed = EnvFilter::builder().parse(filter);
    let filter =
        parsed.map_err(|error| Failure::new(format_args!("log filter '{filter}' cannot be read"), error))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = if io::stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    started.map_err(|error| Failure::plain(format!("logging cannot be started: {error}")))
}

/// Starts the log of a workload, whose stderr is its log file: plain lines for `morgana logs`.
pub(crate) fn start_for_workload() -> Result<(), Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let started =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(io::stderr).try_init();
    started.map_err(|error| Failure::plain(format!("logging cannot be started: {error}")))
}
