use super::{EntityInput, IdRule, parse_entity};
use crate::{Error, ErrorKind, model::Json};

/// What an update does with an entity's attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Writes attributes, creates those and the entity that are missing.
    Append,
    /// Creates attributes and the entity; those there already are refused.
    AppendStrict,
    /// Writes attributes that are there; those missing are refused.
    Update,
    /// Makes these the only attributes.
    Replace,
    /// Takes attributes away; the entity when none is named.
    Delete,
}

impl Action {
    /// The action that goes by this name; the old names in capitals are still sent.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "append" | "APPEND" => Self::Append,
            "appendStrict" | "APPEND_STRICT" => Self::AppendStrict,
            "update" | "UPDATE" => Self::Update,
            "replace" | "REPLACE" => Self::Replace,
            "delete" | "DELETE" => Self::Delete,
            _ => return None,
        })
    }
}

/// An update of several entities.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// What is done with each.
    pub action: Action,
    /// The entities, in the order they are written.
    pub entities: Vec<EntityInput>,
}

impl Update {
    /// Reads the body of `POST /v2/op/update`; with `key_values`, of its form with `options=keyValues`.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(body: &Json, key_values: bool) -> Result<Self, Error> {
        parse_update(body, key_values)
    }
}

/// Reads the body of `POST /v2/op/update`.
///
/// # Errors
/// When it is not one.
pub(crate) fn parse_update(body: &Json, key_values: bool) -> Result<Update, Error> {
    let members = body.as_object().ok_or_else(Error::parse)?;
    if members.is_empty() {
        return Err(Error::bad("empty payload"));
    }
    let (mut action, mut entities) = (None, None);
    for (name, content) in members {
        match &**name {
            "actionType" => {
                let text = content.as_str().ok_or_else(|| Error::bad("actionType is not a string"))?;
                action = Some(Action::parse(text).ok_or_else(|| {
                    Error::bad(
                        "invalid update action type: right ones are: append, appendStric, delete, replace, update",
                    )
                })?);
            }
            "entities" => entities = Some(parse_entities(content, key_values, "entities")?),
            other => return Err(Error::bad(format!("Unrecognized field in JSON payload: /{other}/"))),
        }
    }
    match (action, entities) {
        (Some(action), Some(entities)) => Ok(Update { action, entities }),
        (None, _) => Err(Error::bad("Invalid JSON payload, mandatory field /actionType/ not found")),
        (_, None) => Err(Error::bad("Invalid JSON payload, mandatory field /entities/ not found")),
    }
}

/// Reads the body of `POST /v2/op/notify`: a notification of another broker.
///
/// # Errors
/// When it is not one.
pub(crate) fn parse_notification(body: &Json) -> Result<Update, Error> {
    let members = body.as_object().ok_or_else(Error::parse)?;
    let (mut subscription, mut entities) = (None, None);
    for (name, content) in members {
        match &**name {
            "subscriptionId" => {
                subscription =
                    Some(content.as_str().ok_or_else(|| Error::bad("subscriptionId is not a string"))?);
            }
            "data" => entities = Some(parse_entities(content, false, "data")?),
            other => return Err(Error::bad(format!("Unrecognized field in JSON payload: /{other}/"))),
        }
    }
    match (subscription, entities) {
        (Some(_), Some(entities)) => Ok(Update { action: Action::Append, entities }),
        (None, _) => Err(Error::bad("Invalid JSON payload, mandatory field /subscriptionId/ not found")),
        (_, None) => Err(Error::bad("Invalid JSON payload, mandatory field /data/ not found")),
    }
}

fn parse_entities(body: &Json, key_values: bool, field: &str) -> Result<Vec<EntityInput>, Error> {
    let items = body.as_array().ok_or_else(|| Error::bad("not a JSON array"))?;
    if items.is_empty() {
        return Err(Error::bad(format!("empty {field} vector")));
    }
    items
        .iter()
        .map(|item| {
            let has = |name: &str| item.get(name).is_some();
            if has("idPattern") || has("typePattern") {
                return Err(Error::new(ErrorKind::NotImplemented, "NotImplemented"));
            }
            if item.get("id").is_none_or(|id| id.as_str() == Some("")) {
                return Err(Error::bad("id and idPattern cannot be both empty at the same time"));
            }
            parse_entity(item, IdRule::Body, key_values)
        })
        .collect()
}
