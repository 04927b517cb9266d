//! A user at a shell.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use crate::program::clean_command;
use crate::{Outcome, PATIENCE, run_program};

/// The command line of the binary, with a home of its own and so with a login of its own.
#[derive(Debug)]
pub struct Cli {
    program: PathBuf,
    controller: String,
    home: TempDir,
}

impl Cli {
    pub(crate) fn new(program: &Path, controller: &str) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        Self { program: program.to_owned(), controller: controller.to_owned(), home }
    }

    /// The user's home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs a command to its end, whatever that is.
    pub async fn run(&self, arguments: &[&str]) -> Outcome {
        run_program(&self.program, arguments, &self.variables(), self.home()).await
    }

    /// What a command that goes well prints.
    ///
    /// # Panics
    /// When it does not go well.
    pub async fn ok(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments).await;
        assert_eq!(outcome.status, Some(0), "`morgana {}`: {}", arguments.join(" "), outcome.stderr);
        outcome.stdout
    }

    /// What a command that goes well prints with `--output json`.
    ///
    /// # Panics
    /// When it does not go well, or prints something else.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[arguments, &["--output", "json"]].concat()).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("this is no JSON ({error}): {text}"))
    }

    /// What a command says that goes wrong with exit status 1.
    ///
    /// # Panics
    /// When it ends otherwise, or prints a result all the same.
    pub async fn fails(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments).await;
        let shown = arguments.join(" ");
        assert_eq!(outcome.status, Some(1), "`morgana {shown}`: {} {}", outcome.stdout, outcome.stderr);
        assert_eq!(outcome.stdout, "", "`morgana {shown}` failed and printed a result");
        outcome.stderr
    }

    /// Starts a command that does not end by itself; it ends when the result is dropped.
    pub fn follow(&self, arguments: &[&str]) -> Following {
        let mut command = clean_command(&self.program, self.home());
        command.args(arguments).envs(self.variables()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        let stdout = child.stdout.take().expect("its output is a pipe");
        Following { lines: BufReader::new(stdout).lines(), _child: child }
    }

    fn variables(&self) -> [(&str, &str); 3] {
        let home = self.home().to_str().expect("temporary folders have names in UTF-8");
        [("HOME", home), ("XDG_CONFIG_HOME", home), ("MORGANA_URL", &self.controller)]
    }
}

/// A command that goes on printing.
#[derive(Debug)]
pub struct Following {
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Following {
    /// The next line that has `part` in it.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`], or the command ends.
    pub async fn line_with(&mut self, part: &str) -> String {
        let mut others = Vec::new();
        let look = async {
            while let Some(line) = self.lines.next_line().await.expect("it prints UTF-8") {
                if line.contains(part) {
                    return Some(line);
                }
                others.push(line);
            }
            None
        };
        let found = timeout(PATIENCE, look).await.ok().flatten();
        found.unwrap_or_else(|| panic!("no line with '{part}' was printed, but {others:#?}"))
    }
}
