use super::{Json, Time};

/// The attribute whose value is the end of its entity ("Transient entities").
pub(crate) const DATE_EXPIRES: &str = "dateExpires";

/// A metadata element of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadatum {
    /// Its name, unique in the attribute.
    pub name: Box<str>,
    /// Its type.
    pub kind: Box<str>,
    /// Its value; a date is in its canonical form.
    pub value: Json,
}

/// An attribute of an entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Its name, unique in the entity.
    pub name: Box<str>,
    /// Its type.
    pub kind: Box<str>,
    /// Its value; a date is in its canonical form.
    pub value: Json,
    /// Its metadata, in the order they came.
    pub metadata: Box<[Metadatum]>,
    /// When it was created.
    pub created: Time,
    /// When it was last written.
    pub modified: Time,
}

impl Attribute {
    /// The metadata element `name`.
    pub fn metadatum(&self, name: &str) -> Option<&Metadatum> {
        self.metadata.iter().find(|metadatum| &*metadatum.name == name)
    }

    /// Whether the value is a date.
    pub(crate) fn is_date(&self) -> bool {
        is_date_type(&self.kind)
    }

    /// Whether `ignoreType` tells to take the value as it is.
    pub(crate) fn ignores_type(&self) -> bool {
        ignores_type(&self.metadata)
    }

    /// Whether this is a place of the entity.
    pub(crate) fn is_location(&self) -> bool {
        is_geo_type(&self.kind) && self.value != Json::Null && !self.ignores_type()
    }

    /// Type, value and metadata are the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is_same_without_metadata(other) && self.metadata == other.metadata
    }

    /// Type and value are the same.
    pub(crate) fn is_same_without_metadata(&self, other: &Self) -> bool {
        self.kind == other.kind && self.value == other.value
    }
}

/// Whether these metadata have `ignoreType` set.
pub(super) fn ignores_type(metadata: &[Metadatum]) -> bool {
    metadata.iter().any(|metadatum| &*metadatum.name == "ignoreType" && metadatum.value == Json::Bool(true))
}

/// An entity. It is identified by id, type and service path together.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// Its id.
    pub id: Box<str>,
    /// Its type.
    pub kind: Box<str>,
    /// Its service path.
    pub path: Box<str>,
    /// Its attributes, in the order they were created.
    pub attributes: Vec<Attribute>,
    /// When it was created.
    pub created: Time,
    /// When it was last written.
    pub modified: Time,
}

impl Entity {
    /// The attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| &*attribute.name == name)
    }

    pub(crate) fn attribute_mut(&mut self, name: &str) -> Option<&mut Attribute> {
        self.attributes.iter_mut().find(|attribute| &*attribute.name == name)
    }

    /// When the entity ends, if it does.
    pub fn expires(&self) -> Option<Time> {
        let attribute = self.attribute(DATE_EXPIRES).filter(|attribute| attribute.is_date())?;
        Time::parse(attribute.value.as_str()?)
    }
}

/// Whether values of this type are dates.
pub(crate) fn is_date_type(kind: &str) -> bool {
    kind == "DateTime" || kind == "ISO8601"
}

/// Whether values of this type are places.
pub(crate) fn is_geo_type(kind: &str) -> bool {
    matches!(kind, "geo:point" | "geo:line" | "geo:box" | "geo:polygon" | "geo:json")
}

/// The type of a value that comes without one ("Partial Representations").
pub(crate) fn default_type(value: &Json) -> &'static str {
    match value {
        Json::Null => "None",
        Json::Bool(_) => "Boolean",
        Json::Number(_) => "Number",
        Json::String(_) => "Text",
        Json::Array(_) | Json::Object(_) => "StructuredValue",
    }
}
