//! What the tenant has to know of its silo: entities that its broker has no room for, or refuses.

use std::collections::VecDeque;

use morgana_model::{Entity, VSiloId};
use serde_json::{Value, json};

/// How many are shown; the oldest go first.
const SHOWN: usize = 20;
/// How much of an id or a reason is shown, in characters.
const LENGTH: usize = 256;

/// The last refusals.
#[derive(Debug)]
pub(crate) struct Notices {
    silo: VSiloId,
    recent: VecDeque<Value>,
}

/// The entity that shows them.
pub(crate) fn notices_id(silo: &VSiloId) -> String {
    format!("urn:ngsi-ld:VSilo:{silo}")
}

impl Notices {
    pub(crate) fn new(silo: VSiloId) -> Self {
        Self { silo, recent: VecDeque::new() }
    }

    /// Adds a refusal. Gives the entity that shows all of them, to be put into the tenant's broker like any other;
    /// nothing when the same was said before.
    pub(crate) fn add(&mut self, entity: &str, reason: &str) -> Option<Entity> {
        let short = |text: &str| text.chars().take(LENGTH).collect::<String>();
        let notice = json!({ "entity": short(entity), "reason": short(reason) });
        if self.recent.contains(&notice) {
            return None;
        }
        self.recent.push_back(notice);
        if self.recent.len() > SHOWN {
            self.recent.pop_front();
        }
        let id = notices_id(&self.silo);
        let all: Vec<Value> = self.recent.iter().cloned().collect();
        Entity::builder(id, "VSilo").property("refused", all).build().ok()
    }

    /// As [`Self::add`] for several, each an entity and the reason.
    pub(crate) fn add_all(&mut self, refused: Vec<(String, String)>) -> Option<Entity> {
        let mut notice = None;
        for (entity, reason) in refused {
            notice = self.add(&entity, &reason).or(notice);
        }
        notice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_refusals_are_shown_and_none_twice() {
        let mut notices = Notices::new("tenant1_s".parse().unwrap());
        let entity = notices.add("urn:a", "too long").unwrap();
        assert_eq!(entity.id(), "urn:ngsi-ld:VSilo:tenant1_s");
        let refused = json!([{ "entity": "urn:a", "reason": "too long" }]);
        assert_eq!(entity.get("refused").unwrap()["value"], refused);
        assert!(notices.add("urn:a", "too long").is_none());
        for number in 0..SHOWN {
            notices.add(&number.to_string(), "x").unwrap();
        }
        assert!(notices.add("urn:a", "too long").is_some(), "it is news again");
    }
}
