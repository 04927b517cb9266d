//! What is left of a deleted instance of an attribute (NGSI-LD 4.5.0, 4.8): the NGSI-LD null, and when it went.

use super::{Attribute, Json, Kind, Timestamp, read::NGSI_LD_NULL};

impl Attribute {
    /// What is left of this instance when it is deleted at `at`.
    pub(crate) fn tombstone(&self, at: Timestamp) -> Self {
        let mut left = Self {
            name: self.name.clone(),
            kind: self.kind,
            value: null_of(self.kind),
            created_at: self.created_at,
            modified_at: self.modified_at,
            observed_at: None,
            details: None,
            observed_digits: None,
        };
        if let Some(id) = self.dataset_id() {
            left.details_mut().dataset_id = Some(id.into());
        }
        left.former_mut().deleted_at = Some(at);
        left
    }
}

/// The NGSI-LD null in the form of a kind of attribute (NGSI-LD 4.5.0, 5.5.12).
pub(crate) fn null_of(kind: Kind) -> Json {
    let null = Json::from(NGSI_LD_NULL);
    match kind {
        Kind::LanguageProperty => Json::Object([("@none".into(), null)].into()),
        Kind::ListProperty | Kind::ListRelationship => vec![null].into(),
        _ => null,
    }
}
