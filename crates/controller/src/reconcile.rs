//! Reconcilers: they make the world as the System DB says it should be.

mod book;
mod decide;
mod housekeeping;
mod queue;
mod reconcilers;
mod runner;
mod silo_connections;
mod workloads;

pub(crate) use book::WorkloadBook;
pub(crate) use decide::Knows;
pub(crate) use housekeeping::Housekeeping;
pub(crate) use reconcilers::Reconcilers;
pub use runner::ReconcilerReport;
pub(crate) use runner::Runner;
pub(crate) use silo_connections::SiloConnections;
pub(crate) use workloads::{Workloads, fabric_role};
