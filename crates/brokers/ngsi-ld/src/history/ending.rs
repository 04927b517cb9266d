//! The end of an entity (NGSI-LD 4.8, `deletedAt`): an instance of its past, beside those of its attributes.

use crate::model::{Attribute, Entity, Json, Kind, Name, Timestamp};

/// The name that the end has.
const DELETED_AT: &str = "https://uri.etsi.org/ngsi-ld/deletedAt";

/// Whether an instance says that the entity ended.
pub(crate) fn is_end(attribute: &Attribute) -> bool {
    &*attribute.name == DELETED_AT
}

/// The instance that says that an entity ended at `at`.
pub(super) fn end_instance(at: Timestamp) -> Attribute {
    let mut attribute = Attribute {
        name: Name::new(DELETED_AT),
        kind: Kind::Property,
        value: Json::Null,
        created_at: at,
        modified_at: at,
        observed_at: None,
        details: None,
        observed_digits: None,
    };
    attribute.former_mut().deleted_at = Some(at);
    attribute
}

/// When an entity ended, by its whole past; `None` while it is there, and when it is there again.
pub(super) fn ended_at(entity: &Entity) -> Option<Timestamp> {
    let end = entity.attributes.iter().filter(|one| is_end(one)).map(|one| one.modified_at).max()?;
    let goes_on = entity.attributes.iter().any(|one| one.modified_at > end);
    (!goes_on).then_some(end)
}
