//! Documents with an id that a broker keeps beside entities, each of a kind; in memory and in the journal.

use std::collections::BTreeMap;

use super::{Broker, Write};
use crate::{
    Error,
    model::{Json, NoteKind, encode_note},
};

/// All of them, by kind and id.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<(NoteKind, Box<str>), Json>);

impl Notes {
    pub(super) fn put(&mut self, kind: NoteKind, id: Box<str>, document: Json) {
        self.0.insert((kind, id), document);
    }

    pub(super) fn remove(&mut self, kind: NoteKind, id: &str) -> Option<Json> {
        self.0.remove(&(kind, id.into()))
    }

    /// All of a kind.
    pub(super) fn of(&self, kind: NoteKind) -> impl Iterator<Item = (&Box<str>, &Json)> {
        self.0.iter().filter(move |((known, _), _)| *known == kind).map(|((_, id), note)| (id, note))
    }

    /// Everything, as the journal keeps it.
    pub(super) fn records(&self) -> Vec<Vec<u8>> {
        self.0.iter().map(|((kind, id), document)| encode_note(*kind, id, Some(document))).collect()
    }
}

impl Broker {
    pub(crate) fn note(&self, kind: NoteKind, id: &str) -> Option<Json> {
        self.inner.notes.read().0.get(&(kind, id.into())).cloned()
    }

    /// All notes of a kind, in the order of their ids.
    pub(crate) fn notes(&self, kind: NoteKind) -> Vec<(Box<str>, Json)> {
        let notes = self.inner.notes.read();
        let of_kind = notes.0.iter().filter(|((known, _), _)| *known == kind);
        of_kind.map(|((_, id), document)| (id.clone(), document.clone())).collect()
    }

    pub(crate) async fn put_note(&self, kind: NoteKind, id: &str, document: Json) -> Result<(), Error> {
        self.write(|write| write.put_note(kind, id, document)).await
    }

    /// Takes a note away. Gives what it was.
    pub(crate) async fn remove_note(&self, kind: NoteKind, id: &str) -> Result<Option<Json>, Error> {
        self.write(|write| write.remove_note(kind, id)).await
    }
}

impl Write<'_> {
    pub(super) fn put_note(&mut self, kind: NoteKind, id: &str, document: Json) -> Result<(), Error> {
        self.append(&encode_note(kind, id, Some(&document)))?;
        self.inner.notes.write().put(kind, id.into(), document);
        Ok(())
    }

    pub(super) fn remove_note(&mut self, kind: NoteKind, id: &str) -> Result<Option<Json>, Error> {
        if !self.inner.notes.read().0.contains_key(&(kind, id.into())) {
            return Ok(None);
        }
        self.append(&encode_note(kind, id, None))?;
        Ok(self.inner.notes.write().remove(kind, id))
    }
}
