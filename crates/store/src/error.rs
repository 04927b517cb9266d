use std::path::PathBuf;
use std::sync::Arc;

use crate::{Expect, Kind, Revision};

/// The cause below an error of the store; shared, because one failure can end several commits.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why the store did not do what it was asked for. Whatever it is, nothing was written, except after
/// [`Error::Database`] from a commit, when the outcome is not known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Someone else wrote, or did not write, the record in the meantime: read it and decide again.
    #[error("{kind} {key:?} is not as expected: expected {expected}, found {}", found(*.actual))]
    Conflict {
        /// The kind of the record.
        kind: Kind,
        /// Its key.
        key: String,
        /// What the commit expected.
        expected: Expect,
        /// The revision it is at, `None` if there is no such record.
        actual: Option<Revision>,
    },
    /// A key or a document that the store does not take.
    #[error("cannot store {kind} {key:?}: {reason}")]
    Invalid {
        /// The kind of the record.
        kind: Kind,
        /// Its key, cut to a length that fits a log line.
        key: String,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// A value that does not turn into a document.
    #[error("cannot write {kind} {key:?} as a document")]
    Encode {
        /// The kind of the record.
        kind: Kind,
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A stored document that is not what its kind should be.
    #[error("cannot read the document of {kind} {key:?}")]
    Decode {
        /// The kind of the record.
        kind: Kind,
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The file is damaged.
    #[error(
        "the system database {} is damaged: {detail}; put a backup in its place with `morgana restore BACKUP \
         --force`, which keeps the damaged one under another name", .file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The file is a database, but not one of ours.
    #[error("{} is not a system database of the platform; choose another data folder", .file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// A newer version of the platform has written the file.
    #[error(
        "the system database {} has schema {found}, and this program knows {known} at most; start a version \
         of the platform that is as new as the data", .file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// Another process has the database open.
    #[error("the system database {} is in use by another process; stop it first", .file.display())]
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// The file or its folder cannot be written.
    #[error("cannot write the system database {}; give this user write access to the folder", .file.display())]
    ReadOnly {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// No room is left for the database.
    #[error("the disk of the system database {} is full, or its size limit is reached; free some space", .file.display())]
    Full {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The database server could not be reached, or did not do as asked.
    #[error("the system database {database} failed {doing}: {hint}")]
    Server {
        /// Where it is, without the password.
        database: String,
        /// What was being done, as in "reading a record".
        doing: &'static str,
        /// What it means, and the way out.
        hint: &'static str,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The database server has something that is not our database, or not one we can use.
    #[error("the system database {database} cannot be used: {reason}")]
    Unsuitable {
        /// Where it is, without the password.
        database: String,
        /// Why, and the way out.
        reason: String,
    },
    /// The address of a database server that is none.
    #[error("the address of the system database is not postgres://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE")]
    Address(#[source] Cause),
    /// This controller led, and does no more: another one may.
    #[error("another controller leads by now; this one must not write any more")]
    NotLeading,
    /// The database did not answer as it should.
    #[error("the system database failed {doing}")]
    Database {
        /// What was being done, as in "reading a record".
        doing: &'static str,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The store was closed.
    #[error("the system database is closed")]
    Closed,
}

impl Error {
    pub(crate) fn invalid(kind: Kind, key: &str, reason: &'static str) -> Self {
        Self::Invalid { kind, key: key.chars().take(64).collect(), reason }
    }

    /// The same failure for one more caller, of those that one transaction was to serve.
    pub(crate) fn once_more(&self) -> Self {
        match self {
            Self::Server { database, doing, hint, source } => {
                Self::Server { database: database.clone(), doing, hint, source: Arc::clone(source) }
            }
            Self::NotLeading => Self::NotLeading,
            _ => Self::Closed,
        }
    }

    /// Whether the record was not as the caller expected: the caller reads it and decides again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}

fn found(actual: Option<Revision>) -> String {
    actual.map_or_else(|| "none".to_owned(), |revision| format!("revision {revision}"))
}
