//! Starting a workload anew.

use morgana_client::Goal;
use morgana_model::WorkloadName;
use serde_json::json;

use crate::answer::Answer;
use crate::call::{Context, Operation};
use crate::error::Error;
use crate::progress::Waiting;

/// Start a workload anew, whether it runs or has failed.
#[derive(Debug, clap::Args)]
pub struct Restart {
    /// The workload: thingvisor/ID or vsilo/ID.
    #[arg(value_name = "WORKLOAD")]
    workload: WorkloadName,
    #[command(flatten)]
    waiting: Waiting,
}

impl Operation for Restart {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let mut phase = match &self.workload {
            WorkloadName::ThingVisor(id) => context.client.restart_thing_visor(id).await?.status.phase,
            WorkloadName::VSilo(id) => context.client.restart_vsilo(id).await?.status.phase,
        };
        if self.waiting.until(Goal::Running, &self.workload, context).await? {
            phase = morgana_model::Phase::Running;
        }
        let value = json!({ "workload": self.workload, "phase": phase.name() });
        Answer::sentence(value, format!("{} is {phase}", self.workload))
    }
}
