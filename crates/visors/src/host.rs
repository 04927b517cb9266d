//! The machine's own sensors as vThings.

mod disks;
mod load;
mod machine;
mod memory;
mod network;
mod reading;
mod temperature;

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use morgana_thingvisor::{Entity, NewVThing, RunError, ThingVisor, VThing, read_params};
use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::catalogue::{Builtin, Param};
use machine::Machine;
use reading::Reading;

pub(crate) const BUILTIN: Builtin = Builtin {
    kind: "host",
    description: "virtualises this machine's sensors: load, memory, CPU temperature, disks, network",
    doors: &[],
    params: &[Param::optional("intervalSeconds", "5", "how often the sensors are read")],
};

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Params {
    #[serde(deserialize_with = "seconds")]
    interval_seconds: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self { interval_seconds: 5.0 }
    }
}

impl Params {
    fn interval(self) -> Duration {
        Duration::from_secs_f64(self.interval_seconds)
    }
}

fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    if (0.1..=86_400.0).contains(&seconds) {
        return Ok(seconds);
    }
    Err(serde::de::Error::custom(format!("{seconds} is out of range: give between 0.1 and 86400 seconds")))
}

/// A group of sensors: the vThing they are, and how they are read.
struct Sensor {
    name: &'static str,
    description: &'static str,
    read: fn(&Machine, &Reading) -> Result<Vec<Entity>, String>,
}

const SENSORS: [Sensor; 5] = [
    Sensor { name: "load", description: "how busy the processors are", read: load::read },
    Sensor { name: "memory", description: "how much memory is in use", read: memory::read },
    Sensor { name: "cpu-temperature", description: "how hot the processors are", read: temperature::read },
    Sensor { name: "disks", description: "how full the disks are", read: disks::read },
    Sensor { name: "network", description: "what the network interfaces carried", read: network::read },
];

/// Reads the sensors again and again. A sensor that the machine does not have has no vThing; one
/// that appears later gets one then.
pub(crate) async fn work(mut visor: ThingVisor) -> Result<(), RunError> {
    let mut params: Params = visor.params()?;
    let machine = Machine::this();
    let mut v_things: HashMap<&str, VThing> = HashMap::new();
    let mut ticks = ticker(params);
    let mut ready = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            update = visor.updated() => {
                match read_params::<Params>(visor.id(), &update.params) {
                    Ok(new) if new == params => continue,
                    Ok(new) => (params, ticks) = (new, ticker(new)),
                    Err(error) => {
                        tracing::warn!(%error, "new parameters refused: the old ones stay");
                        visor.status(format!("new parameters refused: {error}")).await?;
                    }
                }
                continue;
            }
        }
        let reading = Reading::new(visor.id(), machine.name(), Timestamp::now());
        for sensor in &SENSORS {
            publish(&visor, &mut v_things, sensor, &machine, &reading).await?;
        }
        if !ready {
            // A machine without a single sensor that can be read is ready too.
            visor.ready().await?;
            ready = true;
        }
    }
}

fn ticker(params: Params) -> tokio::time::Interval {
    let mut ticks = interval(params.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

async fn publish(
    visor: &ThingVisor,
    v_things: &mut HashMap<&'static str, VThing>,
    sensor: &Sensor,
    machine: &Machine,
    reading: &Reading,
) -> Result<(), RunError> {
    let entities = match (sensor.read)(machine, reading) {
        Ok(entities) => entities,
        Err(error) => {
            tracing::warn!(sensor = sensor.name, error, "sensor not read");
            return Ok(());
        }
    };
    if entities.is_empty() && !v_things.contains_key(sensor.name) {
        return Ok(());
    }
    if !v_things.contains_key(sensor.name) {
        let new = NewVThing::new(sensor.name).description(sensor.description);
        v_things.insert(sensor.name, visor.create(new).await?);
    }
    for entity in entities {
        v_things[sensor.name].publish_changes(entity).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_load_memory_and_network() {
        let machine = Machine::this();
        let reading = Reading::new(&"host", machine.name(), Timestamp::UNIX_EPOCH);
        let read = |name| {
            let sensor = SENSORS.iter().find(|sensor| sensor.name == name).unwrap();
            (sensor.read)(&machine, &reading).unwrap()
        };
        assert!(read("load")[0].get("load1").unwrap()["value"].is_number());
        assert!(read("memory")[0].get("total").unwrap()["value"].as_u64().unwrap() > 0);
        // What this machine has of the others is its own affair, but reading it is no error.
        for sensor in ["cpu-temperature", "disks", "network"] {
            read(sensor);
        }
    }

    #[test]
    fn a_machine_without_files_has_no_temperature_and_says_what_it_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::at(folder.path());
        let reading = Reading::new(&"host", machine.name(), Timestamp::UNIX_EPOCH);
        assert!(temperature::read(&machine, &reading).unwrap().is_empty());
        for read in [load::read, memory::read, disks::read, network::read] {
            assert!(read(&machine, &reading).unwrap_err().contains("cannot read"));
        }
    }

    #[test]
    fn an_interval_has_bounds() {
        let read = |value| serde_json::from_value::<Params>(serde_json::json!({ "intervalSeconds": value }));
        assert_eq!(read(1).unwrap().interval(), Duration::from_secs(1));
        for wrong in [0, -1, 100_000] {
            assert!(read(wrong).unwrap_err().to_string().contains("out of range"));
        }
    }
}
