//! The query language (NGSI-LD 4.9) and type selection (4.17): text to expression, expression against an entity. Pure.

mod eval;
mod expression;
mod geo;
mod lexer;
pub(crate) mod members;
mod order;
mod parser;
mod selection;

pub(crate) use expression::{Query, is_system};
pub(crate) use geo::{GeoParts, GeoQuery, coordinates};
pub(crate) use order::{Order, OrderParts};
pub(crate) use selection::{ScopeQuery, TypeSelection, id_pattern, scope_query};
