//! What the System DB keeps besides what users see.

use jiff::Timestamp;
use morgana_model::{AuditEntry, Secret, TenantId, User};
use morgana_store::{Document, Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

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

/// A login, until it is logged out or its time is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    /// The `sid` of its tokens; a later session has a greater one.
    pub(crate) id: Uuid,
    /// Whose it is.
    pub(crate) user: TenantId,
    /// When it began.
    pub(crate) created_at: Timestamp,
    /// When it was last refreshed.
    pub(crate) refreshed_at: Timestamp,
    /// Which of its refresh tokens is the one to use.
    pub(crate) turn: u64,
    /// When it ends by itself, and can be forgotten.
    pub(crate) expires_at: Timestamp,
}

/// The key of a session: those of a user share a prefix that no other user's have.
pub(crate) fn session_key(user: &TenantId, id: Uuid) -> String {
    format!("{user} {id}")
}

impl Document for SessionRecord {
    const KIND: Kind = Kind::Session;

    fn key(&self) -> String {
        session_key(&self.user, self.id)
    }
}

/// What a creation with an idempotency key answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IdempotencyRecord {
    /// Who asked.
    pub(crate) user: TenantId,
    /// With which key.
    pub(crate) key: String,
    /// The print of what was asked.
    pub(crate) print: String,
    /// The answer.
    pub(crate) answer: Value,
    /// When; it is forgotten after a while.
    pub(crate) at: Timestamp,
}

/// The key of a remembered answer: keys of different users do not meet.
pub(crate) fn idempotency_key(user: &TenantId, key: &str) -> String {
    format!("{user} {key}")
}

impl Document for IdempotencyRecord {
    const KIND: Kind = Kind::Idempotency;

    fn key(&self) -> String {
        idempotency_key(&self.user, &self.key)
    }
}

/// A line of the audit log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct AuditRecord(pub(crate) AuditEntry);

impl Document for AuditRecord {
    const KIND: Kind = Kind::Audit;

    fn key(&self) -> String {
        self.0.id.clone()
    }
}
