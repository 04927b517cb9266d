//! The neutral format of the platform: an NGSI-LD entity in normalized form (ETSI GS CIM 009
//! clause 4.5.1), as it travels through the fabric.
//!
//! It keeps members as they came, in their order: what a ThingVisor said reaches every silo
//! unchanged. What members mean is the business of brokers and translators.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};

/// The unversioned core `@context` of NGSI-LD, which VirIoT components name in their entities.
pub const CORE_CONTEXT: &str = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld";

/// Members of an entity that are no attributes (clause 5.2.4).
const NOT_ATTRIBUTES: [&str; 8] =
    ["id", "type", "@context", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt"];

/// An NGSI-LD entity: an object with a string `id` and a `type` of one or more names.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Entity(Map<String, Value>);

/// Written as it is; the derive for `into` would clone every member first.
impl Serialize for Entity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// An object that is no entity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntityError {
    /// `id` is missing, empty or no string.
    #[error("an entity needs an 'id', a string that is not empty")]
    Id,
    /// `type` is missing, empty or neither a string nor an array of strings.
    #[error("entity '{id}' needs a 'type', a string or an array of strings")]
    Type {
        /// The entity.
        id: String,
    },
}

impl TryFrom<Map<String, Value>> for Entity {
    type Error = EntityError;

    fn try_from(members: Map<String, Value>) -> Result<Self, EntityError> {
        let id = match members.get("id") {
            Some(Value::String(id)) if !id.is_empty() => id,
            _ => return Err(EntityError::Id),
        };
        let is_type = |value: &Value| value.as_str().is_some_and(|name| !name.is_empty());
        let typed = match members.get("type") {
            Some(Value::Array(names)) => !names.is_empty() && names.iter().all(is_type),
            Some(name) => is_type(name),
            None => false,
        };
        if typed { Ok(Self(members)) } else { Err(EntityError::Type { id: id.clone() }) }
    }
}

impl From<Entity> for Map<String, Value> {
    fn from(entity: Entity) -> Self {
        entity.0
    }
}

impl Entity {
    /// Starts an entity of one type.
    pub fn builder(id: impl Into<String>, type_name: impl Into<String>) -> EntityBuilder {
        let mut members = Map::new();
        members.insert("id".to_owned(), Value::String(id.into()));
        members.insert("type".to_owned(), Value::String(type_name.into()));
        EntityBuilder(members)
    }

    /// The id.
    pub fn id(&self) -> &str {
        self.0.get("id").and_then(Value::as_str).unwrap_or_default()
    }

    /// The names of its types, at least one.
    pub fn types(&self) -> Vec<&str> {
        match self.0.get("type") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(name)) => vec![name],
            _ => Vec::new(),
        }
    }

    /// All members, attributes and others.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The attributes: every member that the standard does not reserve.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0
            .iter()
            .filter(|(name, _)| !NOT_ATTRIBUTES.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value))
    }

    /// One member.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Replaces or adds an attribute. The id and the type stay as they are.
    pub fn set(&mut self, name: impl Into<String>, attribute: Value) {
        let name = name.into();
        if name != "id" && name != "type" {
            self.0.insert(name, attribute);
        }
    }

    /// Takes over the attributes of a newer, maybe partial, entity of the same id; those it does
    /// not have stay (the PATCH semantics of viriot-wire.md section 3, "Data").
    pub fn merge(&mut self, newer: Entity) {
        for (name, value) in newer.0 {
            self.0.insert(name, value);
        }
    }
}

/// Builds an [`Entity`] attribute by attribute.
#[derive(Debug, Clone)]
pub struct EntityBuilder(Map<String, Value>);

impl EntityBuilder {
    /// Adds a Property (clause 4.5.2).
    pub fn property(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attribute(name, json!({ "type": "Property", "value": value.into() }))
    }

    /// Adds a GeoProperty that is a Point (clause 4.7); longitude first, in degrees.
    pub fn location(self, longitude: f64, latitude: f64) -> Self {
        let point = json!({ "type": "Point", "coordinates": [longitude, latitude] });
        self.attribute("location", json!({ "type": "GeoProperty", "value": point }))
    }

    /// Adds a whole attribute as it is.
    pub fn attribute(mut self, name: impl Into<String>, attribute: Value) -> Self {
        self.0.insert(name.into(), attribute);
        self
    }

    /// The entity.
    ///
    /// # Errors
    /// When the id or the type is empty.
    pub fn build(self) -> Result<Entity, EntityError> {
        self.0.try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(text: &str) -> Result<Entity, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn an_object_without_id_or_type_is_no_entity() {
        for wrong in [
            r#"{}"#,
            r#"{"id":"a"}"#,
            r#"{"id":"","type":"T"}"#,
            r#"{"id":"a","type":[]}"#,
            r#"{"id":1,"type":"T"}"#,
        ] {
            assert!(entity(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn members_keep_their_order_and_their_numbers() {
        let text = r#"{"id":"urn:x","type":["A","B"],"z":{"type":"Property","value":12345678901234567890},"a":{"type":"Property","value":1.0}}"#;
        assert_eq!(serde_json::to_string(&entity(text).unwrap()).unwrap(), text);
    }

    #[test]
    fn merging_keeps_what_the_newer_does_not_say() {
        let mut old = Entity::builder("urn:x", "T").property("a", 1).property("b", 1).build().unwrap();
        old.merge(Entity::builder("urn:x", "T").property("b", 2).build().unwrap());
        let expected = Entity::builder("urn:x", "T").property("a", 1).property("b", 2).build().unwrap();
        assert_eq!(old, expected);
    }

    #[test]
    fn attributes_leave_out_what_the_standard_reserves() {
        let entity =
            entity(r#"{"id":"a","type":"T","scope":"/x","@context":[],"p":{"type":"Property","value":1}}"#)
                .unwrap();
        assert_eq!(entity.attributes().map(|(name, _)| name).collect::<Vec<_>>(), ["p"]);
    }
}
