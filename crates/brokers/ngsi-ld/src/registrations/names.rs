//! The names in a registration's document: expanded as it is kept, compacted as it is shown.

use crate::{Context, model::Json};

/// Members that are no properties of the context source.
const PLAIN: &[&str] = &["id", "type", "@context"];

/// The document with every name expanded.
pub(crate) fn expanded(document: &Json, context: &Context) -> Json {
    mapped(document, &|name| context.expand(name).into())
}

/// The document with every name in the terms of a context.
pub(crate) fn compacted(document: &Json, context: &Context) -> Json {
    mapped(document, &|name| (&*context.compact(name)).into())
}

/// As [`compacted`], with the types of entities as lists always: who is told reads them the same way whether there are
/// several or one (NGSI-LD 5.2.8 allows both).
pub(crate) fn told(document: &Json, context: &Context) -> Json {
    let list = |value: &Json| match value {
        Json::String(_) => Json::Array([value.clone()].into()),
        other => other.clone(),
    };
    let part = |part: &Json| {
        members(part, &|key, value| match key {
            "entities" => each(value, &|entity| {
                members(entity, &|key, value| if key == "type" { list(value) } else { value.clone() })
            }),
            _ => value.clone(),
        })
    };
    members(&compacted(document, context), &|key, value| {
        if key == "information" { each(value, &part) } else { value.clone() }
    })
}

fn mapped(document: &Json, name: &dyn Fn(&str) -> Box<str>) -> Json {
    let member = |(key, value): &(Box<str>, Json)| {
        let value = match &**key {
            "information" => each(value, &|part| information(part, name)),
            _ => value.clone(),
        };
        // Members of the standard have the same name in every context.
        let known = PLAIN.contains(&&**key)
            || Context::core().expand(key).starts_with("https://uri.etsi.org/ngsi-ld/")
                && !Context::core().expand(key).starts_with("https://uri.etsi.org/ngsi-ld/default-context/");
        let is_iri = key.contains("://");
        (if known && !is_iri { key.clone() } else { name(key) }, value)
    };
    Json::Object(document.as_object().unwrap_or_default().iter().map(member).collect())
}

fn information(part: &Json, name: &dyn Fn(&str) -> Box<str>) -> Json {
    members(part, &|key, value| match key {
        "entities" => each(value, &|entity| {
            members(entity, &|key, value| if key == "type" { names(value, name) } else { value.clone() })
        }),
        "propertyNames" | "relationshipNames" => names(value, name),
        _ => value.clone(),
    })
}

fn members(object: &Json, map: &dyn Fn(&str, &Json) -> Json) -> Json {
    let member = |(key, value): &(Box<str>, Json)| (key.clone(), map(key, value));
    Json::Object(object.as_object().unwrap_or_default().iter().map(member).collect())
}

fn each(list: &Json, map: &dyn Fn(&Json) -> Json) -> Json {
    Json::Array(list.as_array().unwrap_or_default().iter().map(map).collect())
}

fn names(value: &Json, name: &dyn Fn(&str) -> Box<str>) -> Json {
    match value {
        Json::String(text) => Json::String(name(text)),
        Json::Array(items) => Json::Array(items.iter().map(|item| names(item, name)).collect()),
        other => other.clone(),
    }
}
