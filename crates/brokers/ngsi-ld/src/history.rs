//! The temporal evolution of entities (NGSI-LD 4.5.6, 5.6.11 to 5.6.16): every instance that an attribute had. An
//! entity's past is an entity whose attributes have many instances, each with an id of its own, in the order of time;
//! so queries of the present also read the past. Kept in a journal of its own, beside that of the present.

mod aggregate;
mod codec;
mod part;
mod scopes;
mod show;
mod window;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use morgana_journal::{Journal, SnapshotError, Source, Ticket};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use aggregate::{Aggregation, duration};
pub(crate) use codec::{Past, decode, encode};
pub(crate) use part::Part;
pub(crate) use scopes::{Timeline, is_scope, scope_instance, when};
pub(crate) use show::{Evolution, Style};
pub(crate) use window::{Span, TimeProperty, Window};

use crate::{
    Error, OpenError,
    model::{Attribute, Entity, Name, Timestamp},
};

/// The past of all entities.
#[derive(Debug)]
pub(crate) struct History {
    journal: Journal,
    entities: RwLock<BTreeMap<Box<str>, Arc<Entity>>>,
    /// How many instances of an attribute are kept.
    max: usize,
}

impl History {
    /// Opens the past that is in `dir`.
    pub(crate) fn open(
        dir: &Path,
        options: &morgana_journal::Options,
        max: usize,
    ) -> Result<Self, OpenError> {
        let options = morgana_journal::Options { dir: dir.join("history"), ..options.clone() };
        let mut entities = BTreeMap::new();
        let (journal, _) = Journal::open(options, |_: Source, record: &[u8]| {
            apply(&mut entities, decode(record)?, max);
            Ok::<_, minicbor::decode::Error>(())
        })?;
        Ok(Self { journal, entities: RwLock::new(entities), max })
    }

    /// Waits until the journal has room.
    pub(crate) async fn room(&self) -> Result<(), Error> {
        Ok(self.journal.room().await?)
    }

    /// Takes a snapshot whenever the journal has grown large, until `stop`.
    pub(crate) async fn keep_small(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.journal.snapshot_due() => {}
                () = stop.cancelled() => return,
            }
            let history = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || history.snapshot()).await {
                Ok(Ok(bytes)) => tracing::info!(bytes, "took a snapshot of the past"),
                Ok(Err(error)) => tracing::error!(%error, "cannot take a snapshot of the past"),
                Err(error) => tracing::error!(%error, "the snapshot of the past ended early"),
            }
        }
    }

    fn snapshot(&self) -> Result<u64, SnapshotError> {
        let mut snapshot = self.journal.begin_snapshot()?;
        let mut after: Option<Arc<Entity>> = None;
        loop {
            let found = self.scan(after.as_ref().map(|entity| &*entity.id), 64, false);
            let Some(last) = found.last() else { break };
            after = Some(Arc::clone(last));
            for entity in found {
                snapshot.push(&encode(&Past::Entity(Entity::clone(&entity))))?;
            }
        }
        tokio::runtime::Handle::current().block_on(snapshot.finish())
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Entity>> {
        self.entities.read().get(id).cloned()
    }

    /// At most `limit` entities whose ids come after `after`, in the order of their ids, or in the order turned round.
    pub(crate) fn scan(&self, after: Option<&str>, limit: usize, backwards: bool) -> Vec<Arc<Entity>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let entities = self.entities.read();
        let bound = after.map_or(Unbounded, Excluded);
        let range = if backwards { (Unbounded, bound) } else { (bound, Unbounded) };
        let range = entities.range::<str, _>(range).map(|(_, one)| Arc::clone(one));
        if backwards { range.rev().take(limit).collect() } else { range.take(limit).collect() }
    }

    /// Whether there is something that was written before `time`.
    pub(crate) fn has_before(&self, time: Timestamp) -> bool {
        let entities = self.entities.read();
        entities.values().any(|entity| {
            entity.attributes.iter().any(|one| one.modified_at < time)
                || (entity.attributes.is_empty() && entity.modified_at < time)
        })
    }

    /// Writes a change to the journal and makes it true.
    pub(crate) fn write(&self, past: Past) -> Result<Ticket, Error> {
        let ticket = self.journal.append(&encode(&past))?;
        apply(&mut self.entities.write(), past, self.max);
        Ok(ticket)
    }
}

/// Gives instances an id each, and the time they were written.
pub(crate) fn stamp(attributes: &mut [Attribute], now: Timestamp) {
    for attribute in attributes {
        attribute.created_at = now;
        attribute.modified_at = now;
        attribute.details_mut().instance_id = Some(format!("urn:ngsi-ld:Instance:{}", Uuid::new_v4()).into());
    }
}

