//! Secrets that the platform itself makes up, and how to compare them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use morgana_model::Secret;
use rand::CryptoRng;
use subtle::ConstantTimeEq;

/// A token of 256 random bits for a silo's endpoints, in base64url (43 characters).
pub fn generate_silo_token(random: &mut impl CryptoRng) -> Secret {
    text::<32>(random)
}

/// A password of 144 random bits, in base64url (24 characters), for the first administrator.
pub fn generate_password(random: &mut impl CryptoRng) -> Secret {
    text::<18>(random)
}

/// Whether `given` is the secret, in a time that does not tell how much of it is right.
pub fn same_secret(given: &str, secret: &Secret) -> bool {
    given.as_bytes().ct_eq(secret.expose().as_bytes()).into()
}

fn text<const BYTES: usize>(random: &mut impl CryptoRng) -> Secret {
    let mut bytes = [0; BYTES];
    random.fill_bytes(&mut bytes);
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silo_token_is_43_characters_that_need_no_escaping() {
        let token = generate_silo_token(&mut rand::rng());
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert_eq!(token.expose().len(), 43);
        assert!(token.expose().chars().all(plain), "{}", token.expose());
        assert_ne!(token, generate_silo_token(&mut rand::rng()));
        assert_eq!(generate_password(&mut rand::rng()).expose().len(), 24);
    }

    #[test]
    fn only_the_whole_secret_is_the_same() {
        let secret = Secret::new("abc");
        assert!(same_secret("abc", &secret));
        for wrong in ["", "ab", "abcd", "abd", "ABC"] {
            assert!(!same_secret(wrong, &secret), "{wrong}");
        }
    }
}
