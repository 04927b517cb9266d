//! What an author says of a new vThing.

use morgana_model::{Entity, ThingVisorId, VThingAnnouncement, VThingId};
use serde_json::json;

use crate::Error;

/// What VirIoT calls the type of a vThing that takes commands.
const ACTUATOR: &str = "actuator";
/// The Property in which an actuator's entities list their commands (viriot-wire.md section 3).
const COMMANDS: &str = "commands";

/// A vThing to be: a local name, words for people, and the entities it starts with.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVThing {
    local_name: String,
    label: Option<String>,
    description: String,
    entities: Vec<Entity>,
    pub(crate) commands: Vec<String>,
}

impl NewVThing {
    /// A vThing of a local name: letters, digits and `-`, `_`, `.`, `:`, `/`. Its id is
    /// `<thingVisorID>/<localName>`.
    pub fn new(local_name: impl Into<String>) -> Self {
        Self {
            local_name: local_name.into(),
            label: None,
            description: String::new(),
            entities: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// A name for people; the local name, where none is given.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// A sentence for people.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// An entity it starts with. Attributes remembered from before a restart stay where this one
    /// says nothing of them.
    pub fn entity(mut self, entity: Entity) -> Self {
        self.entities.push(entity);
        self
    }

    pub(crate) fn id(&self, visor: &ThingVisorId) -> Result<VThingId, Error> {
        Ok(VThingId::new(visor, &self.local_name)?)
    }

    /// What the controller is told.
    pub(crate) fn announcement(&self, id: &VThingId) -> VThingAnnouncement {
        VThingAnnouncement {
            label: self.label.clone().unwrap_or_else(|| self.local_name.clone()),
            id: id.clone(),
            description: self.description.clone(),
            kind: (!self.commands.is_empty()).then(|| ACTUATOR.to_owned()),
        }
    }

    /// Takes the first entities out.
    pub(crate) fn take_entities(&mut self) -> Vec<Entity> {
        std::mem::take(&mut self.entities)
    }

    /// Entities of an actuator list its commands.
    pub(crate) fn listing_commands(&self, mut entities: Vec<Entity>) -> Vec<Entity> {
        if !self.commands.is_empty() {
            for entity in &mut entities {
                entity.set(COMMANDS, json!({ "type": "Property", "value": self.commands }));
            }
        }
        entities
    }
}
