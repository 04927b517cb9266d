//! The node agent: carries out assignments and supervises workloads.
//!
//! The controller says what is to run with [`NodeAgent::assign`] and [`NodeAgent::remove`]; the
//! agent starts it, starts it again when it ends, and tells with [`Report`]s how it goes.
//!
//! Each workload has a task of its own. What to do is decided by its supervisor, which is pure;
//! the task does it: it asks the [`Runtime`](morgana_runtime::Runtime) for processes and listens
//! to the socket on which the workload tells that it is ready.

mod agent;
mod assignment;
mod error;
mod folders;
mod inventory;
mod metrics;
mod node;
mod notify_socket;
mod options;
mod ports;
mod report;
mod shared;
#[cfg(feature = "test-support")]
mod simulated;
mod supervisor;
mod workload;

pub use agent::NodeAgent;
pub use assignment::Assignment;
pub use error::Error;
pub use inventory::Inventory;
pub use morgana_runtime::{Keeper, Limits, Usage};
pub use node::Node;
pub use options::Options;
pub use report::{Report, State};
#[cfg(feature = "test-support")]
pub use simulated::SimulatedNode;
