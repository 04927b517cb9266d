use crate::{
    Error, ErrorKind,
    change::is_operation,
    model::{
        Field, Json, Metadatum, Time, check_identifier, default_type, has_forbidden, has_forbidden_json,
        is_date_type, is_geo_type,
    },
};

/// An attribute to write.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeInput {
    /// Its name.
    pub name: Box<str>,
    /// Its type; the default for the value when the request has none.
    pub kind: Box<str>,
    /// Its value, or an update operator.
    pub value: Json,
    /// Its metadata; `None` when the request does not mention them, which leaves those there are.
    pub metadata: Option<Box<[Metadatum]>>,
}

/// How deep a value may nest.
const DEPTH_MAX: usize = 50;

/// Reads an attribute in normalized form.
///
/// # Errors
/// When it is not one.
pub(crate) fn parse_attribute(name: &str, body: &Json) -> Result<AttributeInput, Error> {
    check_identifier(Field::AttributeName, name)?;
    let members = body
        .as_object()
        .ok_or_else(|| Error::bad("attribute must be a JSON object, unless keyValues option is used"))?;
    let (mut kind, mut value, mut metadata) = (None, Json::Null, None);
    for (member, content) in members {
        match &**member {
            "value" => value = content.clone(),
            "type" => {
                let text =
                    content.as_str().ok_or_else(|| Error::bad("invalid JSON type for attribute type"))?;
                check_identifier(Field::AttributeType, text)?;
                kind = Some(text.into());
            }
            "metadata" => metadata = Some(parse_metadata(content)?),
            _ => return Err(Error::bad("unrecognized property for context attribute")),
        }
    }
    let kind: Box<str> = kind.unwrap_or_else(|| default_type(&value).into());
    let value = checked_value(&kind, value, metadata.as_deref().unwrap_or_default())?;
    Ok(AttributeInput { name: name.into(), kind, value, metadata })
}

/// Reads an attribute of which there is only the value.
///
/// # Errors
/// When the name or the value has what they must not have.
pub(crate) fn parse_key_value(name: &str, value: &Json) -> Result<AttributeInput, Error> {
    check_identifier(Field::AttributeName, name)?;
    let kind = default_type(value);
    let value = checked_value(kind, value.clone(), &[])?;
    Ok(AttributeInput { name: name.into(), kind: kind.into(), value, metadata: None })
}

/// Checks a new value for an attribute that keeps its type and metadata.
///
/// # Errors
/// When it is not a value of that type.
pub(crate) fn parse_attribute_value(kind: &str, value: Json, metadata: &[Metadatum]) -> Result<Json, Error> {
    checked_value(kind, value, metadata)
}

fn is_unrestricted(kind: &str, metadata: &[Metadatum]) -> bool {
    kind == "TextUnrestricted"
        || metadata
            .iter()
            .any(|metadatum| &*metadatum.name == "TextUnrestricted" && metadatum.value == Json::Bool(true))
}

fn checked_value(kind: &str, value: Json, metadata: &[Metadatum]) -> Result<Json, Error> {
    if value.depth() > DEPTH_MAX {
        return Err(too_deep());
    }
    if !is_unrestricted(kind, metadata) && has_forbidden_json(&value) {
        return Err(Error::bad("Invalid characters in attribute value"));
    }
    if is_operation(&value) {
        return Ok(value);
    }
    if is_date_type(kind) {
        return canonical_date(value).ok_or_else(|| Error::bad("date has invalid format in attribute value"));
    }
    let ignored = metadata
        .iter()
        .any(|metadatum| &*metadatum.name == "ignoreType" && metadatum.value == Json::Bool(true));
    if kind == "geo:json" && is_geo_type(kind) && !ignored {
        return bare_geometry(value);
    }
    Ok(value)
}

fn too_deep() -> Error {
    let words = format!("attribute or metadata value has overpassed maximum nesting limit: {DEPTH_MAX}");
    Error::new(ErrorKind::ParseError, words)
}

/// A date in the form in which all dates are kept; `null` is no date and allowed.
fn canonical_date(value: Json) -> Option<Json> {
    match value {
        Json::Null => Some(Json::Null),
        Json::String(text) => Time::parse(&text).map(|time| Json::from(&*time.to_string())),
        _ => None,
    }
}

/// A GeoJSON value without what may be wrapped around the geometry.
fn bare_geometry(value: Json) -> Result<Json, Error> {
    let wrong = |what: &str| Error::bad(format!("error parsing location attribute: {what}"));
    let feature = match value.get("type").and_then(Json::as_str) {
        Some("Feature") => &value,
        Some("FeatureCollection") => match value.get("features") {
            None => return Err(wrong("features field not found in FeatureCollection")),
            Some(Json::Array(features)) => match &**features {
                [feature] => feature,
                [] => return Err(wrong("features in FeatureCollection has 0 items")),
                _ => return Err(wrong("features in FeatureCollection has more than 1 item")),
            },
            Some(_) => return Err(wrong("features in FeatureCollection is not an array")),
        },
        _ => return Ok(value),
    };
    match feature.get("geometry") {
        None => Err(wrong("geometry in Feature not found")),
        Some(geometry @ Json::Object(_)) => Ok(geometry.clone()),
        Some(_) => Err(wrong("geometry in Feature is not an object")),
    }
}

fn parse_metadata(body: &Json) -> Result<Box<[Metadatum]>, Error> {
    let members = body.as_object().ok_or_else(|| Error::bad("metadata must be a JSON object"))?;
    let mut metadata: Vec<Metadatum> = Vec::with_capacity(members.len());
    for (name, content) in members {
        let metadatum = parse_metadatum(name, content)?;
        match metadata.iter_mut().find(|known| known.name == metadatum.name) {
            Some(known) => *known = metadatum,
            None => metadata.push(metadatum),
        }
    }
    Ok(metadata.into())
}

fn parse_metadatum(name: &str, body: &Json) -> Result<Metadatum, Error> {
    check_identifier(Field::MetadataName, name)?;
    let (mut kind, mut value) = (None, Json::Null);
    let members = body.as_object().ok_or_else(|| Error::bad("metadata must be a JSON object"))?;
    for (member, content) in members {
        match &**member {
            "value" => value = content.clone(),
            "type" => {
                let text = content
                    .as_str()
                    .ok_or_else(|| Error::bad("invalid JSON type for attribute metadata type"))?;
                check_identifier(Field::MetadataType, text)?;
                kind = Some(Box::from(text));
            }
            _ => return Err(Error::bad("invalid JSON field for attribute metadata")),
        }
    }
    if value.depth() > DEPTH_MAX {
        return Err(too_deep());
    }
    let kind: Box<str> = kind.unwrap_or_else(|| default_type(&value).into());
    if kind.as_ref() != "TextUnrestricted" && has_forbidden_json(&value) {
        return Err(Error::bad("Invalid characters in metadata value"));
    }
    debug_assert!(!has_forbidden(name));
    if is_date_type(&kind) {
        value =
            canonical_date(value).ok_or_else(|| Error::bad("date has invalid format in metadata value"))?;
    }
    Ok(Metadatum { name: name.into(), kind, value })
}

impl AttributeInput {
    /// An attribute of which only the name matters.
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), kind: "None".into(), value: Json::Null, metadata: None }
    }
}
