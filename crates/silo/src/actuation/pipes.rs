use morgana_model::{Entity, VThingId};
use morgana_translate::commands::{result_pipe, status_pipe};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The pipes of the commands of one entity that a vThing gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pipes {
    pub(crate) v_thing: VThingId,
    /// The id of the entity.
    pub(crate) entity: String,
    /// Its `type`.
    pub(crate) kind: Value,
    /// Its `@context`, if it has one.
    pub(crate) context: Option<Value>,
    pub(crate) commands: Vec<String>,
}

/// What the silo's ledger keeps of it.
#[derive(Serialize, Deserialize)]
struct Kept {
    kind: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context: Option<Value>,
    commands: Vec<String>,
}

impl Pipes {
    pub(super) fn of(v_thing: &VThingId, entity: &Entity, commands: Vec<String>) -> Self {
        Self {
            v_thing: v_thing.clone(),
            entity: entity.id().to_owned(),
            kind: entity.get("type").cloned().unwrap_or_default(),
            context: entity.get("@context").cloned(),
            commands,
        }
    }

    /// The names of all pipes: three a command.
    pub(crate) fn names(&self) -> Vec<String> {
        let of = |command: &String| [command.clone(), status_pipe(command), result_pipe(command)];
        self.commands.iter().flat_map(of).collect()
    }

    /// The text that a ledger keeps.
    pub(crate) fn to_text(&self) -> String {
        let Self { kind, context, commands, .. } = self.clone();
        // Writing a JSON value into memory does not fail.
        serde_json::to_string(&Kept { kind, context, commands }).unwrap_or_default()
    }

    /// What was kept; nothing when it cannot be read, and the vThing's next context makes it good.
    pub(crate) fn from_text(v_thing: &VThingId, entity: &str, text: &str) -> Option<Self> {
        let Kept { kind, context, commands } = serde_json::from_str(text).ok()?;
        Some(Self { v_thing: v_thing.clone(), entity: entity.to_owned(), kind, context, commands })
    }
}
