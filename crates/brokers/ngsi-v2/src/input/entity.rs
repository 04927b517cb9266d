use super::{AttributeInput, parse_attribute, parse_key_value};
use crate::{
    Error,
    model::{Field, Json, check_identifier},
};

/// The type of an entity that is created without one.
pub(crate) const DEFAULT_ENTITY_TYPE: &str = "Thing";

/// An entity to write, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityInput {
    /// Its id.
    pub id: Box<str>,
    /// Its type, when the request has one.
    pub kind: Option<Box<str>>,
    /// The attributes to write.
    pub attributes: Vec<AttributeInput>,
}

impl EntityInput {
    /// Reads an entity with its id; with `key_values`, in the simplified form.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(body: &Json, key_values: bool) -> Result<Self, Error> {
        parse_entity(body, IdRule::Body, key_values)
    }
}

/// Where a request has the entity's id and type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdRule<'a> {
    /// In its body.
    Body,
    /// In its URL, and nowhere else.
    Url { id: &'a str, kind: Option<&'a str> },
}

/// Reads an entity.
///
/// # Errors
/// When it is not one.
pub(crate) fn parse_entity(body: &Json, rule: IdRule<'_>, key_values: bool) -> Result<EntityInput, Error> {
    let members = body.as_object().ok_or_else(Error::parse)?;
    let in_url = matches!(rule, IdRule::Url { .. });
    let (mut id, mut kind) = match rule {
        IdRule::Body => (None, None),
        IdRule::Url { id, kind } => (Some(Box::from(id)), kind.map(Box::from)),
    };
    if members.is_empty() {
        return Err(Error::bad("empty payload"));
    }
    let mut attributes: Vec<AttributeInput> = Vec::with_capacity(members.len());
    for (name, content) in members {
        match &**name {
            "id" if in_url => return Err(Error::bad("entity id specified in payload")),
            "type" if in_url => return Err(Error::bad("entity type specified in payload")),
            "id" => {
                let text = content.as_str().ok_or_else(|| Error::bad("Invalid JSON type for entity id"))?;
                check_identifier(Field::EntityId, text)?;
                id = Some(text.into());
            }
            "type" => {
                let text = content.as_str().ok_or_else(|| Error::bad("Invalid JSON type for entity type"))?;
                check_identifier(Field::EntityType, text)?;
                kind = Some(text.into());
            }
            name => {
                let attribute = if key_values {
                    parse_key_value(name, content)?
                } else {
                    parse_attribute(name, content)?
                };
                match attributes.iter_mut().find(|known| known.name == attribute.name) {
                    Some(known) => *known = attribute,
                    None => attributes.push(attribute),
                }
            }
        }
    }
    let id = id.ok_or_else(|| Error::bad("entity id length: 0, min length supported: 1"))?;
    Ok(EntityInput { id, kind, attributes })
}
