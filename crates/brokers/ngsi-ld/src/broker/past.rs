//! Operations on the temporal evolution of entities (NGSI-LD 5.6.11 to 5.6.16, 5.7.3, 5.7.4).

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{Broker, EntityQuery, Inner, Page, Write};
use crate::{
    Context, Error, ErrorKind,
    history::{History, Past, Timeline, Window, is_scope, scope_instance, stamp, together, when},
    model::{Attribute, Changes, Entity, Form, Fragment, Json, Name, Projection, Reader, Timestamp},
};

/// How many entities are looked at while the past is locked for reading.
const SCAN_STEP: usize = 256;

impl Broker {
    fn history(&self) -> Result<&History, Error> {
        self.inner.history.as_deref().ok_or_else(|| {
            Error::new(
                ErrorKind::OperationNotSupported,
                "this broker keeps no temporal evolution of entities; set history_instances to keep it",
            )
        })
    }

    /// Creates the past of an entity or adds to it (NGSI-LD 5.6.11). Returns its id, and whether it is new.
    pub(crate) async fn upsert_past(&self, json: Json, context: &Context) -> Result<(Box<str>, bool), Error> {
        self.history()?;
        self.write(|write| {
            let reader = Reader { context, form: Form::Temporal, now: write.now };
            let fragment = reader.fragment(json)?;
            let id = fragment.id.clone().ok_or_else(|| Error::bad("the entity has no id"))?;
            let new = write.past(&id).is_none();
            if new && fragment.types.is_empty() {
                return Err(Error::bad(format!("entity {id} has no type")));
            }
            // Told again, an evolution is the same and not twice as long.
            write.more(&id, fragment, true)?;
            Ok((id, new))
        })
        .await
    }

    /// Adds instances to the past of an entity (NGSI-LD 5.6.12).
    pub(crate) async fn add_to_past(&self, id: &str, json: Json, context: &Context) -> Result<(), Error> {
        self.history()?;
        self.write(|write| {
            write.past(id).ok_or_else(|| Error::entity_not_found(id))?;
            let reader = Reader { context, form: Form::Temporal, now: write.now };
            write.more(id, reader.fragment(json)?, false)
        })
        .await
    }

    /// Notes in the past of an entity that an attribute ended, for entities that are known by their past alone
    /// (NGSI-LD 4.8). Returns what ended; nothing when the entity or the attribute is not known or has ended already.
    pub(super) async fn end_in_past(
        &self,
        id: &str,
        name: &Name,
        which: Instances<'_>,
    ) -> Result<bool, Error> {
        if self.inner.history.is_none() {
            return Ok(false);
        }
        self.write(|write| {
            let Some(past) = write.past(id) else { return Ok(false) };
            let mut newest: Vec<&Attribute> = Vec::new();
            for instance in past.instances(name) {
                newest.retain(|known| known.dataset_id() != instance.dataset_id());
                newest.push(instance);
            }
            let ended: Vec<_> = newest
                .into_iter()
                .filter(|one| one.deleted_at().is_none() && which.has(one))
                .map(|one| one.tombstone(write.now))
                .collect();
            let any = !ended.is_empty();
            if any {
                write.more(id, Fragment { attributes: ended, ..Fragment::default() }, false)?;
            }
            Ok(any)
        })
        .await
    }

    /// The same for the scopes of an entity.
    pub(super) async fn end_scopes_in_past(&self, id: &str) -> Result<bool, Error> {
        if self.inner.history.is_none() {
            return Ok(false);
        }
        self.write(|write| {
            let Some(past) = write.past(id) else { return Ok(false) };
            let has_scopes = match past.attributes.iter().rfind(|one| is_scope(one)) {
                Some(last) => last.deleted_at().is_none(),
                None => !past.scopes.is_empty(),
            };
            if has_scopes {
                let ended = vec![scope_instance(&[], write.now)];
                write.more(id, Fragment { attributes: ended, ..Fragment::default() }, false)?;
            }
            Ok(has_scopes)
        })
        .await
    }

    /// Deletes the past of an entity (NGSI-LD 5.6.16).
    pub(crate) async fn delete_past(&self, id: &str) -> Result<(), Error> {
        self.history()?;
        self.write(|write| {
            write.past(id).ok_or_else(|| Error::entity_not_found(id))?;
            write.remember(Past::Gone(id.into()))
        })
        .await
    }

    /// Deletes instances of an attribute from the past (NGSI-LD 5.6.13): one by its id, those of a dataset, or all.
    pub(crate) async fn delete_past_attribute(
        &self,
        id: &str,
        name: &Name,
        which: Instances<'_>,
    ) -> Result<(), Error> {
        self.history()?;
        self.write(|write| {
            let mut entity = write.past_entity(id)?;
            let before = entity.attributes.len();
            entity.attributes.retain(|attribute| attribute.name != *name || !which.has(attribute));
            if entity.attributes.len() == before {
                return Err(no_instance(id, name));
            }
            write.remember(Past::Entity(entity))
        })
        .await
    }

