use std::{
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use morgana_engine::{Endpoint, Interest};
use regex::Regex;

use crate::{
    Context, Error,
    model::{Json, Members, Name, Projection, Representation, Timestamp, View, check_uri, date_time},
    query::{GeoQuery, Query, ScopeQuery, TypeSelection, id_pattern, scope_query},
};

/// Which entities a subscription is about (NGSI-LD 5.2.33, EntitySelector).
#[derive(Debug)]
pub(crate) struct Selector {
    pub(super) ids: Vec<Box<str>>,
    pub(super) id_pattern: Option<Regex>,
    /// `None` is any type.
    pub(super) types: Option<TypeSelection>,
}

/// What a selector asks for: ids, a pattern of ids, types.
pub(crate) type Selected = (Vec<Box<str>>, Option<Regex>, Option<TypeSelection>);

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

/// The format of a notification's body (NGSI-LD 5.2.15, accept).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accept {
    Json,
    LdJson,
}

/// A subscription, checked and ready to match changes.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: Box<str>,
    /// What the subscriber wrote, in the subscriber's own terms, without @context.
    pub(crate) document: Json,
    /// The context of the document, and of notifications.
    pub(crate) context: Arc<Context>,
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
    pub(crate) view: View,
    pub(crate) accept: Accept,
    pub(crate) endpoint: Endpoint,
}

