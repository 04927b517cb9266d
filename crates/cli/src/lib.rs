//! The command line: commands over the REST client.
//!
//! [`Command`] is flattened into the `morgana` program, and [`run`] carries one out. What a command
//! prints comes on stdout, as a table for people or as JSON or YAML for programs; everything else
//! (progress, errors) comes on stderr. Tokens of logins are kept in a file of the user.

mod answer;
mod call;
mod command;
mod commands;
mod connect;
mod error;
mod params;
mod progress;
mod session;
mod table;
mod terminal;
mod tokens;

pub use command::{Command, run, run_in};
pub use terminal::Terminal;
