//! The left-hand side of a statement: a property of an attribute's value or of a metadata element's.

use super::value::split_unquoted;
use crate::{
    Error,
    model::{Attribute, Entity, Json, Time, is_date_type},
};

/// Where a property is.
#[derive(Debug, Clone)]
pub(super) struct Path {
    attribute: Box<str>,
    metadatum: Option<Box<str>>,
    rest: Box<[Box<str>]>,
}

/// A property that was found. Dates are seconds, as they are compared as numbers.
pub(super) enum Target<'a> {
    Value(&'a Json),
    Computed(Json),
}

impl Target<'_> {
    fn value(&self) -> &Json {
        match self {
            Self::Value(value) => value,
            Self::Computed(value) => value,
        }
    }

    /// Whether the value, or when it is an array one of its items, passes a test.
    pub(super) fn any(&self, test: impl Fn(&Json) -> bool) -> bool {
        match self.value() {
            Json::Array(items) => items.iter().any(test),
            value => test(value),
        }
    }

    /// Whether a pattern may match it.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.value(), Json::String(_) | Json::Array(_))
    }
}

impl Path {
    /// A path of `q`.
    pub(super) fn of_attribute(text: &str) -> Result<Self, Error> {
        let mut tokens = tokens(text)?;
        let attribute = tokens.remove(0);
        Ok(Self { attribute, metadatum: None, rest: tokens.into() })
    }

    /// A path of `mq`.
    pub(super) fn of_metadata(text: &str) -> Result<Self, Error> {
        let mut tokens = tokens(text)?;
        let attribute = tokens.remove(0);
        if tokens.is_empty() {
            return Err(Error::bad("error in metadata filter: no metadata in left-hand-side"));
        }
        let metadatum = Some(tokens.remove(0));
        Ok(Self { attribute, metadatum, rest: tokens.into() })
    }

    /// Whether a property that this entity does not have counts as missing: a metadata element is only missed in an
    /// attribute that is there.
    pub(super) fn may_be_missing(&self, entity: &Entity) -> bool {
        self.metadatum.is_none() || entity.attribute(&self.attribute).is_some()
    }

    /// The property of this entity, if it has it.
    pub(super) fn find<'a>(&self, entity: &'a Entity) -> Option<Target<'a>> {
        match &self.metadatum {
            None => self.of_entity(entity),
            Some(name) => self.of_attribute_metadata(entity.attribute(&self.attribute)?, name),
        }
    }

    fn of_entity<'a>(&self, entity: &'a Entity) -> Option<Target<'a>> {
        match &*self.attribute {
            "dateCreated" => Some(seconds(entity.created)),
            "dateModified" => Some(seconds(entity.modified)),
            "servicePath" => Some(Target::Computed(Json::String(entity.path.clone()))),
            name => {
                let attribute = entity.attribute(name)?;
                self.inside(&attribute.value, attribute.is_date())
            }
        }
    }

    fn of_attribute_metadata<'a>(&self, attribute: &'a Attribute, name: &str) -> Option<Target<'a>> {
        match name {
            "dateCreated" => Some(seconds(attribute.created)),
            "dateModified" => Some(seconds(attribute.modified)),
            name => {
                let metadatum = attribute.metadatum(name)?;
                self.inside(&metadatum.value, is_date_type(&metadatum.kind))
            }
        }
    }

    fn inside<'a>(&self, value: &'a Json, is_date: bool) -> Option<Target<'a>> {
        if is_date
            && self.rest.is_empty()
            && let Some(time) = value.as_str().and_then(Time::parse)
        {
            return Some(seconds(time));
        }
        let mut found = value;
        for token in &self.rest {
            found = found.get(token)?;
        }
        Some(Target::Value(found))
    }
}

fn seconds(time: Time) -> Target<'static> {
    Target::Computed(Json::Number(time.as_seconds()))
}

fn tokens(text: &str) -> Result<Vec<Box<str>>, Error> {
    let token = |token: &str| -> Result<Box<str>, Error> {
        let bare = token.strip_prefix('\'').and_then(|token| token.strip_suffix('\'')).unwrap_or(token);
        match bare {
            "" => Err(Error::bad("empty left-hand-side in q-item")),
            bare => Ok(bare.into()),
        }
    };
    split_unquoted(text, ".").into_iter().map(token).collect()
}
