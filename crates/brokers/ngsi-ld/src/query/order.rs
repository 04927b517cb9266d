//! Ordering of results (NGSI-LD 4.23).

use std::cmp::Ordering;

use crate::{
    Context, Error,
    model::{Attribute, Entity, Json, Name, shorten},
};

/// By what entities are ordered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order(Vec<Key>);

#[derive(Debug, Clone)]
struct Key {
    member: Member,
    descending: bool,
}

#[derive(Debug, Clone)]
enum Member {
    Id,
    Type,
    CreatedAt,
    ModifiedAt,
    /// An attribute, attributes of it, and members inside its value.
    Attribute(Vec<(Box<str>, Name)>, Vec<Box<str>>),
}

/// What a key finds. Values of different types are ordered by their type.
#[derive(Debug, PartialEq, PartialOrd)]
enum Found {
    Bool(bool),
    Number(f64),
    Text(String),
}

impl Order {
    /// Parses an `orderBy`: members with commas between, each with `;asc` or `;desc` if need be.
    pub(crate) fn parse(text: &str, context: &Context) -> Result<Self, Error> {
        text.split(',').map(|key| Key::parse(key, context)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether only ids are asked for, and then whether backwards.
    pub(crate) fn by_id(&self) -> Option<bool> {
        match &self.0[..] {
            [Key { member: Member::Id, descending }] => Some(*descending),
            _ => None,
        }
    }

    /// Which of two entities comes first. What does not have a member comes last.
    pub(crate) fn compare(&self, a: &Entity, b: &Entity) -> Ordering {
        self.0.iter().fold(Ordering::Equal, |order, key| order.then_with(|| key.compare(a, b)))
    }
}

impl Key {
    fn parse(text: &str, context: &Context) -> Result<Self, Error> {
        let (path, direction) = text.split_once(';').unwrap_or((text, "asc"));
        let descending = match direction {
            "asc" => false,
            "desc" => true,
            "dist-asc" | "dist-desc" => return Err(Error::unsupported("ordering by distance (orderBy)")),
            other => return Err(Error::bad(format!("orderBy: \"{}\" is no direction", shorten(other)))),
        };
        let member = match path {
            "id" => Member::Id,
            "type" => Member::Type,
            "createdAt" => Member::CreatedAt,
            "modifiedAt" => Member::ModifiedAt,
            path => {
                let (names, inside) = match path.split_once('[') {
                    None => (path, Vec::new()),
                    Some((names, inside)) => {
                        let inside = inside
                            .strip_suffix(']')
                            .ok_or_else(|| Error::bad("orderBy: a bracket is not closed"))?;
                        (names, inside.split('.').map(Into::into).collect())
                    }
                };
                let name = |part: &str| Ok((part.into(), context.name(part, "orderBy")?));
                Member::Attribute(names.split('.').map(name).collect::<Result<_, Error>>()?, inside)
            }
        };
        Ok(Self { member, descending })
    }

    fn compare(&self, a: &Entity, b: &Entity) -> Ordering {
        match (self.find(a), self.find(b)) {
            (Some(a), Some(b)) => {
                let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
                if self.descending { order.reverse() } else { order }
            }
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }

    fn find(&self, entity: &Entity) -> Option<Found> {
        let number = |micros: i64| Some(Found::Number(micros as f64));
        match &self.member {
            Member::Id => Some(Found::Text(entity.id.to_string())),
            Member::Type => entity.types.first().map(|name| Found::Text(name.to_string())),
            Member::CreatedAt => number(entity.created_at.as_micros()),
            Member::ModifiedAt => number(entity.modified_at.as_micros()),
            Member::Attribute(names, inside) => {
                let (first, rest) = names.split_first()?;
                find_in(entity.attribute(&first.1)?, rest, inside)
            }
        }
    }
}

fn find_in(attribute: &Attribute, names: &[(Box<str>, Name)], inside: &[Box<str>]) -> Option<Found> {
    let number = |micros: i64| Some(Found::Number(micros as f64));
    let Some(((term, name), rest)) = names.split_first() else {
        return value(inside.iter().try_fold(&attribute.value, |value, member| value.get(member))?);
    };
    match (&**term, rest) {
        ("createdAt", []) => number(attribute.created_at.as_micros()),
        ("modifiedAt", []) => number(attribute.modified_at.as_micros()),
        ("observedAt", []) => number(attribute.observed_at?.as_micros()),
        _ => find_in(attribute.attributes().iter().find(|sub| sub.name == *name)?, rest, inside),
    }
}

fn value(json: &Json) -> Option<Found> {
    match json {
        Json::Bool(bool) => Some(Found::Bool(*bool)),
        Json::Number(number) => number.as_f64().map(Found::Number),
        Json::String(text) => Some(Found::Text(text.to_string())),
        Json::Array(items) => value(items.first()?),
        Json::Object(_) => value(json.get("@value")?),
        Json::Null => None,
    }
}
