//! A shell in which commands run as a user would run them, with a home of its own.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use morgana_cli::{Command, Terminal, run_in};
use morgana_model::Secret;

/// The `morgana` program, as far as this crate has it.
#[derive(Debug, Parser)]
#[command(name = "morgana")]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) command: Command,
}

pub(crate) struct Shell {
    home: tempfile::TempDir,
    pub(crate) controller: String,
    pub(crate) token: Option<Secret>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: u8,
    pub(crate) output: String,
    pub(crate) messages: String,
}

impl Shell {
    pub(crate) fn at(controller: &str) -> Self {
        Self { home: tempfile::tempdir().unwrap(), controller: controller.to_owned(), token: None }
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.home.path().join("morgana/tokens.json")
    }

    /// Runs a command line, split at its spaces, for the controller of this shell.
    pub(crate) async fn run(&self, line: &str) -> Outcome {
        self.run_command(self.parse(line)).await
    }

    /// Runs a command line that has to succeed; what it printed.
    pub(crate) async fn succeed(&self, line: &str) -> String {
        let outcome = self.run(line).await;
        assert_eq!(outcome.status, 0, "{line}: {}", outcome.messages);
        outcome.output
    }

    /// Runs a command line that has to fail with status 1; what it said.
    pub(crate) async fn fail(&self, line: &str) -> String {
        let outcome = self.run(line).await;
        assert_eq!((outcome.status, outcome.output.as_str()), (1, ""), "{line}");
        outcome.messages
    }

    /// Runs a command line that has no end, until it has printed `text`; all that it printed.
    pub(crate) async fn watch(&self, line: &str, text: &str) -> String {
        let output = Paper::default();
        let printed = async {
            while !output.text().contains(text) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let command = self.parse(line);
        tokio::select! {
            outcome = self.run_on(command, &output) => panic!("{line} ended: {outcome:?}"),
            printed = tokio::time::timeout(Duration::from_secs(20), printed) => printed.unwrap(),
        }
        output.text()
    }

    pub(crate) async fn run_command(&self, command: Command) -> Outcome {
        let output = Paper::default();
        let (status, messages) = self.run_on(command, &output).await;
        Outcome { status, output: output.text(), messages }
    }

    /// Runs a command with its output on a writer of the test; the exit status and the messages.
    pub(crate) async fn run_on(
        &self,
        command: Command,
        output: &(impl Write + Clone + 'static),
    ) -> (u8, String) {
        let messages = Paper::default();
        let mut terminal = Terminal {
            output: Box::new(output.clone()),
            messages: Box::new(messages.clone()),
            width: None,
            is_watched: false,
            can_ask: false,
            token: self.token.clone(),
            token_file: Some(self.token_file()),
        };
        let status = run_in(&mut terminal, command).await;
        (status, messages.text())
    }

    /// The command of a line, split at its spaces, for the controller of this shell.
    pub(crate) fn parse(&self, line: &str) -> Command {
        let words = ["morgana"].into_iter().chain(line.split_whitespace()).chain(["-c", &self.controller]);
        Program::try_parse_from(words).unwrap().command
    }
}

/// Something to write on that two can hold.
#[derive(Default, Clone)]
struct Paper(Rc<RefCell<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
