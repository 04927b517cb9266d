//! The information model: entities with attributes and metadata, JSON values, dates, names, places.

mod codec;
mod entity;
mod geometry;
mod json;
mod names;
mod number;
mod service;
mod time;

pub(crate) use codec::{Record, RecordRef, decode_record, encode_record};
pub use entity::{Attribute, Entity, Metadatum};
pub(crate) use entity::{DATE_EXPIRES, default_type, is_date_type, is_geo_type};
pub(crate) use geometry::{Shape, location_of};
pub use json::Json;
pub(crate) use json::write_text;
pub(crate) use names::{Field, check_identifier, has_forbidden, has_forbidden_json, is_identifier_char};
pub(crate) use number::write_number;
pub(crate) use service::UpdateWords;
pub use service::{ServicePath, ServicePaths};
pub use time::Time;
