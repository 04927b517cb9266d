//! The Master Controller: the operations users ask for, and the reconcilers that carry them out.
//!
//! An operation writes desired state into the System DB and answers at once. Reconcilers, woken
//! by the change and by a timer, compare desired with actual and act through the node agent and
//! the fabric. There is one path for creation, crash recovery and restart. This crate knows no
//! HTTP; `api` is its door.

mod audit;
mod change;
mod connections;
mod controller;
mod error;
mod fabric_policy;
mod inbox;
mod metrics;
mod operations;
mod options;
mod passwords;
mod reconcile;
mod records;
mod service;
mod streams;
mod tally;
#[cfg(feature = "test-support")]
mod test_platform;
mod trim;
mod validation;

pub use audit::AuditTrail;
pub use change::Precondition;
pub use connections::ConnectionIndex;
pub use controller::Controller;
pub use error::Error;
pub use fabric_policy::FabricPolicy;
pub use operations::{EventStream, Events, Filter, Lease, ListOptions, Node, SessionKind};
pub use options::{Builtin, Options, Place};
pub use reconcile::ReconcilerReport;
pub use service::{Parts, Service};
pub use tally::{Counted, Tally};
#[cfg(feature = "test-support")]
pub use test_platform::TestPlatform;

pub use morgana_access::{Action, Caller, Idempotency, Origin, TokenError};
pub use morgana_store::Versioned;
