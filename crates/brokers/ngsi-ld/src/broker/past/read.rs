//! Reading the temporal evolution of entities (NGSI-LD 5.7.3, 5.7.4).

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

use super::super::{Broker, EntityQuery, Page};
use crate::{
    Error,
    history::{Found, Scanned, Timeline, Window, is_end, is_scope, together, when},
    model::{Entity, Projection, Timestamp},
};

/// How many entities are read at a time.
const SCAN_STEP: usize = 256;

impl Broker {
    /// Puts the past of all entities into another broker; none where none is kept.
    pub(crate) async fn copy_past(&self, copy: &Self) -> Result<(), Error> {
        let Some(history) = &self.inner.history else { return Ok(()) };
        let mut after: Option<Box<str>> = None;
        loop {
            let found = history.scan(after.as_deref(), SCAN_STEP, false).await?;
            copy.put_past(found.entities.into_iter().map(Arc::unwrap_or_clone).collect()).await?;
            after = found.after;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Whether this broker itself has something of the past of an entity.
    pub(crate) async fn has_past(&self, id: &str) -> Result<bool, Error> {
        match &self.inner.history {
            Some(history) => Ok(history.look(id, Found::any).await?.0),
            None => Ok(false),
        }
    }

    /// What a window shows of the past of an entity, here and at sources (NGSI-LD 5.7.3).
    pub(crate) async fn past(&self, id: &str, window: &Window, remote: &[Entity]) -> Result<Entity, Error> {
        let remote: Vec<&Entity> = remote.iter().filter(|one| *one.id == *id).collect();
        let local = match self.history() {
            Ok(history) => history.get(id).await?,
            // Who keeps no past may know who does.
            Err(error) if remote.is_empty() => return Err(error),
            Err(_) => None,
        };
        let entity = together(local, &remote).ok_or_else(|| Error::entity_not_found(id))?;
        Ok(window.of(&entity))
    }

    /// The entities whose past matches in a window, here and at sources, in the order of their ids (NGSI-LD 5.7.4).
    pub(crate) async fn query_past(
        &self,
        queries: &[EntityQuery],
        window: &Window,
        (offset, limit, count): (usize, usize, bool),
        backwards: bool,
        projection: &Projection,
        remote: &[Entity],
    ) -> Result<Page, Error> {
        let mut page = Page::default();
        let mut seen = 0;
        let only = only_ids(queries);
        self.each_past(only, remote, backwards, |entity| {
            let inside = window.inside(&entity);
            // Scopes from before the window make no one part of it.
            let now = Timestamp::now();
            if !inside.attributes.iter().any(|one| window.has(one, now)) {
                return ControlFlow::Continue(());
            }
            let selected = queries.iter().find_map(|query| select(query, window, &entity, &inside));
            let Some(selected) = selected else { return ControlFlow::Continue(()) };
            if !projection.shows_attributes_of(&selected) {
                return ControlFlow::Continue(());
            }
            seen += 1;
            if seen > offset && page.entities.len() < limit {
                page.entities.push(Arc::new(window.newest(selected)));
            } else if seen > offset {
                page.more = true;
                if !count {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })
        .await?;
        page.total = count.then_some(seen);
        Ok(page)
    }

    /// Visits the past of every entity, or of those with these ids, with what sources have of it, in the order of ids.
    async fn each_past(
        &self,
        only: Option<BTreeSet<&str>>,
        remote: &[Entity],
        backwards: bool,
        mut visit: impl FnMut(Arc<Entity>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut elsewhere: BTreeMap<&str, Vec<&Entity>> = BTreeMap::new();
        for one in remote {
            elsewhere.entry(&one.id).or_default().push(one);
        }
        let history = match self.history() {
            Ok(history) => Some(history),
            Err(error) if remote.is_empty() => return Err(error),
            Err(_) => None,
        };
        let mut only = only.map(|ids| Vec::from_iter(ids).into_iter());
        let mut after: Option<Box<str>> = None;
        loop {
            let found = match (history, &mut only) {
                (None, _) => Scanned::default(),
                (Some(history), None) => history.scan(after.as_deref(), SCAN_STEP, backwards).await?,
                (Some(history), Some(ids)) => match if backwards { ids.next_back() } else { ids.next() } {
                    Some(id) => {
                        let entity = history.get(id).await?.map(Arc::new);
                        Scanned { entities: entity.into_iter().collect(), after: Some(id.into()) }
                    }
                    None => Scanned::default(),
                },
            };
            after = found.after;
            for entity in found.entities {
                // Those that only others have come before, in the same order.
                let is_before = |id: &str| if backwards { id > &*entity.id } else { id < &*entity.id };
                while let Some(id) = next_of(&elsewhere, backwards).filter(|id| is_before(id)) {
                    if visit_remote(&mut elsewhere, id, &mut visit).is_break() {
                        return Ok(());
                    }
                }
                let whole = match elsewhere.remove(&*entity.id) {
                    Some(others) => {
                        let id = entity.id.clone();
                        let whole = together(Some(Arc::unwrap_or_clone(entity)), &others).map(Arc::new);
                        whole.ok_or_else(|| Error::entity_not_found(&id))?
                    }
                    None => entity,
                };
                if visit(whole).is_break() {
                    return Ok(());
                }
            }
            if after.is_none() {
                break;
            }
        }
        while let Some(id) = next_of(&elsewhere, backwards) {
            if visit_remote(&mut elsewhere, id, &mut visit).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The only ids that queries can find, when they name them.
fn only_ids(queries: &[EntityQuery]) -> Option<BTreeSet<&str>> {
    let mut all = BTreeSet::new();
    for query in queries {
        all.extend(query.only_ids()?.iter().map(|id| &**id));
    }
    Some(all)
}

fn next_of<'a>(elsewhere: &BTreeMap<&'a str, Vec<&Entity>>, backwards: bool) -> Option<&'a str> {
    let next = if backwards { elsewhere.keys().next_back() } else { elsewhere.keys().next() };
    next.copied()
}

fn visit_remote(
    elsewhere: &mut BTreeMap<&str, Vec<&Entity>>,
    id: &str,
    visit: &mut impl FnMut(Arc<Entity>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match elsewhere.remove(id).and_then(|others| together(None, &others)) {
        Some(whole) => visit(Arc::new(whole)),
        None => ControlFlow::Continue(()),
    }
}

/// What a query selects of an entity's past in a window (NGSI-LD 5.7.4.4); `None` when nothing.
fn select(query: &EntityQuery, window: &Window, entity: &Entity, inside: &Entity) -> Option<Entity> {
    let mut selected = inside.clone();
    if let Some(scopes) = &query.scopes {
        let timeline = Timeline::of(entity, window.property);
        if !timeline.holds_within(scopes, window.span) {
            return None;
        }
        // Only what happened while one of the scopes held (NGSI-LD C.5.16).
        selected.attributes.retain(|one| {
            is_scope(one) || is_end(one) || timeline.holds_at(scopes, when(one, window.property))
        });
    }
    // What was deleted has no value to compare.
    let mut values = selected.clone();
    values.attributes.retain(|one| one.deleted_at().is_none());
    query.matches(&values).then_some(selected)
}
