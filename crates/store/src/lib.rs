//! The System DB: one trait, SQLite and PostgreSQL behind it, one conformance suite.
//!
//! [`Store`] is a small transactional document store in the way of etcd: records of a [`Kind`] with a
//! key, a revision and a JSON document; commits that happen as a whole and only if the records are as
//! [expected](Expect); and a [`Watch`] that wakes reconcilers. [`Table`] and [`Transaction`] put types
//! on top. [`SqliteStore`] is the embedded implementation; [`PostgresStore`] is the one that several
//! controllers share. The feature `conformance` brings the suite
//! that every implementation passes.

mod batch;
mod change;
#[cfg(feature = "conformance")]
pub mod conformance;
mod database;
mod documents;
mod error;
mod kind;
mod metrics;
mod postgres;
mod prefix;
mod record;
mod sqlite;
mod store;
mod table;
mod transaction;
mod watch;

pub use change::{Change, Committed, Expect, Touched, check_changes, check_key, document_text};
pub use documents::{connection_key, connection_prefix};
pub use error::{Cause, Error};
pub use kind::Kind;
pub use postgres::{PostgresOptions, PostgresStore};
pub use record::{DOCUMENT_MAX_BYTES, KEY_MAX_BYTES, ListQuery, Record, Revision};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use store::Store;
pub use table::{Document, Table, Versioned};
pub use transaction::Transaction;
pub use watch::{Feed, Notice, Watch};
