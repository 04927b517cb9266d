//! A text that must never reach a log.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A secret text: a password, a token, a key. It prints as `…` wherever it is printed; the only
/// way to the text is [`Secret::expose`], which a reader can search for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "…");
    }
}
