//! The ThingVisors that come with Morgana, one folder each:
//!
//! * `host` virtualises the sensors of the machine it runs on,
//! * `hue` virtualises the lamps of a Philips Hue bridge,
//! * `lamp` simulates colour lamps that tenants switch,
//! * `relay` takes any JSON over HTTP and publishes it, as VirIoT's Relay does,
//! * `replay` plays a time series from a file.
//!
//! `docs/visors/` has a page for each. All are written against `morgana-thingvisor`, as anybody's is.

mod catalogue;
mod host;
mod hue;
mod lamp;
mod relay;
mod replay;

pub use catalogue::{Builtin, Param, builtins};
pub use morgana_thingvisor::RunError;

use morgana_thingvisor::{Environment, Notifier, Options};
use tokio_util::sync::CancellationToken;

/// Runs a ThingVisor on this thread until it is destroyed, told to stop, or fails.
///
/// # Errors
/// [`RunError`]: its `exit_status` is what the process should end with.
pub fn run(kind: &str, environment: Environment) -> Result<(), RunError> {
    match kind {
        "host" => morgana_thingvisor::run(environment, Options::default(), host::work),
        "hue" => morgana_thingvisor::run(environment, Options::default(), hue::work),
        "lamp" => morgana_thingvisor::run(environment, Options::default(), lamp::work),
        "relay" => morgana_thingvisor::run(environment, relay::options(), relay::work),
        "replay" => morgana_thingvisor::run(environment, Options::default(), replay::work),
        _ => Err(unknown(kind)),
    }
}

/// The same inside a runtime, until `stop` is cancelled.
///
/// # Errors
/// As [`run`].
pub async fn serve(
    kind: &str,
    environment: Environment,
    notifier: Notifier,
    stop: CancellationToken,
) -> Result<(), RunError> {
    use morgana_thingvisor::serve;
    match kind {
        "host" => serve(environment, Options::default(), notifier, stop, host::work).await,
        "hue" => serve(environment, Options::default(), notifier, stop, hue::work).await,
        "lamp" => serve(environment, Options::default(), notifier, stop, lamp::work).await,
        "relay" => serve(environment, relay::options(), notifier, stop, relay::work).await,
        "replay" => serve(environment, Options::default(), notifier, stop, replay::work).await,
        _ => Err(unknown(kind)),
    }
}

fn unknown(kind: &str) -> RunError {
    let kinds: Vec<&str> = builtins().iter().map(|builtin| builtin.kind).collect();
    RunError::Configuration(format!("there is no ThingVisor '{kind}'; there are: {}", kinds.join(", ")))
}
