//! Commands of the tenant on their way to vThings, and what the silo itself has to say of them (the paper, section
//! 3.2.2; viriot-wire.md section 3, "Actuation"). Pure; part of the [`Controller`](crate::controller::Controller).
//!
//! * An entity that lists `commands` has pipes ([`Pipes`]); a tenant writes a command into one.
//! * A command is read and checked ([`order`]); what is wrong with it becomes its result, `FAIL` with a reason.
//! * A `cmd-id` is let through once ([`Seen`]).
//! * A command is sent once, and nothing keeps it for a ThingVisor that is away. So the silo looks whether somebody is
//!   there ([`Presence`]), and says so when nobody is.

mod memory;
mod order;
mod pipes;
mod presence;
mod seen;

use std::collections::BTreeMap;
use std::time::Instant;

use morgana_model::{ContextMessage, Entity, Meta, VSiloId, VThingId};
use morgana_translate::commands::{commands_of, result_pipe, status_pipe};
use serde_json::{Map, Value, json};

pub(crate) use memory::Memory;
pub(crate) use order::Written;
pub(crate) use pipes::Pipes;
pub(crate) use seen::{Key, Seen};

use crate::controller::{Action, Extent, Update};
use order::Order;
use presence::{Presence, Waiting};

/// A name for these parts: the same in every run, and no other parts have it.
pub(crate) fn fingerprint(parts: &[&str]) -> String {
    format!("{:032x}", Key::of(parts).0)
}

/// All that a silo knows of commands.
#[derive(Debug)]
pub(crate) struct Actuation {
    silo: VSiloId,
    pipes: BTreeMap<VThingId, BTreeMap<String, Pipes>>,
    seen: Seen,
    presence: BTreeMap<VThingId, Presence>,
    /// When the silo started, in milliseconds since 1970, and how many ids it gave: together an id that is new.
    started_ms: u64,
    given: u64,
}

impl Actuation {
    pub(crate) fn new(silo: VSiloId, pipes: Vec<Pipes>, seen: Seen, started_ms: u64) -> Self {
        let mut all: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for pipes in pipes {
            all.entry(pipes.v_thing.clone()).or_default().insert(pipes.entity.clone(), pipes);
        }
        Self { silo, pipes: all, seen, presence: BTreeMap::new(), started_ms, given: 0 }
    }

    /// A vThing told of its entities: those that list commands have pipes.
    pub(crate) fn learn(&mut self, update: &Update, actions: &mut Vec<Action>) {
        for entity in &update.entities {
            let Some(commands) = commands_of(entity) else { continue };
            let pipes = Pipes::of(&update.v_thing, entity, commands);
            let of_thing = self.pipes.entry(update.v_thing.clone()).or_default();
            of_thing.insert(pipes.entity.clone(), pipes.clone());
            actions.push(Action::Open(pipes));
        }
    }

    /// A vThing is gone.
    pub(crate) fn forget(&mut self, v_thing: &VThingId) {
        self.pipes.remove(v_thing);
        self.presence.remove(v_thing);
    }

    /// The tenant wrote into a pipe.
    pub(crate) fn written(
        &mut self,
        written: Written,
        online: bool,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(pipes) = self.target(&written) else {
            tracing::warn!(
                entity = written.entity,
                command = written.command,
                "no vThing takes this command"
            );
            return;
        };
        let (v_thing, entity, kind) = (pipes.v_thing.clone(), pipes.entity.clone(), pipes.kind.clone());
        let place = Place { v_thing: &v_thing, entity: &entity, kind: &kind, command: &written.command };
        if !pipes.commands.contains(&written.command) {
            let known = pipes.commands.join(", ");
            let reason =
                format!("vThing '{v_thing}' takes no command '{}'; it takes: {known}", written.command);
            return actions.push(place.refusal(Map::new(), &reason));
        }
        let Order { mut value, refusal } = order::read(written.value, written.bare, &self.silo);
        if let Some(reason) = refusal {
            return actions.push(place.refusal(value, &reason));
        }
        if !online {
            let reason =
                "the silo is cut off from the platform: the command was not sent; send it again later";
            return actions.push(place.refusal(value, reason));
        }
        match value.get("cmd-id").filter(|id| !id.is_null()) {
            Some(id) => {
                let key = Key::of(&[v_thing.as_str(), &entity, &written.command, &id.to_string()]);
                if !self.seen.insert(key) {
                    return actions.push(place.duplicate(value));
                }
                actions.push(Action::Remember(key));
            }
            None => {
                self.given += 1;
                value.insert("cmd-id".to_owned(), json!(format!("{}-{}", self.started_ms, self.given)));
            }
        }
        match place.message(&value, &self.silo) {
            Ok(message) => actions.push(Action::Send(v_thing.clone(), message)),
            Err(reason) => return actions.push(place.refusal(value, &reason)),
        }
        let presence = self.presence.entry(v_thing.clone()).or_default();
        presence.sent(Waiting { entity, kind, command: written.command, value: order::shown(value) }, now);
    }

