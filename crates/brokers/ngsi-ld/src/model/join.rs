//! Linked entity retrieval (NGSI-LD 4.5.23): entities with those that their relationships point to.

use std::{collections::HashSet, sync::Arc};

use super::{Entity, Json, Kind, Projection, Rendered, Representation, View};
use crate::Context;

/// How linked entities are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// Inside of the relationships.
    Inline,
    /// Beside the entities that point to them.
    Flat,
}

/// What linked entities are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Joining {
    pub(crate) join: Join,
    /// How deep.
    pub(crate) levels: usize,
    /// Entities that who asks has already, and that are not given again (`containedBy`).
    pub(crate) known: Vec<Box<str>>,
}

/// An entity with those it points to, or one that is pointed to.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) entity: Arc<Entity>,
    /// What is shown of it.
    pub(crate) projection: Projection,
    pub(crate) shown: Json,
}

/// What finds an entity by its id.
pub(crate) type Find<'a> = dyn Fn(&str) -> Option<Arc<Entity>> + 'a;

/// Entities with those that they point to.
pub(crate) fn joined(
    entities: &[Arc<Entity>],
    context: &Context,
    view: &View,
    joining: &Joining,
    find: &Find<'_>,
) -> Vec<Joined> {
    let (found, levels) = match joining.join {
        Join::Inline => {
            let all = entities.iter().map(|entity| (Arc::clone(entity), view.projection.clone()));
            (all.collect(), joining.levels)
        }
        Join::Flat => (flat(entities, joining, &view.projection, find), 0),
    };
    let show = |(entity, projection): (Arc<Entity>, Projection)| {
        let view = View { projection, ..view.clone() };
        let shown = inline(&entity, context, &view, levels, &mut joining.known.clone(), find);
        Joined { entity, projection: view.projection, shown }
    };
    found.into_iter().map(show).collect()
}

/// The entity with linked ones inside, `levels` deep. Those on the way to it are not put in again.
fn inline(
    entity: &Entity,
    context: &Context,
    view: &View,
    levels: usize,
    path: &mut Vec<Box<str>>,
    find: &Find<'_>,
) -> Json {
    let rendered = Rendered { entity, context, view, with_context: false };
    // What the broker holds always has a JSON form.
    let shown = serde_json::to_value(rendered).map_or(Json::Null, Json::from);
    let Json::Object(members) = shown else { return shown };
    if levels == 0 {
        return Json::Object(members);
    }
    let mut members = Vec::from(members);
    path.push(entity.id.clone());
    for attribute in entity.attributes.iter().filter(|one| is_link(one.kind)) {
        let key = context.compact(&attribute.name);
        let Some((_, shown)) = members.iter_mut().find(|(name, _)| **name == *key) else { continue };
        let linked = View { projection: view.projection.of_linked(&attribute.name), ..view.clone() };
        let targets = targets(&attribute.value);
        let found: Vec<Option<Json>> = targets
            .iter()
            .map(|id| {
                let known = path.iter().any(|seen| **seen == **id);
                let target = find(id).filter(|_| !known)?;
                Some(inline(&target, context, &linked, levels - 1, path, find))
            })
            .collect();
        put(shown, attribute.dataset_id(), &targets, found, view.representation, attribute.kind);
    }
    path.pop();
    Json::Object(members.into())
}

/// The entities and those they point to, as deep as is asked for, each once, and what is shown of each. Relationships that are
/// not shown are not followed.
fn flat(
    entities: &[Arc<Entity>],
    joining: &Joining,
    projection: &Projection,
    find: &Find<'_>,
) -> Vec<(Arc<Entity>, Projection)> {
    let mut all: Vec<_> = entities.iter().map(|entity| (Arc::clone(entity), projection.clone())).collect();
    let mut seen: HashSet<Box<str>> = entities.iter().map(|entity| entity.id.clone()).collect();
    seen.extend(joining.known.iter().cloned());
    let mut from = 0;
    for _ in 0..joining.levels {
        let end = all.len();
        for at in from..end {
            let (entity, projection) = all[at].clone();
            for link in entity.attributes.iter().filter(|one| is_link(one.kind) && projection.attribute(one))
            {
                for id in targets(&link.value) {
                    if let Some(target) = find(id).filter(|target| !seen.contains(&target.id)) {
                        seen.insert(target.id.clone());
                        all.push((target, projection.of_linked(&link.name)));
                    }
                }
            }
        }
        from = end;
    }
    all
}

fn is_link(kind: Kind) -> bool {
    matches!(kind, Kind::Relationship | Kind::ListRelationship)
}

fn targets(value: &Json) -> Vec<&str> {
    value.as_array().unwrap_or(std::slice::from_ref(value)).iter().filter_map(Json::as_str).collect()
}

/// Puts linked entities into the relationship that points to them; simplified, into its place.
fn put(
    shown: &mut Json,
    dataset_id: Option<&str>,
    targets: &[&str],
    found: Vec<Option<Json>>,
    representation: Representation,
    kind: Kind,
) {
    if found.iter().all(Option::is_none) {
        return;
    }
    if representation == Representation::Simplified {
        let or_id = |(entity, id): (Option<Json>, &&str)| entity.unwrap_or_else(|| Json::from(*id));
        let mut values: Vec<Json> = found.into_iter().zip(targets).map(or_id).collect();
        *shown =
            if values.len() == 1 && kind == Kind::Relationship { values.remove(0) } else { values.into() };
        return;
    }
    let mut entities: Vec<Json> = found.into_iter().flatten().collect();
    let member = if kind == Kind::ListRelationship { "entityList" } else { "entity" };
    let value = if entities.len() == 1 && kind == Kind::Relationship {
        entities.remove(0)
    } else {
        Json::Array(entities.into())
    };
    let add = |instance: &mut Json| {
        if let Json::Object(members) = instance {
            let mut all = Vec::from(std::mem::take(members));
            all.push((member.into(), value.clone()));
            *members = all.into();
        }
    };
    match shown {
        Json::Array(instances) => instances
            .iter_mut()
            .filter(|one| one.get("datasetId").and_then(Json::as_str) == dataset_id)
            .for_each(add),
        one => add(one),
    }
}
