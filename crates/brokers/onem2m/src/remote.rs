//! Requests to other CSEs: where they go (TS-0004 7.3.2.6), and what they look like on the way.

mod http;
mod json;
mod rounds;
mod route;

pub(crate) use self::http::{to_http, uri_of};
pub(crate) use json::request_to_json;
pub(crate) use rounds::Rounds;
pub(crate) use route::{next_hop, points_of_access};
