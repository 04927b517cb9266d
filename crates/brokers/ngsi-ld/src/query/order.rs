//! Ordering of results (NGSI-LD 4.23).

use std::{cmp::Ordering, fmt, sync::Arc};

use geo::Geometry;
use icu_collator::{CollatorBorrowed, options::CollatorOptions};
use icu_locale_core::Locale;

use super::geo::metres_to;
use crate::{
    Context, Error,
    model::{Attribute, Entity, Json, Name, shape, shorten},
};

/// By what entities are ordered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    keys: Vec<Key>,
    collation: Option<Collation>,
}

/// The parts of an ordering as a request has them (NGSI-LD 4.23.3).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OrderParts<'a> {
    /// `orderBy`: members with commas between, each with a direction if need be.
    pub(crate) keys: Option<&'a str>,
    /// `orderFrom`: the coordinates that distances are measured from.
    pub(crate) from: Option<&'a Json>,
    /// The type of geometry that these are the coordinates of; a point unless it says otherwise.
    pub(crate) geometry: Option<&'a str>,
    /// How texts are ordered, a BCP 47 language tag.
    pub(crate) collation: Option<&'a str>,
}

#[derive(Debug, Clone)]
struct Key {
    member: Member,
    descending: bool,
    /// Ordered by the distance from here.
    from: Option<Geometry>,
}

/// An order of texts.
#[derive(Clone)]
struct Collation(Arc<CollatorBorrowed<'static>>);

impl fmt::Debug for Collation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Collation")
    }
}

impl Collation {
    fn parse(tag: &str) -> Result<Self, Error> {
        let bad = || Error::bad(format!("collation \"{}\" is not a language tag (BCP 47)", shorten(tag)));
        let locale = Locale::try_from_str(tag).map_err(|_| bad())?;
        let collator =
            CollatorBorrowed::try_new((&locale).into(), CollatorOptions::default()).map_err(|_| bad())?;
        Ok(Self(Arc::new(collator)))
    }
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

/// What a key finds. Values of different types are ordered by their type (NGSI-LD 4.23.2).
#[derive(Debug, PartialEq, PartialOrd)]
enum Found {
    Number(f64),
    Text(String),
    Bool(bool),
}

impl Order {
    /// Parses an ordering; `None` when nothing is to be ordered.
    pub(crate) fn parse(parts: OrderParts<'_>, context: &Context) -> Result<Option<Self>, Error> {
        let collation = parts.collation.map(Collation::parse).transpose()?;
        let from = match parts.from {
            None => None,
            Some(coordinates) => {
                let geometry = Json::Object(
                    [
                        ("type".into(), parts.geometry.unwrap_or("Point").into()),
                        ("coordinates".into(), coordinates.clone()),
                    ]
                    .into(),
                );
                Some(shape(&geometry, "orderFrom")?)
            }
        };
        let Some(text) = parts.keys else { return Ok(None) };
        let keys = text.split(',').map(|key| Key::parse(key, from.as_ref(), context));
        Ok(Some(Self { keys: keys.collect::<Result<_, _>>()?, collation }))
    }

    /// Whether only ids are asked for, and then whether backwards.
    pub(crate) fn by_id(&self) -> Option<bool> {
        match &self.keys[..] {
            [Key { member: Member::Id, descending, .. }] => Some(*descending),
            _ => None,
        }
    }

    /// Which of two entities comes first. What does not have a member comes last.
    pub(crate) fn compare(&self, a: &Entity, b: &Entity) -> Ordering {
        let collation = self.collation.as_ref();
        self.keys.iter().fold(Ordering::Equal, |order, key| order.then_with(|| key.compare(a, b, collation)))
    }
}

impl Key {
    fn parse(text: &str, from: Option<&Geometry>, context: &Context) -> Result<Self, Error> {
        let (path, direction) = text.split_once(';').unwrap_or((text, "asc"));
        let by_distance = direction.starts_with("dist-");
        let descending = match direction {
            "asc" | "dist-asc" => false,
            "desc" | "dist-desc" => true,
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
        let from = match (by_distance, from) {
            (false, _) => None,
            (true, Some(from)) => Some(from.clone()),
            (true, None) => {
                return Err(Error::bad("orderBy: an order by distance needs orderFrom (NGSI-LD 4.23.3)"));
            }
        };
        Ok(Self { member, descending, from })
    }

    fn compare(&self, a: &Entity, b: &Entity, collation: Option<&Collation>) -> Ordering {
        match (self.find(a), self.find(b)) {
            (Some(a), Some(b)) => {
                let order = match (&a, &b, collation) {
                    (Found::Text(a), Found::Text(b), Some(collation)) => collation.0.compare(a, b),
                    _ => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
                };
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
                let attribute = entity.attribute(&first.1)?;
                match &self.from {
                    Some(from) => metres_to(&attribute.value, from).map(Found::Number),
                    None => find_in(attribute, rest, inside),
                }
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
