use serde_json::Value;

use crate::Kind;

/// A place in the one order of all commits of a store.
///
/// Each commit that changes something takes the next revision, and all records it writes carry it.
/// A fresh store is at revision 0.
pub type Revision = u64;

/// The longest key, in bytes of UTF-8.
pub const KEY_MAX_BYTES: usize = 1024;

/// The longest document, in bytes of JSON text.
pub const DOCUMENT_MAX_BYTES: usize = 4 * 1024 * 1024;

/// A document as it was at a revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What the document describes.
    pub kind: Kind,
    /// Its name, unique within the kind.
    pub key: String,
    /// The commit that last wrote it.
    pub revision: Revision,
    /// The document.
    pub document: Value,
}

/// Which records of a kind to list, in the byte order of their keys.
///
/// The default lists the first [`ListQuery::DEFAULT_LIMIT`] records. To read on, set `after` to the
/// last key of the page before. Pages are read one by one: a commit between two pages shows in the
/// later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Only keys that start with this text, taken literally.
    pub prefix: Option<String>,
    /// Only keys after this one.
    pub after: Option<String>,
    /// At most this many records.
    pub limit: usize,
}

impl ListQuery {
    /// The length of a page when nothing else is asked for.
    pub const DEFAULT_LIMIT: usize = 1000;

    /// Keys that start with `prefix`.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self { prefix: Some(prefix.into()), ..Self::default() }
    }

    /// The same query, from behind `key` on.
    #[must_use]
    pub fn after(self, key: impl Into<String>) -> Self {
        Self { after: Some(key.into()), ..self }
    }

    /// The same query with at most `limit` records.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }
}

impl Default for ListQuery {
    fn default() -> Self {
        Self { prefix: None, after: None, limit: Self::DEFAULT_LIMIT }
    }
}
