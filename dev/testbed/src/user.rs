//! Somebody who uses the platform.

use morgana_model::{Secret, TenantId};

/// A user with a session that outlives restarts of the platform.
#[derive(Debug, Clone)]
pub struct User {
    /// Who it is.
    pub id: TenantId,
    /// Its password.
    pub password: Secret,
    /// The bearer token of its session.
    pub token: Secret,
}
