//! An actuator behind a policy.

use std::collections::HashMap;
use std::time::Instant;

use morgana_model::TenantId;
use serde_json::json;

use super::{Asked, Policy, Verdict};
use crate::{Actuator, Feedback, FollowUp, ReceivedCommand, VThing};

/// Puts a [`Policy`] in front of an [`Actuator`]: what the policy refuses is answered `FAIL` with its
/// reason and does not reach the actuator. Who loses control is told by a status of the command that
/// had the actuator last obey him: `{"code": "OVERRIDDEN", ...}` (with `cmd-qos` 0 he wants to hear
/// nothing, and hears nothing).
#[derive(Debug)]
pub struct Guarded<P, A> {
    policy: P,
    actuator: A,
    /// The way back to those who were obeyed last, one for each tenant.
    obeyed: HashMap<TenantId, FollowUp>,
}

impl<P: Policy, A: Actuator> Guarded<P, A> {
    /// The actuator, guarded by the policy.
    pub fn new(policy: P, actuator: A) -> Self {
        Self { policy, actuator, obeyed: HashMap::new() }
    }

    async fn tell(&mut self, loser: &TenantId) {
        let Some(way) = self.obeyed.remove(loser) else { return };
        let told = json!({ "code": "OVERRIDDEN", "reason": "a tenant with a higher priority took over" });
        if way.status(told).await.is_err() {
            tracing::debug!("the ThingVisor stops; who lost control will see that");
        }
    }
}

impl<P: Policy, A: Actuator> Actuator for Guarded<P, A> {
    fn commands(&self) -> Vec<String> {
        self.actuator.commands().into_iter().chain(self.policy.commands()).collect()
    }

    async fn act(&mut self, v_thing: &VThing, command: ReceivedCommand, feedback: Feedback) {
        let tenant = command.silo.as_ref().map(morgana_model::VSiloId::tenant);
        let asked = Asked {
            tenant: tenant.as_ref(),
            command: &command.name,
            value: &command.command.cmd_value,
            token: command.command.cmd_token.as_ref(),
        };
        match self.policy.decide(&asked, Instant::now()) {
            Verdict::Act { overridden } => {
                if let Some(loser) = overridden {
                    self.tell(&loser).await;
                }
                if let (Some(tenant), Some(way)) = (tenant, feedback.follow_up()) {
                    self.obeyed.insert(tenant, way);
                }
                self.actuator.act(v_thing, command, feedback).await;
            }
            Verdict::Refuse(why) => {
                tracing::info!(v_thing = %v_thing.id(), command = command.name, why, "command refused by policy");
                // An error means that the ThingVisor stops, and with it everything.
                let _ = feedback.fail(&why).await;
            }
            Verdict::Answer(result) => {
                let _ = feedback.result(result).await;
            }
        }
    }
}
