//! The NGSI-LD context broker (ETSI GS CIM 009 v1.9.1), a library and a server of its own.
//!
//! [`Broker::open`] brings the state of a folder back into memory. The broker is then used in the same process by its
//! methods, over HTTP by [`serve`] (under `/ngsi-ld/v1`), or both. Every acknowledged change survives a `kill -9`.
//!
//! Inside, every name is an expanded IRI ([`Name`]); a [`Context`] expands names on the way in and compacts them on
//! the way out. What decides is pure (`model`, `query`, `subscriptions`); what acts is thin (`broker`, `http`).

mod broker;
mod context;
mod error;
pub mod fuzz;
mod history;
mod http;
mod model;
mod query;
mod registrations;
mod sources;
mod store;
mod subscriptions;

pub use broker::{
    AppendMode, BatchFailure, BatchResult, Broker, Change, ChangeKind, EntityQuery, Lagged, OpenError,
    Options, Page, UpsertMode, Watch, WatchFilter,
};
pub use context::{CORE_CONTEXT_URL, Context, ContextOptions, Contexts};
pub use error::{Error, ErrorKind};
pub use http::{HttpOptions, serve};
pub use model::{
    Attribute, Changes, Details, Entity, Former, Fragment, Json, Kind, Members, Name, NotUpdated, Projection,
    Rendered, Representation, Timestamp, View,
};
pub use morgana_engine::{Access, FetchOptions, NotifierOptions, ServerError};
pub use morgana_journal::Durability;
pub use sources::SourceOptions;
