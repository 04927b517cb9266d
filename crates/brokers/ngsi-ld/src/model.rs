//! The information model (NGSI-LD 4.2, 4.5): entities and attributes as the broker keeps them, and the pure functions
//! that read them from JSON, write them as JSON and change them. All names are expanded here.

mod attribute;
mod change;
mod codec;
mod entity;
mod expiry;
mod geojson;
mod geometry;
mod join;
mod json;
mod merge;
mod name;
mod proof;
mod read;
mod shape;
mod time;
mod told;
mod tombstone;
mod uri;
mod value;
mod view;
mod write;

pub use attribute::{Attribute, Details, Former, Kind};
pub use change::{Changes, NotUpdated};
pub(crate) use change::{append, delete_attribute, partial_update, replace, replace_attribute, update};
pub(crate) use codec::{
    NoteKind, Record, decode_record, encode_context, encode_delete, encode_entity, encode_hosted,
    encode_no_hosted, encode_note, encode_registration, encode_subscription,
};
pub use entity::{Entity, Fragment};
pub(crate) use expiry::{live, next_expiry};
pub(crate) use geojson::{Feature, FeatureCollection, collection_of, feature_of};
pub(crate) use join::{Find, Join, Joined, Joining, joined};
pub use json::Json;
pub(crate) use merge::{MergeOptions, merge};
pub use name::Name;
pub(crate) use read::{Form, Reader};
pub(crate) use shape::shape;
pub use time::Timestamp;
pub(crate) use tombstone::null_of;
pub(crate) use uri::{check_name, check_uri, shorten};
pub(crate) use value::{date_time, scopes};
pub use view::{Members, Projection, Representation, View};
pub use write::Rendered;
pub(crate) use write::{Compacted, Instance};
