//! Queries: which entities, which of them, in which order. All of it is pure.

mod compare;
mod filter;
mod geo;
mod order;
mod select;
mod target;
mod value;

pub(crate) use compare::compare_json;
pub use filter::Filter;
pub use geo::GeoQuery;
pub(crate) use geo::{GeoText, GeoWords};
pub use order::Order;
pub use select::{EntitySelector, Query};
pub(crate) use select::{matches_all, parse_pattern};
