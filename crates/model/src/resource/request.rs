//! What clients send to and get from the REST v1 API besides the resources themselves.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Connection, FlavourSpec, Phase, Role, ThingVisorSpec, VSilo, VSiloSpec, WorkloadName};
use crate::{FlavourId, ImageName, NodeId, Secret, TenantId, ThingVisorId, VThingId, ZoneId};

/// Who logs in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Credentials {
    /// The user. Any text: a wrong one is answered like a wrong password.
    #[serde(rename = "userID")]
    pub user_id: String,
    /// The password.
    pub password: Secret,
}

/// What a login gives.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// The bearer token.
    pub access_token: Secret,
    /// What its bearer may do.
    pub role: Role,
    /// Gives the next access token once; each use gives a new one (RFC 9700 section 4.14.2).
    pub refresh_token: Secret,
    /// When the session ends unless it is refreshed before.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub session_expires_at: Timestamp,
    /// When the access token ends.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Timestamp,
}

/// Who goes on with a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Refresh {
    /// The refresh token of the last login or refresh.
    pub refresh_token: Secret,
}

/// A user to register.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewUser {
    /// Its id.
    pub id: TenantId,
    /// Its password.
    pub password: Secret,
    /// What it may do.
    pub role: Role,
}

/// Changes of a user; what is not given stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserPatch {
    /// A new password; it ends all sessions of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The password until now; a user that changes its own has to give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Secret>,
    /// What it may do from now on; administrators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// Changes of a flavour; what is not given stays. Silos take it up when they start the next time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlavourPatch {
    /// What a silo of this flavour runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_name: Option<ImageName>,
    /// New parameters, whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// A new sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a ThingVisor; what is not given stays. The ThingVisor is told, and goes on running.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThingVisorPatch {
    /// New parameters, whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// A new sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Something to tell the ThingVisor once; it is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_info: Option<Value>,
}

/// Changes of a vThing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VThingPatch {
    /// Where its generic content is served from; null takes it away.
    #[serde(deserialize_with = "Option::deserialize")]
    pub endpoint: Option<String>,
}

/// All that a tenant has.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its silos.
    pub v_silos: Vec<VSilo>,
    /// The vThings in them.
    pub connections: Vec<Connection>,
}

/// A data centre or an edge site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Zone {
    /// Its id, as `zone` of a ThingVisor or a vSilo names it.
    pub id: ZoneId,
    /// The machines in it.
    pub nodes: Vec<NodeId>,
}

/// What a workload uses now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WorkloadUsage {
    /// `thingvisor/<id>` or `vsilo/<id>`.
    pub name: WorkloadName,
    /// Where it is in its life.
    #[serde(flatten)]
    pub phase: Phase,
    /// How often it was started again after it ended by itself.
    pub restarts: u32,
    /// Resident memory, in bytes; 0 when it does not run.
    pub memory_bytes: u64,
    /// Processor time since its start, in seconds.
    pub cpu_seconds: f64,
    /// Messages that it published on the fabric since the platform started.
    pub published_messages: u64,
}

/// One line of the audit log: who changed or tried what, from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// Its id; a later entry has a greater one.
    pub id: String,
    /// When.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Timestamp,
    /// Who: a user, or the user of a workload on the fabric (`silo:<id>`, `tv:<id>`).
    pub who: String,
    /// From which address; absent where the platform itself acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What: the name of the operation (`siloCreate`), or `publish` and `subscribe` on the fabric.
    pub action: String,
    /// To what: an id, or a topic.
    pub target: String,
    /// `ok`, or the code of the failure.
    pub outcome: String,
}

/// A flavour to add.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewFlavour {
    /// Its id.
    pub id: FlavourId,
    /// What it is.
    pub spec: FlavourSpec,
}

/// A ThingVisor to add.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewThingVisor {
    /// Its id.
    pub id: ThingVisorId,
    /// What it is.
    pub spec: ThingVisorSpec,
}

/// A vSilo to create; its id follows from tenant and name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewVSilo {
    /// What it is.
    pub spec: VSiloSpec,
}

/// A vThing to plug into a vSilo.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewConnection {
    /// The vThing.
    pub v_thing: VThingId,
}

/// Part of a list, in the order of ids.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The resources.
    pub items: Vec<T>,
    /// Give it as `cursor` to get what follows; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One change of a resource, as `GET /v1/events` streams it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// The revision of the System DB that made it; it only grows.
    pub revision: u64,
    /// The kind of resource: `thingvisor`, `vthing`, `vsilo`, `connection`, `flavour`, `user`.
    pub kind: String,
    /// The resource's id; of a connection `<vSiloID> <vThingID>`.
    pub id: String,
    /// The resource as it is now; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub resource: Option<Value>,
}

/// Some lines of a workload's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogLines {
    /// The lines, oldest first.
    pub lines: Vec<String>,
}

/// A failure on the wire: problem details of RFC 9457 (`application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `urn:morgana:error:<code>`, the code of [`crate::ErrorCode`].
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong, where, and how to mend it.
    pub detail: String,
}
