//! An entity as an MQTT message (viriot-wire.md section 4.2, "raw-mqtt-actuator"): JSON on
//! `<tenantID>/<vThingID>/<entity>`, where `<entity>` is the entity's id without `urn:ngsi-ld:`.
//!
//! An id may hold characters that an MQTT topic name or one level of it may not (MQTT 5 section
//! 4.7: `/`, `+`, `#`, NUL; control characters are ill-advised by section 1.5.4). Those, and `%`
//! itself, are percent-encoded (RFC 3986 section 2.1) over UTF-8. So an entity is always exactly
//! one level, every id has a topic, and two different levels are two different entities. The ids
//! that VirIoT components use hold none of them and look as they did.

use std::fmt::Write;

use morgana_model::{Entity, TenantId, VThingId};

/// What VirIoT leaves out of an entity's id in a topic.
const PREFIX: &str = "urn:ngsi-ld:";

/// The longest MQTT topic, in bytes (MQTT 5 section 1.5.4: a two-byte length).
const MAX_TOPIC_BYTES: usize = 65_535;

/// An entity's id makes a topic longer than MQTT can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the entity's topic has {bytes} bytes, more than the {MAX_TOPIC_BYTES} of MQTT; give it a shorter id"
)]
pub struct TopicTooLong {
    /// Bytes the topic would have.
    pub bytes: usize,
}

/// The topic of an entity that a vThing gives to a tenant's silo.
///
/// Two ids of one vThing that differ in the prefix `urn:ngsi-ld:` alone share a topic; that is
/// VirIoT's rule, and only the one with the prefix is a URI, as NGSI-LD wants ids to be.
///
/// # Errors
/// When the id is so long that the topic is no MQTT topic.
pub fn entity_topic(tenant: &TenantId, v_thing: &VThingId, entity_id: &str) -> Result<String, TopicTooLong> {
    let mut topic = format!("{tenant}/{v_thing}/");
    push_level(&mut topic, entity_id.strip_prefix(PREFIX).unwrap_or(entity_id));
    if topic.len() > MAX_TOPIC_BYTES { Err(TopicTooLong { bytes: topic.len() }) } else { Ok(topic) }
}

/// The topic of a pipe of an entity whose topic this is: one level below.
pub fn command_topic(entity_topic: &str, pipe: &str) -> String {
    let mut topic = format!("{entity_topic}/");
    push_level(&mut topic, pipe);
    topic
}

/// The pipe whose level this is.
pub fn command_of(level: &str) -> String {
    crate::escape::unescape(level, '%')
}

/// The payload: the entity as JSON, its members in their order.
pub fn entity_payload(entity: &Entity) -> Vec<u8> {
    // Writing a JSON value into memory does not fail.
    serde_json::to_vec(entity.members()).unwrap_or_default()
}

fn push_level(topic: &mut String, text: &str) {
    for character in text.chars() {
        if matches!(character, '/' | '+' | '#' | '%') || character.is_control() {
            let mut utf8 = [0; 4];
            for byte in character.encode_utf8(&mut utf8).bytes() {
                // Writing into a String does not fail.
                let _ = write!(topic, "%{byte:02X}");
            }
        } else {
            topic.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn topic(id: &str) -> String {
        entity_topic(&"tenant1".parse().unwrap(), &"lamp/Lamp01".parse().unwrap(), id).unwrap()
    }

    #[test]
    fn observed_topic_and_payload_come_out_alike() {
        let text =
            r#"{"id":"urn:ngsi-ld:lamp:Lamp01","type":"Lamp","color":{"type":"Property","value":"it's"}}"#;
        let entity: Entity =
            Entity::try_from(serde_json::from_str::<serde_json::Map<_, _>>(text).unwrap()).unwrap();
        assert_eq!(topic(entity.id()), "tenant1/lamp/Lamp01/lamp:Lamp01");
        assert_eq!(String::from_utf8(entity_payload(&entity)).unwrap(), text);
    }

    #[test]
    fn characters_that_a_topic_level_cannot_hold_are_percent_encoded() {
        assert_eq!(topic("http://x/a+b#c"), "tenant1/lamp/Lamp01/http:%2F%2Fx%2Fa%2Bb%23c");
        assert_eq!(topic("urn:ngsi-ld:50%\0\u{85}"), "tenant1/lamp/Lamp01/50%25%00%C2%85");
        assert_eq!(topic("urn:ngsi-ld:Straße 1"), "tenant1/lamp/Lamp01/Straße 1");
    }

    #[test]
    fn a_topic_longer_than_mqtt_allows_is_refused() {
        let id = "x".repeat(MAX_TOPIC_BYTES);
        let error = entity_topic(&"t".parse().unwrap(), &"a/b".parse().unwrap(), &id).unwrap_err();
        assert_eq!(error, TopicTooLong { bytes: MAX_TOPIC_BYTES + 6 });
    }

    proptest! {
        #[test]
        fn every_id_is_one_level_and_no_two_ids_share_it(one in any::<String>(), other in any::<String>()) {
            let (a, b) = (topic(&format!("{PREFIX}{one}")), topic(&format!("{PREFIX}{other}")));
            prop_assert_eq!(a.matches('/').count(), 3);
            prop_assert!(!a.contains(['+', '#', '\0']));
            prop_assert_eq!(a == b, one == other);
        }
    }
}
