//! Virtual things.

use serde::{Deserialize, Serialize};

use super::Metadata;
use crate::VThingId;

/// A virtual thing, as its ThingVisor announced it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VThing {
    /// The id.
    pub id: VThingId,
    /// When it was first announced.
    pub metadata: Metadata,
    /// What its ThingVisor said of it.
    pub spec: VThingSpec,
    /// Where its generic content is served from, an `http` or `https` URL; an administrator sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// What a ThingVisor says of a vThing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VThingSpec {
    /// A name for people.
    pub label: String,
    /// A sentence for people.
    #[serde(default)]
    pub description: String,
    /// `actuator`, or nothing for a sensor.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}
