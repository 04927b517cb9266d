//! Simulated colour lamps, to try actuation with: VirIoT's HelloWorldActuator (viriot-wire.md section
//! 4.1), with an access policy of the administrator's choice.

mod command;

use std::time::Duration;

use morgana_thingvisor::policy::{Guarded, PolicyParams};
use morgana_thingvisor::{
    Actuator, Entity, Feedback, NewVThing, ReceivedCommand, RunError, ThingVisor, VThing,
};
use serde::Deserialize;

use crate::catalogue::{Builtin, Param};

pub(crate) const BUILTIN: Builtin = Builtin {
    kind: "lamp",
    description: "simulates colour lamps that tenants can switch",
    doors: &[],
    params: &[
        Param::optional("lamps", "[\"Lamp01\"]", "the local names of the lamps"),
        Param::optional("actionMilliseconds", "0", "how long a lamp takes to do what it is told"),
        Param::optional("policy", "{\"kind\": \"open\"}", "who may command: open, group, priority or token"),
    ],
};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Params {
    lamps: Vec<String>,
    #[serde(deserialize_with = "up_to_a_minute")]
    action_milliseconds: u64,
    policy: PolicyParams,
}

impl Default for Params {
    fn default() -> Self {
        Self { lamps: vec!["Lamp01".to_owned()], action_milliseconds: 0, policy: PolicyParams::Open }
    }
}

fn up_to_a_minute<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let milliseconds = u64::deserialize(deserializer)?;
    if milliseconds <= 60_000 {
        return Ok(milliseconds);
    }
    Err(serde::de::Error::custom(format!("{milliseconds} is too long: give at most 60000 milliseconds")))
}

/// Creates the lamps; the kit does the rest.
pub(crate) async fn work(visor: ThingVisor) -> Result<(), RunError> {
    let params: Params = visor.params()?;
    for name in &params.lamps {
        let mut new = NewVThing::new(name).label(name).description("a simulated colour lamp");
        // A lamp that was on before a restart is still on.
        if visor.known(name).await?.is_empty() {
            new = new.entity(off(&format!("urn:ngsi-ld:{}:{name}", visor.id()))?);
        }
        let lamp = Lamp { takes: Duration::from_millis(params.action_milliseconds) };
        // Each lamp is controlled for itself.
        visor.create_actuator(new, Guarded::new(params.policy.build(), lamp)).await?;
    }
    Ok(())
}

fn off(id: &str) -> Result<Entity, RunError> {
    let lamp = Entity::builder(id, command::TYPE)
        .property("status", "off")
        .property("color", "white")
        .property("luminosity", 255);
    lamp.build().map_err(RunError::failed)
}

struct Lamp {
    takes: Duration,
}

impl Actuator for Lamp {
    fn commands(&self) -> Vec<String> {
        command::NAMES.map(str::to_owned).to_vec()
    }

    async fn act(&mut self, lamp: &VThing, received: ReceivedCommand, feedback: Feedback) {
        let changed = match command::change(&received) {
            Ok(changed) => changed,
            // An error of feedback means that the ThingVisor stops, and with it the lamp.
            Err(why) => return drop(feedback.fail(&why).await),
        };
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        let _ = match lamp.publish(changed).await {
            Ok(()) => feedback.ok().await,
            Err(error) => feedback.fail(&error.to_string()).await,
        };
    }
}
