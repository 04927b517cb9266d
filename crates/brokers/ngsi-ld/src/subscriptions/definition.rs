use std::{
    borrow::Cow,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use morgana_engine::{Clue, Interest, Pattern};

use super::{delivery::Delivery, params::Params};
use crate::{
    Context, Error,
    history::Window,
    model::{Json, Name, Timestamp, check_uri, date_time},
    query::{GeoQuery, Query, ScopeQuery, TypeSelection, id_pattern, scope_query},
};

/// Which entities a subscription is about (NGSI-LD 5.2.33, EntitySelector).
#[derive(Debug)]
pub(crate) struct Selector {
    pub(super) ids: Vec<Box<str>>,
    pub(super) id_pattern: Option<Pattern>,
    /// `None` is any type.
    pub(super) types: Option<TypeSelection>,
}

/// What a selector asks for: ids, a pattern of ids, types.
pub(crate) type Selected = (Vec<Box<str>>, Option<Pattern>, Option<TypeSelection>);

/// What makes a subscription notify (NGSI-LD 5.2.12, notificationTrigger).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Triggers {
    pub(super) entity_created: bool,
    pub(super) entity_updated: bool,
    pub(super) entity_deleted: bool,
    pub(super) attribute_created: bool,
    pub(super) attribute_updated: bool,
    pub(super) attribute_deleted: bool,
}

/// A subscription, checked and ready to match changes.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: Box<str>,
    /// What the subscriber wrote, in the subscriber's own terms, without @context.
    pub(crate) document: Json,
    /// The context of the document.
    pub(crate) context: Arc<Context>,
    /// The context of notifications: that of the document, unless `jsonldContext` names another.
    pub(crate) notify_context: Arc<Context>,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    pub(crate) active: bool,
    pub(crate) expires_at: Option<Timestamp>,
    pub(super) selectors: Vec<Selector>,
    pub(super) watched: Vec<Name>,
    pub(super) q: Option<Query>,
    pub(super) scopes: Option<ScopeQuery>,
    pub(super) geo: Option<GeoQuery>,
    pub(super) triggers: Triggers,
    pub(super) throttling: Option<Duration>,
    /// When the last notification was handed over, in microseconds since 1970; 0 for never.
    pub(super) last_notified: AtomicI64,
    /// How often to notify whatever happens (timeInterval).
    pub(crate) time_interval: Option<Duration>,
    pub(crate) params: Params,
    pub(crate) delivery: Delivery,
    /// Whether an entity may be in parts, of which none says whether the whole matches (NGSI-LD 5.8.6).
    pub(crate) is_split: bool,
    /// Whether it says that it is for this broker alone (localOnly).
    pub(crate) is_local: bool,
    pub(crate) origin: Origin,
}

/// How a subscription came to this broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// This broker as the subscriber reached it, such as `http://broker:9090`.
    pub(crate) base: Option<Box<str>>,
    /// The brokers that it came through (`Via`, NGSI-LD 6.3.18).
    pub(crate) via: Option<Box<str>>,
    /// Whether the request was for this broker alone (NGSI-LD 5.5.13).
    pub(crate) is_local: bool,
}

/// The contexts of a subscription.
#[derive(Debug, Clone)]
pub(crate) struct Contexts {
    /// That of the document.
    pub(crate) document: Arc<Context>,
    /// That of notifications (`jsonldContext`).
    pub(crate) notification: Arc<Context>,
}

impl Contexts {
    /// One context for both.
    pub(crate) fn one(context: &Arc<Context>) -> Self {
        Self { document: Arc::clone(context), notification: Arc::clone(context) }
    }
}

