//! Runs one ThingVisor by hand: `cargo run -p morgana-visors --example visor -- host`, with the
//! variables of docs/workload-contract.md. `morgana thingvisor <kind>` is the real one.

use std::process::ExitCode;

use morgana_thingvisor::{Environment, RunError};

fn main() -> ExitCode {
    let kind = std::env::args().nth(1).unwrap_or_default();
    let ended = Environment::from_env()
        .map_err(RunError::from)
        .and_then(|environment| morgana_visors::run(&kind, environment));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{kind}: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
