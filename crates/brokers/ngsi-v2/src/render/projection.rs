//! Which attributes and metadata are shown ("Filtering out attributes and metadata").

use std::borrow::Cow;

use crate::{
    change::{Effect, EffectKind},
    model::{Attribute, DATE_EXPIRES, Entity, Json, Time},
};

/// A list of names as a request or a subscription gives it. `*` stands for all that users have written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names(Box<[Box<str>]>);

impl Names {
    pub(crate) fn new(names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let mut kept: Vec<Box<str>> = Vec::new();
        for name in names {
            let name = name.into();
            if !kept.contains(&name) {
                kept.push(name);
            }
        }
        Self(kept.into())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|known| **known == *name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What happened to the entity that a notification is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event<'a> {
    /// The alteration type: `entityChange` and its like.
    pub(crate) alteration: &'a str,
    pub(crate) previous: Option<&'a Entity>,
    pub(crate) effects: &'a [Effect],
}

/// What of an entity is shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Projection<'a> {
    /// These attributes, in this order; without names, all.
    pub(crate) attrs: Option<&'a Names>,
    /// Attributes that are left out.
    pub(crate) except: Option<&'a Names>,
    /// These metadata; without names, all.
    pub(crate) metadata: Option<&'a Names>,
    /// Attributes that are missing are shown as `null`.
    pub(crate) covered: bool,
    /// Only attributes that the event changed.
    pub(crate) only_changed: bool,
    pub(crate) event: Option<Event<'a>>,
}

/// An attribute to show: one of the entity, or one that the broker computes.
#[derive(Debug)]
pub(super) enum Shown<'a> {
    User(&'a Attribute),
    Computed { name: &'a str, kind: &'static str, value: Json },
}

impl Shown<'_> {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::User(attribute) => &attribute.name,
            Self::Computed { name, .. } => name,
        }
    }

    pub(super) fn value(&self) -> &Json {
        match self {
            Self::User(attribute) => &attribute.value,
            Self::Computed { value, .. } => value,
        }
    }
}

/// A metadata element to show.
#[derive(Debug)]
pub(super) struct ShownMetadatum<'a> {
    pub(super) name: &'a str,
    pub(super) kind: &'a str,
    pub(super) value: Cow<'a, Json>,
}

fn date(time: Time) -> Json {
    Json::from(&*time.to_string())
}

impl<'a> Projection<'a> {
    fn is_left_out(&self, name: &str) -> bool {
        if self.except.is_some_and(|except| except.has(name)) {
            return true;
        }
        let Some(event) = self.event.filter(|_| self.only_changed) else { return false };
        !event.effects.iter().any(|effect| &*effect.name == name && effect.changed)
    }

    /// The attributes to show, in order.
    pub(super) fn attributes(&self, entity: &'a Entity) -> Vec<Shown<'a>> {
        let mut shown = Vec::with_capacity(entity.attributes.len());
        let all = |shown: &mut Vec<Shown<'a>>, named: Option<&Names>| {
            for attribute in &entity.attributes {
                let name = &*attribute.name;
                let hidden = name == DATE_EXPIRES
                    || self.is_left_out(name)
                    || named.is_some_and(|names| names.has(name));
                if !hidden {
                    shown.push(Shown::User(attribute));
                }
            }
        };
        let Some(names) = self.attrs.filter(|names| !names.is_empty()) else {
            all(&mut shown, None);
            return shown;
        };
        for name in names.iter() {
            if name == "*" {
                all(&mut shown, Some(names));
            } else if let Some(attribute) = entity.attribute(name) {
                if !self.is_left_out(name) {
                    shown.push(Shown::User(attribute));
                }
            } else if let Some(computed) = self.computed(entity, name) {
                shown.push(computed);
            } else if self.covered {
                shown.push(Shown::Computed { name, kind: "None", value: Json::Null });
            }
        }
        shown
    }

    fn computed(&self, entity: &Entity, name: &'a str) -> Option<Shown<'a>> {
        let (kind, value) = match name {
            "dateCreated" => ("DateTime", date(entity.created)),
            "dateModified" => ("DateTime", date(entity.modified)),
            "servicePath" => ("Text", Json::String(entity.path.clone())),
            "alterationType" => ("Text", Json::from(self.event?.alteration)),
            _ => return None,
        };
        Some(Shown::Computed { name, kind, value })
    }

    /// The metadata of an attribute to show, in order.
    pub(super) fn metadata<'b>(&self, attribute: &'b Attribute) -> Vec<ShownMetadatum<'b>>
    where
        'a: 'b,
    {
        let user = |metadatum: &'b crate::model::Metadatum| ShownMetadatum {
            name: &metadatum.name,
            kind: &metadatum.kind,
            value: Cow::Borrowed(&metadatum.value),
        };
        let Some(names) = self.metadata.filter(|names| !names.is_empty()) else {
            return attribute.metadata.iter().map(user).collect();
        };
        let mut shown = Vec::new();
        // Users' metadata keep their order, and come first.
        shown.extend(
            attribute.metadata.iter().filter(|known| names.has("*") || names.has(&known.name)).map(user),
        );
        for name in names.iter() {
            if attribute.metadatum(name).is_none() {
                shown.extend(self.computed_metadatum(attribute, name));
            }
        }
        shown
    }

    fn computed_metadatum<'b>(&self, attribute: &'b Attribute, name: &str) -> Option<ShownMetadatum<'b>>
    where
        'a: 'b,
    {
        let effect = || self.event?.effects.iter().find(|effect| effect.name == attribute.name);
        Some(match name {
            "dateCreated" => owned("dateCreated", "DateTime", date(attribute.created)),
            "dateModified" => owned("dateModified", "DateTime", date(attribute.modified)),
            "actionType" => {
                let action = match effect()?.kind {
                    EffectKind::Appended => "append",
                    EffectKind::Updated => "update",
                    EffectKind::Deleted => "delete",
                };
                owned("actionType", "Text", action.into())
            }
            "previousValue" => {
                effect()?;
                let previous = self.event?.previous?.attribute(&attribute.name)?;
                ShownMetadatum {
                    name: "previousValue",
                    kind: &previous.kind,
                    value: Cow::Borrowed(&previous.value),
                }
            }
            _ => return None,
        })
    }
}

fn owned(name: &'static str, kind: &'static str, value: Json) -> ShownMetadatum<'static> {
    ShownMetadatum { name, kind, value: Cow::Owned(value) }
}
