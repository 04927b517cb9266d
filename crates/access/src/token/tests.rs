use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_790_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key() -> SigningKey {
    SigningKey::generate(&mut rand::rng())
}

fn issue(key: &SigningKey) -> (String, Claims) {
    let user = "tenant1".parse().unwrap();
    let (token, claims) = issue_token(
        key,
        &TokenOptions::default(),
        &user,
        Role::Tenant,
        at(NOW),
        Uuid::new_v4(),
        Uuid::new_v4(),
    );
    (token.expose().to_owned(), claims)
}

fn verify(key: &SigningKey, token: &str, now: i64) -> Result<Claims, TokenError> {
    verify_token(key, Some(&format!("Bearer {token}")), at(now))
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A token with any header and claims, signed with HMAC-SHA256 and the given bytes.
fn forge(header: &Value, claims: &Value, secret: &EncodingKey) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), secret, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn what_was_issued_is_what_is_verified() {
    let key = key();
    let (token, claims) = issue(&key);
    assert_eq!(verify(&key, &token, NOW), Ok(claims.clone()));
    assert_eq!(claims.user.as_str(), "tenant1");
    assert_eq!(claims.role, Role::Tenant);
    assert_eq!((claims.issued_at, claims.expires_at), (at(NOW), at(NOW + 900)));
}

#[test]
fn a_client_of_viriot_finds_the_claims_it_knows() {
    let (token, claims) = issue(&key());
    assert_eq!(part(&token, 0), json!({ "typ": "JWT", "alg": "HS256" }));
    assert_eq!(
        part(&token, 1),
        json!({
            "iat": NOW,
            "nbf": NOW,
            "jti": claims.id.to_string(),
            "sid": claims.session.to_string(),
            "exp": NOW + 900,
            "identity": "tenant1",
            "fresh": false,
            "type": "access",
            "user_claims": "{\"role\": \"user\"}",
        })
    );
}

#[test]
fn a_token_is_good_from_its_first_second_to_its_last() {
    let key = key();
    let (token, _) = issue(&key);
    assert_eq!(verify(&key, &token, NOW - 1), Err(TokenError::NotYetValid));
    assert!(verify(&key, &token, NOW).is_ok());
    assert!(verify(&key, &token, NOW + 899).is_ok());
    assert_eq!(verify(&key, &token, NOW + 900), Err(TokenError::Expired));
}

#[test]
fn the_longest_life_does_not_overflow() {
    let (key, user) = (key(), "tenant1".parse().unwrap());
    let options = TokenOptions { life_seconds: u32::MAX };
    let late = Timestamp::MAX;
    let (_, claims) =
        issue_token(&key, &options, &user, Role::Administrator, late, Uuid::new_v4(), Uuid::new_v4());
    assert_eq!(claims.expires_at.as_second(), late.as_second());
}

#[test]
fn a_header_of_another_form_is_named() {
    let key = key();
    let (token, _) = issue(&key);
    let verify = |header: Option<&str>| verify_token(&key, header, at(NOW)).map(drop);
    assert_eq!(verify(None), Err(TokenError::MissingHeader));
    for header in ["", "Bearer", "Bearer ", &token, &format!("Basic {token}"), &format!("Bearer {token} x")] {
        assert_eq!(verify(Some(header)), Err(TokenError::NotBearer), "{header:.20}");
    }
    assert_eq!(verify(Some(&format!("bearer  {token} "))), Ok(()), "the scheme has no case, RFC 9110 11.1");
}

#[test]
fn a_text_that_is_no_token_is_malformed() {
    let key = key();
    for token in ["a.b.c", "..", "a.b.c.d", "ä.ö.ü", &"x".repeat(10_000)] {
        assert_eq!(verify(&key, token, NOW), Err(TokenError::Malformed), "{token:.20}");
    }
    for token in ["x", "a.b", "."] {
        assert_eq!(verify(&key, token, NOW), Err(TokenError::NotEnoughSegments), "{token:.20}");
    }
}

