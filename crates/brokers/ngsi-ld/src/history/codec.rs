//! The bytes of a record of the past.

use minicbor::{Decode, Decoder, Encode, decode::Error};

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
    /// What was there for some time only is gone, of these attributes and datasets.
    #[n(4)]
    Transient {
        #[n(0)]
        id: Box<str>,
        #[n(1)]
        gone: Vec<(Name, Option<Box<str>>)>,
    },
    /// All that was before is in files; the one record of a snapshot.
    #[n(5)]
    Filed(#[n(0)] Filed),
}

/// What a snapshot says of the files of the past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Filed {
    /// Runs with numbers below this are in files.
    #[n(0)]
    pub(crate) runs: u64,
    /// What was written before this is gone.
    #[n(1)]
    pub(crate) floor: Option<Timestamp>,
    /// When the last change was written.
    #[n(2)]
    pub(crate) last: Option<Timestamp>,
}

impl Past {
    /// The entity whose past this changes; `None` for what is about all.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Entity(entity) => Some(&entity.id),
            Self::Gone(id) | Self::More { id, .. } | Self::Transient { id, .. } => Some(id),
            Self::Before(_) | Self::Filed(_) => None,
        }
    }

    /// When the oldest that it brings was written.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        let (attributes, whole) = match self {
            Self::Entity(entity) => (&entity.attributes, Some(entity.modified_at)),
            Self::More { attributes, at, .. } => (attributes, Some(*at)),
            _ => return None,
        };
        attributes.iter().map(|one| one.modified_at).chain(whole).min()
    }

    /// When it was written, as far as it says.
    pub(crate) fn at(&self) -> Option<Timestamp> {
        match self {
            Self::More { at, .. } => Some(*at),
            _ => None,
        }
    }
}

pub(crate) fn encode(past: &Past) -> Vec<u8> {
    // Writing to a vector cannot fail, and no type here refuses to be written.
    minicbor::to_vec(past).unwrap_or_default()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Past, Error> {
    minicbor::decode(bytes)
}

/// Which kind of change of an entity's past a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordKind {
    Entity,
    Gone,
    More,
    Transient,
}

/// The kind of a record, without reading the rest of it.
pub(super) fn kind_of(bytes: &[u8]) -> Option<RecordKind> {
    let mut decoder = Decoder::new(bytes);
    decoder.array().ok()?;
    match decoder.u32().ok()? {
        0 => Some(RecordKind::Entity),
        1 => Some(RecordKind::Gone),
        2 => Some(RecordKind::More),
        4 => Some(RecordKind::Transient),
        _ => None,
    }
}

/// Whether a record says what the whole past of its entity is, so that no record before it counts.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    matches!(kind_of(bytes), Some(RecordKind::Entity | RecordKind::Gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_records_are_told_from_others() {
        let gone = encode(&Past::Gone("urn:e:1".into()));
        let transient = encode(&Past::Transient { id: "urn:e:1".into(), gone: Vec::new() });
        assert_eq!(
            (kind_of(&gone), kind_of(&transient)),
            (Some(RecordKind::Gone), Some(RecordKind::Transient))
        );
        assert!(is_whole(&gone) && !is_whole(&transient) && !is_whole(b"") && !is_whole(b"\x82\xff"));
    }
}
