//! A live table of what workloads use.

use std::collections::HashMap;
use std::time::Duration;

use morgana_model::{WorkloadName, WorkloadUsage};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::answer::{Answer, Format, write_item};
use crate::call::{Context, Operation};
use crate::error::Error;
use crate::table::Table;

/// Clears the screen and goes to its first place (ECMA-48, ED and CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// What workloads use.
#[derive(Debug, clap::Args)]
pub struct Top {
    /// How often to look, in seconds.
    #[arg(long = "every", value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Look so many times and end; without it, until Ctrl-C.
    #[arg(short = 'n', long = "times", value_name = "TIMES", value_parser = clap::value_parser!(u64).range(1..))]
    times: Option<u64>,
}

impl Operation for Top {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let mut before: Option<Sample> = None;
        let mut times = 0;
        loop {
            let sample = Sample::take(context).await?;
            let rows = rows(before.as_ref(), &sample);
            show(&rows, before.is_some(), context)?;
            before = Some(sample);
            times += 1;
            if self.times.is_some_and(|wanted| times >= wanted) {
                return Ok(Answer::written());
            }
            sleep(Duration::from_secs(self.every)).await;
        }
    }
}

struct Sample {
    at: Instant,
    workloads: Vec<WorkloadUsage>,
}

impl Sample {
    async fn take(context: &Context<'_>) -> Result<Self, Error> {
        let workloads = context.client.workloads().await?;
        Ok(Self { at: Instant::now(), workloads })
    }
}

#[derive(Debug, PartialEq)]
struct Row {
    name: WorkloadName,
    phase: String,
    restarts: u32,
    memory_bytes: u64,
    /// Of one processor, in per cent, since the sample before.
    cpu_percent: f64,
    /// Messages published a second, since the sample before.
    messages_per_second: f64,
}

/// The rows, the largest first. Rates need two samples; a counter that went back began anew.
fn rows(before: Option<&Sample>, now: &Sample) -> Vec<Row> {
    let seconds = before.map_or(0.0, |before| now.at.duration_since(before.at).as_secs_f64());
    let known: HashMap<&WorkloadName, &WorkloadUsage> =
        before.into_iter().flat_map(|before| &before.workloads).map(|usage| (&usage.name, usage)).collect();
    let rate = |now: f64, before: f64| if seconds > 0.0 { (now - before).max(0.0) / seconds } else { 0.0 };
    let mut rows: Vec<Row> = now
        .workloads
        .iter()
        .map(|usage| {
            let last = known.get(&usage.name).copied().unwrap_or(usage);
            Row {
                name: usage.name.clone(),
                phase: usage.phase.name().to_owned(),
                restarts: usage.restarts,
                memory_bytes: usage.memory_bytes,
                cpu_percent: 100.0 * rate(usage.cpu_seconds, last.cpu_seconds),
                messages_per_second: rate(usage.published_messages as f64, last.published_messages as f64),
            }
        })
        .collect();
    rows.sort_by(|a, b| {
        b.cpu_percent
            .total_cmp(&a.cpu_percent)
            .then(b.memory_bytes.cmp(&a.memory_bytes))
            .then_with(|| a.name.cmp(&b.name))
    });
    rows
}

fn show(rows: &[Row], has_rates: bool, context: &mut Context<'_>) -> Result<(), Error> {
    let known = |text: String| if has_rates { text } else { "-".to_owned() };
    let cells = rows.iter().map(|row| {
        [
            row.name.to_string(),
            row.phase.clone(),
            known(format!("{:.1}", row.cpu_percent)),
            memory(row.memory_bytes),
            known(format!("{:.1}", row.messages_per_second)),
            row.restarts.to_string(),
        ]
    });
    let header = ["WORKLOAD", "PHASE", "CPU%", "MEMORY", "MSG/S", "RESTARTS"];
    let table = Table::new(header, cells).render(context.terminal.width);
    let total: u64 = rows.iter().map(|row| row.memory_bytes).sum();
    // Only a screen is cleared; what goes to a pipe or a file is one table after the other.
    let clear = if context.terminal.width.is_some() && context.format == Format::Table { CLEAR } else { "" };
    let text = format!("{clear}{} workloads, {}\n{}", rows.len(), memory(total), table.trim_end());
    let items: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name, "phase": row.phase, "restarts": row.restarts,
                "memoryBytes": row.memory_bytes, "cpuPercent": row.cpu_percent,
                "messagesPerSecond": row.messages_per_second,
            })
        })
        .collect();
    write_item(&items, &text, context.format, &mut context.terminal.output)
}

/// A size of memory for people.
pub(super) fn memory(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use morgana_model::Phase;

    use super::*;

    fn usage(name: &str, cpu_seconds: f64, published_messages: u64) -> WorkloadUsage {
        let name = name.parse().unwrap();
        let (phase, memory_bytes) = (Phase::Running, 3 << 20);
        WorkloadUsage { name, phase, restarts: 0, memory_bytes, cpu_seconds, published_messages }
    }

    #[test]
    fn rates_are_what_was_added_since_the_sample_before() {
        let start = Instant::now();
        let before =
            Sample { at: start, workloads: vec![usage("vsilo/t_a", 1.0, 10), usage("vsilo/t_b", 9.0, 90)] };
        let workloads =
            vec![usage("vsilo/t_a", 2.0, 30), usage("vsilo/t_b", 1.0, 5), usage("vsilo/t_new", 4.0, 7)];
        let now = Sample { at: start + Duration::from_secs(2), workloads };
        let rows = rows(Some(&before), &now);
        let shown: Vec<_> =
            rows.iter().map(|row| (row.name.id(), row.cpu_percent, row.messages_per_second)).collect();
        assert_eq!(shown, [("t_a", 50.0, 10.0), ("t_b", 0.0, 0.0), ("t_new", 0.0, 0.0)]);
    }
}
