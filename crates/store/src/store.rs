use async_trait::async_trait;

use crate::{Change, Committed, Error, Kind, ListQuery, Record, Revision, Watch};

/// The System DB: a small transactional store of JSON documents.
///
/// It keeps the desired and the observed state of the platform. Several controllers may share one
/// store, each in its own process, so nothing here promises more than the database itself does:
///
/// - A commit is atomic and durable once it is answered, and every later read sees it, from
///   whichever process.
/// - Commits are in one order, that of their revisions.
/// - What must not be raced is said as an [`Expect`](crate::Expect), never by a lock in a process.
///
/// Callers mostly use [`Table`](crate::Table) and [`Transaction`](crate::Transaction), which add the
/// types. Every implementation passes the suite in `conformance`.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The record of that key, `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Decode`] if the document is not JSON, or why the database did not answer.
    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, Error>;

    /// The records of a kind that the query asks for, in the byte order of their keys.
    ///
    /// # Errors
    /// [`Error::Decode`] if a document is not JSON, or why the database did not answer.
    async fn list(&self, kind: Kind, query: ListQuery) -> Result<Vec<Record>, Error>;

    /// Does all of the changes or none of them. A commit that turns out to change nothing takes no
    /// revision and wakes no watcher.
    ///
    /// A caller that goes away while it waits does not undo the commit.
    ///
    /// # Errors
    /// [`Error::Conflict`] for the first change whose expectation fails, [`Error::Invalid`] for a key
    /// or document out of bounds or a key that is named twice, or why the database did not answer.
    async fn commit(&self, changes: Vec<Change>) -> Result<Committed, Error>;

    /// The revision of the last commit, 0 before the first.
    ///
    /// # Errors
    /// Why the database did not answer.
    async fn revision(&self) -> Result<Revision, Error>;

    /// Watches the commits that happen from now on.
    fn watch(&self) -> Watch;

    /// Finishes the commits that wait, refuses new ones with [`Error::Closed`], ends the watches and
    /// lets go of the database. Closing twice is fine.
    async fn close(&self);
}
