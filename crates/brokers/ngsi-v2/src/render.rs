//! Entities as JSON text: normalized, key-values, values, unique ("JSON Entity Representation").

mod entity;
mod projection;

pub(crate) use entity::{Format, write_attribute, write_attributes, write_entity};
pub(crate) use projection::{Event, Names, Projection};