impl Subscription {
    /// Checks a document (NGSI-LD 5.2.12). `timeout` is an attempt's time limit unless the document gives one.
    pub(crate) fn new(
        document: Json,
        contexts: Contexts,
        created_at: Timestamp,
        modified_at: Timestamp,
        timeout: Duration,
    ) -> Result<Self, Error> {
        if document.as_object().is_none() {
            return Err(Error::bad(format!("a subscription must be a JSON object, not {}", document.kind())));
        }
        let Contexts { document: context, notification: notify_context } = contexts;
        if document.get("type").and_then(Json::as_str) != Some("Subscription") {
            return Err(Error::bad("type must be \"Subscription\""));
        }
        let id = check_uri(text(&document, "id")?.unwrap_or_default(), "id")?.into();
        let selectors = match document.get("entities") {
            None => Vec::new(),
            Some(Json::Array(items)) if !items.is_empty() => {
                items.iter().map(|item| selector(item, &context)).collect::<Result<Vec<_>, _>>()?
            }
            Some(_) => return Err(Error::bad("entities must be an array with at least one entity selector")),
        };
        let watched = names(&document, "watchedAttributes", &context)?.unwrap_or_default();
        if selectors.is_empty() && watched.is_empty() {
            return Err(Error::bad("a subscription needs entities or watchedAttributes"));
        }
        let throttling = match document.get("throttling") {
            None => None,
            Some(value) => Some(positive_seconds(value, "throttling")?),
        };
        let time_interval = match document.get("timeInterval") {
            None => None,
            Some(_) if throttling.is_some() => {
                return Err(Error::bad("throttling and timeInterval exclude each other (NGSI-LD 5.2.12)"));
            }
            Some(value) => Some(positive_seconds(value, "timeInterval")?),
        };
        // Both speak of context sources, whose part in notifications is the distributed operations'.
        text(&document, "csf")?.map(|csf| Query::parse(csf, &context)).transpose()?;
        document.get("temporalQ").map(Window::from_json).transpose()?;
        let expires_at = match document.get("expiresAt") {
            None => None,
            Some(value) => Some(date_time(value, "expiresAt")?),
        };
        let flag = |member: &str, default| match document.get(member) {
            None => Ok(default),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(other) => Err(Error::bad(format!("{member} must be a boolean, not {}", other.kind()))),
        };
        let (active, is_split) = (flag("isActive", true)?, flag("splitEntities", false)?);
        let is_local = flag("localOnly", false)?;
        let expanded = names(&document, "expandValues", &context)?.unwrap_or_default();
        let q = match text(&document, "q")? {
            None => None,
            // As in a URL, a query may be written with percent signs.
            Some(q) => Some(Query::parse(&percent_decoded(q), &context)?.expanding(&expanded)),
        };
        let scopes = text(&document, "scopeQ")?.map(scope_query).transpose()?;
        let geo = document.get("geoQ").map(|geo| GeoQuery::from_json(geo, &context)).transpose()?;
        let notification =
            document.get("notification").ok_or_else(|| Error::bad("notification is missing"))?;
        let params = Params::new(&document, notification, &context)?;
        let delivery = Delivery::new(notification, timeout)?;
        let triggers = triggers(&document)?;
        Ok(Self {
            id,
            context,
            notify_context,
            created_at,
            modified_at,
            active,
            expires_at,
            selectors,
            watched,
            q,
            scopes,
            geo,
            triggers,
            throttling,
            last_notified: AtomicI64::new(0),
            time_interval,
            params,
            delivery,
            is_split,
            is_local,
            origin: Origin::default(),
            document,
        })
    }

    /// The same, from where it came.
    pub(crate) fn from(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// What each selector asks for: ids, a pattern of ids, types.
    pub(crate) fn selected(&self) -> Vec<Selected> {
        let one = |one: &Selector| (one.ids.clone(), one.id_pattern.clone(), one.types.clone());
        if self.selectors.is_empty() {
            return vec![(Vec::new(), None, None)];
        }
        self.selectors.iter().map(one).collect()
    }

    /// The attributes to watch; none is all.
    pub(crate) fn watched(&self) -> &[Name] {
        &self.watched
    }

    /// The types of which every entity subscribed to has one; `None` when any type will do.
    pub(crate) fn types(&self) -> Option<Vec<&Name>> {
        let covers = self.selectors.iter().map(|one| one.types.as_ref().map(TypeSelection::cover));
        let covers: Vec<_> = covers.collect::<Option<_>>()?;
        (!covers.is_empty()).then(|| covers.into_iter().flatten().collect())
    }

    /// What the index may find it by: one for each selector.
    pub(crate) fn interests(&self) -> Vec<Interest<Name>> {
        // Whatever triggers it, one of these attributes changed (NGSI-LD 5.8.6).
        let attributes = (!self.watched.is_empty()).then(|| self.watched.clone());
        if self.selectors.is_empty() {
            return vec![Interest { attributes, ..Interest::default() }];
        }
        let interest = |selector: &Selector| Interest {
            types: selector.types.as_ref().map(|types| types.cover().into_iter().cloned().collect()),
            attributes: attributes.clone(),
            id: match (&*selector.ids, &selector.id_pattern) {
                ([], pattern) => pattern.as_ref().map(|one| one.clues().to_vec()).unwrap_or_default(),
                (ids, _) => vec![Clue::Is(ids.into())],
            },
            type_text: Vec::new(),
        };
        self.selectors.iter().map(interest).collect()
    }
}

/// A text without percent-encoding; what is none stays as it is.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_or(text.into(), Cow::Owned)
}

