//! Waiting for a workload, with a display of how far it is.

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use morgana_client::Goal;
use morgana_model::{Phase, WorkloadName};

use crate::call::Context;
use crate::error::Error;

/// Whether to wait for the end of what was begun.
#[derive(Debug, clap::Args)]
pub(crate) struct Waiting {
    /// Wait until it is done; exit with status 1 and the reason if it fails.
    #[arg(long)]
    wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "wait")]
    timeout_seconds: u64,
}

impl Waiting {
    /// Waits if the user asked for it; says whether it did.
    pub(crate) async fn until(
        &self,
        goal: Goal,
        workload: &WorkloadName,
        context: &mut Context<'_>,
    ) -> Result<bool, Error> {
        if !self.wait {
            return Ok(false);
        }
        let mut display = Display::new(workload, context.terminal.is_watched, &mut context.terminal.messages);
        let limit = Duration::from_secs(self.timeout_seconds);
        context.client.wait_until(workload, goal, limit, |phase| display.show(phase)).await?;
        Ok(true)
    }
}

/// A line that moves where somebody watches, else a line for each phase.
enum Display<'a> {
    Spinner(&'a WorkloadName, ProgressBar),
    Lines(&'a WorkloadName, &'a mut dyn Write),
}

impl<'a> Display<'a> {
    fn new(workload: &'a WorkloadName, is_watched: bool, messages: &'a mut dyn Write) -> Self {
        if !is_watched {
            return Self::Lines(workload, messages);
        }
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
        let spinner = ProgressBar::new_spinner()
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
            .with_message(workload.to_string());
        spinner.enable_steady_tick(Duration::from_millis(100));
        Self::Spinner(workload, spinner)
    }

    fn show(&mut self, phase: Option<&Phase>) {
        let phase = phase.map_or("gone", Phase::name);
        match self {
            Self::Spinner(workload, spinner) => spinner.set_message(format!("{workload}: {phase}")),
            // Progress that nobody can read is no reason to give up the work.
            Self::Lines(workload, messages) => {
                writeln!(messages, "{workload}: {phase}").ok();
            }
        }
    }
}

impl Drop for Display<'_> {
    fn drop(&mut self) {
        if let Self::Spinner(_, spinner) = self {
            spinner.finish_and_clear();
        }
    }
}
