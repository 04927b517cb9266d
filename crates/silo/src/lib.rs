//! A vSilo: a tenant's isolated IoT system. It is one process with a broker of the tenant's own and
//! a controller, which plugs vThings into the broker.
//!
//! * [`run`] is the whole process; [`Silo`] is the same inside another one.
//! * [`builtins`] lists the flavours. Each is one file in `flavours/` behind one trait, `SiloBroker`.
//! * The controller is pure (`controller.rs`): fabric messages in, actions out.
//! * Commands of the tenant go the other way (`actuation.rs`), pure as well.
//! * The ledger is what a silo knows for sure through every restart.
//!
//! `docs/flavours.md` says how a tenant uses each flavour.

mod actuation;
mod broker;
mod catalogue;
mod controller;
mod error;
mod flavours;
mod ledger;
mod metrics;
mod notices;
mod owners;
mod run;
mod service;
mod settings;

pub use broker::Doors;
pub use catalogue::{Builtin, Parameter, Values, builtins};
pub use error::RunError;
pub use run::run;
pub use service::Silo;
