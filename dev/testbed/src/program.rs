//! Running the binary to its end.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use crate::PATIENCE;

/// How a program ended, and what it said.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The exit status; nothing when a signal ended it.
    pub status: Option<i32>,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

/// Runs a program in a folder until it ends by itself.
///
/// # Panics
/// When it cannot be started, or does not end within [`PATIENCE`].
pub async fn run_program(
    program: impl AsRef<Path>,
    arguments: &[&str],
    variables: &[(&str, &str)],
    folder: &Path,
) -> Outcome {
    let mut command = clean_command(program.as_ref(), folder);
    command.args(arguments).envs(variables.iter().copied());
    let ended = timeout(PATIENCE, command.output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("`morgana {}` does not end", arguments.join(" ")));
    let output = ended.expect("the program can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
    Outcome { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A command without the environment of whoever runs the tests, in a folder without a
/// `morgana.toml`: neither may change what is tested.
pub(crate) fn clean_command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    for name in ["PATH", "RUST_LOG", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command
}
