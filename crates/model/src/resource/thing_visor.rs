//! ThingVisors.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Endpoints, Metadata, Phase};
use crate::{ImageName, NodeId, ThingVisorId, ZoneId};

/// A workload that talks to real things and implements one or more vThings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThingVisor {
    /// The id.
    pub id: ThingVisorId,
    /// When it came.
    pub metadata: Metadata,
    /// What the administrator asked for.
    pub spec: ThingVisorSpec,
    /// What the platform found.
    pub status: ThingVisorStatus,
}

/// What the administrator asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThingVisorSpec {
    /// What to run.
    pub image_name: ImageName,
    /// Parameters for the ThingVisor: an object, or VirIoT's text.
    #[serde(default)]
    pub params: Value,
    /// A sentence for people.
    #[serde(default)]
    pub description: String,
    /// Where to run; anywhere when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneId>,
    /// VirIoT's debug mode, kept and given back: its containers were started by hand then. Morgana starts
    /// the workload all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub debug_mode: bool,
    /// VirIoT's Kubernetes manifests, kept and given back as they came; an array of documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yaml_files: Option<Vec<Value>>,
}

/// What the platform found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThingVisorStatus {
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
    /// How often it was updated.
    #[serde(default)]
    pub updates: u64,
    /// How many of these updates the one that runs has said it has; nothing from one that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates_known: Option<u64>,
    /// What it is to be told once (`updateInfo`), the oldest first; each until it has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub update_infos: Vec<UpdateInfo>,
    /// Which limits of memory, CPU and processes hold, in words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<String>,
}

/// Something that a ThingVisor is to be told once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateInfo {
    /// The number of the update that it came with.
    pub update: u64,
    /// What it is.
    pub info: Value,
}

impl ThingVisorStatus {
    /// The update that it is to be told next, of those that it does not have: the newest, but one with something
    /// that is told once is passed over by none.
    pub fn next_update(&self) -> u64 {
        self.update_infos.first().map_or(self.updates, |info| info.update)
    }

    /// Up to which update one is that starts with the newest parameters: before all that is told once.
    pub fn start_update(&self) -> u64 {
        self.update_infos.first().map_or(self.updates, |info| info.update.saturating_sub(1))
    }
}
