//! Names: ids, types, attributes, metadata.

use crate::escape::{escape, unescape};

/// The longest identifier, in bytes.
pub(super) const MAX: usize = 256;

const MARK: char = '%';

/// Names of attributes that mean something to NGSIv2 itself ("Builtin Attributes").
const BUILTIN_ATTRIBUTES: [&str; 9] = [
    "id",
    "type",
    "dateCreated",
    "dateModified",
    "dateExpires",
    "alterationType",
    "geo:distance",
    "servicePath",
    "*",
];

/// Names of metadata that mean something to NGSIv2 or to this translation.
const BUILTIN_METADATA: [&str; 11] = [
    "dateCreated",
    "dateModified",
    "previousValue",
    "actionType",
    "ignoreType",
    "evalPriority",
    "TextUnrestricted",
    "timestamp",
    "entityType",
    "ID",
    "*",
];

/// Printable ASCII without what NGSIv2 forbids.
fn allowed(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"<>\"'=;()&?/#".contains(&byte)
}

/// An id or a type; a space is `_`.
pub(super) fn identifier(text: &str) -> String {
    match text.contains(' ') {
        true => escape(&text.replace(' ', "_"), MARK, allowed, false),
        false => escape(text, MARK, allowed, false),
    }
}

/// The NGSIv2 id of an entity. Ids that differ in spaces and `_` alone have the same.
pub fn entity_id(id: &str) -> String {
    identifier(id)
}

/// The NGSIv2 name of an attribute.
pub fn attribute_name(name: &str) -> String {
    escape(name, MARK, allowed, BUILTIN_ATTRIBUTES.contains(&name))
}

/// The NGSIv2 name of a metadata element that is a sub-attribute.
pub(super) fn metadata_name(name: &str) -> String {
    escape(name, MARK, allowed, BUILTIN_METADATA.contains(&name))
}

/// Whether a name is the same again after it was written so.
pub(super) fn comes_back(written: &str, name: &str) -> bool {
    if written.contains(MARK) { original(written) == name } else { written == name }
}

/// The name that was written so.
pub(super) fn original(text: &str) -> String {
    unescape(text, MARK)
}

/// Whether an id stays as it is on the way back (viriot-wire.md section 4.1: "unless already URN"; URLs stay too).
pub(super) fn is_absolute(id: &str) -> bool {
    id.starts_with("urn:") || id.contains("://")
}

/// VirIoT's sign of a relationship: `refDevice`.
pub(super) fn looks_like_reference(name: &str) -> bool {
    name.strip_prefix("ref").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
}