    /// The pipe that was written into.
    fn target(&self, written: &Written) -> Option<&Pipes> {
        self.pipes.get(&written.v_thing)?.get(&written.entity)
    }

    /// Feedback came for this silo: whoever sent it got the commands that were sent before.
    pub(crate) fn feedback(&mut self, update: &Update) {
        let Some(presence) = self.presence.get_mut(&update.v_thing) else { return };
        for entity in &update.entities {
            for (name, attribute) in entity.attributes() {
                let command = name.strip_suffix("-status").or_else(|| name.strip_suffix("-result"));
                let id = attribute.get("value").and_then(|value| value.get("cmd-id"));
                if let (Some(command), Some(id)) = (command, id) {
                    presence.answered(entity.id(), command, id);
                }
            }
        }
    }

    /// A vThing answered a request for its context.
    pub(crate) fn alive(&mut self, v_thing: &VThingId) {
        if let Some(presence) = self.presence.get_mut(v_thing) {
            presence.alive();
        }
    }

    /// When [`Self::look`] has something to do.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.presence.values().filter_map(Presence::due).min()
    }

    /// Asks vThings whether they are there, and refuses what was sent to those that are not. Gives whom to ask.
    pub(crate) fn look(&mut self, now: Instant, actions: &mut Vec<Action>) -> Vec<VThingId> {
        let mut asked = Vec::new();
        for (v_thing, presence) in &mut self.presence {
            for lost in presence.lost(now) {
                let (entity, kind) = (&lost.entity, &lost.kind);
                let place = Place { v_thing, entity, kind, command: &lost.command };
                let reason = format!(
                    "vThing '{v_thing}' did not answer within {} seconds: its ThingVisor is down or cut off, and the \
                     command was not carried out",
                    presence::PATIENCE.as_secs()
                );
                actions.push(place.refusal(lost.value, &reason));
            }
            if presence.ask(now) {
                asked.push(v_thing.clone());
            }
        }
        self.presence.retain(|_, presence| !presence.is_idle());
        asked
    }
}

/// Where a command was written.
struct Place<'a> {
    v_thing: &'a VThingId,
    entity: &'a str,
    kind: &'a Value,
    command: &'a str,
}

impl Place<'_> {
    /// The result `FAIL` with a reason, as the kit for ThingVisors says it; whatever `cmd-qos` is, since what is not
    /// sent must not be lost in silence.
    fn refusal(&self, value: Map<String, Value>, reason: &str) -> Action {
        crate::metrics::command_refused();
        let mut value = order::shown(value);
        value.insert("cmd-result".to_owned(), json!("FAIL"));
        value.insert("cmd-error".to_owned(), json!(reason));
        self.feedback(&result_pipe(self.command), value)
    }

    /// The status `DUPLICATE`. The result is that of the first command with this id, so it stays.
    fn duplicate(&self, value: Map<String, Value>) -> Action {
        let mut value = order::shown(value);
        value.insert("cmd-status".to_owned(), json!("DUPLICATE"));
        self.feedback(&status_pipe(self.command), value)
    }

    fn feedback(&self, pipe: &str, value: Map<String, Value>) -> Action {
        let entity = self.entity_with(pipe, value);
        let entities = Entity::try_from(entity).into_iter().collect();
        Action::Merge(Update { v_thing: self.v_thing.clone(), entities, extent: Extent::Changes })
    }

    fn entity_with(&self, attribute: &str, value: Map<String, Value>) -> Map<String, Value> {
        let mut entity = Map::new();
        entity.insert("id".to_owned(), json!(self.entity));
        entity.insert("type".to_owned(), self.kind.clone());
        entity.insert(attribute.to_owned(), json!({ "type": "Property", "value": value }));
        entity
    }

    /// The message for the vThing, with the silo's own feedback address.
    fn message(&self, value: &Map<String, Value>, silo: &VSiloId) -> Result<Vec<u8>, String> {
        let mut value = value.clone();
        value.insert("cmd-nuri".to_owned(), json!(format!("viriot://vSilo/{silo}/data_in")));
        let entity =
            Entity::try_from(self.entity_with(self.command, value)).map_err(|error| error.to_string())?;
        let message = ContextMessage { data: vec![entity], meta: Meta::between(self.v_thing, silo) };
        let bytes = serde_json::to_vec(&message).map_err(|error| error.to_string())?;
        if bytes.len() > order::MAX_BYTES {
            return Err(format!(
                "the command has {} bytes, and {} is the most",
                bytes.len(),
                order::MAX_BYTES
            ));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
