//! Going on with a session whose access token the controller does not take any more.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use morgana_client::{Client, Options, Renewal};
use morgana_model::Secret;

use crate::error::Error;
use crate::tokens::{Login, TokenFile};

/// Exchanges the refresh token in the token file for the next tokens, and keeps them there.
#[derive(Debug)]
pub(crate) struct SessionOfFile {
    pub(crate) tokens: TokenFile,
    pub(crate) controller: String,
    pub(crate) options: Options,
}

impl Renewal for SessionOfFile {
    fn renew<'a>(&'a self, refused: &'a Secret) -> BoxFuture<'a, Option<Secret>> {
        // Where it cannot be gone on with, the command tells what the controller said, and what to do.
        async move { self.exchange(refused).await.ok().flatten() }.boxed()
    }
}

impl SessionOfFile {
    async fn exchange(&self, refused: &Secret) -> Result<Option<Secret>, Error> {
        let lock = self.tokens.lock()?;
        let Some(login) = self.tokens.get(&self.controller)? else { return Ok(None) };
        // Another command may have been first: a refresh token works once.
        if login.access_token != *refused {
            return Ok(Some(login.access_token));
        }
        let anyone = Client::with_options(&self.controller, None, self.options.clone())?;
        let session = anyone.refresh(&login.refresh_token).await?;
        let login = Login::new(login.user_id, session);
        let next = login.access_token.clone();
        self.tokens.put_locked(&lock, &self.controller, login)?;
        Ok(Some(next))
    }
}
