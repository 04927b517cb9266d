//! The bytes of a record of the past.

use minicbor::{Decode, Encode, decode::Error};

use crate::model::{Attribute, Entity, Name, Timestamp};

/// One change of the past. Each is absolute, or the same when it is applied twice.
#[derive(Debug, Encode, Decode)]
pub(crate) enum Past {
    /// The whole past of the entity is this.
    #[n(0)]
    Entity(#[n(0)] Entity),
    /// There is no past of the entity.
    #[n(1)]
    Gone(#[n(0)] Box<str>),
    /// These instances are added; each has its own id.
    #[n(2)]
    More {
        #[n(0)]
        id: Box<str>,
        #[n(1)]
        types: Vec<Name>,
        #[n(2)]
        scopes: Option<Vec<Box<str>>>,
        #[n(3)]
        at: Timestamp,
        #[n(4)]
        attributes: Vec<Attribute>,
        /// Whether those that were observed at the same time go.
        #[n(5)]
        replaces: Option<bool>,
    },
    /// What was written before this is gone.
    #[n(3)]
    Before(#[n(0)] Timestamp),
}

pub(crate) fn encode(past: &Past) -> Vec<u8> {
    // Writing to a vector cannot fail, and no type here refuses to be written.
    minicbor::to_vec(past).unwrap_or_default()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Past, Error> {
    minicbor::decode(bytes)
}
