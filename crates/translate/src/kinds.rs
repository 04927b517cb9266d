//! The kinds of NGSI-LD attributes (ETSI GS CIM 009 clauses 4.5.2 to 4.5.4, 4.5.18 to 4.5.24), as far as translators
//! need to know them.

use serde_json::{Map, Value};

/// A kind, and the member that holds its value.
pub(crate) const KINDS: [(&str, &str); 8] = [
    ("Property", "value"),
    ("Relationship", "object"),
    ("GeoProperty", "value"),
    ("LanguageProperty", "languageMap"),
    ("VocabProperty", "vocab"),
    ("JsonProperty", "json"),
    ("ListProperty", "valueList"),
    ("ListRelationship", "objectList"),
];

/// An attribute taken apart.
pub(crate) struct Parts<'a> {
    pub(crate) kind: &'static str,
    /// Nothing when the attribute has no value.
    pub(crate) value: Option<&'a Value>,
    /// The other members but `type`.
    pub(crate) others: Vec<(&'a str, &'a Value)>,
    /// Whether it is in normalized form.
    pub(crate) normalized: bool,
}

/// Takes one instance of an attribute apart. What is in concise form is understood too (clause 4.5.1).
pub(crate) fn parts(attribute: &Value) -> Parts<'_> {
    let bare = Parts { kind: "Property", value: Some(attribute), others: Vec::new(), normalized: false };
    let Value::Object(members) = attribute else { return bare };
    let named = members.get("type").and_then(Value::as_str);
    let known = KINDS.iter().find(|(kind, _)| Some(*kind) == named);
    let implied = || KINDS.iter().find(|(_, member)| members.contains_key(*member));
    let Some((kind, member)) = known.or_else(implied) else { return bare };
    let others = members.iter().filter(|(name, _)| !(*name == *member || known.is_some() && *name == "type"));
    Parts {
        kind,
        value: members.get(*member),
        others: others.map(|(name, value)| (name.as_str(), value)).collect(),
        normalized: known.is_some() && members.contains_key(*member),
    }
}

/// The instance of an attribute that stands for all: the default one, or the first (clause 4.5.5). Says whether
/// there were others.
pub(crate) fn main_instance(attribute: &Value) -> (&Value, bool) {
    let Value::Array(instances) = attribute else { return (attribute, false) };
    let is_instance = |value: &&Value| value.as_object().is_some_and(is_attribute);
    if instances.is_empty() || !instances.iter().all(|value| is_instance(&value)) {
        return (attribute, false);
    }
    let main = instances.iter().find(|value| value.get("datasetId").is_none()).unwrap_or(&instances[0]);
    (main, true)
}

/// Whether an object says that it is an attribute.
pub(crate) fn is_attribute(members: &Map<String, Value>) -> bool {
    let named = members.get("type").and_then(Value::as_str);
    KINDS.iter().any(|(kind, _)| Some(*kind) == named)
}
