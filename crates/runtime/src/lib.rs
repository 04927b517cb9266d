//! Runs a workload: one trait, [`Runtime`]; the process runtime behind it.

mod error;
mod exit;
mod limits;
mod log;
mod runtime;

pub use error::Error;
pub use exit::Exit;
pub use limits::Limits;
pub use log::Log;
pub use runtime::{Instance, Launch, Runtime, Usage};
