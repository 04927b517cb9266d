//! The messages of the fabric (viriot-wire.md section 3), as VirIoT components write them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Entity, ThingVisorId, VSiloId, VThingId};

/// Context data on its way: `{"data": [entities], "meta": {"vThingID": ...}}`. Entities carry
/// only what changed; the receiver merges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextMessage {
    /// The changed entities.
    pub data: Vec<Entity>,
    /// Where they come from.
    pub meta: Meta,
}

/// Where a message comes from. Morgana writes both ids (viriot-wire.md, "Where Morgana differs",
/// 2); VirIoT components may leave out either.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The vThing the data belongs to.
    #[serde(rename = "vThingID", skip_serializing_if = "Option::is_none")]
    pub v_thing: Option<VThingId>,
    /// The silo that asks, or that is answered.
    #[serde(rename = "vSiloID", skip_serializing_if = "Option::is_none")]
    pub v_silo: Option<VSiloId>,
}

impl Meta {
    /// The meta of data that a vThing sends to all.
    pub fn of_vthing(v_thing: &VThingId) -> Self {
        Self { v_thing: Some(v_thing.clone()), v_silo: None }
    }

    /// The meta of what passes between one vThing and one silo.
    pub fn between(v_thing: &VThingId, v_silo: &VSiloId) -> Self {
        Self { v_thing: Some(v_thing.clone()), v_silo: Some(v_silo.clone()) }
    }
}

/// A control message. `setVThings` and `getVThingsRequest` are Morgana's own: with them a silo
/// that was away learns the whole list of its vThings at once, whatever it missed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase")]
pub enum ControlMessage {
    /// A ThingVisor tells the controller of a vThing; repeating it changes nothing.
    #[serde(rename_all = "camelCase")]
    CreateVThing {
        /// The ThingVisor.
        #[serde(rename = "thingVisorID")]
        thing_visor: ThingVisorId,
        /// The vThing.
        #[serde(rename = "vThing")]
        v_thing: VThingAnnouncement,
    },
    /// The controller connects a vThing to a silo.
    AddVThing {
        /// The silo.
        #[serde(rename = "vSiloID")]
        v_silo: VSiloId,
        /// The vThing.
        #[serde(rename = "vThingID")]
        v_thing: VThingId,
        /// `actuator`, or empty.
        #[serde(rename = "vThingType", default)]
        v_thing_type: String,
    },
    /// The controller disconnects a vThing from a silo; or, with `vSiloID` `ALL`, a ThingVisor
    /// tells all that the vThing is no more.
    #[serde(rename = "deleteVThing")]
    DeleteVThing {
        /// The silo, or `ALL`.
        #[serde(rename = "vSiloID")]
        v_silo: String,
        /// The vThing.
        #[serde(rename = "vThingID")]
        v_thing: VThingId,
    },
    /// The controller gives a silo the whole list of its vThings.
    #[serde(rename = "setVThings")]
    SetVThings {
        /// The silo.
        #[serde(rename = "vSiloID")]
        v_silo: VSiloId,
        /// Every vThing connected to it.
        #[serde(rename = "vThings")]
        v_things: Vec<VThingReference>,
    },
    /// A silo asks for the whole list of its vThings.
    #[serde(rename = "getVThingsRequest")]
    GetVThingsRequest {
        /// The silo.
        #[serde(rename = "vSiloID")]
        v_silo: VSiloId,
    },
    /// A silo asks a vThing for its whole context.
    GetContextRequest {
        /// The silo.
        #[serde(rename = "vSiloID")]
        v_silo: VSiloId,
        /// The vThing.
        #[serde(rename = "vThingID")]
        v_thing: VThingId,
    },
    /// A vThing gives a silo its whole context.
    GetContextResponse {
        /// The entities, whole.
        data: Vec<Entity>,
        /// Where they come from.
        meta: Meta,
    },
    /// The controller ends a ThingVisor.
    #[serde(rename = "destroyTV")]
    DestroyThingVisor {
        /// The ThingVisor.
        #[serde(rename = "thingVisorID")]
        thing_visor: ThingVisorId,
    },
    /// A ThingVisor has ended its vThings.
    #[serde(rename = "destroyTVAck", alias = "destroyTVack")]
    DestroyThingVisorAck {
        /// The ThingVisor.
        #[serde(rename = "thingVisorID")]
        thing_visor: ThingVisorId,
    },
    /// The controller ends a silo.
    #[serde(rename = "destroyVSilo")]
    DestroyVSilo {
        /// The silo.
        #[serde(rename = "vSiloID")]
        v_silo: VSiloId,
    },
    /// A silo has put its state away.
    #[serde(rename = "destroyVSiloAck")]
    DestroyVSiloAck {
        /// The silo.
        #[serde(rename = "vSiloID")]
        v_silo: VSiloId,
    },
    /// The controller gives a ThingVisor new parameters.
    #[serde(rename = "updateTV")]
    UpdateThingVisor {
        /// The ThingVisor.
        #[serde(rename = "thingVisorID")]
        thing_visor: ThingVisorId,
        /// The new parameters.
        params: Value,
        /// The new description.
        #[serde(rename = "tvDescription")]
        description: String,
        /// Whatever the administrator wants to tell it once.
        #[serde(rename = "updateInfo")]
        update_info: Value,
        /// Which update of the ThingVisor this is; VirIoT does not count them.
        #[serde(rename = "updateNumber", default, skip_serializing_if = "Option::is_none")]
        number: Option<u64>,
    },
    /// A ThingVisor says up to which update it is (Morgana's own): one that does is told again until it has
    /// the newest.
    #[serde(rename = "updateTVAck")]
    UpdateThingVisorAck {
        /// The ThingVisor.
        #[serde(rename = "thingVisorID")]
        thing_visor: ThingVisorId,
        /// The number of the update that it has.
        #[serde(rename = "updateNumber")]
        number: u64,
        /// Which of its starts says so, from `MORGANA_INCARNATION`.
        incarnation: u64,
    },
    /// The controller tells a ThingVisor where the generic content of one of its vThings is.
    #[serde(rename = "setVThingEndpoint")]
    SetVThingEndpoint {
        /// The vThing.
        #[serde(rename = "vThingID")]
        v_thing: VThingId,
        /// The URL.
        endpoint: String,
    },
    /// The controller tells a ThingVisor that there is no such place any more.
    #[serde(rename = "delVThingEndpoint")]
    DelVThingEndpoint {
        /// The vThing.
        #[serde(rename = "vThingID")]
        v_thing: VThingId,
    },
}

