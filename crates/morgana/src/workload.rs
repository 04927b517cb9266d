//! The roles that the node agent starts: a ThingVisor or a vSilo, with what the environment says.

use std::process::ExitCode;

use morgana_workload::{EXIT_CONFIGURATION, Environment};

use crate::logging;

/// Runs a ThingVisor.
pub(crate) fn thing_visor(kind: &str) -> ExitCode {
    run(|environment| {
        morgana_visors::run(kind, environment).map_err(|error| (error.to_string(), error.exit_status()))
    })
}

/// Runs a vSilo.
pub(crate) fn silo(kind: &str) -> ExitCode {
    run(|environment| {
        morgana_silo::run(kind, environment).map_err(|error| (error.to_string(), error.exit_code()))
    })
}

fn run(work: impl FnOnce(Environment) -> Result<(), (String, u8)>) -> ExitCode {
    if let Err(failure) = logging::start_for_workload() {
        eprintln!("morgana: {failure}");
    }
    let outcome = match Environment::from_env() {
        Ok(environment) => work(environment),
        Err(error) => Err((error.to_string(), EXIT_CONFIGURATION)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((text, status)) => {
            eprintln!("morgana: {text}");
            ExitCode::from(status)
        }
    }
}
