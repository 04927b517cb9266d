use regex::Regex;

use crate::{
    Error,
    history::duration,
    model::{Attribute, Entity, Json, Kind, Name, Timestamp, check_uri, date_time, scopes, shape},
    query::id_pattern,
};

/// A registration (NGSI-LD 5.2.9), checked.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) id: Box<str>,
    /// What was registered, with every name expanded.
    pub(crate) document: Json,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    expires_at: Option<Timestamp>,
    pub(super) information: Vec<Information>,
    /// When the source's observations are from, and when it learnt of them.
    pub(super) observed: Option<(Timestamp, Option<Timestamp>)>,
    pub(super) managed: Option<(Timestamp, Option<Timestamp>)>,
    /// The source's own properties as an entity, so that queries can be asked of them.
    pub(super) source: Entity,
}

/// A part of what a source has (NGSI-LD 5.2.10).
#[derive(Debug)]
pub(super) struct Information {
    pub(super) entities: Vec<EntityInfo>,
    pub(super) names: Vec<Name>,
}

/// Entities that a source has (NGSI-LD 5.2.8).
#[derive(Debug)]
pub(super) struct EntityInfo {
    id: Option<Box<str>>,
    pattern: Option<Regex>,
    pub(super) types: Vec<Name>,
}

impl EntityInfo {
    /// Whether the entity with this id may be one of these.
    pub(super) fn may_be(&self, id: &str) -> bool {
        match (&self.id, &self.pattern) {
            (Some(known), _) => **known == *id,
            (None, Some(pattern)) => pattern.is_match(id),
            (None, None) => true,
        }
    }
}

impl Registration {
    /// Checks a document whose names are expanded.
    pub(crate) fn new(document: Json, created_at: Timestamp, modified_at: Timestamp) -> Result<Self, Error> {
        let text = |member: &str| document.get(member).and_then(Json::as_str);
        if text("type") != Some("ContextSourceRegistration") {
            return Err(Error::bad("type must be \"ContextSourceRegistration\""));
        }
        let id: Box<str> = check_uri(text("id").unwrap_or_default(), "id")?.into();
        check_uri(text("endpoint").unwrap_or_default(), "endpoint")?;
        let parts = document.get("information").and_then(Json::as_array).filter(|parts| !parts.is_empty());
        let parts = parts.ok_or_else(|| Error::bad("information must be an array with at least one part"))?;
        let information = parts.iter().map(information).collect::<Result<Vec<_>, _>>()?;
        check_mode(&document, &information)?;
        check_management(&document)?;
        check_source_info(&document)?;
        let expires_at = document.get("expiresAt").map(|at| date_time(at, "expiresAt")).transpose()?;
        Ok(Self {
            observed: interval(&document, "observationInterval")?,
            managed: interval(&document, "managementInterval")?,
            source: source(&id, &document, created_at, modified_at)?,
            id,
            created_at,
            modified_at,
            expires_at,
            information,
            document,
        })
    }