    /// Changes one instance of an attribute in the past (NGSI-LD 5.6.14).
    pub(crate) async fn change_past_instance(
        &self,
        id: &str,
        name: &Name,
        instance: &str,
        json: Json,
        context: &Context,
    ) -> Result<(), Error> {
        self.history()?;
        self.write(|write| {
            let mut entity = write.past_entity(id)?;
            let known = entity
                .attributes
                .iter_mut()
                .find(|known| known.name == *name && known.instance_id() == Some(instance))
                .ok_or_else(|| no_instance(id, name))?;
            let reader = Reader { context, form: Form::Temporal, now: write.now };
            let fragment = match json {
                // The body is a fragment with the attribute, or the attribute alone.
                Json::Object(members) if members.iter().any(|(key, _)| context.expand(key) == **name) => {
                    reader.fragment(Json::Object(members))?
                }
                json => reader.attribute(&context.compact(name), json)?,
            };
            let mut changed = fragment
                .attributes
                .into_iter()
                .find(|attribute| attribute.name == *name)
                .ok_or_else(|| Error::bad(format!("the body does not have the attribute {name}")))?;
            changed.created_at = known.created_at;
            changed.details_mut().instance_id = Some(instance.into());
            *known = changed;
            write.remember(Past::Entity(entity))
        })
        .await
    }

    /// Puts the past of entities in beside what is there of them, each instance as it is.
    pub(crate) async fn put_past(&self, entities: Vec<Entity>) -> Result<(), Error> {
        if entities.is_empty() {
            return Ok(());
        }
        self.history()?;
        self.write(|write| {
            for Entity { id, types, scopes, modified_at: at, attributes, .. } in entities {
                let scopes = (!scopes.is_empty()).then_some(scopes);
                write.remember(Past::More { id, types, scopes, at, attributes, replaces: None })?;
            }
            Ok(())
        })
        .await
    }

    /// The past of all entities; none where none is kept.
    pub(crate) fn whole_past(&self) -> Vec<Entity> {
        let Some(history) = &self.inner.history else { return Vec::new() };
        let all = history.scan(None, usize::MAX, false);
        all.into_iter().map(Arc::unwrap_or_clone).collect()
    }

    /// Forgets what was written longer ago than the past is kept.
    pub(super) async fn forget_old(&self, max_age: Duration) -> Result<(), Error> {
        let now = Timestamp::now().as_micros();
        let oldest = now.saturating_sub(i64::try_from(max_age.as_micros()).unwrap_or(i64::MAX));
        let Some(oldest) = Timestamp::from_micros(oldest) else { return Ok(()) };
        if !self.inner.history.as_ref().is_some_and(|history| history.has_before(oldest)) {
            return Ok(());
        }
        self.write(|write| write.remember(Past::Before(oldest))).await
    }

    /// What a window shows of the past of an entity, here and at sources (NGSI-LD 5.7.3).
    pub(crate) fn past(&self, id: &str, window: &Window, remote: &[Entity]) -> Result<Entity, Error> {
        let remote: Vec<&Entity> = remote.iter().filter(|one| *one.id == *id).collect();
        let local = match self.history() {
            Ok(history) => history.get(id),
            // Who keeps no past may know who does.
            Err(error) if remote.is_empty() => return Err(error),
            Err(_) => None,
        };
        let entity = together(local.as_deref(), &remote).ok_or_else(|| Error::entity_not_found(id))?;
        Ok(window.of(&entity))
    }

    /// The entities whose past matches in a window, here and at sources, in the order of their ids (NGSI-LD 5.7.4).
    pub(crate) fn query_past(
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
        self.each_past(remote, backwards, |entity| {
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
        })?;
        page.total = count.then_some(seen);
        Ok(page)
    }

