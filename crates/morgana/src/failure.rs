//! Why a role of the binary ended badly, in one line.

use std::error::Error;
use std::fmt;

/// What was being done and why it failed, with all causes.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure while something was being done.
    pub(crate) fn new(doing: impl fmt::Display, cause: impl Error) -> Self {
        let mut text = format!("{doing}: {cause}");
        let mut source = cause.source();
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        Self(text)
    }

    /// A failure that says all by itself.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// One line, whatever the causes wrote.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_with_its_causes() {
        let cause = std::io::Error::other("first\nsecond");
        assert_eq!(Failure::new("cannot listen", cause).to_string(), "cannot listen: first second");
    }
}
