//! What clients send to and get from the REST v1 API besides the resources themselves.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FlavourSpec, Role, ThingVisorSpec, VSiloSpec};
use crate::{FlavourId, Secret, TenantId, ThingVisorId, VThingId};

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
    /// When it ends.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Timestamp,
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
