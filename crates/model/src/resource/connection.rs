//! Connections: which vThing is plugged into which vSilo.

use serde::{Deserialize, Serialize};

use super::Metadata;
use crate::{VSiloId, VThingId};

/// A vThing plugged into a vSilo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Connection {
    /// When it came.
    pub metadata: Metadata,
    /// What the tenant asked for.
    pub spec: ConnectionSpec,
}

/// What the tenant asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectionSpec {
    /// The silo.
    pub v_silo: VSiloId,
    /// The vThing.
    pub v_thing: VThingId,
}
