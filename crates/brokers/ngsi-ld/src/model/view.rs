//! What of an entity is shown, and how (NGSI-LD 4.5, 4.15, 4.21).

use super::{Attribute, Entity, Name, Timestamp};

/// How entities are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Representation {
    /// Every attribute with its type.
    #[default]
    Normalized,
    /// Without what can be told from the rest.
    Concise,
    /// Names and values (`keyValues`).
    Simplified,
}

/// Members of an entity, by term and expanded name: what is no attribute, such as `id`, has only the term.
pub type Members = Vec<(Box<str>, Name)>;

/// Which members of an entity are shown (NGSI-LD 4.21). The default shows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// Only these attributes; id, type and scope stay (`attrs`).
    pub attributes: Option<Vec<Name>>,
    /// Only these members (`pick`).
    pub pick: Option<Members>,
    /// Not these members (`omit`).
    pub omit: Members,
    /// Only instances with these dataset ids; `None` in the list is the default instance (`datasetId`).
    pub dataset_ids: Option<Vec<Option<Box<str>>>>,
    /// What is shown of the entities that a relationship points to (`pick=a{b}`); of others, everything.
    pub linked: Vec<(Name, Self)>,
}

impl Projection {
    /// What is shown of the entities that the relationship `name` points to.
    pub(crate) fn of_linked(&self, name: &Name) -> Self {
        let found = self.linked.iter().find(|(known, _)| known == name);
        let shown = found.map(|(_, linked)| linked.clone()).unwrap_or_default();
        Self { dataset_ids: self.dataset_ids.clone(), ..shown }
    }

    /// How deep into linked entities the projection goes.
    pub(crate) fn links(&self) -> usize {
        self.linked.iter().map(|(_, linked)| 1 + linked.links()).max().unwrap_or(0)
    }

    /// Whether anything of the entity is shown.
    pub(crate) fn shows(&self, entity: &Entity) -> bool {
        self.member("id")
            || self.member("type")
            || (self.member("scope") && !entity.scopes.is_empty())
            || entity.attributes.iter().any(|attribute| self.attribute(attribute))
    }

    /// Whether an attribute is shown, where only some attributes or some of their instances are asked for.
    pub(crate) fn shows_attributes_of(&self, entity: &Entity) -> bool {
        (self.attributes.is_none() && self.dataset_ids.is_none())
            || entity.attributes.iter().any(|attribute| self.attribute(attribute))
    }

    pub(crate) fn member(&self, term: &str) -> bool {
        self.pick.as_ref().is_none_or(|pick| pick.iter().any(|(picked, _)| &**picked == term))
            && !self.omit.iter().any(|(omitted, _)| &**omitted == term)
    }

    pub(crate) fn attribute(&self, attribute: &Attribute) -> bool {
        let name = &attribute.name;
        self.attributes.as_ref().is_none_or(|names| names.contains(name))
            && self.pick.as_ref().is_none_or(|pick| pick.iter().any(|(_, picked)| picked == name))
            && !self.omit.iter().any(|(_, omitted)| omitted == name)
            && self
                .dataset_ids
                .as_ref()
                .is_none_or(|ids| ids.iter().any(|id| id.as_deref() == attribute.dataset_id()))
    }
}

/// How an entity is shown to someone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// How attributes are written.
    pub representation: Representation,
    /// Whether createdAt and modifiedAt are shown (NGSI-LD 4.8).
    pub sys_attrs: bool,
    /// What is shown.
    pub projection: Projection,
    /// The language that language maps are reduced to (NGSI-LD 4.15).
    pub language: Option<Box<str>>,
    /// The minor version of the standard that the client wants the kinds of attributes of (NGSI-LD 4.3.6.8).
    pub version: Option<u8>,
    /// When the entity was deleted, of one that is told as gone (NGSI-LD 5.8.6).
    pub deleted_at: Option<Timestamp>,
}

impl View {
    /// Whether the entity has attributes that the wanted version does not know.
    pub(crate) fn alters(&self, entity: &Entity) -> bool {
        fn newer(attributes: &[Attribute], version: u8) -> bool {
            attributes.iter().any(|one| one.kind.since() > version || newer(one.attributes(), version))
        }
        self.version.is_some_and(|version| newer(&entity.attributes, version))
    }
}