#[test]
fn a_token_of_another_platform_is_refused() {
    let (token, _) = issue(&key());
    assert_eq!(verify(&key(), &token, NOW), Err(TokenError::BadSignature));
}

#[test]
fn a_token_without_algorithm_is_refused() {
    let key = key();
    let claims = part(&issue(&key).0, 1);
    for alg in ["none", "None", "NONE", ""] {
        let header = json!({ "typ": "JWT", "alg": alg });
        let signed = forge(&header, &claims, &key.encoding());
        let unsigned = signed.rsplit_once('.').unwrap().0.to_owned() + ".";
        assert_eq!(verify(&key, &unsigned, NOW), Err(TokenError::Malformed), "{alg}");
        assert_eq!(verify(&key, &signed, NOW), Err(TokenError::Malformed), "{alg}");
    }
    let missing = forge(&json!({ "typ": "JWT" }), &claims, &key.encoding());
    assert_eq!(verify(&key, &missing, NOW), Err(TokenError::Malformed));
}

#[test]
fn a_token_that_claims_another_algorithm_is_refused_even_if_signed_with_our_key() {
    let key = key();
    let claims = part(&issue(&key).0, 1);
    for alg in ["RS256", "PS256", "ES256", "EdDSA", "HS384", "HS512"] {
        let token = forge(&json!({ "typ": "JWT", "alg": alg }), &claims, &key.encoding());
        assert_eq!(verify(&key, &token, NOW), Err(TokenError::BadSignature), "{alg}");
    }
}

#[test]
fn a_key_that_the_token_brings_along_is_not_used() {
    let key = key();
    let claims = part(&issue(&key).0, 1);
    let own = EncodingKey::from_secret(b"attacker");
    let jwk = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode("attacker"), "alg": "HS256" });
    let token = forge(&json!({ "typ": "JWT", "alg": "HS256", "jwk": jwk }), &claims, &own);
    assert_eq!(verify(&key, &token, NOW), Err(TokenError::BadSignature));
}

#[test]
fn signed_claims_of_another_shape_are_malformed() {
    let key = key();
    let good = part(&issue(&key).0, 1);
    let header = json!({ "typ": "JWT", "alg": "HS256" });
    assert!(verify(&key, &forge(&header, &good, &key.encoding()), NOW).is_ok());

    let changes = [
        ("type", json!("refresh")),
        ("identity", json!("no such_id!")),
        ("identity", json!(7)),
        ("exp", json!("soon")),
        ("jti", json!("not a uuid")),
        ("user_claims", json!({ "role": "admin" })),
        ("user_claims", json!("{\"role\": \"root\"}")),
        ("user_claims", json!("")),
    ];
    for (name, value) in changes {
        let mut claims = good.clone();
        claims[name] = value.clone();
        let token = forge(&header, &claims, &key.encoding());
        assert_eq!(verify(&key, &token, NOW), Err(TokenError::Malformed), "{name} = {value}");
    }
    for name in ["iat", "nbf", "jti", "sid", "exp", "identity", "type", "user_claims"] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().shift_remove(name);
        let token = forge(&header, &claims, &key.encoding());
        assert_eq!(verify(&key, &token, NOW), Err(TokenError::Malformed), "without {name}");
    }
}

proptest! {
    #[test]
    fn a_token_with_any_character_changed_is_refused(position in 0.0..1.0_f64, replacement in "[a-zA-Z0-9_.-]") {
        let key = SigningKey::generate(&mut rand::rng());
        let (token, _) = issue(&key);
        let index = (position * token.len() as f64) as usize;
        let mut changed = token.clone();
        changed.replace_range(index..=index, &replacement);
        prop_assume!(changed != token);
        prop_assert!(verify(&key, &changed, NOW).is_err(), "{}", changed);
    }

    #[test]
    fn any_header_is_answered(header in "\\PC{0,200}") {
        prop_assert!(verify_token(&SigningKey::generate(&mut rand::rng()), Some(&header), at(NOW)).is_err());
    }
}
