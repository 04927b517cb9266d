//! Changes of the past that are in no file yet.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use crate::model::Timestamp;

/// Bytes of memory that a record takes beside its own.
const RECORD_BYTES: usize = 48;

/// Records of an entity, in their order.
pub(super) type Records = Vec<Arc<[u8]>>;

/// The id of an entity, with its records.
pub(super) type OfEntity = (Box<str>, Records);

/// Changes by entity, as the journal has them: a third of what they take when they are decoded.
#[derive(Debug, Default)]
pub(super) struct Recent {
    entities: BTreeMap<Box<str>, Changes>,
    bytes: usize,
    oldest: Option<Timestamp>,
}

/// Changes of one entity, in their order.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) records: Records,
    /// The number of the last one.
    pub(super) last: u64,
}

impl Recent {
    pub(super) fn push(&mut self, id: &str, record: &[u8], oldest: Option<Timestamp>, number: u64) {
        self.bytes += record.len() + RECORD_BYTES;
        self.oldest = earlier(self.oldest, oldest);
        let changes = match self.entities.get_mut(id) {
            Some(known) => known,
            None => {
                self.bytes += id.len() + RECORD_BYTES;
                self.entities.entry(id.into()).or_default()
            }
        };
        changes.records.push(record.into());
        changes.last = number;
    }

    /// Puts in front what came before.
    pub(super) fn put_back(&mut self, before: &Self) {
        for (id, changes) in &before.entities {
            let known = self.entities.entry(id.clone()).or_default();
            known.records.splice(0..0, changes.records.iter().cloned());
            known.last = known.last.max(changes.last);
        }
        self.bytes += before.bytes;
        self.oldest = earlier(self.oldest, before.oldest);
    }

    pub(super) fn get(&self, id: &str) -> Option<&Changes> {
        self.entities.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Changes)> {
        self.entities.iter().map(|(id, changes)| (&**id, changes))
    }

    /// The first entities after `after`, or the last ones before it.
    pub(super) fn scan(&self, after: Option<&str>, backwards: bool, limit: usize) -> Vec<OfEntity> {
        let bound = after.map_or(Unbounded, Excluded);
        let range = if backwards { (Unbounded, bound) } else { (bound, Unbounded) };
        let range = self.entities.range::<str, _>(range).map(|(id, one)| (id.clone(), one.records.clone()));
        if backwards { range.rev().take(limit).collect() } else { range.take(limit).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the oldest that is in it was written.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.oldest
    }
}

/// The earlier of two times, where they are known.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
