//! vSilos.

use serde::{Deserialize, Serialize};

use super::{Endpoints, Metadata, Phase};
use crate::{FlavourId, NodeId, Secret, TenantId, VSiloId, VSiloName, ZoneId};

/// A tenant's isolated IoT system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VSilo {
    /// The id.
    pub id: VSiloId,
    /// When it came.
    pub metadata: Metadata,
    /// What the tenant asked for.
    pub spec: VSiloSpec,
    /// What the platform found.
    pub status: VSiloStatus,
    /// What the silo's endpoints ask for; shown only to the silo's owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

/// What the tenant asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VSiloSpec {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name among the tenant's.
    pub name: VSiloName,
    /// Its kind.
    pub flavour: FlavourId,
    /// Where to run; anywhere when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneId>,
    /// VirIoT's debug mode, kept and given back: its containers were started by hand then. Morgana starts
    /// the workload all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub debug_mode: bool,
}

/// What the platform found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VSiloStatus {
    /// Where it is in its life.
    #[serde(flatten)]
    pub phase: Phase,
    /// The node it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Its doors.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::HashMap<String, u16>))]
    pub endpoints: Endpoints,
    /// How often it was started again after it ended by itself.
    #[serde(default)]
    pub restarts: u32,
    /// Which limits of memory, CPU and processes hold, in words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<String>,
}
