//! Logs: on stderr, for people on a terminal and JSON for programs elsewhere.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, reload};

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
///
/// The filter knows targets and levels only: the regular expressions behind the other one cost each
/// of a thousand silos a megabyte.
pub(crate) fn start_for_workload() -> Result<(), Failure> {
    let asked = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse::<Targets>().ok());
    let filter = match asked {
        Some(filter) => filter,
        None => {
            DEFAULT_FILTER.parse().map_err(|error| Failure::new("the default log filter is wrong", error))?
        }
    };
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(io::stderr);
    let started = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    started.map_err(|error| Failure::new("logging cannot be started", error))
}

/// The log of a broker, whose level can be changed while it runs.
#[derive(Debug, Clone)]
pub(crate) struct LogHandle(reload::Handle<Targets, tracing_subscriber::Registry>);

impl LogHandle {
    /// What is logged of those that the filter does not name.
    pub(crate) fn level(&self) -> LevelFilter {
        let level = self.0.with_current(Targets::default_level).ok().flatten();
        level.unwrap_or(LevelFilter::OFF)
    }

    /// Logs what this filter lets through from now on.
    pub(crate) fn change(&self, filter: &str) -> Result<(), Failure> {
        let filter = targets(filter)?;
        self.0.reload(filter).map_err(|error| Failure::new("cannot change what is logged", error))
    }
}

/// Starts the log of a broker alone. The filter knows targets and levels only, as for a workload.
pub(crate) fn start_for_broker(filter: &str) -> Result<LogHandle, Failure> {
    let (filter, handle) = reload::Layer::new(targets(filter)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry();
    let started = if io::stderr().is_terminal() {
        registry.with(lines.with_target(false).with_filter(filter)).try_init()
    } else {
        registry.with(lines.json().flatten_event(true).with_filter(filter)).try_init()
    };
    started.map_err(|error| Failure::new("logging cannot be started", error))?;
    Ok(LogHandle(handle))
}

fn targets(filter: &str) -> Result<Targets, Failure> {
    let parsed = filter.parse::<Targets>();
    parsed.map_err(|error| Failure::new(format_args!("log filter '{filter}' cannot be read"), error))
}
