//! Which changes a subscription is notified of ("Notification Triggering").

use std::sync::Arc;

use super::Subscription;
use crate::{
    change::{Effect, EffectKind},
    model::{Entity, Time},
    query::matches_all,
};

/// What can happen to an entity ("Subscriptions based in alteration type").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alteration {
    Create,
    /// An update that changed something, or was told to count as one.
    Change,
    /// Any update.
    Update,
    Delete,
}

impl Alteration {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "entityCreate" => Self::Create,
            "entityChange" => Self::Change,
            "entityUpdate" => Self::Update,
            "entityDelete" => Self::Delete,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "entityCreate",
            Self::Change => "entityChange",
            Self::Update => "entityUpdate",
            Self::Delete => "entityDelete",
        }
    }
}

/// A change of an entity.
#[derive(Debug)]
pub(crate) struct Change {
    /// The entity as it is now; when it is gone, as it was.
    pub(crate) entity: Arc<Entity>,
    /// The entity as it was.
    pub(crate) previous: Option<Arc<Entity>>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) is_deletion: bool,
}

impl Change {
    /// What happened, as a notification says it.
    pub(crate) fn alteration(&self) -> Alteration {
        if self.is_deletion {
            Alteration::Delete
        } else if self.previous.is_none() {
            Alteration::Create
        } else if self.effects.iter().any(|effect| effect.changed) {
            Alteration::Change
        } else {
            Alteration::Update
        }
    }
}

impl Subscription {
    /// Whether the subscription is about this entity at all.
    pub(crate) fn is_about(&self, entity: &Entity) -> bool {
        self.path.covers(&entity.path) && self.selectors.iter().any(|selector| selector.matches(entity))
    }

    pub(crate) fn is_expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// Whether a change of an entity that the subscription is about triggers it.
    pub(crate) fn triggers(&self, change: &Change) -> bool {
        self.is_triggered(change)
            && self.has_something_to_tell(change)
            && matches_all(
                &change.entity,
                self.expression.q.as_ref(),
                self.expression.mq.as_ref(),
                self.expression.geo.as_ref(),
            )
    }

    /// Whether a notification of changed attributes only would have one.
    fn has_something_to_tell(&self, change: &Change) -> bool {
        let Some(attrs) = self.attrs.as_ref().filter(|attrs| self.only_changed && !attrs.is_empty()) else {
            return true;
        };
        change.is_deletion
            || attrs.has("*")
            || change.effects.iter().any(|effect| effect.changed && attrs.has(&effect.name))
    }

    fn is_triggered(&self, change: &Change) -> bool {
        let asks = |alteration: Alteration| self.alterations.contains(&alteration);
        let watches = |effect: &Effect| self.watched.is_empty() || self.watched.has(&effect.name);
        let changes = |effect: &Effect| {
            if self.on_metadata_change { effect.changed } else { effect.value_changed }
        };
        match change.alteration() {
            // The end of an entity names no attribute.
            Alteration::Delete => asks(Alteration::Delete),
            Alteration::Create => {
                asks(Alteration::Create) && (self.watched.is_empty() || change.effects.iter().any(watches))
            }
            _ if asks(Alteration::Update) => change.effects.iter().any(watches),
            _ => {
                asks(Alteration::Change)
                    && change.effects.iter().any(|effect| {
                        watches(effect) && (changes(effect) || effect.kind == EffectKind::Deleted)
                    })
            }
        }
    }
}
