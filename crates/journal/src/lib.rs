//! Durable memory-first state for brokers: append, group commit, snapshot, recover.
//!
//! A broker keeps its whole state in memory and tells the journal of every change. The journal keeps an append log
//! and, from time to time, a snapshot of the whole state that makes older log segments superfluous.
//!
//! - [`Journal::open`] locks the folder and replays snapshot and log into the owner, record by record.
//! - [`Journal::append`] takes a record synchronously, in order, so that the owner can change its memory and append
//!   under one short lock. The [`Ticket`] it returns resolves when the record is as durable as [`Durability`] asks.
//! - [`Journal::begin_snapshot`] starts a new log segment; the owner then streams its state into the [`Snapshot`]
//!   while appends go on.
//!
//! **What records must be.** A snapshot may be taken while the state changes, so the owner's records must be absolute
//! ("entity X is now this", "entity X is gone"), never relative ("add 1"): replaying a change over a state that
//! already has it must change nothing.
//!
//! What an owner does not want to keep in memory goes to a [`Table`]: a file of records in the order of their keys,
//! which is whole and durable when it has its name, and is read record by record.
//!
//! `docs/decisions/0001-journal.md` says why this is an own log and not an embedded database.

mod error;
mod folder;
mod frame;
mod journal;
mod options;
mod recovery;
mod scan;
mod snapshot;
mod table;
mod ticket;
mod writer;

pub use error::{AppendError, OpenError, SnapshotError, TableError};
pub use journal::Journal;
pub use options::{Durability, Options};
pub use recovery::{Recovered, Source, TornTail};
pub use snapshot::Snapshot;
pub use table::{Cursor, Group, Table, TableWriter};
pub use ticket::Ticket;
