//! What the System DB keeps besides what users see.

use jiff::Timestamp;
use morgana_model::{Secret, User};
use morgana_store::{Document, Kind};
use serde::{Deserialize, Serialize};

/// A user with the hash of its password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    #[serde(flatten)]
    pub(crate) user: User,
    /// Argon2id, in PHC form.
    pub(crate) password_hash: Secret,
}

impl Document for UserRecord {
    const KIND: Kind = Kind::User;

    fn key(&self) -> String {
        self.user.id.to_string()
    }
}

/// A token that was logged out before its time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RevokedToken {
    /// Its `jti`.
    pub(crate) id: String,
    /// When it would have ended by itself, and can be forgotten.
    pub(crate) expires_at: Timestamp,
}

impl Document for RevokedToken {
    const KIND: Kind = Kind::RevokedToken;

    fn key(&self) -> String {
        self.id.clone()
    }
}
