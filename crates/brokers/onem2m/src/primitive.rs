//! Request and response primitives (TS-0004 6.4), whatever the binding.

mod filter;
mod json;
mod request;
mod response;

pub use filter::Filter;
pub(crate) use filter::{FilterOperation, Spatial};
pub(crate) use json::response_to_json;
pub use json::{request_from_json, response_from_json};
pub(crate) use request::DISCOVER;
pub use request::{Operation, Request, ResponseType, ResultContent};
pub(crate) use response::Outcome;
pub use response::{Response, Shown};
