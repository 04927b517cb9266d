//! What every command has in common: which controller it asks, as whom, and in which form it
//! answers.

use std::path::PathBuf;
use std::sync::Arc;

use morgana_client::{Client, Options};
use morgana_model::{ErrorCode, TenantId};

use crate::answer::{Answer, Format};
use crate::error::Error;
use crate::session::SessionOfFile;
use crate::terminal::Terminal;
use crate::tokens::{Login, TokenFile};

/// One command: its own arguments and those that all have.
#[derive(Debug, clap::Args)]
pub struct Call<O: clap::Args> {
    #[command(flatten)]
    operation: O,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Common options")]
struct Common {
    /// The URL of the controller.
    #[arg(
        short = 'c',
        long = "controller",
        value_name = "URL",
        env = "MORGANA_URL",
        default_value = "http://127.0.0.1:8090"
    )]
    controller: String,
    /// A file of certificates (PEM) to trust, and no others, where the URL begins with https.
    #[arg(long = "ca", value_name = "FILE", env = "MORGANA_CA")]
    ca: Option<PathBuf>,
    /// The form of the result: a table for people, the others for programs.
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Format::Table)]
    output: Format,
}

/// What a command does once it is known whom it asks.
pub(crate) trait Operation: clap::Args {
    /// Whether a refused token means that the user should log in.
    const NEEDS_LOGIN: bool = true;

    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error>;
}

/// Whom a command asks, as whom, and where it runs.
pub(crate) struct Context<'a> {
    pub(crate) client: Client,
    /// The URL of the controller, without a slash at its end.
    pub(crate) controller: String,
    /// Who is logged in, as far as the token file knows.
    pub(crate) login: Option<Login>,
    pub(crate) format: Format,
    pub(crate) terminal: &'a mut Terminal,
}

/// Carries a command out and prints its answer.
pub(crate) async fn perform<O: Operation>(call: Call<O>, terminal: &mut Terminal) -> Result<(), Error> {
    let mut context = Context::new(call.common, terminal, O::NEEDS_LOGIN)?;
    let answer = match call.operation.run(&mut context).await {
        Err(Error::Client(error)) if O::NEEDS_LOGIN && error.code() == Some(ErrorCode::Unauthenticated) => {
            Err(Error::NotLoggedIn { said: error.to_string(), controller: context.controller.clone() })
        }
        answer => answer,
    }?;
    answer.write(context.format, context.terminal.width, &mut context.terminal.output)
}

impl<'a> Context<'a> {
    fn new(common: Common, terminal: &'a mut Terminal, needs_login: bool) -> Result<Self, Error> {
        let controller = common.controller.trim_end_matches('/').to_owned();
        // With a token given there is no need for the file, nor for a folder to keep it in.
        let login = match (&terminal.token, &terminal.token_file) {
            (None, Some(path)) => TokenFile::new(Some(path))?.get(&controller)?,
            _ => None,
        };
        let token = terminal.token.clone().or_else(|| login.as_ref().map(|login| login.access_token.clone()));
        let mut options = Options::default();
        if let Some(file) = &common.ca {
            let read = std::fs::read(file);
            options.trusted_certificates =
                Some(read.map_err(|source| Error::Certificates { file: file.clone(), source })?);
        }
        let mut client = Client::with_options(&controller, token, options.clone())?;
        if let Some(path) = terminal.token_file.as_deref().filter(|_| login.is_some() && needs_login) {
            let (tokens, controller) = (TokenFile::new(Some(path))?, controller.clone());
            client = client.with_renewal(Arc::new(SessionOfFile { tokens, controller, options }));
        }
        Ok(Self { client, controller, login, format: common.output, terminal })
    }

    /// The file that keeps the tokens.
    pub(crate) fn tokens(&self) -> Result<TokenFile, Error> {
        Ok(TokenFile::new(self.terminal.token_file.as_deref())?)
    }

    /// The tenant a command is about: the one that was given, else the user that is logged in.
    pub(crate) fn tenant(&self, given: Option<TenantId>) -> Result<TenantId, Error> {
        given.or_else(|| self.login.as_ref().map(|login| login.user_id.clone())).ok_or(Error::NoTenant)
    }
}