impl Subscription {
    /// Checks a document (NGSI-LD 5.2.12). `timeout` is an attempt's time limit unless the document gives one.
    pub(crate) fn new(
        document: Json,
        context: Arc<Context>,
        created_at: Timestamp,
        modified_at: Timestamp,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let members = document.as_object().ok_or_else(|| {
            Error::bad(format!("a subscription must be a JSON object, not {}", document.kind()))
        })?;
        for (name, _) in members {
            match &**name {
                "timeInterval" => {
                    return Err(Error::unsupported("a periodic subscription (member timeInterval)"));
                }
                "csf" => return Err(Error::unsupported("a context source filter (member csf)")),
                "temporalQ" => {
                    return Err(Error::unsupported("a temporal query in a subscription (member temporalQ)"));
                }
                _ => {}
            }
        }
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
        let expires_at = match document.get("expiresAt") {
            None => None,
            Some(value) => Some(date_time(value, "expiresAt")?),
        };
        let active = match document.get("isActive") {
            None => true,
            Some(Json::Bool(active)) => *active,
            Some(other) => {
                return Err(Error::bad(format!("isActive must be a boolean, not {}", other.kind())));
            }
        };
        let q = text(&document, "q")?.map(|q| Query::parse(q, &context)).transpose()?;
        let scopes = text(&document, "scopeQ")?.map(scope_query).transpose()?;
        let geo = document.get("geoQ").map(|geo| GeoQuery::from_json(geo, &context)).transpose()?;
        let notification =
            document.get("notification").ok_or_else(|| Error::bad("notification is missing"))?;
        let mut view = view(notification, &context)?;
        view.language = text(&document, "lang")?.map(Into::into);
        let (endpoint, accept) = endpoint(notification, timeout)?;
        let triggers = triggers(&document)?;
        Ok(Self {
            id,
            context,
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
            view,
            accept,
            endpoint,
            document,
        })
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

    /// Where the index has to look for it: what is most likely to leave it alone.
    pub(crate) fn interest(&self) -> Interest<Name> {
        if !self.selectors.is_empty() && self.selectors.iter().all(|selector| !selector.ids.is_empty()) {
            return Interest::Ids(
                self.selectors.iter().flat_map(|selector| selector.ids.iter().cloned()).collect(),
            );
        }
        // Only these triggers come with a changed attribute.
        let by_attribute =
            !(self.triggers.entity_created || self.triggers.entity_updated || self.triggers.entity_deleted);
        if !self.watched.is_empty() && by_attribute {
            return Interest::Attributes(self.watched.clone());
        }
        let covers: Option<Vec<_>> =
            self.selectors.iter().map(|one| one.types.as_ref().map(TypeSelection::cover)).collect();
        match covers {
            Some(covers) if !covers.is_empty() => {
                Interest::Types(covers.into_iter().flatten().cloned().collect())
            }
            _ => Interest::Everything,
        }
    }
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
fn names(json: &Json, member: &str, context: &Context) -> Result<Option<Vec<Name>>, Error> {
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

fn view(notification: &Json, context: &Context) -> Result<View, Error> {
    for (member, what) in [
        ("showChanges", "former values in notifications (member showChanges)"),
        ("join", "linked entities in notifications (member join)"),
    ] {
        if !matches!(notification.get(member), None | Some(Json::Bool(false))) {
            return Err(Error::unsupported(what));
        }
    }
    let representation = match text(notification, "format")? {
        None | Some("normalized") => Representation::Normalized,
        Some("concise") => Representation::Concise,
        Some("keyValues" | "simplified") => Representation::Simplified,
        Some(other) => {
            return Err(Error::bad(format!(
                "notification: format \"{other}\" is not one of normalized, concise, keyValues"
            )));
        }
    };
    let sys_attrs = match notification.get("sysAttrs") {
        None => false,
        Some(Json::Bool(shown)) => *shown,
        Some(other) => {
            return Err(Error::bad(format!(
                "notification: sysAttrs must be a boolean, not {}",
                other.kind()
            )));
        }
    };
    let members = |member: &str| -> Result<Option<Members>, Error> {
        let Some(names) = names(notification, member, context)? else { return Ok(None) };
        let terms = notification.get(member).and_then(Json::as_array).unwrap_or_default();
        let pairs = terms.iter().zip(names);
        Ok(Some(pairs.map(|(term, name)| (term.as_str().unwrap_or_default().into(), name)).collect()))
    };
    let projection = Projection {
        attributes: names(notification, "attributes", context)?,
        pick: members("pick")?,
        omit: members("omit")?.unwrap_or_default(),
        dataset_ids: None,
    };
    Ok(View { representation, sys_attrs, projection, language: None })
}

fn endpoint(notification: &Json, timeout: Duration) -> Result<(Endpoint, Accept), Error> {
    let endpoint =
        notification.get("endpoint").ok_or_else(|| Error::bad("notification: endpoint is missing"))?;
    let uri = text(endpoint, "uri")?.ok_or_else(|| Error::bad("notification: endpoint has no uri"))?;
    check_uri(uri, "notification: uri of endpoint")?;
    if uri.starts_with("mqtt://") || uri.starts_with("mqtts://") {
        return Err(Error::unsupported("notification by MQTT"));
    }
    let uri: Uri = uri
        .parse()
        .ok()
        .filter(|uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")))
        .ok_or_else(|| Error::bad("notification: uri of endpoint must be an http or https URL"))?;
    let accept = match text(endpoint, "accept")? {
        None | Some("application/json") => Accept::Json,
        Some("application/ld+json") => Accept::LdJson,
        Some("application/geo+json") => return Err(Error::unsupported("notification in GeoJSON")),
        Some(other) => {
            return Err(Error::bad(format!("notification: accept \"{other}\" is not a format of NGSI-LD")));
        }
    };
    let timeout = match endpoint.get("timeout") {
        None => timeout,
        Some(Json::Number(milliseconds)) => Duration::from_millis(milliseconds.as_u64().unwrap_or(1).max(1)),
        Some(other) => {
            return Err(Error::bad(format!("notification: timeout must be a number, not {}", other.kind())));
        }
    };
    let mut headers = HeaderMap::new();
    for pair in endpoint.get("receiverInfo").and_then(Json::as_array).unwrap_or_default() {
        let (Some(key), Some(value)) = (text(pair, "key")?, text(pair, "value")?) else {
            return Err(Error::bad("notification: receiverInfo must hold objects with key and value"));
        };
        let name = HeaderName::try_from(key);
        let value = HeaderValue::try_from(value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Error::bad(format!("notification: receiverInfo \"{key}\" is not an HTTP header")));
        };
        headers.append(name, value);
    }
    Ok((Endpoint { uri, headers, timeout }, accept))
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
