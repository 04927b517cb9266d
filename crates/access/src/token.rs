//! Bearer tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA256, with the claims of VirIoT, so
//! that a client that looks inside finds what it expects (viriot-wire.md section 2.1).

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use morgana_model::{Role, Secret, TenantId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::SigningKey;

/// No token of ours comes near this many bytes, so a longer one is not even looked at.
const TOKEN_MAX_BYTES: usize = 2048;

/// How tokens are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenOptions {
    /// How long a token is good for, in seconds.
    pub life_seconds: u32,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self { life_seconds: 15 * 60 }
    }
}

/// What a token says. Who may do what is decided by the role in the System DB, never by this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The id of the token (`jti`).
    pub id: Uuid,
    /// The session it belongs to (`sid`): a token is good no longer than its session.
    pub session: Uuid,
    /// Whose token it is (`identity`).
    pub user: TenantId,
    /// The role at the time of the login.
    pub role: Role,
    /// When it was made, to the second.
    pub issued_at: Timestamp,
    /// From when on it is no longer good; a revocation may be forgotten after that.
    pub expires_at: Timestamp,
}

/// Why a request has no valid token. Whether a token was revoked is asked by its id afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is no `Authorization` header.
    #[error("the Authorization header is missing; log in and send 'Authorization: Bearer <token>'")]
    MissingHeader,
    /// The header is not of the form `Bearer <token>`.
    #[error("the Authorization header is not of the form 'Bearer <token>'")]
    NotBearer,
    /// The token has not the three parts of a JSON Web Token.
    #[error("the token is malformed: it has not the three parts of a token; log in again")]
    NotEnoughSegments,
    /// The token is not a token of this platform's form.
    #[error("the token is malformed; log in again")]
    Malformed,
    /// Someone else signed the token, or it was changed.
    #[error("the signature of the token is wrong; log in again")]
    BadSignature,
    /// Its time is over.
    #[error("the token has expired; log in again")]
    Expired,
    /// Its time has not come; the clocks differ.
    #[error("the token is not valid yet; check the clock")]
    NotYetValid,
}

/// The claims as VirIoT writes them.
#[derive(Serialize, Deserialize)]
struct WireClaims {
    iat: i64,
    nbf: i64,
    jti: Uuid,
    /// VirIoT's tokens have none, and neither has what somebody forged in their form.
    sid: Uuid,
    exp: i64,
    identity: TenantId,
    fresh: bool,
    #[serde(rename = "type")]
    kind: Kind,
    /// JSON inside a JSON string.
    user_claims: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Access,
}

#[derive(Serialize, Deserialize)]
struct UserClaims {
    role: Role,
}

/// Makes a token of a session. `id` is a fresh random one.
pub fn issue_token(
    key: &SigningKey,
    options: &TokenOptions,
    user: &TenantId,
    role: Role,
    now: Timestamp,
    id: Uuid,
    session: Uuid,
) -> (Secret, Claims) {
    let issued = now.as_second();
    let expires = issued.saturating_add(options.life_seconds.into()).min(Timestamp::MAX.as_second());
    let wire = WireClaims {
        iat: issued,
        nbf: issued,
        jti: id,
        sid: session,
        exp: expires,
        identity: user.clone(),
        fresh: false,
        kind: Kind::Access,
        user_claims: format!("{{\"role\": \"{role}\"}}"),
    };
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &wire, &key.encoding())
        .expect("a key of bytes signs with HS256, and the claims are plain JSON");
    let claims = Claims {
        id,
        session,
        user: user.clone(),
        role,
        issued_at: second(issued).unwrap_or(now),
        expires_at: second(expires).unwrap_or(Timestamp::MAX),
    };
    (Secret::new(token), claims)
}

/// What the token in an `Authorization` header says, if it is ours and its time is now.
///
/// # Errors
/// [`TokenError`] names the first thing that is wrong.
pub fn verify_token(
    key: &SigningKey,
    authorization: Option<&str>,
    now: Timestamp,
) -> Result<Claims, TokenError> {
    let header = authorization.ok_or(TokenError::MissingHeader)?;
    let (scheme, token) = header.trim().split_once(' ').ok_or(TokenError::NotBearer)?;
    let token = token.trim_start();
    if !scheme.eq_ignore_ascii_case("bearer") || token.contains(' ') {
        return Err(TokenError::NotBearer);
    }
    if token.len() > TOKEN_MAX_BYTES {
        return Err(TokenError::Malformed);
    }
    if token.split('.').count() < 3 {
        return Err(TokenError::NotEnoughSegments);
    }

    // The library would ask the clock of the machine; here the time is an input.
    let mut signature_only = Validation::new(Algorithm::HS256);
    signature_only.validate_exp = false;
    signature_only.validate_nbf = false;
    signature_only.validate_aud = false;
    signature_only.required_spec_claims.clear();
    let decoded = jsonwebtoken::decode::<WireClaims>(token, &key.decoding(), &signature_only);
    let wire = decoded.map_err(|error| refusal(error.kind()))?.claims;

    let now = now.as_second();
    if now >= wire.exp {
        return Err(TokenError::Expired);
    }
    if now < wire.nbf {
        return Err(TokenError::NotYetValid);
    }
    let user: UserClaims = serde_json::from_str(&wire.user_claims).map_err(|_| TokenError::Malformed)?;
    Ok(Claims {
        id: wire.jti,
        session: wire.sid,
        user: wire.identity,
        role: user.role,
        issued_at: second(wire.iat)?,
        expires_at: second(wire.exp)?,
    })
}

fn second(second: i64) -> Result<Timestamp, TokenError> {
    Timestamp::from_second(second).map_err(|_| TokenError::Malformed)
}

/// A token with another algorithm is not signed by us, whatever its signature says (RFC 8725 3.1).
fn refusal(error: &ErrorKind) -> TokenError {
    match error {
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => TokenError::BadSignature,
        _ => TokenError::Malformed,
    }
}

#[cfg(test)]
mod tests;
