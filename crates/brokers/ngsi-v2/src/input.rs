//! What requests carry, checked: entities and attributes to write, batches, queries.

mod attribute;
mod batch;
mod entity;
mod query;

pub use attribute::AttributeInput;
pub(crate) use attribute::{parse_attribute, parse_attribute_value, parse_key_value};
pub use batch::{Action, Update};
pub(crate) use batch::{parse_notification, parse_update};
pub use entity::EntityInput;
pub(crate) use entity::{DEFAULT_ENTITY_TYPE, IdRule, parse_entity};
pub(crate) use query::{Expression, parse_expression, parse_query_body};
