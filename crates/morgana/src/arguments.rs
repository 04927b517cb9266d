//! The command line of the binary.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use serde::Serialize;

use crate::broker::{Standard, with_known_flags};

/// A Cloud of Things: rent virtual things in a broker of your choice.
#[derive(Debug, Parser)]
#[command(name = "morgana", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) role: Role,
}

/// What the binary is to be.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Run the whole platform on this machine.
    #[command(after_help = UP_HELP)]
    Up(UpArguments),
    /// Write a copy of all state to a file, also while the platform runs.
    #[command(after_help = "Example: morgana backup /backups/monday.tar --data /var/lib/morgana")]
    Backup(BackupArguments),
    /// Put the state of a backup in the place of what the data folder has; the platform must not run.
    #[command(after_help = "Example: morgana restore /backups/monday.tar --data /var/lib/morgana --force")]
    Restore(BackupArguments),
    /// Print the configuration that would be in force, and where each value comes from.
    #[command(after_help = "Example: MORGANA_PORT=9000 morgana config --data /var/lib/morgana")]
    Config(UpArguments),
    /// Run one standard broker alone, without the rest of the platform.
    #[command(after_help = BROKER_HELP)]
    Broker(BrokerArguments),
    /// Run a ThingVisor; the node agent does this.
    #[command(hide = true)]
    Thingvisor {
        /// Its kind.
        kind: String,
    },
    /// Run a vSilo; the node agent does this.
    #[command(hide = true)]
    Silo {
        /// Its kind.
        kind: String,
    },
    /// Print the completion script of a shell.
    #[command(after_help = "Example: morgana completion bash > /etc/bash_completion.d/morgana")]
    Completion {
        /// The shell.
        shell: Shell,
    },
    #[command(flatten)]
    Client(morgana_cli::Command),
}

/// The command line of a broker alone: as in [`Arguments`], without the options of all the other commands, which would
/// stay in the memory of every broker.
#[derive(Debug, Parser)]
#[command(name = "morgana", version, propagate_version = true)]
struct BrokerAlone {
    #[command(subcommand)]
    role: BrokerRole,
}

#[derive(Debug, Subcommand)]
enum BrokerRole {
    /// Run one standard broker alone, without the rest of the platform.
    #[command(after_help = BROKER_HELP)]
    Broker(BrokerArguments),
}

/// The arguments of `morgana broker`, where that is the command.
pub(crate) fn of_a_broker_alone(words: impl Iterator<Item = OsString>) -> Option<BrokerArguments> {
    let words: Vec<OsString> = words.collect();
    if words.get(1).is_none_or(|word| word != "broker") {
        return None;
    }
    let BrokerRole::Broker(arguments) = BrokerAlone::parse_from(with_known_flags(words)).role;
    Some(arguments)
}

const BROKER_HELP: &str =
    "Examples:\n  morgana broker ngsi-ld --port 9090 --data ./context\n  morgana broker onem2m --help";

const UP_HELP: &str = "\
Every option can also be set in a TOML file and in the environment (MORGANA_DATA, MORGANA_LISTEN, \
MORGANA_PORT, MORGANA_MQTT_PORT, ...; sections with two underscores, MORGANA_NODE__LOG_MAX_MIB); \
`morgana config` shows all of them.

At the first start the administrator 'admin' gets the password of MORGANA_ADMIN_PASSWORD, or one \
that is made up and printed once.

Examples:
  morgana up
  morgana up --data /var/lib/morgana --listen 0.0.0.0
  morgana up --port 0 --mqtt-port 0      (any free ports; they are in DIR/endpoints.json)";

/// Options of `morgana up`; what is not given comes from the environment, the file, the defaults.
#[derive(Debug, Default, Clone, Args, Serialize)]
pub(crate) struct UpArguments {
    /// Configuration file [default: ./morgana.toml where there is one].
    #[arg(long, env = "MORGANA_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Folder where all state lives [default: ./morgana-data].
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1].
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listen: Option<IpAddr>,
    /// Port of the REST API; 0 means any [default: 8090].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    /// Port of the fabric's MQTT broker; 0 means any [default: 1883].
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mqtt_port: Option<u16>,
    /// The System DB: sqlite, or postgres://USER:PASSWORD@HOST/DATABASE [default: sqlite].
    #[arg(long, value_name = "URL", hide_env_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) store: Option<String>,
    /// What to log, in the syntax of RUST_LOG [default: info,mqtt5=warn].
    #[arg(long, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<String>,
}

/// Options of `morgana backup` and `morgana restore`.
#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// The backup.
    pub(crate) file: PathBuf,
    /// Overwrite the file of a backup; for a restore, move away what the data folder has.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) platform: UpArguments,
}

/// Options of `morgana broker`.
#[derive(Debug, Args)]
pub(crate) struct BrokerArguments {
    /// What to log, such as `warn` or `info,morgana_ngsi_v2=debug` [default: info,mqtt5=warn].
    #[arg(long, global = true, value_name = "FILTER", env = "RUST_LOG")]
    pub(crate) log: Option<String>,
    #[command(subcommand)]
    pub(crate) standard: Standard,
}

/// Prints the completion script of a shell.
pub(crate) fn print_completion(shell: Shell) {
    clap_complete::generate(shell, &mut Arguments::command(), "morgana", &mut std::io::stdout());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn each_broker_has_a_port_of_its_own() {
        let mut command = Arguments::command();
        let broker = command.find_subcommand_mut("broker").expect("it is a command");
        for (standard, port) in [("ngsi-ld", 9090), ("ngsi-v2", 1026), ("onem2m", 8080), ("mqtt", 1883)] {
            let standard = broker.find_subcommand_mut(standard).expect("it is a standard");
            let help = standard.render_long_help().to_string();
            assert!(help.contains(&format!("0 means any [default: {port}]")), "{help}");
        }
    }

    #[test]
    fn a_broker_alone_has_the_same_help() {
        let help = |mut command: clap::Command| {
            command.build();
            let broker = command.find_subcommand_mut("broker").expect("it is a command");
            let mut help = broker.render_long_help().to_string();
            for standard in broker.get_subcommands_mut().filter(|command| command.get_name() != "help") {
                help.push_str(&standard.render_long_help().to_string());
            }
            help
        };
        assert_eq!(help(BrokerAlone::command()), help(Arguments::command()));
    }

    #[test]
    fn completion_knows_the_commands() {
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut Arguments::command(), "morgana", &mut script);
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains("create-vsilo") && script.contains("--mqtt-port"));
    }
}
