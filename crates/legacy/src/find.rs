//! `find`: equality filters and simple projections, which is all that VirIoT's components ask.

use serde_json::{Map, Value};

/// What a `find` cannot do here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsupported {
    /// A filter that is more than equality.
    #[error("this view finds by equality only, and '{0}' is more")]
    Operator(String),
    /// A projection that is more than names.
    #[error("this view projects by name only: 1, 0, true or false, and '{0}' is more")]
    Projection(String),
}

/// The part of the documents that a `find` asks for.
pub(crate) fn find(documents: Vec<Value>, command: &Map<String, Value>) -> Result<Vec<Value>, Unsupported> {
    let empty = Map::new();
    let object = |name: &str| command.get(name).and_then(Value::as_object).unwrap_or(&empty);
    let (filter, projection) = (object("filter"), object("projection"));
    for (path, wanted) in filter {
        equality(path, wanted)?;
    }
    let number = |name: &str| command.get(name).and_then(as_size).unwrap_or(0);
    let limit = match number("limit") {
        0 => usize::MAX,
        limit => limit,
    };
    let matches = |document: &Value| {
        filter.iter().all(|(path, wanted)| {
            let wanted = equality(path, wanted).unwrap_or(wanted);
            has(document, &path.split('.').collect::<Vec<_>>(), wanted)
        })
    };
    let found = documents.into_iter().filter(matches).skip(number("skip")).take(limit);
    found.map(|document| project(document, projection)).collect()
}

/// Drivers send numbers in every width, and a limit that closes the cursor as a negative one.
fn as_size(value: &Value) -> Option<usize> {
    let number = value.as_f64()?.abs();
    (number < 1e9).then_some(number as usize)
}

/// What a field has to equal.
fn equality<'a>(path: &str, wanted: &'a Value) -> Result<&'a Value, Unsupported> {
    if path.starts_with('$') {
        return Err(Unsupported::Operator(path.to_owned()));
    }
    let Some(fields) = wanted.as_object() else { return Ok(wanted) };
    match fields.iter().find(|(name, _)| name.starts_with('$')) {
        None => Ok(wanted),
        Some((name, equal)) if name == "$eq" && fields.len() == 1 => Ok(equal),
        Some((name, _)) => Err(Unsupported::Operator(name.clone())),
    }
}

/// Whether the value at the path is the wanted one; of an array, any item's.
fn has(value: &Value, path: &[&str], wanted: &Value) -> bool {
    match (value, path) {
        (Value::Array(items), _) if items.iter().any(|item| has(item, path, wanted)) => true,
        (_, []) => same(value, wanted),
        (Value::Object(fields), [name, rest @ ..]) => match fields.get(*name) {
            Some(value) => has(value, rest, wanted),
            // A field that is not there equals null.
            None => wanted.is_null(),
        },
        _ => false,
    }
}

fn same(value: &Value, wanted: &Value) -> bool {
    match (value.as_f64(), wanted.as_f64()) {
        (Some(value), Some(wanted)) => value == wanted,
        _ => value == wanted,
    }
}

/// The named fields, or all but the named ones.
fn project(document: Value, projection: &Map<String, Value>) -> Result<Value, Unsupported> {
    let mut keep = Vec::new();
    let mut drop = Vec::new();
    for (name, how) in projection {
        let on = match how {
            Value::Bool(on) => *on,
            Value::Number(number) => number.as_f64() != Some(0.0),
            _ => return Err(Unsupported::Projection(name.clone())),
        };
        if name.contains('.') || name.starts_with('$') {
            return Err(Unsupported::Projection(name.clone()));
        }
        // Our documents have no `_id`.
        if name != "_id" {
            if on { keep.push(name) } else { drop.push(name) }
        }
    }
    let Value::Object(mut fields) = document else { return Ok(document) };
    if keep.is_empty() {
        fields.retain(|name, _| !drop.contains(&name));
    } else {
        fields.retain(|name, _| keep.contains(&name));
    }
    Ok(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(command: Value) -> Result<Value, Unsupported> {
        let documents = vec![
            json!({ "thingVisorID": "a", "port": { "8089/tcp": "1" }, "vThings": [{ "id": "a/x" }, { "id": "a/y" }] }),
            json!({ "thingVisorID": "b", "port": {}, "vThings": [], "n": 1 }),
        ];
        find(documents, command.as_object().unwrap()).map(Value::from)
    }

    #[test]
    fn documents_are_found_by_equality_also_within_lists() {
        let ids =
            |filter: Value| ask(json!({ "filter": filter, "projection": { "thingVisorID": 1 } })).unwrap();
        let (a, b) = (json!({ "thingVisorID": "a" }), json!({ "thingVisorID": "b" }));
        assert_eq!(ids(json!({})), json!([a, b]));
        assert_eq!(ids(json!({ "thingVisorID": "a" })), json!([a]));
        assert_eq!(ids(json!({ "vThings.id": "a/y" })), json!([a]));
        assert_eq!(ids(json!({ "vThings.id": "a" })), json!([]));
        assert_eq!(ids(json!({ "thingVisorID": { "$eq": "b" } })), json!([b]));
        assert_eq!(ids(json!({ "n": 1.0 })), json!([b]));
        assert_eq!(ids(json!({ "n": null })), json!([a]));
        assert_eq!(ids(json!({ "thingVisorID": "a", "port": {} })), json!([]));
    }

    #[test]
    fn a_projection_names_fields_to_keep_or_to_drop() {
        let first =
            |projection: Value| ask(json!({ "projection": projection, "limit": 1 })).unwrap()[0].clone();
        assert_eq!(first(json!({ "port": 1, "_id": 0 })), json!({ "port": { "8089/tcp": "1" } }));
        assert_eq!(
            first(json!({ "_id": 0, "vThings": true })),
            json!({ "vThings": [{ "id": "a/x" }, { "id": "a/y" }] })
        );
        assert_eq!(first(json!({ "vThings": 0, "port": false })), json!({ "thingVisorID": "a" }));
        assert_eq!(first(json!({ "_id": 0 }))["thingVisorID"], "a");
    }

    #[test]
    fn limits_and_skips_are_kept() {
        assert_eq!(ask(json!({ "limit": -1 })).unwrap().as_array().unwrap().len(), 1);
        assert_eq!(ask(json!({ "skip": 1, "limit": 5 })).unwrap()[0]["thingVisorID"], "b");
        assert_eq!(ask(json!({ "skip": 1e30, "limit": "x" })).unwrap().as_array().unwrap().len(), 2);
    }

    #[test]
    fn what_is_more_than_equality_is_refused_and_finds_nothing() {
        for filter in
            [json!({ "x": { "$ne": 1 } }), json!({ "$or": [] }), json!({ "x": { "$eq": 1, "$gt": 0 } })]
        {
            assert!(matches!(ask(json!({ "filter": filter })), Err(Unsupported::Operator(_))), "{filter}");
        }
        for projection in [json!({ "a.b": 1 }), json!({ "x": { "$slice": 1 } })] {
            assert!(ask(json!({ "projection": projection })).is_err(), "{projection}");
        }
    }
}
