//! What is shown of a resource at another CSE.

use serde_json::{Map, Value};

use crate::{
    address::Identity,
    status::Failure,
    time::Time,
    tree::{Resource, Tree},
    types::{self, Announcement, TypeDef, announced_root, announcement},
};

/// The representation of the announced variant: the link to the original, what is always shown, and what
/// `announcedAttribute` names (TS-0001 9.6.26.1, TS-0004 7.4.26). Addresses and originators are those that another CSE knows.
pub(super) fn announced_content(
    tree: &Tree,
    identity: &Identity,
    resource: &Resource,
) -> (String, Map<String, Value>) {
    let mut map = Map::new();
    map.insert("lnk".to_owned(), Value::from(identity.sp_relative(&resource.ri)));
    let Some(definition) = types::definition(resource.ty) else { return (String::new(), map) };
    let named: Vec<&str> = resource.attributes.texts("aa").collect();
    for (name, value) in resource.to_map(tree) {
        let shown = match announcement(definition, &resource.root, &name) {
            Some(Announcement::Mandatory) => true,
            Some(Announcement::Optional) => named.contains(&name.as_str()),
            Some(Announcement::Never) | None => false,
        };
        if shown {
            map.insert(name.clone(), elsewhere(identity, &name, value));
        }
    }
    if resource.expires == Time::NEVER {
        map.remove("et");
    }
    (announced_root(resource.ty, &resource.root), map)
}

/// A value as another CSE has to read it.
fn elsewhere(identity: &Identity, name: &str, mut value: Value) -> Value {
    let address =
        |text: &str| if text.starts_with('/') { text.to_owned() } else { identity.sp_relative(text) };
    match name {
        "acpi" | "mid" | "macp" | "daci" | "hael" | "hsl" => {
            for entry in value.as_array_mut().into_iter().flatten() {
                if let Some(text) = entry.as_str() {
                    *entry = Value::from(address(text));
                }
            }
        }
        "aei" | "nl" | "li" | "loi" | "hcl" => {
            if let Some(text) = value.as_str() {
                value = Value::from(address(text));
            }
        }
        "pv" | "pvs" => {
            let rules = value.get_mut("acr").and_then(Value::as_array_mut);
            let originators =
                rules.into_iter().flatten().filter_map(|rule| rule.get_mut("acor")?.as_array_mut());
            for originator in originators.flatten() {
                match originator.as_str() {
                    Some("all" | "*") | None => {}
                    Some(text) => *originator = Value::from(identity.known_elsewhere(text)),
                }
            }
        }
        _ => {}
    }
    value
}

/// What has to change for an announced resource to show what it is to show; null takes an attribute away.
pub(super) fn difference(
    original: Option<&TypeDef>,
    root: &str,
    before: &Map<String, Value>,
    wanted: &Map<String, Value>,
) -> Map<String, Value> {
    let mut change = Map::new();
    for (name, value) in wanted {
        if name != "lnk" && before.get(name) != Some(value) {
            change.insert(name.clone(), value.clone());
        }
    }
    let Some(original) = original else { return change };
    let root = types::original_root(types::ty::announced(original.ty), root);
    for name in before.keys().filter(|name| !wanted.contains_key(*name)) {
        let announced = announcement(original, &root, name);
        if matches!(announced, Some(Announcement::Optional))
            || (matches!(announced, Some(Announcement::Mandatory)) && name == "lbl")
        {
            change.insert(name.clone(), Value::Null);
        }
    }
    change
}

/// Checks `announcedAttribute` and leaves out what cannot be announced (TS-0004 7.3.3.10): a name that the type does not
/// have is an error. Gives nothing when no name is left.
pub(crate) fn check_announced_attributes(
    definition: &TypeDef,
    root: &str,
    names: &Value,
    present: impl Fn(&str) -> bool,
) -> Result<Option<Value>, Failure> {
    let mut kept = Vec::new();
    for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
        match announcement(definition, root, name) {
            None => return Err(Failure::bad(format!("aa: {name} is not an attribute of {root}"))),
            Some(Announcement::Never) => {}
            Some(Announcement::Mandatory) if !present(name) => {}
            Some(_) => kept.push(Value::from(name)),
        }
    }
    Ok((!kept.is_empty()).then_some(Value::Array(kept)))
}
