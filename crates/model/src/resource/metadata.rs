//! What every resource carries.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// When a resource came, and which version of its spec this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Metadata {
    /// When it was accepted.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// Counts, from 1, the changes for which what runs is started anew.
    pub generation: u64,
    /// When its end was asked for; the platform is taking it down since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub deletion_requested_at: Option<Timestamp>,
}

impl Metadata {
    /// The metadata of a resource accepted now.
    pub fn new(now: Timestamp) -> Self {
        Self { created_at: now, generation: 1, deletion_requested_at: None }
    }

    /// Whether its end was asked for.
    pub fn is_ending(&self) -> bool {
        self.deletion_requested_at.is_some()
    }
}
