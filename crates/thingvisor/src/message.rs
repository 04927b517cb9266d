//! Messages that the kit sends: entities cut into messages the fabric can carry.

use bytes::Bytes;
use morgana_model::{ControlMessage, Entity, Meta, Topic};
use serde::Serialize;
use serde_json::{Map, Value};

/// One message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) topic: Topic,
    pub(crate) payload: Bytes,
    /// QoS 1, not 0.
    pub(crate) assured: bool,
}

impl Publication {
    /// A control message; it is worth an acknowledgement.
    pub(crate) fn control(topic: Topic, message: &ControlMessage) -> Self {
        Self { topic, payload: json(message), assured: true }
    }

    /// Feedback of a command: one entity for one silo.
    pub(crate) fn feedback(topic: Topic, meta: &Meta, entity: &Map<String, Value>) -> Self {
        Self { topic, payload: json(&DataOut { data: vec![entity], meta }), assured: true }
    }

    /// Context data. Losing one is better than delaying the next.
    fn data(topic: Topic, payload: Bytes) -> Self {
        Self { topic, payload, assured: false }
    }
}

/// Changed entities for every silo.
pub(crate) fn data_out(topic: Topic, meta: &Meta, entities: &[&Entity], limit: usize) -> Vec<Publication> {
    in_parts(entities, limit, &|data| json(&DataOut { data: members(data), meta }))
        .into_iter()
        .map(|payload| Publication::data(topic.clone(), payload))
        .collect()
}

/// The whole context for one silo. An empty one is an answer too.
pub(crate) fn context_response(
    topic: Topic,
    meta: &Meta,
    entities: &[&Entity],
    limit: usize,
) -> Vec<Publication> {
    let command = "getContextResponse";
    in_parts(entities, limit, &|data| json(&ContextResponse { command, data: members(data), meta }))
        .into_iter()
        .map(|payload| Publication { topic: topic.clone(), payload, assured: true })
        .collect()
}

/// [`morgana_model::ContextMessage`], borrowed: this is the hot path.
#[derive(Serialize)]
struct DataOut<'a> {
    data: Vec<&'a Map<String, Value>>,
    meta: &'a Meta,
}

/// [`ControlMessage::GetContextResponse`], borrowed.
#[derive(Serialize)]
struct ContextResponse<'a> {
    command: &'static str,
    data: Vec<&'a Map<String, Value>>,
    meta: &'a Meta,
}

fn members<'a>(entities: &[&'a Entity]) -> Vec<&'a Map<String, Value>> {
    entities.iter().map(|entity| entity.members()).collect()
}

/// Writes entities as one message, or halves them until each message is short enough or holds one
/// entity. The receiver merges, so that several messages say the same as one.
fn in_parts(entities: &[&Entity], limit: usize, write: &dyn Fn(&[&Entity]) -> Bytes) -> Vec<Bytes> {
    let whole = write(entities);
    if whole.len() <= limit || entities.len() <= 1 {
        return vec![whole];
    }
    let (first, second) = entities.split_at(entities.len() / 2);
    let mut parts = in_parts(first, limit, write);
    parts.extend(in_parts(second, limit, write));
    parts
}

fn json(message: &impl Serialize) -> Bytes {
    // Maps with text keys and derived types only: there is nothing in them that JSON cannot say.
    serde_json::to_vec(message).expect("a message of the model is JSON").into()
}

#[cfg(test)]
mod tests {
    use morgana_model::ContextMessage;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_hold_every_entity_once_and_in_order(count in 0usize..40, limit in 1usize..3_000) {
            let entities: Vec<Entity> = (0..count)
                .map(|n| Entity::builder(format!("urn:x:{n}"), "T").property("n", n).build().unwrap())
                .collect();
            let meta = Meta::of_vthing(&"tv/a".parse().unwrap());
            let borrowed: Vec<&Entity> = entities.iter().collect();
            let parts = data_out("vThing/tv/a/data_out".parse().unwrap(), &meta, &borrowed, limit);
            let mut together = Vec::new();
            for part in &parts {
                let message: ContextMessage = serde_json::from_slice(&part.payload).unwrap();
                prop_assert!(part.payload.len() <= limit || message.data.len() <= 1);
                together.extend(message.data);
            }
            prop_assert_eq!(together, entities);
        }
    }

    #[test]
    fn a_context_response_is_the_message_of_the_model() {
        let entity = Entity::builder("urn:x", "T").property("n", 1).build().unwrap();
        let meta = Meta::between(&"tv/a".parse().unwrap(), &"t_s".parse().unwrap());
        let parts = context_response("vSilo/t_s/c_in".parse().unwrap(), &meta, &[&entity], 1_000);
        let read: ControlMessage = serde_json::from_slice(&parts[0].payload).unwrap();
        assert_eq!(read, ControlMessage::GetContextResponse { data: vec![entity], meta });
    }
}
