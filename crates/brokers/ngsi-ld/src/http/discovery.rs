//! `/types` and `/attributes`: what there is (NGSI-LD 5.7.5 to 5.7.10, 6.25 to 6.28).

use axum::{
    extract::{Path, State},
    response::Response,
    routing::get,
};
use http::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use super::{Route, Shared, distributed::Discovered, reply, request::Asked};
use crate::{
    Context, Error, ErrorKind,
    broker::{AttributeUse, TypeUse},
    model::{Json, Kind, Name},
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/types", get(types)),
        ("/types/{name}", get(one_type)),
        ("/attributes", get(attributes)),
        ("/attributes/{name}", get(one_attribute)),
    ]
}

/// Any of the answers of this file; a member that an answer does not have is left out (NGSI-LD 5.2.24 to 5.2.28).
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    id: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    type_list: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute_list: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    type_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute_names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute_details: Option<Vec<Found>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute_types: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    type_names: Option<Vec<String>>,
    #[serde(rename = "@context", skip_serializing_if = "Option::is_none")]
    context: Option<Json>,
}

fn terms<'a>(names: impl IntoIterator<Item = &'a Name>, context: &Context) -> Vec<String> {
    let mut terms: Vec<_> = names.into_iter().map(|name| context.compact(name).into_owned()).collect();
    terms.sort_unstable();
    terms
}

fn kinds(kinds: &[Kind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.name()).collect()
}

fn list_id(kind: &str) -> String {
    format!("urn:ngsi-ld:{kind}:{}", Uuid::new_v4())
}

fn shown_context(asked: &Asked) -> Option<Json> {
    (asked.accepted.has_context()).then(|| asked.context.shown())
}

async fn types(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let context = &*asked.context;
    let (broker, found) = (&door.broker, asked.discovered.as_deref());
    if !asked.params.flag("details")? {
        let found = Found {
            id: list_id("EntityTypeList"),
            r#type: "EntityTypeList",
            type_list: Some(terms(&Discovered::types(found, broker), context)),
            context: shown_context(&asked),
            ..Found::default()
        };
        return Ok(reply::body(StatusCode::OK, &found, context, asked.accepted));
    }
    let describe = |found: TypeUse| Found {
        id: found.name.to_string(),
        r#type: "EntityType",
        type_name: Some(context.compact(&found.name).into_owned()),
        attribute_names: Some(terms(found.attributes.iter().map(|(name, _)| name), context)),
        context: shown_context(&asked),
        ..Found::default()
    };
    let types = Discovered::types(found, broker);
    let found: Vec<_> =
        types.iter().filter_map(|name| Discovered::type_use(found, broker, name)).map(describe).collect();
    Ok(reply::body(StatusCode::OK, &found, context, asked.accepted))
}

async fn one_type(State(door): Shared, Path(term): Path<String>, asked: Asked) -> Result<Response, Error> {
    let context = &*asked.context;
    let name = context.name(&term, "type")?;
    let missing = || Error::new(ErrorKind::ResourceNotFound, format!("there is no entity of type {term}"));
    let found = Discovered::type_use(asked.discovered.as_deref(), &door.broker, &name);
    let found = found.ok_or_else(missing)?;
    let detail = |(name, types): &(Name, Vec<Kind>)| Found {
        id: name.to_string(),
        r#type: "Attribute",
        attribute_name: Some(context.compact(name).into_owned()),
        attribute_types: Some(kinds(types)),
        ..Found::default()
    };
    let found = Found {
        id: found.name.to_string(),
        r#type: "EntityTypeInfo",
        type_name: Some(context.compact(&found.name).into_owned()),
        entity_count: Some(found.entities),
        attribute_details: Some(found.attributes.iter().map(detail).collect()),
        context: shown_context(&asked),
        ..Found::default()
    };
    Ok(reply::body(StatusCode::OK, &found, context, asked.accepted))
}

fn attribute(found: &AttributeUse, asked: &Asked, counted: bool) -> Found {
    let context = &*asked.context;
    Found {
        id: found.name.to_string(),
        r#type: "Attribute",
        attribute_name: Some(context.compact(&found.name).into_owned()),
        attribute_count: counted.then_some(found.count),
        attribute_types: counted.then(|| kinds(&found.kinds)),
        type_names: Some(terms(&found.types, context)),
        context: shown_context(asked),
        ..Found::default()
    }
}

async fn attributes(State(door): Shared, asked: Asked) -> Result<Response, Error> {
    let found = Discovered::attribute_uses(asked.discovered.as_deref(), &door.broker);
    if asked.params.flag("details")? {
        let found: Vec<_> = found.iter().map(|one| attribute(one, &asked, false)).collect();
        return Ok(reply::body(StatusCode::OK, &found, &asked.context, asked.accepted));
    }
    let found = Found {
        id: list_id("AttributeList"),
        r#type: "AttributeList",
        attribute_list: Some(terms(found.iter().map(|one| &one.name), &asked.context)),
        context: shown_context(&asked),
        ..Found::default()
    };
    Ok(reply::body(StatusCode::OK, &found, &asked.context, asked.accepted))
}

async fn one_attribute(
    State(door): Shared,
    Path(term): Path<String>,
    asked: Asked,
) -> Result<Response, Error> {
    let name = asked.context.name(&term, "attribute name")?;
    let missing = || Error::new(ErrorKind::ResourceNotFound, format!("no entity has the attribute {term}"));
    let found = Discovered::attribute_uses(asked.discovered.as_deref(), &door.broker);
    let found = found.into_iter().find(|one| one.name == name).ok_or_else(missing)?;
    Ok(reply::body(StatusCode::OK, &attribute(&found, &asked, true), &asked.context, asked.accepted))
}
