//! Who may publish and subscribe what on the fabric (viriot-wire.md section 3).
//!
//! A client is asked about each message and each subscription. Rights follow the connections of the
//! moment, so a silo whose vThing is unplugged has to be asked about its subscriptions again.

use morgana_model::{ThingVisorId, Topic, VSiloId, VThingId};

use crate::FabricRole;

/// Which vThings are plugged into which vSilos right now.
pub trait Connections {
    /// Whether the vThing is connected to the silo.
    fn is_connected(&self, silo: &VSiloId, v_thing: &VThingId) -> bool;

    /// Whether any vThing of the ThingVisor is connected to the silo.
    fn silo_has_any_of(&self, silo: &VSiloId, thing_visor: &ThingVisorId) -> bool;
}

/// Whether a client may publish on a topic.
///
/// A ThingVisor talks to the controller, to all through its own vThings, and to the silos that have
/// one of them. A silo talks to the controller and to the vThings connected to it. The controller
/// talks to everyone.
pub fn may_publish(role: &FabricRole, topic: &str, connections: &dyn Connections) -> bool {
    let topic: Option<Topic> = topic.parse().ok();
    match (role, topic) {
        (FabricRole::Controller, _) => true,
        (_, None) => false,
        (FabricRole::ThingVisor(own), Some(topic)) => match topic {
            Topic::ThingVisorOut(id) => id == *own,
            Topic::VThingOut(id) | Topic::VThingDataOut(id) => id.thing_visor() == *own,
            Topic::VSiloIn(id) | Topic::VSiloDataIn(id) => connections.silo_has_any_of(&id, own),
            Topic::ThingVisorIn(_) | Topic::VThingIn(_) | Topic::VThingDataIn(_) | Topic::VSiloOut(_) => {
                false
            }
        },
        (FabricRole::VSilo(own), Some(topic)) => match topic {
            Topic::VSiloOut(id) => id == *own,
            Topic::VThingIn(id) | Topic::VThingDataIn(id) => connections.is_connected(own, &id),
            Topic::ThingVisorIn(_)
            | Topic::ThingVisorOut(_)
            | Topic::VThingOut(_)
            | Topic::VThingDataOut(_)
            | Topic::VSiloIn(_)
            | Topic::VSiloDataIn(_) => false,
        },
    }
}

/// Whether a client may subscribe to a topic filter.
///
/// A ThingVisor hears the controller and what is said to its own vThings; for the latter the filter
/// may have `+` in the place of local names, because all that it then matches is its own. A silo
/// hears what is said to it and what the vThings connected to it say, one by one. Nobody but the
/// controller may use `#`.
///
/// In a shared subscription (`$share/<group>/<filter>`, MQTT 5.0 section 4.8.2) the group must be the
/// client's own id: in any other group it could take messages away from someone else.
pub fn may_subscribe(role: &FabricRole, filter: &str, connections: &dyn Connections) -> bool {
    match role {
        FabricRole::Controller => true,
        FabricRole::ThingVisor(own) => {
            let Some(filter) = unshared(filter, own.as_str()) else { return false };
            is_wildcard_for_own_v_things(filter, own)
                || match filter.parse() {
                    Ok(Topic::ThingVisorIn(id)) => id == *own,
                    Ok(Topic::VThingIn(id) | Topic::VThingDataIn(id)) => id.thing_visor() == *own,
                    _ => false,
                }
        }
        FabricRole::VSilo(own) => {
            let Some(filter) = unshared(filter, own.as_str()) else { return false };
            match filter.parse() {
                Ok(Topic::VSiloIn(id) | Topic::VSiloDataIn(id)) => id == *own,
                Ok(Topic::VThingOut(id) | Topic::VThingDataOut(id)) => connections.is_connected(own, &id),
                _ => false,
            }
        }
    }
}

/// The filter without `$share/<group>/`; `None` if the group is not the client's own.
fn unshared<'a>(filter: &'a str, own: &str) -> Option<&'a str> {
    match filter.strip_prefix("$share/") {
        None => Some(filter),
        Some(shared) => shared.split_once('/').filter(|(group, _)| *group == own).map(|(_, filter)| filter),
    }
}

/// Whether the filter is `vThing/<own>/<levels>/c_in` or `…/data_in`, with `+` for some levels. Its
/// first two and its last level are fixed, so it matches nothing but topics of that form.
fn is_wildcard_for_own_v_things(filter: &str, own: &ThingVisorId) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let ["vThing", visor, local @ .., "c_in" | "data_in"] = &levels[..] else { return false };
    let is_level = |level: &&str| *level == "+" || !level.contains(['+', '#']);
    *visor == own.as_str() && !local.is_empty() && local.iter().all(is_level)
}

#[cfg(test)]
mod tests;
