//! Passwords are kept as Argon2id hashes only (RFC 9106).

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rand::CryptoRng;

/// Memory of one hash or verification, in KiB: 19 MiB, with [`PASSES`] and one lane the first choice
/// of the OWASP password storage cheat sheet. It is allocated for the call and freed after it, so a
/// controller that allows n verifications at a time needs n times this much on top.
const MEMORY_KIBIBYTES: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const HASH_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// Address space to ask for in one piece, in blocks of 1 KiB; only what is used becomes memory. The
/// allocator of glibc keeps a freed piece for later unless it is larger than 32 MiB (mallopt(3),
/// `M_MMAP_THRESHOLD`): without this, each thread that ever verified holds on to tens of megabytes.
const RESERVED_BLOCKS: usize = 33 * 1024;

/// The longest password, in bytes.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// A hash of no password that anyone has, so that an unknown user takes as long as a known one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bW9yZ2FuYS1ub2JvZHktMQ$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password was not hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// It has no character.
    #[error("the password is empty")]
    Empty,
    /// It is longer than [`PASSWORD_MAX_BYTES`].
    #[error("the password is longer than {PASSWORD_MAX_BYTES} bytes")]
    TooLong,
    /// The hash function gave up; no password makes it do so.
    #[error("cannot hash the password")]
    Hash,
}

/// Hashes a new password with a fresh salt, as text that [`verify_password`] understands.
///
/// Takes tens of milliseconds of work and 19 MiB: call it where blocking is allowed.
///
/// # Errors
/// [`PasswordError::Empty`] or [`PasswordError::TooLong`].
pub fn hash_password(password: &str, random: &mut impl CryptoRng) -> Result<String, PasswordError> {
    check(password)?;
    let mut salt = [0; SALT_BYTES];
    random.fill_bytes(&mut salt);
    encode(password, &salt).ok_or(PasswordError::Hash)
}

/// Whether `password` is the one that was hashed as `stored`. `None` stands for an unknown user, and
/// takes the same time, so that the answer does not tell which users exist.
///
/// Takes tens of milliseconds of work and 19 MiB: call it where blocking is allowed, and bound how
/// many run at a time.
pub fn verify_password(password: &str, stored: Option<&str>) -> bool {
    // A password out of bounds is refused before any work: it tells nothing about the user.
    if check(password).is_err() {
        return false;
    }
    let known = stored.and_then(|stored| Phc::new(stored).ok()).filter(is_ours);
    let is_known = known.is_some();
    let Some(hash) = known.or_else(|| Phc::new(NOBODY).ok()) else { return false };
    let (Some(salt), Ok(params)) = (&hash.salt, Params::try_from(&hash)) else { return false };
    let derived = derive(password, salt.as_ref(), params);
    // The library compares two outputs in constant time.
    let matches = derived.is_some() && derived == hash.hash;
    matches && is_known
}

fn check(password: &str) -> Result<(), PasswordError> {
    match password.len() {
        0 => Err(PasswordError::Empty),
        1..=PASSWORD_MAX_BYTES => Ok(()),
        _ => Err(PasswordError::TooLong),
    }
}

fn is_ours(hash: &Phc) -> bool {
    hash.algorithm == Algorithm::Argon2id.ident() && hash.version == Some(Version::V0x13.into())
}

/// The hash with its costs and its salt, in the text form of the Password Hashing Competition.
fn encode(password: &str, salt: &[u8]) -> Option<String> {
    let params = Params::new(MEMORY_KIBIBYTES, PASSES, LANES, Some(HASH_BYTES)).ok()?;
    let hash = Phc {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).ok()?,
        salt: Some(Salt::new(salt).ok()?),
        hash: Some(derive(password, salt, params)?),
    };
    Some(hash.to_string())
}

/// Argon2id itself, in memory that goes back to the system at the end.
fn derive(password: &str, salt: &[u8], params: Params) -> Option<Output> {
    let blocks = params.block_count();
    let mut memory: Vec<Block> = Vec::new();
    memory.try_reserve_exact(blocks.max(RESERVED_BLOCKS)).ok()?;
    memory.resize(blocks, Block::default());

    let mut output = [0; HASH_BYTES];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut output, &mut memory).ok()?;
    Output::new(&output).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn hash(password: &str) -> String {
        hash_password(password, &mut rand::rng()).unwrap()
    }

    #[test]
    fn only_the_same_password_matches() {
        let stored = hash("correct horse");
        assert!(verify_password("correct horse", Some(&stored)));
        for wrong in ["correct Horse", "correct horse ", "", "x", &"x".repeat(100_000)] {
            assert!(!verify_password(wrong, Some(&stored)), "{wrong:.20}");
        }
    }

    #[test]
    fn any_unicode_and_any_allowed_length_works() {
        for password in ["\u{1f512}e\u{301}'\"\0", &"p".repeat(PASSWORD_MAX_BYTES)] {
            assert!(verify_password(password, Some(&hash(password))));
        }
    }

    #[test]
    fn a_password_out_of_bounds_is_not_hashed() {
        let too_long = "p".repeat(PASSWORD_MAX_BYTES + 1);
        assert_eq!(hash_password("", &mut rand::rng()), Err(PasswordError::Empty));
        assert_eq!(hash_password(&too_long, &mut rand::rng()), Err(PasswordError::TooLong));
    }

    #[test]
    fn the_same_password_hashes_differently_each_time() {
        assert_ne!(hash("same"), hash("same"));
    }

    #[test]
    fn the_hash_names_its_costs() {
        assert!(hash("x").starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash("x"));
    }

    #[test]
    fn hashes_are_those_of_the_library_and_of_others() {
        use argon2::password_hash::PasswordVerifier;
        let ours = hash("AAAA");
        Argon2::default().verify_password(b"AAAA", &Phc::new(&ours).unwrap()).unwrap();
        let theirs = "$argon2id$v=19$m=19456,t=2,p=1$JBGJ6MV6WMfRxt3SrRHsHg\
                      $XemLlBUVStBYVJKj/9qPYQxOSuvszcFh17NK6+t4tA8";
        assert!(verify_password("AAAA", Some(theirs)));
        assert!(!verify_password("AAAB", Some(theirs)));
    }

    #[test]
    fn a_stored_text_that_is_no_hash_matches_nothing() {
        for stored in ["", "plain", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"] {
            assert!(!verify_password(stored, Some(stored)), "{stored}");
            assert!(!verify_password("x", Some(stored)), "{stored}");
        }
    }

    #[test]
    fn nobody_has_the_costs_of_everybody_and_no_password() {
        let (nobody, somebody) = (Phc::new(NOBODY).unwrap(), hash("x"));
        let somebody = Phc::new(&somebody).unwrap();
        assert_eq!(nobody.params, somebody.params);
        assert_eq!(
            nobody.hash.as_ref().map(|hash| hash.len()),
            somebody.hash.as_ref().map(|hash| hash.len())
        );
        assert!(!verify_password("x", None));
    }

    #[test]
    fn an_unknown_user_takes_as_long_as_a_known_one() {
        let stored = hash("x");
        let once = |stored: Option<&str>| {
            let started = Instant::now();
            assert!(!verify_password("wrong", stored));
            started.elapsed()
        };
        // In turns, so that what else the machine does disturbs both alike.
        let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
        for _ in 0..10 {
            known = known.min(once(Some(&stored)));
            unknown = unknown.min(once(None));
        }
        assert!(unknown * 2 > known && known * 2 > unknown, "{known:?} {unknown:?}");
    }
}
