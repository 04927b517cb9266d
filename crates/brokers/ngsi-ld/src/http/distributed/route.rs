//! Which operation a request is, as far as sources have to do with it.

use http::Method;

use super::super::{ROOT, params};
use crate::registrations::Operation;

/// An operation that sources may take part in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) enum Route {
    Retrieve(String),
    Query,
    QueryBatch,
    /// The past of an entity.
    Past(String),
    QueryPast,
    QueryPastBatch,
    Purge,
    Discover(Discover),
    Batch(Batch),
    One(One),
}

/// A question for what there is (NGSI-LD 5.7.5 to 5.7.10); a name is one type or attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) enum Discover {
    Types(Option<String>),
    Attributes(Option<String>),
}

/// A batch operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Batch {
    Create,
    Upsert,
    Update,
    Merge,
    Delete,
}

/// A write of one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) struct One {
    pub(super) operation: Operation,
    /// The entity in the path.
    pub(super) id: Option<String>,
    pub(super) attribute: Option<String>,
}

impl Route {
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        let path = path.strip_prefix(ROOT)?.trim_matches('/');
        let parts: Vec<String> = path.split('/').map(params::decode_path).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let one = |operation, id: Option<&str>, attribute: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            Some(Self::One(One { operation, id: own(id), attribute: own(attribute) }))
        };
        match (method.as_str(), &*parts) {
            ("GET", ["entities" | "entityMaps"]) => Some(Self::Query),
            ("GET", ["entities", id]) => Some(Self::Retrieve((*id).to_owned())),
            ("POST", ["entityOperations", "query"]) => Some(Self::QueryBatch),
            ("GET", ["temporal", "entities" | "entityMaps"]) => Some(Self::QueryPast),
            ("GET", ["temporal", "entities", id]) => Some(Self::Past((*id).to_owned())),
            ("POST", ["temporal", "entityOperations", "query"]) => Some(Self::QueryPastBatch),
            ("GET", ["types"]) => Some(Self::Discover(Discover::Types(None))),
            ("GET", ["types", name]) => Some(Self::Discover(Discover::Types(Some((*name).to_owned())))),
            ("GET", ["attributes"]) => Some(Self::Discover(Discover::Attributes(None))),
            ("GET", ["attributes", name]) => {
                Some(Self::Discover(Discover::Attributes(Some((*name).to_owned()))))
            }
            ("DELETE", ["entities"]) => Some(Self::Purge),
            ("POST", ["entityOperations", kind]) => Some(Self::Batch(match *kind {
                "create" => Batch::Create,
                "upsert" => Batch::Upsert,
                "update" => Batch::Update,
                "merge" => Batch::Merge,
                "delete" => Batch::Delete,
                _ => return None,
            })),
            ("POST", ["entities"]) => one(Operation::CreateEntity, None, None),
            ("DELETE", ["entities", id]) => one(Operation::DeleteEntity, Some(id), None),
            ("PATCH", ["entities", id]) => one(Operation::MergeEntity, Some(id), None),
            ("PUT", ["entities", id]) => one(Operation::ReplaceEntity, Some(id), None),
            ("POST", ["entities", id, "attrs"]) => one(Operation::AppendAttrs, Some(id), None),
            ("PATCH", ["entities", id, "attrs"]) => one(Operation::UpdateEntity, Some(id), None),
            ("PATCH", ["entities", id, "attrs", name]) => one(Operation::UpdateAttrs, Some(id), Some(name)),
            ("PUT", ["entities", id, "attrs", name]) => one(Operation::ReplaceAttrs, Some(id), Some(name)),
            ("DELETE", ["entities", id, "attrs", name]) => one(Operation::DeleteAttrs, Some(id), Some(name)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_told_by_method_and_path() {
        let of = |method: &str, path: &str| Route::of(&method.parse().unwrap(), &format!("{ROOT}{path}"));
        assert_eq!(of("GET", "/entities/"), Some(Route::Query));
        assert_eq!(of("GET", "/entities/urn%3Ax"), Some(Route::Retrieve("urn:x".into())));
        assert_eq!(of("POST", "/entityOperations/upsert"), Some(Route::Batch(Batch::Upsert)));
        assert_eq!(of("POST", "/subscriptions"), None);
        assert_eq!(of("GET", "/entities/urn:x/attrs"), None);
        let Some(Route::One(one)) = of("PUT", "/entities/urn:x/attrs/a") else { panic!("no write") };
        assert_eq!((one.operation, one.attribute.as_deref()), (Operation::ReplaceAttrs, Some("a")));
    }
}
