//! How the platform is, in a few lines.

use std::collections::BTreeMap;

use morgana_model::{ErrorCode, Phase, WorkloadKind};
use serde_json::{Value, json};

use super::top::memory;
use crate::answer::{Answer, Text};
use crate::call::{Context, Operation};
use crate::error::Error;
use crate::table::Table;

/// Show how the platform is.
#[derive(Debug, clap::Args)]
pub struct Status {}

impl Operation for Status {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let client = &context.client;
        client.ready().await?;
        let workloads = client.workloads().await?;
        // What only administrators see is left out for others.
        let nodes = for_administrators(client.nodes().await)?;
        let reconcilers = for_administrators(client.reconcilers().await)?;
        let count = |kind: WorkloadKind| {
            let mut phases: BTreeMap<&str, usize> = BTreeMap::new();
            for workload in workloads.iter().filter(|workload| workload.name.kind() == kind) {
                *phases.entry(workload.phase.name()).or_default() += 1;
            }
            phases
        };
        let (visors, silos) = (count(WorkloadKind::ThingVisor), count(WorkloadKind::VSilo));
        let used: u64 = workloads.iter().map(|workload| workload.memory_bytes).sum();
        let mut fields = vec![
            ("controller", format!("{}, ready", context.controller)),
            ("thingvisors", in_words(&visors)),
            ("vsilos", in_words(&silos)),
            ("memory of workloads", memory(used)),
        ];
        let failed = workloads.iter().filter_map(|workload| match &workload.phase {
            Phase::Failed { reason } => Some((workload.name.to_string(), reason)),
            _ => None,
        });
        let failed: BTreeMap<String, &String> = failed.collect();
        fields.extend(failed.iter().map(|(name, reason)| ("failed", format!("{name}: {reason}"))));
        for node in nodes.iter().flatten() {
            let text = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
            fields.push((
                "node",
                format!(
                    "{} in zone {}: {} cores, {} MiB",
                    text("id"),
                    text("zone"),
                    node["cores"],
                    node["memoryMib"]
                ),
            ));
        }
        let failing = reconcilers.iter().flatten().filter(|one| one["lastFailure"].is_string());
        for one in failing {
            let text = |name: &str| one[name].as_str().unwrap_or_default();
            fields.push(("last failure", format!("{}: {}", text("name"), text("lastFailure"))));
        }
        let value = json!({
            "controller": context.controller,
            "ready": true,
            "thingVisors": visors,
            "vSilos": silos,
            "failed": failed,
            "memoryBytes": used,
            "nodes": nodes,
            "reconcilers": reconcilers,
        });
        Answer::new(value, Text::Table(Table::of_fields(fields)))
    }
}

fn for_administrators(
    answer: Result<Vec<Value>, morgana_client::Error>,
) -> Result<Option<Vec<Value>>, Error> {
    match answer {
        Ok(values) => Ok(Some(values)),
        Err(error) if error.code() == Some(ErrorCode::PermissionDenied) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn in_words(phases: &BTreeMap<&str, usize>) -> String {
    if phases.is_empty() {
        return "none".to_owned();
    }
    phases.iter().map(|(phase, count)| format!("{count} {phase}")).collect::<Vec<_>>().join(", ")
}
