//! Transient entities and attributes (NGSI-LD 4.22): what is left of an entity at a given time.

use std::sync::Arc;

use super::{Attribute, Entity, Timestamp};

/// The entity without what has expired by `now`; `None` when it is gone as a whole. Costs nothing but a look when
/// nothing of it expired.
pub(crate) fn live(entity: &Arc<Entity>, now: Timestamp) -> Option<Arc<Entity>> {
    match next_expiry(entity) {
        Some(at) if at <= now => {}
        _ => return Some(Arc::clone(entity)),
    }
    if entity.expires_at.is_some_and(|at| at <= now) {
        return None;
    }
    let mut left = Entity::clone(entity);
    retain(&mut left.attributes, now);
    Some(Arc::new(left))
}

/// When the entity, or the first of its attributes, expires.
pub(crate) fn next_expiry(entity: &Entity) -> Option<Timestamp> {
    earlier(entity.expires_at, first(&entity.attributes))
}

fn first(attributes: &[Attribute]) -> Option<Timestamp> {
    attributes.iter().fold(None, |at, attribute| {
        let Some(details) = &attribute.details else { return at };
        earlier(at, earlier(details.expires_at, first(&details.attributes)))
    })
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn retain(attributes: &mut Vec<Attribute>, now: Timestamp) {
    attributes.retain_mut(|attribute| {
        let Some(details) = &mut attribute.details else { return true };
        retain(&mut details.attributes, now);
        details.expires_at.is_none_or(|at| at > now)
    });
}
