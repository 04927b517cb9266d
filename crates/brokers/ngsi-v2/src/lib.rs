//! The NGSIv2 context broker: what Orion does, without what Orion needs. A library and a server of its own.
//!
//! [`Broker::open`] brings the state of a folder back into memory. The broker is then used in the same process by its
//! methods, over HTTP by [`serve`] (under `/v2`), or both. Every acknowledged change survives a `kill -9`.
//!
//! What decides is pure (`model`, `input`, `change`, `query`, `subscriptions`, `render`); what acts is thin (`broker`,
//! `http`). The words of errors are Orion's, since its users compare them.

mod broker;
mod change;
mod error;
mod http;
mod input;
mod model;
mod query;
mod registrations;
mod render;
mod store;
mod subscriptions;

pub use broker::{Broker, Created, OpenError, Options, Scope, Watch, WatchFilter, Watched};
pub use change::UpdateOptions;
pub use error::{Error, ErrorKind};
pub use http::{Cors, HttpOptions, LogControl, LogLevel, ServeError, Service, serve};
pub use input::{Action, AttributeInput, EntityInput, Update};
pub use model::{Attribute, Entity, Json, Metadatum, ServicePath, ServicePaths, Time};
pub use morgana_engine::{Access, Lagged, NotifierOptions};
pub use morgana_journal::Durability;
pub use query::{EntitySelector, Filter, GeoQuery, Order, Query};
