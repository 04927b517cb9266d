use morgana_engine::Pattern;

use super::access::{Mode, SourceAccess};
use crate::{
    Error,
    history::duration,
    model::{
        Attribute, Entity, Form, Json, Kind, Name, Reader, Timestamp, check_uri, date_time, scopes, shape,
    },
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
    pub(crate) information: Vec<Information>,
    /// How the source is asked.
    pub(crate) access: SourceAccess,
    /// When the source's observations are from, and when it learnt of them.
    pub(super) observed: Option<(Timestamp, Option<Timestamp>)>,
    pub(super) managed: Option<(Timestamp, Option<Timestamp>)>,
    /// The source's own properties as an entity, so that queries can be asked of them.
    pub(crate) source: Entity,
}

/// A part of what a source has (NGSI-LD 5.2.10).
#[derive(Debug)]
pub(crate) struct Information {
    pub(crate) entities: Vec<EntityInfo>,
    /// None is all.
    pub(crate) names: Vec<Name>,
}

/// Entities that a source has (NGSI-LD 5.2.8).
#[derive(Debug)]
pub(crate) struct EntityInfo {
    pub(crate) id: Option<Box<str>>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) types: Vec<Name>,
}

impl EntityInfo {
    /// Whether the entity with this id may be one of these.
    pub(crate) fn may_be(&self, id: &str) -> bool {
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
        let parts = document.get("information").and_then(Json::as_array).filter(|parts| !parts.is_empty());
        let parts = parts.ok_or_else(|| Error::bad("information must be an array with at least one part"))?;
        let information = parts.iter().map(information).collect::<Result<Vec<_>, _>>()?;
        check_management(&document)?;
        check_source_info(&document)?;
        let access = SourceAccess::new(&document)?;
        check_mode(access.mode, &document, &information)?;
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
            access,
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

/// NGSI-LD 4.3.6.3, 5.9.2.4.
fn check_mode(mode: Mode, document: &Json, information: &[Information]) -> Result<(), Error> {
    let operations = document.get("operations").and_then(Json::as_array).unwrap_or_default();
    let reads = |name: &Json| matches!(name.as_str(), Some("retrieveOps" | "retrieveEntity" | "queryEntity"));
    let exact = |part: &Information| {
        !part.names.is_empty()
            && !part.entities.is_empty()
            && part.entities.iter().all(|entity| entity.id.is_some())
    };
    match mode {
        Mode::Exclusive if !information.iter().all(exact) => {
            Err(Error::bad("an exclusive registration names each entity by id, and attributes"))
        }
        Mode::Auxiliary if !operations.iter().all(reads) => Err(Error::bad(
            "an auxiliary registration allows retrieveOps, retrieveEntity and queryEntity only",
        )),
        _ => Ok(()),
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
        // What the source says of itself may be written like an attribute of an entity.
        if value.get("type").and_then(Json::as_str).is_some_and(|kind| Kind::from_name(kind).is_some()) {
            let reader = Reader { context: &core, form: Form::Full, now: modified_at };
            attributes.extend(reader.attribute(member, value.clone())?.attributes);
            continue;
        }
        attributes.push(Attribute {
            name: Name::new(&core.expand(member)),
            kind,
            value: value.clone(),
            created_at,
            modified_at,
            observed_at: None,
            details: None,
            observed_digits: None,
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
