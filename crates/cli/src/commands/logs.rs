//! The logs of workloads.

use morgana_model::{LogLines, WorkloadName};

use crate::answer::{Answer, Text, write_item};
use crate::call::{Context, Operation};
use crate::error::Error;

/// Show the log of a workload.
#[derive(Debug, clap::Args)]
pub struct Logs {
    /// The workload: thingvisor/ID or vsilo/ID.
    #[arg(value_name = "WORKLOAD")]
    workload: WorkloadName,
    /// Go on with each new line.
    #[arg(short = 'f', long)]
    follow: bool,
    /// How many of the last lines to begin with.
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 100)]
    lines: u32,
}

impl Operation for Logs {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        if !self.follow {
            let lines = context.client.logs(&self.workload, Some(self.lines)).await?;
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            return Answer::new(LogLines { lines }, Text::Verbatim(text));
        }
        let mut stream = context.client.follow_logs(&self.workload, Some(self.lines)).await?;
        while let Some(line) = stream.next().await? {
            write_item(&line, &line, context.format, &mut context.terminal.output)?;
        }
        Ok(Answer::written())
    }
}
