//! What a notification shows of a change: the entity after it, with what was deleted and what was before.

use std::{borrow::Cow, sync::Arc};

use super::definition::Subscription;
use crate::{
    ChangeKind,
    model::{Attribute, Changes, Entity, Timestamp},
};

/// A change of an entity.
#[derive(Debug)]
pub(crate) struct Event {
    /// The entity after the change; before it for a deletion.
    pub(crate) entity: Arc<Entity>,
    /// The entity before the change.
    pub(crate) old: Option<Arc<Entity>>,
    pub(crate) kind: ChangeKind,
    pub(crate) changes: Changes,
    pub(crate) at: Timestamp,
}

impl Event {
    /// The entity as a notification of `subscription` has it (NGSI-LD 5.8.6): deleted attributes have the NGSI-LD
    /// null as their value, and with `showChanges` former values are there as well.
    pub(super) fn shown(&self, subscription: &Subscription) -> Cow<'_, Entity> {
        let show_changes = subscription.params.show_changes;
        if self.kind == ChangeKind::Deleted {
            return Cow::Owned(self.deleted(subscription));
        }
        let shows_deleted = subscription.triggers.attribute_deleted && !self.changes.deleted.is_empty();
        let (true, Some(old)) = (show_changes || shows_deleted, &self.old) else {
            return Cow::Borrowed(&self.entity);
        };
        let mut entity = Entity::clone(&self.entity);
        if show_changes {
            for attribute in &mut entity.attributes {
                let before =
                    old.attributes.iter().find(|known| known.is(&attribute.name, attribute.dataset_id()));
                if self.changes.updated.contains(&attribute.name)
                    && let Some(before) = before
                {
                    attribute.former_mut().previous = Some(before.value.clone());
                }
            }
        }
        if shows_deleted {
            for name in &self.changes.deleted {
                let gone = old.instances(name).filter(|before| {
                    !self.entity.attributes.iter().any(|known| known.is(name, before.dataset_id()))
                });
                let mut gone: Vec<Attribute> =
                    gone.map(|before| tombstone(before, self.at, show_changes)).collect();
                if let Some(last) = entity.attributes.iter().rposition(|known| known.name == *name) {
                    entity.attributes.splice(last + 1..last + 1, gone);
                    continue;
                }
                // An attribute that went as a whole is shown once, however many instances it had.
                if gone.len() > 1 {
                    let default = gone.iter().position(|one| one.dataset_id().is_none()).unwrap_or(0);
                    let mut one = gone.swap_remove(default);
                    one.details_mut().dataset_id = None;
                    gone = vec![one];
                }
                entity.attributes.extend(gone);
            }
        }
        Cow::Owned(entity)
    }

    /// Of a deleted entity, the attributes whose deletion the subscription wants to know of.
    fn deleted(&self, subscription: &Subscription) -> Entity {
        let show_changes = subscription.params.show_changes;
        let is_shown = |attribute: &&Attribute| {
            show_changes
                || (subscription.triggers.attribute_deleted
                    && (subscription.watched.is_empty() || subscription.watched.contains(&attribute.name)))
        };
        let entity = &self.entity;
        let attributes = entity.attributes.iter().filter(is_shown);
        Entity {
            id: entity.id.clone(),
            types: entity.types.clone(),
            scopes: Vec::new(),
            created_at: entity.created_at,
            modified_at: entity.modified_at,
            attributes: attributes.map(|one| tombstone(one, self.at, show_changes)).collect(),
            expires_at: None,
        }
    }
}

/// What is left of a deleted instance; with `show_changes`, also what it was.
fn tombstone(attribute: &Attribute, at: Timestamp, show_changes: bool) -> Attribute {
    let mut left = attribute.tombstone(at);
    left.former_mut().previous = show_changes.then(|| attribute.value.clone());
    left
}
