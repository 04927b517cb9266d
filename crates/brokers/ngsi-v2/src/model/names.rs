use super::Json;
use crate::Error;

/// The identifiers of NGSIv2 ("Identifiers syntax restrictions").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    EntityId,
    EntityType,
    AttributeName,
    AttributeType,
    MetadataName,
    MetadataType,
}

/// The longest identifier, in bytes.
const MAX: usize = 256;

impl Field {
    fn words(self) -> &'static str {
        match self {
            Self::EntityId => "entity id",
            Self::EntityType => "entity type",
            Self::AttributeName => "attribute name",
            Self::AttributeType => "attribute type",
            Self::MetadataName => "metadata name",
            Self::MetadataType => "metadata type",
        }
    }
}

/// Characters that no text of a request may contain ("General syntax restrictions"): they are how scripts are
/// smuggled into pages that show the data.
fn is_forbidden(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'"' | b'\'' | b'=' | b';' | b'(' | b')')
}

/// Whether a text has a character that no text may contain.
pub(crate) fn has_forbidden(text: &str) -> bool {
    text.bytes().any(is_forbidden)
}

/// Whether a value has such a text in it, or such a name of a member.
pub(crate) fn has_forbidden_json(value: &Json) -> bool {
    match value {
        Json::String(text) => has_forbidden(text),
        Json::Array(items) => items.iter().any(has_forbidden_json),
        Json::Object(members) => {
            members.iter().any(|(name, value)| has_forbidden(name) || has_forbidden_json(value))
        }
        _ => false,
    }
}

/// Whether an identifier may have this character: printable ASCII, neither forbidden nor with a meaning in URLs.
pub(crate) fn is_identifier_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !is_forbidden(byte) && !matches!(byte, b'&' | b'?' | b'/' | b'#')
}

/// Checks the length of an identifier, then its characters.
///
/// # Errors
/// When it is not one.
pub(crate) fn check_identifier(field: Field, text: &str) -> Result<(), Error> {
    let words = field.words();
    match text.len() {
        0 => Err(Error::bad(format!("{words} length: 0, min length supported: 1"))),
        length if length > MAX => {
            Err(Error::bad(format!("{words} length: {length}, max length supported: {MAX}")))
        }
        _ if !text.bytes().all(is_identifier_char) => {
            Err(Error::bad(format!("Invalid characters in {words}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_plain_ascii_of_1_to_256_characters() {
        assert!(check_identifier(Field::EntityId, "urn:ngsi-ld:Car:1.a_b@c").is_ok());
        for (text, message) in [
            (String::new(), "entity id length: 0, min length supported: 1"),
            ("a".repeat(257), "entity id length: 257, max length supported: 256"),
            ("a b".into(), "Invalid characters in entity id"),
            ("a/b".into(), "Invalid characters in entity id"),
            ("é".into(), "Invalid characters in entity id"),
            ("a(b".into(), "Invalid characters in entity id"),
        ] {
            assert_eq!(check_identifier(Field::EntityId, &text).unwrap_err().description(), message);
        }
        assert!(check_identifier(Field::AttributeName, &"a".repeat(256)).is_ok());
    }

    #[test]
    fn forbidden_characters_are_found_at_any_depth() {
        assert!(has_forbidden_json(&Json::parse(br#"{"a":[{"b":"x;"}]}"#).unwrap()));
        assert!(has_forbidden_json(&Json::parse(br#"{"a=":1}"#).unwrap()));
        assert!(!has_forbidden_json(&Json::parse(br#"{"a":["b",1]}"#).unwrap()));
    }
}
