//! The fabric: the MQTT broker of a zone, and the client every part speaks to it with.
//!
//! * [`Server`] is an embedded MQTT 3.1.1 and 5 broker. `morgana up` runs one as the zone's fabric;
//!   the `mqtt` flavour of a silo and `morgana broker mqtt` run one as the tenant's own broker. A
//!   [`Policy`] says who may connect and which topics each may publish and subscribe.
//! * [`Client`] keeps one connection alive for ever: it reconnects, subscribes again, and tells so.
//! * [`topics`] is the arithmetic of topic filters that policies are written with.
//!
//! The fabric knows no vThing and no silo: topics are plain text here, and `morgana-model` has the
//! types that print them.

pub mod client;
pub mod server;
pub mod topics;

pub use client::{
    Client, ClientError, ClientOptions, ClientTls, ConnectionError, Event, Qos, Reason, TlsError,
};
pub use server::{
    Attempt, Identity, Login, Open, Policy, Refused, Server, ServerError, ServerOptions, ServerStats,
    SingleUser, TlsDoor,
};
pub use topics::TopicRules;
