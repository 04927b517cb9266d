//! A read-only view of VirIoT's System DB in the wire protocol of MongoDB.
//!
//! VirIoT's own ThingVisors and silo controllers read at their start, from MongoDB, who they are and
//! where their broker is (viriot-wire.md sections 5 and 6). This answers the few requests that they make,
//! `hello`, `find` and `endSessions`, so that they run unchanged. It knows no user: it listens on
//! loopback alone, and only where the operator asked for it.
//!
//! [`wire`] is bytes to messages and back, `command` is requests to answers; both are pure. [`Server`] is
//! the socket.

mod command;
mod find;
mod server;
pub mod wire;

pub use command::{COLLECTIONS, DATABASE};
pub use server::{Server, ServerError};

use async_trait::async_trait;
use serde_json::Value;

/// Where the documents come from.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// All documents of a collection; `None` of one that is not shown.
    ///
    /// # Errors
    /// A sentence on why they cannot be read now.
    async fn documents(&self, collection: &str) -> Result<Option<Vec<Value>>, String>;
}
