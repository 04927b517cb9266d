//! The property that seals an entity (NGSI-LD 4.5.2.2): its value is a proof, and two of its members are bare strings.

use super::{Attribute, Json, Kind, check_uri, read::Reader};
use crate::Error;

/// The name of that property.
pub(super) const PROOF: &str = "ngsildproof";

/// The members of a proof that are bare strings rather than attributes.
pub(super) fn is_sealed(term: &str) -> bool {
    matches!(term, "entityIdSealed" | "entityTypeSealed")
}

impl Reader<'_> {
    /// What a proof says that it seals: an id, or a type, which is a name.
    pub(super) fn sealed(&self, member: &str, value: Json, what: &str) -> Result<Attribute, Error> {
        let text = value
            .as_str()
            .ok_or_else(|| Error::bad(format!("{what} must be a string, not {}", value.kind())))?;
        let name = self.context.name(member, "attribute name")?;
        if member == "entityIdSealed" {
            check_uri(text, what)?;
            return Ok(self.plain(&name, Kind::Property, value));
        }
        let sealed = Json::from(&*self.context.name(text, what)?.to_string());
        Ok(self.plain(&name, Kind::VocabProperty, sealed))
    }
}