/// What a ThingVisor says of a vThing when it creates it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VThingAnnouncement {
    /// A name for people.
    pub label: String,
    /// The id.
    pub id: VThingId,
    /// A sentence for people.
    pub description: String,
    /// `actuator`, or nothing for a sensor.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// A vThing in the list that a silo gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VThingReference {
    /// The id.
    #[serde(rename = "vThingID")]
    pub id: VThingId,
    /// `actuator`, or empty.
    #[serde(rename = "vThingType", default)]
    pub kind: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages as VirIoT components were seen to send them (viriot-wire.md section 3).
    const OBSERVED: &[&str] = &[
        r#"{"command":"setVThingEndpoint","endpoint":"http://127.0.0.1:9","vThingID":"hello/hello"}"#,
        r#"{"command":"delVThingEndpoint","vThingID":"hello/hello"}"#,
        r#"{"command":"createVThing","thingVisorID":"hello","vThing":{"label":"helloWorld","id":"hello/hello","description":"hello world virtual thing"}}"#,
        r#"{"command":"createVThing","thingVisorID":"lamp","vThing":{"label":"l","id":"lamp/Lamp01","description":"d","type":"actuator"}}"#,
        r#"{"command":"addVThing","vSiloID":"tenant1_silo1","vThingID":"lamp/Lamp01","vThingType":"actuator"}"#,
        r#"{"command":"getContextRequest","vSiloID":"tenant1_silo1","vThingID":"lamp/Lamp01"}"#,
        r#"{"command":"getContextResponse","data":[{"id":"urn:ngsi-ld:lamp:Lamp01","type":"Lamp","status":{"type":"Property","value":"off"}}],"meta":{"vThingID":"lamp/Lamp01"}}"#,
        r#"{"command":"deleteVThing","vSiloID":"tenant1_silo1","vThingID":"lamp/Lamp01"}"#,
        r#"{"command":"deleteVThing","vSiloID":"ALL","vThingID":"hello/hello"}"#,
        r#"{"command":"destroyTV","thingVisorID":"hello"}"#,
        r#"{"command":"destroyTVAck","thingVisorID":"hello"}"#,
        r#"{"command":"destroyVSilo","vSiloID":"tenant1_silo1"}"#,
        r#"{"command":"destroyVSiloAck","vSiloID":"tenant1_silo1"}"#,
        r#"{"command":"updateTV","thingVisorID":"hello","params":{"rate":1},"tvDescription":"new","updateInfo":"ephemeral"}"#,
        r#"{"command":"updateTV","thingVisorID":"hello","params":null,"tvDescription":"","updateInfo":null,"updateNumber":3}"#,
        r#"{"command":"updateTVAck","thingVisorID":"hello","updateNumber":3,"incarnation":7}"#,
        r#"{"command":"getVThingsRequest","vSiloID":"tenant1_silo1"}"#,
        r#"{"command":"setVThings","vSiloID":"tenant1_silo1","vThings":[{"vThingID":"lamp/Lamp01","vThingType":"actuator"}]}"#,
    ];

    #[test]
    fn observed_messages_are_read_and_written_alike() {
        for text in OBSERVED {
            let message: ControlMessage = serde_json::from_str(text).unwrap();
            let written: Value = serde_json::to_value(&message).unwrap();
            assert_eq!(written, serde_json::from_str::<Value>(text).unwrap());
        }
    }

    #[test]
    fn data_without_meta_ids_is_read() {
        let message: ContextMessage = serde_json::from_str(r#"{"data":[],"meta":{}}"#).unwrap();
        assert_eq!(message.meta, Meta::default());
    }
}
