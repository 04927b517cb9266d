//! Users and their roles.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Metadata;
use crate::TenantId;

/// What a user may do. On the wire `admin` and `user`, as VirIoT has it (viriot-wire.md 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Role {
    /// Runs the platform.
    #[serde(rename = "admin")]
    Administrator,
    /// Rents silos; sees and touches only its own.
    #[serde(rename = "user")]
    Tenant,
}

impl Role {
    /// The role as VirIoT writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "admin",
            Self::Tenant => "user",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "admin" => Ok(Self::Administrator),
            "user" => Ok(Self::Tenant),
            other => Err(format!("Provided role ({other}) is not supported")),
        }
    }
}

/// A user of the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// The id; for a tenant it is the tenant's id.
    pub id: TenantId,
    /// When it came.
    pub metadata: Metadata,
    /// What was asked for.
    pub spec: UserSpec,
    /// What the platform saw.
    #[serde(default)]
    pub status: UserStatus,
}

/// What the platform saw of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserStatus {
    /// When it last logged in; absent when it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub last_login_at: Option<Timestamp>,
}

/// What was asked for when the user was registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserSpec {
    /// What it may do.
    pub role: Role,
}
