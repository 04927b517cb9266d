//! NGSI-LD and NGSIv2 (the paper's Table 2; viriot-wire.md section 4.2 "orion-flavour", and section 4.1 for the way
//! back).
//!
//! What NGSIv2 has no room for in names ("Identifiers syntax restrictions") is percent-encoded; a space in an id or a
//! type becomes `_`, as VirIoT does it. A text that NGSIv2 would refuse for its characters has the type
//! `TextUnrestricted`. Entities of ThingVisors written for FIWARE come back by VirIoT's rules: an attribute `refX` with
//! a text is a relationship.

mod back;
mod names;
mod out;
mod values;

use serde_json::{Map, Value, json};

use crate::{Loss, commands};

pub use back::{NotAnEntity, from_ngsi_v2};
pub use names::{attribute_name, entity_id};
pub use out::to_ngsi_v2;

/// What the model is called in errors.
const MODEL: &str = "NGSIv2";

/// An entity in NGSIv2.
#[derive(Debug, Clone, PartialEq)]
pub struct Translated {
    /// The entity in normalized form, without pipes of commands.
    pub entity: Map<String, Value>,
    /// The commands it takes; nothing when it says nothing about commands.
    pub commands: Option<Vec<String>>,
    /// What does not come back as it was.
    pub losses: Vec<Loss>,
}

/// The three pipes of a command as attributes, empty.
pub fn pipes(command: &str) -> [(String, Value); 3] {
    let pipe = |name: &str, kind: &str| (attribute_name(name), json!({ "type": kind, "value": "" }));
    [
        pipe(command, "command"),
        pipe(&commands::status_pipe(command), "commandStatus"),
        pipe(&commands::result_pipe(command), "commandResult"),
    ]
}
