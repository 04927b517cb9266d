//! Which passwords are taken (NIST SP 800-63B section 5.1.1.2: length and no known ones, no rules of
//! composition).

/// The shortest password that is taken unless the operator says otherwise, in characters.
pub const PASSWORD_MIN_CHARACTERS: usize = 8;

/// What everybody tries first, of eight characters and more; the shorter ones are refused anyway.
const KNOWN: [&str; 24] = [
    "password",
    "password1",
    "password123",
    "passw0rd",
    "12345678",
    "123456789",
    "1234567890",
    "11111111",
    "00000000",
    "qwertyui",
    "qwertyuiop",
    "qwerty123",
    "abcd1234",
    "letmein1",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "trustno1",
    "changeme",
    "administrator",
    "morgana1",
];

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// It is too short.
    #[error("the password is too short: {minimum} characters are the least, a sentence is better")]
    TooShort {
        /// The least, in characters.
        minimum: usize,
    },
    /// Everybody knows it.
    #[error(
        "the password is one of those that are tried first: choose one that nobody knows, a sentence, say"
    )]
    Known,
    /// It is the user's own name, or that and some digits.
    #[error("the password is the name of the user: choose one that nobody knows, a sentence, say")]
    IsTheUser,
}

/// Checks a new password of a user.
///
/// # Errors
/// [`WeakPassword`] says what is wrong with it, and never repeats it.
pub fn check_new_password(user: &str, password: &str, minimum: usize) -> Result<(), WeakPassword> {
    let minimum = minimum.max(1);
    if password.chars().count() < minimum {
        return Err(WeakPassword::TooShort { minimum });
    }
    let plain = password.to_lowercase();
    if KNOWN.contains(&plain.as_str()) {
        return Err(WeakPassword::Known);
    }
    if plain.trim_end_matches(|c: char| c.is_ascii_digit() || c == '!') == user.to_lowercase()
        || plain == user.to_lowercase()
    {
        return Err(WeakPassword::IsTheUser);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_taken_and_what_everybody_tries_is_not() {
        for good in ["a good password", "correct horse", "ünïcödé", "p4ssw0rds", "tenant1 has 1"] {
            assert_eq!(check_new_password("tenant1", good, 7), Ok(()), "{good}");
        }
        assert_eq!(check_new_password("tenant1", "seven77", 8), Err(WeakPassword::TooShort { minimum: 8 }));
        assert_eq!(check_new_password("tenant1", "", 0), Err(WeakPassword::TooShort { minimum: 1 }));
        for known in ["password", "Password", "QWERTYUIOP", "changeme"] {
            assert_eq!(check_new_password("tenant1", known, 8), Err(WeakPassword::Known), "{known}");
        }
        for own in ["administrat", "Administrat1", "administrat123!"] {
            assert_eq!(check_new_password("administrat", own, 8), Err(WeakPassword::IsTheUser), "{own}");
        }
    }

    #[test]
    fn what_is_said_of_a_password_does_not_repeat_it() {
        for password in ["hunter2", "password", "tenant12"] {
            let error = check_new_password("tenant", password, 8).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("tenant12"), "{error}");
        }
    }
}
