use minicbor::{Decode, Encode};

use super::{Json, Name, Timestamp};

/// The kind of an attribute (NGSI-LD 4.5.2 to 4.5.4, 4.5.18 to 4.5.24).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// A value of any JSON type but null.
    #[n(0)]
    Property,
    /// One or more URIs of other entities.
    #[n(1)]
    Relationship,
    /// A GeoJSON geometry.
    #[n(2)]
    GeoProperty,
    /// Texts by language.
    #[n(3)]
    LanguageProperty,
    /// One or more terms of a vocabulary; expanded like names.
    #[n(4)]
    VocabProperty,
    /// JSON that no context touches.
    #[n(5)]
    JsonProperty,
    /// An ordered list of values.
    #[n(6)]
    ListProperty,
    /// An ordered list of URIs of other entities.
    #[n(7)]
    ListRelationship,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Property,
        Self::Relationship,
        Self::GeoProperty,
        Self::LanguageProperty,
        Self::VocabProperty,
        Self::JsonProperty,
        Self::ListProperty,
        Self::ListRelationship,
    ];

    /// The kind as in an attribute's `type` member.
    pub fn name(self) -> &'static str {
        match self {
            Self::Property => "Property",
            Self::Relationship => "Relationship",
            Self::GeoProperty => "GeoProperty",
            Self::LanguageProperty => "LanguageProperty",
            Self::VocabProperty => "VocabProperty",
            Self::JsonProperty => "JsonProperty",
            Self::ListProperty => "ListProperty",
            Self::ListRelationship => "ListRelationship",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The member that holds an attribute's value.
    pub fn value_member(self) -> &'static str {
        match self {
            Self::Property | Self::GeoProperty => "value",
            Self::Relationship => "object",
            Self::LanguageProperty => "languageMap",
            Self::VocabProperty => "vocab",
            Self::JsonProperty => "json",
            Self::ListProperty => "valueList",
            Self::ListRelationship => "objectList",
        }
    }

    /// The minor version of the standard that brought this kind (NGSI-LD 4.3.6.8).
    pub(crate) fn since(self) -> u8 {
        match self {
            Self::Property | Self::Relationship | Self::GeoProperty => 0,
            Self::LanguageProperty => 4,
            Self::VocabProperty | Self::JsonProperty | Self::ListProperty | Self::ListRelationship => 8,
        }
    }

    /// The member that holds the value before a change (NGSI-LD 4.5.2 to 4.5.24).
    pub(crate) fn previous_member(self) -> &'static str {
        match self {
            Self::Property | Self::GeoProperty => "previousValue",
            Self::Relationship => "previousObject",
            Self::LanguageProperty => "previousLanguageMap",
            Self::VocabProperty => "previousVocab",
            Self::JsonProperty => "previousJson",
            Self::ListProperty => "previousValueList",
            Self::ListRelationship => "previousObjectList",
        }
    }
}

/// One instance of an attribute. An attribute with several instances (NGSI-LD 4.5.5) is several of these side by
/// side, with the same name and different dataset ids.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Attribute {
    /// The expanded name.
    #[n(0)]
    pub name: Name,
    /// The kind.
    #[n(1)]
    pub kind: Kind,
    /// The value, in the form of its kind: a `Relationship` is a string or an array of strings, a `ListRelationship`
    /// an array of strings, a `VocabProperty` one or more expanded names.
    #[n(2)]
    pub value: Json,
    /// When the instance came into being.
    #[n(3)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[n(4)]
    pub modified_at: Timestamp,
    /// When its value was true in the world.
    #[n(5)]
    pub observed_at: Option<Timestamp>,
    /// What most attributes do not have.
    #[n(6)]
    pub details: Option<Box<Details>>,
    /// With how many digits after the second `observed_at` was written, when it has zeros at its end: it is shown as it
    /// was written.
    #[n(7)]
    pub observed_digits: Option<u8>,
}

/// The rarer members of an attribute.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Details {
    /// Which of several instances this is; a URI.
    #[n(0)]
    pub dataset_id: Option<Box<str>>,
    /// The unit, a UN/CEFACT code.
    #[n(1)]
    pub unit_code: Option<Json>,
    /// The expanded type or types of the entities that a relationship points to.
    #[n(2)]
    #[cbor(decode_with = "super::codec::exact")]
    pub object_type: Vec<Name>,
    /// Attributes of the attribute.
    #[n(3)]
    #[cbor(decode_with = "super::codec::exact")]
    pub attributes: Vec<Attribute>,
    /// When the broker forgets the instance (NGSI-LD 4.22).
    #[n(4)]
    pub expires_at: Option<Timestamp>,
    /// Which instance of the attribute's past this is (NGSI-LD 4.5.6); a URI. The present has none.
    #[n(5)]
    pub instance_id: Option<Box<str>>,
    /// What only the past and notifications know of an instance.
    #[n(6)]
    pub former: Option<Box<Former>>,
}

/// What an instance was before it was changed or deleted.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Former {
    /// When the instance was deleted (NGSI-LD 4.8).
    #[n(0)]
    pub deleted_at: Option<Timestamp>,
    /// The value before the change (NGSI-LD 5.8.6, `showChanges`).
    #[n(1)]
    pub previous: Option<Json>,
}

impl Attribute {
    /// The dataset id of this instance; `None` for the default instance.
    pub fn dataset_id(&self) -> Option<&str> {
        self.details.as_ref()?.dataset_id.as_deref()
    }

    /// The unit of the value.
    pub fn unit_code(&self) -> Option<&Json> {
        self.details.as_ref()?.unit_code.as_ref()
    }

    /// The expanded types of what a relationship points to.
    pub fn object_type(&self) -> &[Name] {
        self.details.as_ref().map_or(&[], |details| &details.object_type)
    }

    /// Which instance of the attribute's past this is.
    pub fn instance_id(&self) -> Option<&str> {
        self.details.as_ref()?.instance_id.as_deref()
    }

    /// When this instance was deleted; `None` for what is there.
    pub fn deleted_at(&self) -> Option<Timestamp> {
        self.details.as_ref()?.former.as_ref()?.deleted_at
    }

    /// The value before the change that a notification tells of.
    pub fn previous(&self) -> Option<&Json> {
        self.details.as_ref()?.former.as_ref()?.previous.as_ref()
    }

    pub(crate) fn former_mut(&mut self) -> &mut Former {
        self.details_mut().former.get_or_insert_default()
    }

    /// When the broker forgets this instance.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.details.as_ref()?.expires_at
    }

    /// The attributes of this attribute.
    pub fn attributes(&self) -> &[Self] {
        self.details.as_ref().map_or(&[], |details| &details.attributes)
    }

    /// Whether this is the instance of `name` with `dataset_id`.
    pub(crate) fn is(&self, name: &Name, dataset_id: Option<&str>) -> bool {
        self.name == *name && self.dataset_id() == dataset_id
    }

    pub(crate) fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }
}
