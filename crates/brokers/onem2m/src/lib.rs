//! The oneM2M Common Services Entity (CSE), a library and a server of its own: TS-0001 and TS-0004, releases 2a to 4,
//! with the bindings CoAP (TS-0008), HTTP (TS-0009), MQTT (TS-0010) and WebSocket (TS-0020).
//!
//! [`Cse::open`] brings the state of a folder back into memory. The CSE is then used in the same process by
//! [`Cse::request`], over HTTP by [`serve`] or [`router`], or all of them. Every acknowledged change survives a
//! `kill -9`.
//!
//! Resource types are tables (`types`) that drive validation; resources are in one tree (`tree`); what decides over
//! them are the operations (`cse`), each under one lock; notifications leave in order (`notify`).

mod address;
mod cbor;
mod coap;
mod cse;
#[doc(hidden)]
pub mod fuzz;
mod http;
mod location;
mod mqtt;
mod notify;
mod options;
mod primitive;
mod privilege;
mod remote;
mod schedule;
mod status;
mod time;
mod tree;
mod types;
mod websocket;
mod wire;

pub use coap::{CoapOptions, serve_coap};
pub use cse::{Cse, OpenError};
pub use http::{HttpOptions, router, serve};
pub use morgana_engine::{Access, NotifierOptions, ServerError};
pub use morgana_journal::Durability;
pub use mqtt::{MqttBinding, MqttError, MqttOptions, serve_mqtt};
pub use options::{Options, Registrar};
pub use primitive::{
    Filter, Operation, Request, Response, ResponseType, ResultContent, Shown, request_from_json,
    response_from_json,
};
pub use status::{Failure, Status};
pub use websocket::{WebSocketOptions, serve_websocket};
