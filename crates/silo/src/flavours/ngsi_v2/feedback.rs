//! What this flavour shows in other words than the translator.

use morgana_ngsi_v2::{EntityInput, Json, Metadatum};
use serde_json::{Map, Value, json};

/// Makes status and result of a command what FIWARE's applications expect (viriot-wire.md section 4.2,
/// "orion-flavour"): the attribute's value is `cmd-status` or `cmd-result` alone. The other members are its metadata.
pub(in crate::flavours) fn simplify(entity: &mut Map<String, Value>) {
    for (name, attribute) in entity.iter_mut() {
        let (member, kind) = if name.ends_with("-status") {
            ("cmd-status", "commandStatus")
        } else if name.ends_with("-result") {
            ("cmd-result", "commandResult")
        } else {
            continue;
        };
        let Some(Value::Object(feedback)) = attribute.get("value") else { continue };
        let Some(said) = feedback.get(member) else { continue };
        let others = feedback.iter().filter(|(name, _)| *name != member && *name != "cmd-nuri");
        let mut metadata: Map<String, Value> = others
            .map(|(name, value)| {
                // What a metadata element may not hold, it may say in this type.
                (name.clone(), json!({ "type": "TextUnrestricted", "value": value }))
            })
            .collect();
        if !said.is_string()
            || said.as_str().is_some_and(|text| text.contains(['<', '>', '"', '\'', '=', ';', '(', ')']))
        {
            metadata.insert("TextUnrestricted".to_owned(), json!({ "type": "Boolean", "value": true }));
        }
        *attribute = json!({ "type": kind, "value": said, "metadata": metadata });
    }
}

/// Leaves `location` the only place of an entity; others say that they are only to be shown.
pub(in crate::flavours) fn one_place(entity: &mut EntityInput) {
    for attribute in &mut entity.attributes {
        if attribute.kind.starts_with("geo:") && &*attribute.name != "location" {
            let ignore =
                Metadatum { name: "ignoreType".into(), kind: "Boolean".into(), value: Json::Bool(true) };
            let kept =
                attribute.metadata.take().into_iter().flatten().filter(|known| known.name != ignore.name);
            attribute.metadata = Some(kept.chain([ignore.clone()]).collect());
        }
    }
}