    /// Visits the past of every entity, with what sources have of it, in the order of ids.
    fn each_past(
        &self,
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
        let mut after: Option<Arc<Entity>> = None;
        loop {
            let from = after.as_ref().map(|entity| &*entity.id);
            let found = history.map(|history| history.scan(from, SCAN_STEP, backwards)).unwrap_or_default();
            after = found.last().cloned();
            for entity in found {
                // Those that only others have come before, in the same order.
                let is_before = |id: &str| if backwards { id > &*entity.id } else { id < &*entity.id };
                while let Some(id) = next_of(&elsewhere, backwards).filter(|id| is_before(id)) {
                    if visit_remote(&mut elsewhere, id, &mut visit).is_break() {
                        return Ok(());
                    }
                }
                let whole = match elsewhere.remove(&*entity.id) {
                    Some(others) => together(Some(&entity), &others).map_or(entity, Arc::new),
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

/// Forgets what is older than `max_age` until the broker is gone; looks often enough that little of it is there longer.
pub(super) async fn keep_young(broker: Weak<Inner>, max_age: Duration, stop: CancellationToken) {
    let period = (max_age / 20).clamp(Duration::from_millis(100), Duration::from_secs(600));
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = stop.cancelled() => return,
        }
        let Some(inner) = broker.upgrade() else { return };
        if let Err(error) = (Broker { inner }).forget_old(max_age).await {
            tracing::warn!(%error, "cannot forget the oldest past");
        }
    }
}

/// Which instances of an attribute are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Instances<'a> {
    All,
    Dataset(Option<&'a str>),
    One(&'a str),
}

impl Instances<'_> {
    fn has(self, attribute: &Attribute) -> bool {
        match self {
            Self::All => true,
            Self::Dataset(dataset_id) => attribute.dataset_id() == dataset_id,
            Self::One(instance) => attribute.instance_id() == Some(instance),
        }
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
        selected
            .attributes
            .retain(|one| is_scope(one) || timeline.holds_at(scopes, when(one, window.property)));
    }
    // What was deleted has no value to compare.
    let mut values = selected.clone();
    values.attributes.retain(|one| one.deleted_at().is_none());
    query.matches(&values).then_some(selected)
}

fn no_instance(id: &str, name: &Name) -> Error {
    let detail = format!("the past of entity {id} has no such instance of the attribute {name}");
    Error::new(ErrorKind::ResourceNotFound, detail)
}

impl Write<'_> {
    fn past(&self, id: &str) -> Option<Arc<Entity>> {
        self.inner.history.as_ref()?.get(id)
    }

    fn past_entity(&self, id: &str) -> Result<Entity, Error> {
        self.past(id).map(Arc::unwrap_or_clone).ok_or_else(|| Error::entity_not_found(id))
    }

    fn remember(&mut self, past: Past) -> Result<(), Error> {
        if let Some(history) = &self.inner.history {
            self.last_past = Some(history.write(past)?);
        }
        Ok(())
    }

    fn more(&mut self, id: &str, fragment: Fragment, replaces: bool) -> Result<(), Error> {
        let mut attributes = fragment.attributes;
        stamp(&mut attributes, self.now);
        let (types, scopes, at) = (fragment.types, fragment.scopes, self.now);
        let replaces = replaces.then_some(true);
        self.remember(Past::More { id: id.into(), types, scopes, at, attributes, replaces })
    }

    /// Adds what a change of the present wrote and deleted to the past.
    pub(super) fn note_past(
        &mut self,
        entity: &Entity,
        old: Option<&Entity>,
        changes: &Changes,
    ) -> Result<(), Error> {
        if self.inner.history.is_none() || !self.keeps_past {
            return Ok(());
        }
        let written = |name: &Name| changes.created.contains(name) || changes.updated.contains(name);
        let is_new = |time| time == self.now;
        let written = |one: &&Attribute| written(&one.name) && is_new(one.modified_at);
        let mut attributes: Vec<_> = entity.attributes.iter().filter(written).cloned().collect();
        let gone = |before: &&Attribute| {
            !entity.attributes.iter().any(|known| known.is(&before.name, before.dataset_id()))
        };
        let before = old.map_or(&[][..], |old| &old.attributes);
        // What is transient goes with its past, be it at its time or before (NGSI-LD 4.22).
        let (transient, deleted): (Vec<_>, Vec<_>) =
            before.iter().filter(gone).partition(|one| one.expires_at().is_some());
        self.forget_transient(&entity.id, &transient)?;
        attributes.extend(deleted.into_iter().map(|one| one.tombstone(self.now)));
        if old.map_or(&[][..], |old| &old.scopes) != &*entity.scopes {
            attributes.push(scope_instance(&entity.scopes, self.now));
        }
        if attributes.is_empty() {
            return Ok(());
        }
        let types = entity.types.clone();
        self.more(&entity.id, Fragment { types, attributes, ..Fragment::default() }, false)
    }

    /// Takes instances out of the past that were there for some time only, of attributes that are there no more.
    fn forget_transient(&mut self, id: &str, gone: &[&Attribute]) -> Result<(), Error> {
        let Some(past) = self.past(id).filter(|_| !gone.is_empty()) else { return Ok(()) };
        let is_gone = |one: &Attribute| {
            one.expires_at().is_some() && gone.iter().any(|gone| one.is(&gone.name, gone.dataset_id()))
        };
        let mut left = Arc::unwrap_or_clone(past);
        left.attributes.retain(|one| !is_gone(one));
        self.remember(if left.attributes.is_empty() { Past::Gone(id.into()) } else { Past::Entity(left) })
    }

    /// Adds to the past that an entity was deleted with all it had.
    pub(super) fn note_end(&mut self, old: &Entity) -> Result<(), Error> {
        let bare = Entity { attributes: Vec::new(), scopes: Vec::new(), ..old.clone() };
        self.note_past(&bare, Some(old), &Changes::default())
    }
}
