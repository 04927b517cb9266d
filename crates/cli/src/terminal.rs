//! What surrounds a command: where it writes, whether people are there, what the environment says.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use morgana_model::Secret;

/// What surrounds a command. A test makes its own.
pub struct Terminal {
    /// Where the result goes.
    pub output: Box<dyn Write>,
    /// Where progress and errors go.
    pub messages: Box<dyn Write>,
    /// How many columns the terminal has that shows the result; none when no terminal does.
    pub width: Option<u16>,
    /// Whether somebody watches the messages, so that they may move.
    pub is_watched: bool,
    /// Whether somebody is there to answer a question.
    pub can_ask: bool,
    /// The token that overrides those of the file (`MORGANA_TOKEN`).
    pub token: Option<Secret>,
    /// Where the tokens of logins are kept; none when the user has no home.
    pub token_file: Option<PathBuf>,
}

impl Terminal {
    /// The terminal and the environment of this process.
    pub fn of_process() -> Self {
        let stdout = io::stdout();
        Self {
            width: terminal_size::terminal_size_of(&stdout).map(|(width, _)| width.0),
            output: Box::new(stdout),
            messages: Box::new(io::stderr()),
            is_watched: io::stderr().is_terminal(),
            can_ask: io::stdin().is_terminal() && io::stderr().is_terminal(),
            token: env::var("MORGANA_TOKEN").ok().filter(|token| !token.is_empty()).map(Secret::new),
            token_file: token_file(env::var_os("XDG_CONFIG_HOME"), env::home_dir()),
        }
    }
}

/// `$XDG_CONFIG_HOME/morgana/tokens.json`, or below `~/.config` (XDG Base Directory Specification:
/// a relative path counts as not set).
fn token_file(config_home: Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let config = config_home.map(PathBuf::from).filter(|path| path.is_absolute());
    let config = config.or_else(|| home.map(|home| home.join(".config")))?;
    Some(config.join("morgana").join("tokens.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_kept_in_the_users_configuration() {
        let file = |config: Option<&str>, home: Option<&str>| {
            token_file(config.map(Into::into), home.map(Into::into))
        };
        assert_eq!(file(Some("/c"), Some("/h")), Some("/c/morgana/tokens.json".into()));
        assert_eq!(file(Some("c"), Some("/h")), Some("/h/.config/morgana/tokens.json".into()));
        assert_eq!(file(None, Some("/h")), Some("/h/.config/morgana/tokens.json".into()));
        assert_eq!(file(None, None), None);
    }
}
