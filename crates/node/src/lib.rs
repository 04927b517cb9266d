//! The node agent: carries out assignments and supervises workloads.
//!
//! The controller says what is to run with [`NodeAgent::assign`] and [`NodeAgent::remove`]; the
//! agent starts it, starts it again when it ends, and tells with [`Report`]s how it goes.

mod agent;
mod assignment;
mod error;
mod inventory;
mod options;
mod report;
#[cfg(feature = "test-support")]
mod simulated;

pub use agent::NodeAgent;
pub use assignment::Assignment;
pub use error::Error;
pub use inventory::Inventory;
pub use morgana_runtime::{Limits, Usage};
pub use options::Options;
pub use report::{Report, State};
#[cfg(feature = "test-support")]
pub use simulated::SimulatedNode;
