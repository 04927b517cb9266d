//! Runs a workload: one trait, [`Runtime`]; the process runtime behind it.

mod cgroup;
#[cfg(feature = "test-support")]
pub mod conformance;
mod error;
mod exit;
mod limits;
mod log;
mod process;
mod runtime;

pub use error::Error;
pub use exit::Exit;
pub use limits::Limits;
pub use log::Log;
pub use process::{Keeper, ProcessOptions, ProcessRuntime};
pub use runtime::{Instance, Launch, Runtime, Usage};
