use minicbor::{Decode, Encode};

use super::{Attribute, Name, Timestamp};

/// An entity (NGSI-LD 4.2.3) as the broker keeps it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Entity {
    /// The id, a URI.
    #[n(0)]
    pub id: Box<str>,
    /// The expanded types, at least one.
    #[n(1)]
    #[cbor(decode_with = "super::codec::exact")]
    pub types: Vec<Name>,
    /// The scopes (NGSI-LD 4.18), often none.
    #[n(2)]
    #[cbor(decode_with = "super::codec::exact")]
    pub scopes: Vec<Box<str>>,
    /// When the entity was created.
    #[n(3)]
    pub created_at: Timestamp,
    /// When it, or one of its attributes, last changed.
    #[n(4)]
    pub modified_at: Timestamp,
    /// All instances of all attributes; those of one attribute are side by side.
    #[n(5)]
    #[cbor(decode_with = "super::codec::exact")]
    pub attributes: Vec<Attribute>,
    /// When the broker forgets the entity (NGSI-LD 4.22).
    #[n(6)]
    pub expires_at: Option<Timestamp>,
}

impl Entity {
    /// The instances of the attribute `name`.
    pub fn instances<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Attribute> {
        self.attributes.iter().filter(move |attribute| attribute.name == *name)
    }

    /// The default instance of `name`, or its first one.
    pub fn attribute(&self, name: &Name) -> Option<&Attribute> {
        let mut instances = self.attributes.iter().filter(|attribute| attribute.name == *name);
        let first = instances.next()?;
        if first.dataset_id().is_none() {
            return Some(first);
        }
        Some(instances.find(|instance| instance.dataset_id().is_none()).unwrap_or(first))
    }

    /// Whether the entity has the attribute `name`.
    pub fn has(&self, name: &Name) -> bool {
        self.attributes.iter().any(|attribute| attribute.name == *name)
    }

    /// Whether the entity has the type `name`.
    pub fn has_type(&self, name: &Name) -> bool {
        self.types.contains(name)
    }

    /// Makes room for no more than there is: an entity stays for long.
    pub(crate) fn shrink(&mut self) {
        self.attributes.shrink_to_fit();
        self.types.shrink_to_fit();
    }
}

/// What a request says about an entity: the parts of an entity that may all be missing (NGSI-LD 5.2.24, "Entity
/// Fragment"), with the deletions that an update can ask for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fragment {
    /// The id, when the request has it.
    pub id: Option<Box<str>>,
    /// The expanded types.
    pub types: Vec<Name>,
    /// The scopes; `Some` of an empty list removes them.
    pub scopes: Option<Vec<Box<str>>>,
    /// When the entity expires; `Some(None)` takes the expiry away.
    pub expires_at: Option<Option<Timestamp>>,
    /// Attributes with a value.
    pub attributes: Vec<Attribute>,
    /// Instances that the request deletes by the NGSI-LD null: name and dataset id.
    pub deletions: Vec<(Name, Option<Box<str>>)>,
}
