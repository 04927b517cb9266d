//! Temporal queries (NGSI-LD 4.11): which part of the past is looked at.

use super::{
    ending::{ended_at, is_end},
    is_scope,
    scopes::{texts, when},
};
use crate::{
    Error,
    model::{Attribute, Entity, Json, Timestamp, shorten},
};

/// A part of the past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) span: Option<Span>,
    pub(crate) property: TimeProperty,
    /// Only so many of the newest instances of each attribute.
    pub(crate) last: Option<usize>,
}

/// From when to when; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
}

/// Which time of an instance counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TimeProperty {
    /// When the value was true in the world.
    #[default]
    Observed,
    /// When it was first written.
    Created,
    /// When it was last written.
    Modified,
    /// When it was deleted.
    Deleted,
}

impl TimeProperty {
    fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "observedAt" => Ok(Self::Observed),
            "createdAt" => Ok(Self::Created),
            "modifiedAt" => Ok(Self::Modified),
            "deletedAt" => Ok(Self::Deleted),
            other => Err(Error::bad(format!(
                "timeproperty \"{}\" is not one of observedAt, createdAt, modifiedAt, deletedAt",
                shorten(other)
            ))),
        }
    }

    /// This time of an instance.
    pub(crate) fn of(self, attribute: &Attribute) -> Option<Timestamp> {
        match self {
            Self::Observed => attribute.observed_at,
            Self::Created => Some(attribute.created_at),
            Self::Modified => Some(attribute.modified_at),
            Self::Deleted => attribute.deleted_at(),
        }
    }
}

impl Window {
    /// Reads the parts of a temporal query as a request has them.
    pub(crate) fn parse(
        timerel: Option<&str>,
        time_at: Option<&str>,
        end_time_at: Option<&str>,
        property: Option<&str>,
        last: Option<usize>,
    ) -> Result<Self, Error> {
        let time = |text: &str, what: &str| {
            Timestamp::parse(text).ok_or_else(|| {
                Error::bad(format!("{what} must be a date and time such as 2026-11-22T05:45:30Z"))
            })
        };
        if last == Some(0) {
            return Err(Error::bad("lastN must be a number from 1 on"));
        }
        let property = property.map(TimeProperty::parse).transpose()?.unwrap_or_default();
        let Some(timerel) = timerel else {
            return match time_at.or(end_time_at) {
                Some(_) => Err(Error::bad("timeAt needs timerel")),
                None => Ok(Self { span: None, property, last }),
            };
        };
        let at = time(time_at.ok_or_else(|| Error::bad("timerel needs timeAt"))?, "timeAt")?;
        let span = match timerel {
            "before" => Span { from: None, to: Some(at) },
            "after" => Span { from: Some(at), to: None },
            "between" => {
                let end = end_time_at.ok_or_else(|| Error::bad("timerel between needs endTimeAt"))?;
                Span { from: Some(at), to: Some(time(end, "endTimeAt")?) }
            }
            other => {
                let other = shorten(other);
                return Err(Error::bad(format!("timerel \"{other}\" is not one of before, after, between")));
            }
        };
        Ok(Self { span: Some(span), property, last })
    }

    /// Reads a temporal query that is a JSON object (NGSI-LD 5.2.21).
    pub(crate) fn from_json(json: &Json) -> Result<Self, Error> {
        if json.as_object().is_none() {
            return Err(Error::bad(format!("temporalQ must be an object, not {}", json.kind())));
        }
        let text = |member: &str| match json.get(member) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(&**text)),
            Some(other) => {
                Err(Error::bad(format!("temporalQ: {member} must be a string, not {}", other.kind())))
            }
        };
        let last = match json.get("lastN") {
            None => None,
            Some(Json::Number(number)) => Some(
                number.as_u64().ok_or_else(|| Error::bad("temporalQ: lastN must be a number from 1 on"))?
                    as usize,
            ),
            Some(other) => {
                return Err(Error::bad(format!("temporalQ: lastN must be a number, not {}", other.kind())));
            }
        };
        Self::parse(text("timerel")?, text("timeAt")?, text("endTimeAt")?, text("timeproperty")?, last)
    }

    /// What the window shows of an entity.
    pub(crate) fn of(&self, entity: &Entity) -> Entity {
        self.newest(self.inside(entity))
    }

    /// Whether an instance is in the window. What has expired by `now` is gone with its past (NGSI-LD 4.22).
    pub(crate) fn has(&self, attribute: &Attribute, now: Timestamp) -> bool {
        if attribute.expires_at().is_some_and(|end| end <= now) {
            return false;
        }
        match (self.span, self.property.of(attribute)) {
            (None, at) => at.is_some() || self.property != TimeProperty::Deleted,
            (Some(_), None) => false,
            (Some(span), Some(at)) => {
                span.from.is_none_or(|from| from <= at) && span.to.is_none_or(|to| at < to)
            }
        }
    }

    /// The entity with the instances in the window, and with the scopes that held when it began (NGSI-LD C.5.16).
    pub(crate) fn inside(&self, entity: &Entity) -> Entity {
        let now = Timestamp::now();
        let from = self.span.and_then(|span| span.from);
        let before = |one: &&Attribute| from.is_some_and(|from| when(one, self.property) < from);
        let scopes = || entity.attributes.iter().filter(|one| is_scope(one));
        let carried = scopes().filter(before).max_by_key(|one| when(one, self.property));
        let carried = carried.filter(|one| one.deleted_at().is_none());
        let is_carried =
            |one: &Attribute| carried.is_some_and(|known| known.instance_id() == one.instance_id());
        // That it ended is part of every window, as far as it is known, and unless it is there again.
        let ended = ended_at(entity);
        let inside = |one: &&Attribute| match is_end(one) {
            true => ended == Some(one.modified_at),
            false => self.has(one, now) || (is_scope(one) && is_carried(one)),
        };
        let attributes: Vec<Attribute> = entity.attributes.iter().filter(inside).cloned().collect();
        let timed = attributes.iter().filter(|one| is_scope(one));
        let scopes = if timed.clone().next().is_none() {
            entity.scopes.clone()
        } else {
            timed.flat_map(texts).collect()
        };
        Entity {
            id: entity.id.clone(),
            types: entity.types.clone(),
            scopes,
            created_at: entity.created_at,
            modified_at: entity.modified_at,
            attributes,
            expires_at: entity.expires_at,
        }
    }

    /// Only the newest instances of each attribute, when only they are asked for.
    pub(crate) fn newest(&self, mut entity: Entity) -> Entity {
        if let Some(last) = self.last {
            let newest = entity.attributes.chunk_by(|a, b| a.name == b.name);
            let newest = newest.flat_map(|instances| &instances[instances.len().saturating_sub(last)..]);
            entity.attributes = newest.cloned().collect();
        }
        entity
    }
}
