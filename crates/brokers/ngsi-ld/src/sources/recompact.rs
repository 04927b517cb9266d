//! Entities and attributes from the terms of one context to those of another (NGSI-LD 4.3.6.6).

use crate::{Context, model::Json};

/// Members whose content is data, not names.
const DATA: &[&str] = &["value", "object", "languageMap", "json", "valueList", "objectList"];

/// An entity, a list of entities, an attribute or a list of them, in the terms of `to`.
pub(super) fn recompact(json: &Json, from: &Context, to: &Context) -> Json {
    match json {
        Json::Array(items) => Json::Array(items.iter().map(|item| recompact(item, from, to)).collect()),
        Json::Object(members) => Json::Object(
            members
                .iter()
                .filter(|(name, _)| &**name != "@context")
                .map(|(n, v)| member(n, v, from, to))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn member(name: &str, value: &Json, from: &Context, to: &Context) -> (Box<str>, Json) {
    let shown = match name {
        "type" | "@type" | "objectType" | "vocab" => terms(value, from, to),
        name if DATA.contains(&name) => value.clone(),
        "id" | "@id" | "scope" | "datasetId" | "unitCode" | "observedAt" | "createdAt" | "modifiedAt"
        | "expiresAt" | "deletedAt" | "instanceId" => value.clone(),
        _ => {
            let named = to.compact(&from.expand(name)).into();
            return (named, nested(value, from, to));
        }
    };
    (name.into(), shown)
}

/// An attribute in any representation: only what looks like one has names inside.
fn nested(value: &Json, from: &Context, to: &Context) -> Json {
    let is_attribute =
        |json: &Json| json.get("type").is_some() || DATA.iter().any(|member| json.get(member).is_some());
    match value {
        Json::Object(_) if is_attribute(value) => recompact(value, from, to),
        Json::Array(items) => Json::Array(items.iter().map(|item| nested(item, from, to)).collect()),
        other => other.clone(),
    }
}

fn terms(value: &Json, from: &Context, to: &Context) -> Json {
    match value {
        Json::String(term) => Json::from(&*to.compact(&from.expand(term))),
        Json::Array(items) => Json::Array(items.iter().map(|item| terms(item, from, to)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_change_and_data_does_not() {
        let terms =
            Json::parse(br#"{"T":"https://e.org/T","p":"https://e.org/p","s":"https://e.org/s"}"#).unwrap();
        let from = Context::from_terms(Json::from("https://e.org/c"), &terms);
        let entity = Json::parse(
            br#"{"@context":"https://e.org/c","id":"urn:x","type":"T","p":{"type":"Property","value":{"p":1},"s":{"value":2}},"name":"n"}"#,
        )
        .unwrap();
        let there = recompact(&entity, &from, &Context::core());
        let expected = Json::parse(
            br#"{"id":"urn:x","type":"https://e.org/T","https://e.org/p":{"type":"Property","value":{"p":1},"https://e.org/s":{"value":2}},"name":"n"}"#,
        )
        .unwrap();
        assert_eq!(there, expected);
        let back = recompact(&there, &Context::core(), &from);
        assert_eq!(back.get("p"), entity.get("p"));
    }
}