/// One past of what this broker and others have of an entity, in the order of time; the same instance is there once.
pub(crate) fn together(local: Option<&Entity>, remote: &[&Entity]) -> Option<Entity> {
    let mut rest = remote.iter();
    let mut whole = local.cloned().or_else(|| rest.next().map(|first| Entity::clone(first)))?;
    for other in rest {
        for name in &other.types {
            if !whole.types.contains(name) {
                whole.types.push(name.clone());
            }
        }
        if whole.scopes.is_empty() {
            whole.scopes.clone_from(&other.scopes);
        }
        whole.created_at = whole.created_at.min(other.created_at);
        whole.modified_at = whole.modified_at.max(other.modified_at);
        for attribute in &other.attributes {
            add(&mut whole.attributes, attribute.clone(), usize::MAX);
        }
    }
    Some(whole)
}

fn apply(entities: &mut BTreeMap<Box<str>, Arc<Entity>>, past: Past, max: usize) {
    match past {
        Past::Entity(entity) => drop(entities.insert(entity.id.clone(), Arc::new(entity))),
        Past::Gone(id) => drop(entities.remove(&id)),
        Past::Before(time) => {
            entities.retain(|_, entity| {
                let old = |one: &Attribute| one.modified_at < time;
                if entity.attributes.iter().any(old) {
                    Arc::make_mut(entity).attributes.retain(|one| !old(one));
                }
                !entity.attributes.is_empty() || entity.modified_at >= time
            });
        }
        Past::More { id, types, scopes, at, attributes, replaces } => {
            let entity = entities.entry(id.clone()).or_insert_with(|| {
                Arc::new(Entity {
                    id,
                    types: Vec::new(),
                    scopes: Vec::new(),
                    created_at: at,
                    modified_at: at,
                    attributes: Vec::new(),
                    expires_at: None,
                })
            });
            let entity = Arc::make_mut(entity);
            for name in types {
                if !entity.types.contains(&name) {
                    entity.types.push(name);
                }
            }
            if let Some(scopes) = scopes {
                entity.scopes = scopes;
            }
            entity.modified_at = at;
            for attribute in attributes {
                if replaces == Some(true) {
                    entity.attributes.retain(|known| !is_told_again(known, &attribute));
                }
                add(&mut entity.attributes, attribute, max);
            }
        }
    }
}

/// Whether two instances say what was at the same time.
fn is_told_again(known: &Attribute, told: &Attribute) -> bool {
    told.observed_at.is_some()
        && known.observed_at == told.observed_at
        && known.is(&told.name, told.dataset_id())
}

/// Puts an instance in its place in time, and lets the oldest go when there are too many. The same instance again, as
/// a journal may give it, changes nothing.
fn add(instances: &mut Vec<Attribute>, attribute: Attribute, max: usize) {
    if instances.iter().any(|known| known.instance_id() == attribute.instance_id()) {
        return;
    }
    let start = first_of(instances, &attribute.name);
    let end = start + instances[start..].iter().take_while(|known| known.name == attribute.name).count();
    let at = instances[start..end].partition_point(|known| time(known) <= time(&attribute));
    let (name, dataset_id) = (attribute.name.clone(), attribute.dataset_id().map(Box::<str>::from));
    let is_end = attribute.deleted_at().is_some();
    instances.insert(start + at, attribute);
    // Deletions do not push out what was before them. The oldest goes only now: it may be the new one, as when a journal
    // gives again what went long ago.
    let same =
        |known: &Attribute| known.is(&name, dataset_id.as_deref()) && known.deleted_at().is_some() == is_end;
    if instances.iter().filter(|known| same(known)).count() > max
        && let Some(oldest) = instances.iter().position(same)
    {
        instances.remove(oldest);
    }
}

fn first_of(instances: &[Attribute], name: &Name) -> usize {
    instances.iter().position(|known| known.name == *name).unwrap_or(instances.len())
}

fn time(attribute: &Attribute) -> Timestamp {
    attribute.observed_at.unwrap_or(attribute.created_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Json, Kind};

    fn instance(id: &str, minute: u32) -> Attribute {
        let at = Timestamp::parse(&format!("2026-03-01T12:{minute:02}:00Z")).unwrap();
        let mut attribute = Attribute {
            name: Name::new("urn:a"),
            kind: Kind::Property,
            value: Json::Bool(true),
            created_at: at,
            modified_at: at,
            observed_at: Some(at),
            details: None,
            observed_digits: None,
        };
        attribute.details_mut().instance_id = Some(id.into());
        attribute
    }

    #[test]
    fn a_journal_read_twice_pushes_nothing_out() {
        let mut instances = Vec::new();
        for _ in 0..2 {
            for (id, minute) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
                add(&mut instances, instance(id, minute), 2);
            }
            let ids: Vec<_> = instances.iter().filter_map(Attribute::instance_id).collect();
            assert_eq!(ids, ["c", "d"]);
        }
    }
}
