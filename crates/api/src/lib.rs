//! The doors of the controller over HTTP: REST v1 under `/v1`, the VirIoT-compatible API at the
//! root, health, metrics, and the OpenAPI document.
//!
//! A handler is three moves: typed input, one call of the controller, view out. What may be done
//! and what it means is the controller's business.

mod extract;
mod guests;
mod handed_on;
mod operations;
mod options;
mod problem;
mod router;
mod routes;
mod server;
mod tagged;
mod v1;
mod viriot;

pub use handed_on::HANDED_ON;
pub use operations::Metrics;
pub use options::{MetricsAccess, Options};
pub use router::{endpoints, router};
pub use server::{ServerOptions, serve};
pub use viriot::SystemDbView;