/// A member that is a string, if it is there.
pub(super) fn text<'a>(json: &'a Json, name: &str) -> Result<Option<&'a str>, Error> {
    match json.get(name) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(other) => Err(Error::bad(format!("{name} must be a string, not {}", other.kind()))),
    }
}

fn selector(json: &Json, context: &Context) -> Result<Selector, Error> {
    if json.as_object().is_none() {
        return Err(Error::bad(format!("entities must hold objects, not {}", json.kind())));
    }
    let ids = match json.get("id") {
        None => Vec::new(),
        Some(Json::Array(ids)) if !ids.is_empty() => ids
            .iter()
            .map(|id| Ok(check_uri(id.as_str().unwrap_or_default(), "entities: id")?.into()))
            .collect::<Result<Vec<_>, Error>>()?,
        Some(id) => vec![check_uri(id.as_str().unwrap_or_default(), "entities: id")?.into()],
    };
    let pattern = text(json, "idPattern")?.map(id_pattern).transpose()?;
    let types = text(json, "type")?.ok_or_else(|| Error::bad("entities: an entity selector needs a type"))?;
    Ok(Selector { ids, id_pattern: pattern, types: TypeSelection::parse(types, context)? })
}

/// A list of attribute names, if it is there; it must not be empty.
pub(super) fn names(json: &Json, member: &str, context: &Context) -> Result<Option<Vec<Name>>, Error> {
    let Some(value) = json.get(member) else { return Ok(None) };
    let items = value
        .as_array()
        .filter(|items| !items.is_empty())
        .ok_or_else(|| Error::bad(format!("{member} must be an array with at least one name")))?;
    let name = |item: &Json| {
        let term = item
            .as_str()
            .ok_or_else(|| Error::bad(format!("{member} must hold strings, not {}", item.kind())))?;
        context.name(term, member)
    };
    items.iter().map(name).collect::<Result<Vec<_>, _>>().map(Some)
}

fn positive_seconds(value: &Json, what: &str) -> Result<Duration, Error> {
    let seconds = value.as_f64().filter(|seconds| *seconds > 0.0 && *seconds < 1e9);
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| Error::bad(format!("{what} must be a number of seconds above 0")))
}

fn triggers(document: &Json) -> Result<Triggers, Error> {
    let none = Triggers {
        entity_created: false,
        entity_updated: false,
        entity_deleted: false,
        attribute_created: false,
        attribute_updated: false,
        attribute_deleted: false,
    };
    let Some(value) = document.get("notificationTrigger") else {
        return Ok(Triggers { attribute_created: true, attribute_updated: true, ..none });
    };
    let items = value
        .as_array()
        .filter(|items| !items.is_empty())
        .ok_or_else(|| Error::bad("notificationTrigger must be an array with at least one trigger"))?;
    items.iter().try_fold(none, |triggers, item| match item.as_str() {
        Some("entityCreated") => Ok(Triggers { entity_created: true, ..triggers }),
        Some("entityUpdated") => Ok(Triggers { entity_updated: true, ..triggers }),
        Some("entityDeleted") => Ok(Triggers { entity_deleted: true, ..triggers }),
        Some("attributeCreated") => Ok(Triggers { attribute_created: true, ..triggers }),
        Some("attributeUpdated") => Ok(Triggers { attribute_updated: true, ..triggers }),
        Some("attributeDeleted") => Ok(Triggers { attribute_deleted: true, ..triggers }),
        _ => Err(Error::bad(
            "notificationTrigger must hold entityCreated, entityUpdated, entityDeleted, attributeCreated, attributeUpdated or attributeDeleted",
        )),
    })
}
