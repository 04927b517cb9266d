//! The roles that the node agent starts: a ThingVisor or a vSilo, with what the environment says.

use std::process::ExitCode;

use morgana_workload::{EXIT_CONFIGURATION, Environment};

use crate::logging;

/// Runs the workload that a node asks for, where the arguments are exactly that: `silo <kind>` or
/// `thingvisor <kind>`. Anything else is for the command line, whose parser knows a hundred options
/// that would stay in the memory of every silo.
pub(crate) fn as_started_by_a_node(mut arguments: impl Iterator<Item = String>) -> Option<ExitCode> {
    match (arguments.next()?.as_str(), arguments.next()?, arguments.next()) {
        (_, kind, _) if kind.starts_with('-') => None,
        ("thingvisor", kind, None) => Some(thing_visor(&kind)),
        ("silo", kind, None) => Some(silo(&kind)),
        _ => None,
    }
}

/// Runs a ThingVisor.
pub(crate) fn thing_visor(kind: &str) -> ExitCode {
    run(|environment| {
        morgana_visors::run(kind, environment).map_err(|error| (with_causes(&error), error.exit_status()))
    })
}

/// Runs a vSilo.
pub(crate) fn silo(kind: &str) -> ExitCode {
    run(|environment| {
        morgana_silo::run(kind, environment).map_err(|error| (with_causes(&error), error.exit_code()))
    })
}

/// The error and its causes, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let more = source.to_string();
        // Some say their cause themselves.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = source.source();
    }
    text
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
