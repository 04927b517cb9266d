//! Commands of silos: from a message to an actuator (viriot-wire.md section 3, "Actuation", and
//! "Where Morgana differs", 2 to 5).

use morgana_model::{Command, Meta, Topic, VSiloId, VThingId};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Action, State};
use crate::actuator::{Answer, Order, ReceivedCommand};
use crate::message::Publication;

/// Context data on `data_in`. Raw silos leave out the entities' type, so they are no
/// [`morgana_model::Entity`] yet.
#[derive(Deserialize)]
struct CommandMessage {
    data: Vec<Map<String, Value>>,
    #[serde(default)]
    meta: CommandMeta,
}

/// Where commands come from. The vThing is the topic's, whatever is written here.
#[derive(Default, Deserialize)]
struct CommandMeta {
    #[serde(rename = "vSiloID")]
    v_silo: Option<VSiloId>,
}

/// Members of a command entity that are no commands.
const NO_COMMANDS: [&str; 3] = ["id", "type", "@context"];
/// The type of an entity that the vThing does not have, in the answer that says so.
const UNKNOWN_TYPE: &str = "Unknown";

impl State {
    /// A silo commands a vThing.
    pub(super) fn commanded(&mut self, id: &VThingId, payload: &[u8]) -> Vec<Action> {
        let message: CommandMessage = match serde_json::from_slice(payload) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(v_thing = %id, %error, "command cannot be read");
                return Vec::new();
            }
        };
        let mut actions = Vec::new();
        for entity in &message.data {
            let Some(entity_id) = entity.get("id").and_then(Value::as_str) else {
                tracing::warn!(v_thing = %id, "command for an entity without id");
                continue;
            };
            for (name, attribute) in entity.iter().filter(|(name, _)| !NO_COMMANDS.contains(&name.as_str())) {
                let Some(Value::Object(value)) = attribute.get("value") else {
                    tracing::warn!(v_thing = %id, command = name, "command without an object as its value");
                    continue;
                };
                let silo = message.meta.v_silo.as_ref();
                actions.extend(self.command(id, entity_id, name, value.clone(), silo));
            }
        }
        actions
    }

    fn command(
        &mut self,
        id: &VThingId,
        entity: &str,
        name: &str,
        mut value: Map<String, Value>,
        silo: Option<&VSiloId>,
    ) -> Vec<Action> {
        if value.get("cmd-id").is_none_or(Value::is_null) {
            self.commands_without_id += 1;
            let given = format!("{}-{}", self.started_ms, self.commands_without_id);
            value.insert("cmd-id".to_owned(), Value::String(given));
        }
        let parsed = serde_json::from_value::<Command>(Value::Object(value.clone()));
        // A component of VirIoT may leave out the silo in `meta` and name it in the address.
        let named = parsed.as_ref().ok().and_then(|command| command.cmd_nuri.as_ref()).map(|nuri| &nuri.0);
        let asking = silo.or(named).cloned();
        // A command that cannot be read may have wanted an answer: it gets one.
        let qos = parsed.as_ref().map_or(1, |command| command.cmd_qos);

        let refusal = match &parsed {
            Err(error) => Some(format!("the command cannot be read: {error}")),
            Ok(_) if named.is_some() && named != asking.as_ref() => {
                Some("cmd-nuri is not the address of the silo that asks: leave it out".to_owned())
            }
            Ok(_) => self.refusal(id, entity, name),
        };
        let known = self.v_things.get(id).and_then(|v_thing| v_thing.context.get(entity));
        let entity_type = known.and_then(|known| known.get("type")).cloned();
        let answer = asking.as_ref().filter(|_| qos > 0).map(|silo| Answer {
            v_thing: id.clone(),
            silo: silo.clone(),
            entity: entity.to_owned(),
            entity_type: entity_type.unwrap_or_else(|| Value::from(UNKNOWN_TYPE)),
            name: name.to_owned(),
            command: without_token(value),
            wants_status: qos > 1,
        });
        match (refusal, parsed) {
            (None, Ok(command)) if self.recent.is_repeated(asking.as_ref(), entity, name, &command) => {
                tracing::debug!(v_thing = %id, command = name, "command came again");
                Vec::new()
            }
            (None, Ok(command)) => {
                let (v_thing, entity, name) = (id.clone(), entity.to_owned(), name.to_owned());
                let status = answer.as_ref().filter(|answer| answer.wants_status);
                let pending = status.map(|answer| Action::Publish(answer.status("PENDING".into())));
                let command = ReceivedCommand { v_thing, entity, name, command, silo: asking };
                pending.into_iter().chain([Action::Act(Box::new(Order { command, answer }))]).collect()
            }
            (refusal, _) => {
                let reason = refusal.unwrap_or_default();
                tracing::info!(v_thing = %id, command = name, reason, "command refused");
                answer.iter().map(|answer| Action::Publish(answer.failure(&reason))).collect()
            }
        }
    }

    /// Why a vThing does not take a command, in words for the tenant.
    fn refusal(&self, id: &VThingId, entity: &str, name: &str) -> Option<String> {
        let v_thing = self.v_things.get(id)?;
        if !v_thing.commands.iter().any(|known| known == name) {
            let known = v_thing.commands.join(", ");
            return Some(format!("vThing '{id}' takes no command '{name}'; it takes: {known}"));
        }
        match v_thing.context.get(entity) {
            Some(_) => None,
            None => Some(format!("vThing '{id}' has no entity '{entity}'")),
        }
    }
}

/// What feedback repeats of a command. The token is for the ThingVisor alone.
fn without_token(mut value: Map<String, Value>) -> Map<String, Value> {
    value.shift_remove("cmd-token");
    value
}

impl Answer {
    /// A status on the way to the result.
    pub(crate) fn status(&self, status: Value) -> Publication {
        self.publication("status", [("cmd-status", status)])
    }

    /// The result.
    pub(crate) fn result(&self, result: Value) -> Publication {
        self.publication("result", [("cmd-result", result)])
    }

    /// The result `FAIL`, with a reason for people.
    pub(crate) fn failure(&self, reason: &str) -> Publication {
        self.publication("result", [("cmd-result", Value::from("FAIL")), ("cmd-error", Value::from(reason))])
    }

    fn publication<const N: usize>(&self, suffix: &str, feedback: [(&str, Value); N]) -> Publication {
        let mut value = self.command.clone();
        value.extend(feedback.map(|(name, value)| (name.to_owned(), value)));
        let mut entity = Map::new();
        entity.insert("id".to_owned(), self.entity.as_str().into());
        entity.insert("type".to_owned(), self.entity_type.clone());
        entity.insert(format!("{}-{suffix}", self.name), json!({ "type": "Property", "value": value }));
        let meta = Meta::between(&self.v_thing, &self.silo);
        Publication::feedback(Topic::VSiloDataIn(self.silo.clone()), &meta, &entity)
    }
}
