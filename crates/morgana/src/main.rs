//! The `morgana` binary: the one place where the parts are wired.
//!
//! It has many roles: `morgana up` is the whole platform on one machine; `morgana thingvisor` and
//! `morgana silo` are what its node agent starts; `morgana broker` is a standard broker alone; and
//! every other command is a client of a running platform.

mod archive;
mod arguments;
mod backup;
mod broker;
mod configuration;
mod endpoints;
mod failure;
mod legacy;
mod logging;
mod pages;
mod places;
mod restore;
mod shared_key;
mod show_configuration;
mod standby;
mod system_db;
mod tls;
mod up;
mod workload;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Role};
use crate::failure::Failure;

fn main() -> ExitCode {
    if let Some(status) = workload::as_started_by_a_node(std::env::args().skip(1)) {
        return status;
    }
    if let Some(broker) = arguments::of_a_broker_alone(std::env::args_os()) {
        return exit(broker::run(&broker.standard, broker.log.as_deref()));
    }
    let outcome = match Arguments::parse().role {
        Role::Up(arguments) => up::run(&arguments),
        Role::Backup(arguments) => backup::run(&arguments),
        Role::Restore(arguments) => restore::run(&arguments),
        Role::Config(arguments) => show_configuration::run(&arguments),
        Role::Broker(arguments) => broker::run(&arguments.standard, arguments.log.as_deref()),
        Role::Thingvisor { kind } => return workload::thing_visor(&kind),
        Role::Silo { kind } => return workload::silo(&kind),
        Role::Completion { shell } => {
            arguments::print_completion(shell);
            return ExitCode::SUCCESS;
        }
        Role::Client(command) => return client(command),
    };
    exit(outcome)
}

fn exit(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("morgana: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn client(command: morgana_cli::Command) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(morgana_cli::run(command)),
        Err(error) => {
            eprintln!("morgana: {}", Failure::new("cannot start", error));
            ExitCode::FAILURE
        }
    }
}
