//! Refresh tokens: what a session goes on with when its access token ends (RFC 6749 section 1.5).
//!
//! The token of each turn of a session can be computed from the platform's key, so none is stored;
//! the System DB only knows which turn the session is at. A token of an earlier turn was used by
//! somebody before: either its owner or a thief (RFC 9700 section 4.14.2), so the session has to end.

use jsonwebtoken::Algorithm;
use morgana_model::{Secret, TenantId};
use uuid::Uuid;

use crate::{SigningKey, same_secret};

/// What a refresh token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshClaim {
    /// Whose session it is.
    pub user: TenantId,
    /// The session.
    pub session: Uuid,
    /// Which token of the session it is, from 0.
    pub turn: u64,
}

/// The refresh token of a turn of a session: `<user>.<session>.<turn>.<HMAC-SHA256 of these>`.
pub fn refresh_token(key: &SigningKey, claim: &RefreshClaim) -> Secret {
    let RefreshClaim { user, session, turn } = claim;
    Secret::new(format!("{user}.{session}.{turn}.{}", signature(key, claim)))
}

/// What a refresh token says, if it is ours.
pub fn verify_refresh_token(key: &SigningKey, token: &str) -> Option<RefreshClaim> {
    let mut parts = token.splitn(4, '.');
    let user = parts.next()?.parse().ok()?;
    let session = parts.next()?.parse().ok()?;
    let turn = parts.next()?.parse().ok()?;
    let claim = RefreshClaim { user, session, turn };
    same_secret(parts.next()?, &Secret::new(signature(key, &claim))).then_some(claim)
}

/// The bar keeps it from being the signature of anything else that the key signs.
fn signature(key: &SigningKey, claim: &RefreshClaim) -> String {
    let message = format!("refresh|{}|{}|{}", claim.user, claim.session, claim.turn);
    jsonwebtoken::crypto::sign(message.as_bytes(), &key.encoding(), Algorithm::HS256)
        .expect("a key of bytes signs with HS256")
}

/// A print of a text that only the holder of the key can make, so that what was printed cannot be
/// found by trying.
pub fn print_of(key: &SigningKey, parts: &[&[u8]]) -> String {
    let mut message = b"print".to_vec();
    for part in parts {
        message.extend_from_slice(format!("|{}|", part.len()).as_bytes());
        message.extend_from_slice(part);
    }
    jsonwebtoken::crypto::sign(&message, &key.encoding(), Algorithm::HS256)
        .expect("a key of bytes signs with HS256")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::generate(&mut rand::rng())
    }

    fn claim() -> RefreshClaim {
        RefreshClaim { user: "tenant1".parse().unwrap(), session: Uuid::new_v4(), turn: 7 }
    }

    #[test]
    fn a_token_says_its_session_and_its_turn() {
        let (key, claim) = (key(), claim());
        assert_eq!(verify_refresh_token(&key, refresh_token(&key, &claim).expose()), Some(claim));
    }

    #[test]
    fn a_token_that_was_changed_or_that_another_platform_made_says_nothing() {
        let (key, claim) = (key(), claim());
        let token = refresh_token(&key, &claim);
        let token = token.expose();
        let another_turn = token.replacen(".7.", ".8.", 1);
        let another_user = token.replacen("tenant1", "tenant2", 1);
        let another_session = token.replacen(&claim.session.to_string(), &Uuid::new_v4().to_string(), 1);
        let foreign = refresh_token(&self::key(), &claim);
        let cut = &token[..token.len() - 1];
        let wrong =
            ["", "...", &token[1..], cut, &another_turn, &another_user, &another_session, foreign.expose()];
        for wrong in wrong {
            assert_eq!(verify_refresh_token(&key, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_print_tells_where_one_part_ends_and_the_next_begins() {
        let key = key();
        assert_eq!(print_of(&key, &[b"a", b"b"]), print_of(&key, &[b"a", b"b"]));
        assert_ne!(print_of(&key, &[b"ab", b""]), print_of(&key, &[b"a", b"b"]));
        assert_ne!(print_of(&key, &[b"a", b"b"]), print_of(&self::key(), &[b"a", b"b"]));
    }
}