    /// Whether it has not expired.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

fn information(part: &Json) -> Result<Information, Error> {
    let list = |object: &Json, member: &str| match object.get(member) {
        None => Ok(Vec::new()),
        Some(Json::Array(items)) if !items.is_empty() => Ok(items.to_vec()),
        Some(_) => Err(Error::bad(format!("information: {member} must be an array with at least one item"))),
    };
    let name = |item: &Json| {
        let text = item.as_str().filter(|text| !text.is_empty());
        text.map(Name::new).ok_or_else(|| Error::bad("information: a name must be a string"))
    };
    let entity = |json: &Json| {
        let types = json.get("type").ok_or_else(|| Error::bad("information: an entity needs a type"))?;
        let types = types.as_array().unwrap_or(std::slice::from_ref(types));
        let text = |member: &str| json.get(member).and_then(Json::as_str);
        if json.get("id").is_some() {
            check_uri(text("id").unwrap_or_default(), "information: id")?;
        }
        Ok::<_, Error>(EntityInfo {
            id: text("id").map(Into::into),
            pattern: text("idPattern").map(id_pattern).transpose()?,
            types: types.iter().map(name).collect::<Result<_, _>>()?,
        })
    };
    if part.as_object().is_none_or(<[_]>::is_empty) {
        return Err(Error::bad("information must hold objects that say something"));
    }
    let mut names = list(part, "propertyNames")?;
    names.extend(list(part, "relationshipNames")?);
    Ok(Information {
        entities: list(part, "entities")?.iter().map(entity).collect::<Result<_, _>>()?,
        names: names.iter().map(name).collect::<Result<_, _>>()?,
    })
}

/// NGSI-LD 4.3.6.
fn check_mode(document: &Json, information: &[Information]) -> Result<(), Error> {
    let writes = |operation: &str| {
        !operation.starts_with("retrieve") && !operation.starts_with("query") && operation != "federationOps"
    };
    let operations: Vec<&str> = match document.get("operations") {
        None => Vec::new(),
        Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).collect(),
        Some(_) => return Err(Error::bad("operations must be an array of names")),
    };
    let exact = |part: &Information| {
        !part.names.is_empty()
            && !part.entities.is_empty()
            && part.entities.iter().all(|entity| entity.id.is_some())
    };
    match document.get("mode").map_or(Some("inclusive"), Json::as_str) {
        Some("inclusive" | "redirect") => Ok(()),
        Some("exclusive") if information.iter().all(exact) => Ok(()),
        Some("exclusive") => {
            Err(Error::bad("an exclusive registration names each entity by id, and attributes"))
        }
        Some("auxiliary") if operations.iter().any(|one| writes(one)) => {
            Err(Error::bad("an auxiliary registration is for reading only"))
        }
        Some("auxiliary") => Ok(()),
        _ => Err(Error::bad("mode must be inclusive, exclusive, redirect or auxiliary")),
    }
}

/// NGSI-LD 5.2.34.
fn check_management(document: &Json) -> Result<(), Error> {
    let Some(management) = document.get("management") else { return Ok(()) };
    let members = management.as_object().ok_or_else(|| Error::bad("management must be an object"))?;
    for (name, value) in members {
        let good = match &**name {
            "localOnly" => matches!(value, Json::Bool(_)),
            "cacheDuration" => value.as_str().is_some_and(|text| duration(text).is_ok()),
            "timeout" | "cooldown" => value.as_f64().is_some_and(|number| number > 0.0),
            _ => true,
        };
        if !good {
            return Err(Error::bad(format!("management: {name} has no value of its type")));
        }
    }
    Ok(())
}

/// NGSI-LD 5.2.9: pairs of strings.
fn check_source_info(document: &Json) -> Result<(), Error> {
    let Some(info) = document.get("contextSourceInfo") else { return Ok(()) };
    let pair =
        |pair: &Json| ["key", "value"].iter().all(|member| pair.get(member).and_then(Json::as_str).is_some());
    match info.as_array() {
        Some(pairs) if pairs.iter().all(pair) => Ok(()),
        _ => Err(Error::bad("contextSourceInfo must hold objects with key and value, both strings")),
    }
}

fn interval(document: &Json, member: &str) -> Result<Option<(Timestamp, Option<Timestamp>)>, Error> {
    let Some(interval) = document.get(member) else { return Ok(None) };
    let start = interval.get("startAt").ok_or_else(|| Error::bad(format!("{member} needs startAt")))?;
    let end = interval.get("endAt").map(|end| date_time(end, member)).transpose()?;
    Ok(Some((date_time(start, member)?, end)))
}

fn source(id: &str, document: &Json, created_at: Timestamp, modified_at: Timestamp) -> Result<Entity, Error> {
    let core = crate::Context::core();
    let mut attributes = Vec::new();
    for (member, value) in document.as_object().unwrap_or_default() {
        let kind = match &**member {
            "id" | "type" | "information" | "scope" => continue,
            "location" | "observationSpace" | "operationSpace" => {
                shape(value, member)?;
                Kind::GeoProperty
            }
            _ => Kind::Property,
        };
        attributes.push(Attribute {
            name: Name::new(&core.expand(member)),
            kind,
            value: value.clone(),
            created_at,
            modified_at,
            observed_at: None,
            details: None,
        });
    }
    Ok(Entity {
        id: id.into(),
        types: vec![Name::new(&core.expand("ContextSourceRegistration"))],
        scopes: document.get("scope").map(scopes).transpose()?.unwrap_or_default(),
        created_at,
        modified_at,
        attributes,
        expires_at: None,
    })
}
