//! What a change of the present is in the past.

use super::{History, Past, ending::end_instance, scope_instance, stamp};
use crate::{
    Error,
    model::{Attribute, Entity, Timestamp},
};

/// What becomes past when an entity is now this and was `old` before; of its attributes those that were `written`.
pub(crate) fn past_of(
    entity: &Entity,
    old: Option<&Entity>,
    written: impl Fn(&Attribute) -> bool,
    now: Timestamp,
) -> Vec<Past> {
    let mut attributes: Vec<_> = entity.attributes.iter().filter(|one| written(one)).cloned().collect();
    let gone = |before: &&Attribute| {
        !entity.attributes.iter().any(|known| known.is(&before.name, before.dataset_id()))
    };
    let before = old.map_or(&[][..], |old| &old.attributes);
    // What is transient goes with its past, be it at its time or before (NGSI-LD 4.22).
    let (transient, deleted): (Vec<_>, Vec<_>) =
        before.iter().filter(gone).partition(|one| one.expires_at().is_some());
    let mut all = Vec::new();
    if !transient.is_empty() {
        let gone = transient.iter().map(|one| (one.name.clone(), one.dataset_id().map(Into::into))).collect();
        all.push(Past::Transient { id: entity.id.clone(), gone });
    }
    attributes.extend(deleted.into_iter().map(|one| one.tombstone(now)));
    if old.map_or(&[][..], |old| &old.scopes) != &*entity.scopes {
        attributes.push(scope_instance(&entity.scopes, now));
    }
    if !attributes.is_empty() {
        stamp(&mut attributes, now);
        let (id, types) = (entity.id.clone(), entity.types.clone());
        all.push(Past::More { id, types, scopes: None, at: now, attributes, replaces: None });
    }
    all
}

/// What becomes past when an entity ends: all that it had, and that it ended (NGSI-LD 4.8). One that was there for some
/// time only leaves nothing (4.22).
pub(crate) fn end_of(old: &Entity, now: Timestamp) -> Vec<Past> {
    let bare = Entity { attributes: Vec::new(), scopes: Vec::new(), ..old.clone() };
    let mut all = past_of(&bare, Some(old), |_| false, now);
    let is_transient = |one: &Attribute| one.expires_at().is_some();
    let leaves_nothing = !old.attributes.is_empty() && old.attributes.iter().all(is_transient);
    if old.expires_at.is_some() || leaves_nothing {
        return all;
    }
    let mut end = vec![end_instance(now)];
    stamp(&mut end, now);
    match all.iter_mut().find_map(|past| match past {
        Past::More { attributes, .. } => Some(attributes),
        _ => None,
    }) {
        Some(attributes) => attributes.append(&mut end),
        None => all.push(Past::More {
            id: bare.id,
            types: bare.types,
            scopes: None,
            at: now,
            attributes: end,
            replaces: None,
        }),
    }
    all
}

/// As [`past_of`], or [`end_of`] when there is no entity any more, for a change that the journal of the present has and
/// that of the past may lack, as a kill may leave them: what the past does not have of it, when the last change that it
/// has was written at `known`. Blocks.
pub(crate) fn missing_of(
    history: &History,
    known: Timestamp,
    entity: Option<&Entity>,
    old: Option<&Entity>,
    now: Timestamp,
) -> Result<Vec<Past>, Error> {
    if now < known {
        return Ok(Vec::new());
    }
    let mut all = match (entity, old) {
        (Some(entity), old) => past_of(entity, old, |one| one.modified_at == now, now),
        (None, Some(old)) => end_of(old, now),
        (None, None) => Vec::new(),
    };
    let Some(id) = entity.or(old).map(|one| &one.id) else { return Ok(all) };
    if now > known || all.is_empty() {
        return Ok(all);
    }
    // Changes that are written together have the same time, and the past may have some of them.
    let has = history.find(id).build()?;
    let has = has.as_ref().map_or(&[][..], |has| &has.attributes);
    for past in &mut all {
        if let Past::More { attributes, .. } = past {
            attributes.retain(|one| {
                !has.iter().any(|known| known.modified_at == now && known.is(&one.name, one.dataset_id()))
            });
        }
    }
    // What was there for some time only may be there again since it went.
    all.retain(|past| matches!(past, Past::More { attributes, .. } if !attributes.is_empty()));
    Ok(all)
}
