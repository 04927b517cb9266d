use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::record::{DOCUMENT_MAX_BYTES, KEY_MAX_BYTES};
use crate::{Error, Kind, Revision};

/// What must be true of a key for a commit to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing: absent or present at any revision.
    Any,
    /// No record has this key.
    Absent,
    /// A record has this key, at whatever revision.
    Present,
    /// The record was last written by this commit.
    Revision(Revision),
}

impl Expect {
    /// Whether a key whose record is at `actual` (`None`: absent) is as expected.
    pub fn holds(self, actual: Option<Revision>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => actual.is_none(),
            Self::Present => actual.is_some(),
            Self::Revision(revision) => actual == Some(revision),
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("anything"),
            Self::Absent => formatter.write_str("no record"),
            Self::Present => formatter.write_str("a record"),
            Self::Revision(revision) => write!(formatter, "revision {revision}"),
        }
    }
}

/// One part of a commit. A commit names a key at most once.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Writes the document, in place of the one before if there is one.
    Put {
        /// What the document describes.
        kind: Kind,
        /// Its name.
        key: String,
        /// The document.
        document: Value,
        /// What must be true of the key before.
        expect: Expect,
    },
    /// Removes the record. Removing an absent record is fine unless `expect` forbids it.
    Delete {
        /// What the document describes.
        kind: Kind,
        /// Its name.
        key: String,
        /// What must be true of the key before.
        expect: Expect,
    },
    /// Writes nothing, and lets the commit happen only if the key is as expected: a connection is
    /// only made while its vSilo exists.
    Check {
        /// What the document describes.
        kind: Kind,
        /// Its name.
        key: String,
        /// What must be true of the key.
        expect: Expect,
    },
}

impl Change {
    /// The kind of the record it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Put { kind, .. } | Self::Delete { kind, .. } | Self::Check { kind, .. } => *kind,
        }
    }

    /// The key of the record it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Check { key, .. } => key,
        }
    }

    /// What it expects of the record.
    pub fn expect(&self) -> Expect {
        match self {
            Self::Put { expect, .. } | Self::Delete { expect, .. } | Self::Check { expect, .. } => *expect,
        }
    }
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The revision of the commit; of the store, when the commit changed nothing.
    pub revision: Revision,
    /// The records that the commit wrote or removed, in the order of its changes.
    pub touched: Arc<[Touched]>,
}

/// A record that a commit wrote or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// What the document describes.
    pub kind: Kind,
    /// Its name.
    pub key: String,
    /// Whether the record is gone.
    pub deleted: bool,
}

/// Refuses what no implementation takes, before any of it is tried: a key twice in one commit, and
/// the bounds of [`check_key`].
///
/// # Errors
/// [`Error::Invalid`] names the first change at fault.
pub fn check_changes(changes: &[Change]) -> Result<(), Error> {
    let mut seen = HashSet::with_capacity(changes.len());
    for change in changes {
        check_key(change.kind(), change.key())?;
        if !seen.insert((change.kind(), change.key())) {
            return Err(Error::invalid(change.kind(), change.key(), "it is named twice in one commit"));
        }
    }
    Ok(())
}

/// The text of a document, as an implementation writes it.
///
/// # Errors
/// [`Error::Invalid`] if it is longer than [`DOCUMENT_MAX_BYTES`].
pub fn document_text(kind: Kind, key: &str, document: &Value) -> Result<String, Error> {
    let text = document.to_string();
    if text.len() > DOCUMENT_MAX_BYTES {
        return Err(Error::invalid(kind, key, "its document is longer than 4 MiB"));
    }
    Ok(text)
}

/// A key is 1 to [`KEY_MAX_BYTES`] bytes without NUL, which PostgreSQL does not hold.
///
/// # Errors
/// [`Error::Invalid`] says which rule the key breaks.
pub fn check_key(kind: Kind, key: &str) -> Result<(), Error> {
    let reason = match key {
        "" => "its key is empty",
        _ if key.len() > KEY_MAX_BYTES => "its key is longer than 1024 bytes",
        _ if key.contains('\0') => "its key holds a NUL character",
        _ => return Ok(()),
    };
    Err(Error::invalid(kind, key, reason))
}
