//! Logging in and out.

use morgana_model::{Credentials, ErrorCode, Secret, TenantId};
use serde_json::json;

use super::secret;
use crate::answer::Answer;
use crate::call::{Context, Operation};
use crate::error::Error;
use crate::terminal::Terminal;
use crate::tokens;

/// Log in.
#[derive(Debug, clap::Args)]
pub struct Login {
    /// The user.
    #[arg(short = 'u', long = "user", value_name = "USER", default_value = "tenant1")]
    user: TenantId,
    /// The password; asked for when it is not given.
    #[arg(
        short = 'p',
        long = "password",
        value_name = "PASSWORD",
        env = "MORGANA_PASSWORD",
        hide_env_values = true,
        value_parser = secret
    )]
    password: Option<Secret>,
}

impl Operation for Login {
    const NEEDS_LOGIN: bool = false;

    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let tokens = context.tokens()?;
        let password = match self.password {
            Some(password) => password,
            None => ask_password(context.terminal, "Password: ", " or in MORGANA_PASSWORD")?,
        };
        let credentials = Credentials { user_id: self.user.to_string(), password };
        let session = context.client.login(&credentials).await?;
        let login = tokens::Login::new(self.user, session);
        let (controller, user) = (&context.controller, &login.user_id);
        let sentence = format!(
            "logged in at {controller} as {user} ({}) until {}",
            login.role, login.session_expires_at
        );
        let value = json!({
            "controller": controller, "userID": user, "role": login.role, "expiresAt": login.session_expires_at,
        });
        tokens.put(controller, login)?;
        if context.terminal.token.is_some() {
            let note = "note: MORGANA_TOKEN is set and goes before the token of this login";
            writeln!(context.terminal.messages, "{note}")?;
        }
        Answer::sentence(value, sentence)
    }
}

/// Log out.
#[derive(Debug, clap::Args)]
pub struct Logout {}

impl Operation for Logout {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        match context.client.logout().await {
            // A session that is over already needs no end; its token is still to be forgotten.
            Err(error) if context.login.is_some() && error.code() == Some(ErrorCode::Unauthenticated) => {}
            outcome => outcome?,
        }
        if context.login.is_some() {
            context.tokens()?.remove(&context.controller)?;
        }
        Answer::sentence(
            json!({"controller": context.controller, "loggedIn": false}),
            format!("logged out at {}", context.controller),
        )
    }
}

/// Asks for a password without showing it; `elsewhere` says where else it may come from.
pub(super) fn ask_password(
    terminal: &Terminal,
    prompt: &str,
    elsewhere: &'static str,
) -> Result<Secret, Error> {
    if !terminal.can_ask {
        return Err(Error::NoPassword { elsewhere });
    }
    rpassword::prompt_password(prompt).map(Secret::new).map_err(Error::Prompt)
}
