//! The lamps of a Philips Hue bridge, over the bridge's own REST API (version 1, the one that its
//! users' libraries speak), as VirIoT's ThingVisor of that name (viriot-wire.md section 4.1).
//!
//! The bridge lets in whoever was made known to it while somebody pressed its button. `username` may
//! say a name made before; otherwise the ThingVisor asks until the button is pressed, and keeps the
//! name in its folder.

mod bridge;
mod key;
mod light;
mod params;

use std::collections::BTreeMap;
use std::time::Duration;

use morgana_thingvisor::policy::Guarded;
use morgana_thingvisor::{Actuator, Feedback, NewVThing, ReceivedCommand, RunError, ThingVisor, VThing};
use tokio::time::{MissedTickBehavior, interval};

use crate::catalogue::{Builtin, Param};
use bridge::Bridge;
use params::Params;

pub(crate) const BUILTIN: Builtin = Builtin {
    kind: "hue",
    description: "virtualises the lamps of a Philips Hue bridge",
    doors: &[],
    params: &[
        Param::required("bridgeIP", "the address of the bridge"),
        Param::optional("bridgePort", "80", "its port"),
        Param::optional("username", "", "a name the bridge knows; without it, press the bridge's button"),
        Param::optional("pollSeconds", "5", "how often the bridge is asked what others changed"),
        Param::optional("policy", "{\"kind\": \"open\"}", "who may command: open, group, priority or token"),
    ],
};

/// Follows the bridge: lamps appear, change and go.
pub(crate) async fn work(visor: ThingVisor) -> Result<(), RunError> {
    let params: Params = visor.params()?;
    let bridge = Bridge::at(&params.bridge_ip, params.bridge_port);
    let bridge = key::known_to(bridge, &params, &visor).await?;
    let mut lamps: BTreeMap<String, VThing> = BTreeMap::new();
    let mut ticks = interval(Duration::from_secs(params.poll_seconds));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answers = true;
    loop {
        ticks.tick().await;
        match bridge.lights().await {
            Ok(lights) => {
                if !std::mem::replace(&mut answers, true) {
                    visor.status("the bridge answers again").await?;
                }
                show(&visor, &params, &bridge, lights, &mut lamps).await?;
                // A bridge without lamps is ready too.
                visor.ready().await?;
            }
            Err(error) => {
                tracing::warn!(%error, "the bridge was not read");
                if std::mem::replace(&mut answers, false) {
                    visor.status(format!("{error}: asked again every {} s", params.poll_seconds)).await?;
                }
            }
        }
    }
}

/// Brings the vThings to what the bridge says.
async fn show(
    visor: &ThingVisor,
    params: &Params,
    bridge: &Bridge,
    lights: BTreeMap<String, light::Light>,
    lamps: &mut BTreeMap<String, VThing>,
) -> Result<(), RunError> {
    let gone: Vec<String> = lamps.keys().filter(|number| !lights.contains_key(*number)).cloned().collect();
    for number in gone {
        if let Some(lamp) = lamps.remove(&number) {
            lamp.delete().await?;
        }
    }
    for (number, light) in lights {
        let local = format!("light{number}");
        let entity =
            light.entity(&format!("urn:ngsi-ld:{}:{local}", visor.id())).map_err(RunError::failed)?;
        match lamps.get(&number) {
            Some(lamp) => lamp.publish_changes(entity).await?,
            None => {
                let new = NewVThing::new(local)
                    .label(&light.name)
                    .description(format!("Philips Hue lamp {}", light.model))
                    .entity(entity);
                let lamp = Lamp { bridge: bridge.clone(), number: number.clone() };
                let lamp = visor.create_actuator(new, Guarded::new(params.policy.build(), lamp)).await?;
                lamps.insert(number, lamp);
            }
        }
    }
    Ok(())
}

/// One lamp of the bridge.
struct Lamp {
    bridge: Bridge,
    number: String,
}

impl Lamp {
    /// Has the bridge do it, and says what the lamp is like then.
    async fn obey(&self, lamp: &VThing, received: ReceivedCommand) -> Result<(), String> {
        let state = light::state_of(&received.name, &received.command.cmd_value)?;
        self.bridge.set(&self.number, &state).await.map_err(|error| error.to_string())?;
        let light = self.bridge.light(&self.number).await.map_err(|error| error.to_string())?;
        let entity = light.entity(&received.entity)?;
        lamp.publish_changes(entity).await.map_err(|error| error.to_string())
    }
}

impl Actuator for Lamp {
    fn commands(&self) -> Vec<String> {
        light::COMMANDS.map(str::to_owned).to_vec()
    }

    async fn act(&mut self, lamp: &VThing, received: ReceivedCommand, feedback: Feedback) {
        // An error of feedback means that the ThingVisor stops, and with it the lamp.
        let _ = match self.obey(lamp, received).await {
            Ok(()) => feedback.ok().await,
            Err(why) => feedback.fail(&why).await,
        };
    }
}
