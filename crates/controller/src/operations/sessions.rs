//! Logging in and out, and telling who calls.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use morgana_access::{
    Caller, Claims, TokenOptions, hash_password, issue_token, verify_password, verify_token,
};
use morgana_model::{Credentials, ErrorCode, Failure, Role, Secret, Session, TenantId};
use morgana_store::Expect;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::records::RevokedToken;
use crate::{Controller, Error};

/// How long a login waits for its turn to have its password checked.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// A caller whose right may end while it is being answered: its token expires or is logged out, its
/// user goes or changes its role.
#[derive(Clone)]
pub struct Lease {
    controller: Controller,
    caller: Caller,
    claims: Claims,
}

impl Lease {
    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether its right is still what it was.
    pub async fn holds(&self) -> bool {
        Timestamp::now() < self.claims.expires_at
            && self.controller.bearer_of(&self.claims).await.is_ok_and(|caller| caller == self.caller)
    }
}

impl Controller {
    /// Gives a token to who knows the password.
    ///
    /// # Errors
    /// When user and password do not match, or too many log in at once.
    pub async fn login(&self, credentials: Credentials) -> Result<Session, Failure> {
        self.operation("login", async {
            let record = match credentials.user_id.parse::<TenantId>() {
                Ok(id) => self.users().get(id.as_str()).await?,
                Err(_) => None,
            };
            let hash = record.as_ref().map(|record| record.value.password_hash.clone());
            let matches = self.verify_password(credentials.password, hash).await?;
            match record.filter(|_| matches) {
                Some(record) => Ok(self.session(&record.value.user.id, record.value.user.spec.role)),
                None => Err(Failure::new(ErrorCode::Unauthenticated, "Bad username or password").into()),
            }
        })
        .await
    }

    fn session(&self, user: &TenantId, role: Role) -> Session {
        let life = TokenOptions { life_seconds: self.options().token_life_hours.saturating_mul(3600) };
        let (access_token, claims) =
            issue_token(self.key(), &life, user, role, Timestamp::now(), Uuid::new_v4());
        Session { access_token, role, expires_at: claims.expires_at }
    }

    /// Ends the token of an `Authorization` header, for good.
    ///
    /// # Errors
    /// When the token is not valid any more.
    pub async fn logout(&self, authorization: Option<&str>) -> Result<(), Failure> {
        self.operation("logout", async {
            let (_, claims) = self.caller_of(authorization).await?;
            let revoked = RevokedToken { id: claims.id.to_string(), expires_at: claims.expires_at };
            self.revoked_tokens().put(&revoked, Expect::Any).await?;
            Ok(())
        })
        .await
    }

    /// Tells who calls, from the `Authorization` header.
    ///
    /// # Errors
    /// When it is missing or malformed, or its token is not ours, expired or logged out, or the
    /// user is gone.
    pub async fn authenticate(&self, authorization: Option<&str>) -> Result<Caller, Failure> {
        self.caller_of(authorization).await.map(|(caller, _)| caller).map_err(Failure::from)
    }

    /// Tells who calls, for an answer that lasts longer than a request.
    ///
    /// # Errors
    /// As [`Controller::authenticate`].
    pub async fn lease(&self, authorization: Option<&str>) -> Result<Lease, Failure> {
        let (caller, claims) = self.caller_of(authorization).await?;
        Ok(Lease { controller: self.clone(), caller, claims })
    }

    async fn caller_of(&self, authorization: Option<&str>) -> Result<(Caller, Claims), Error> {
        let verified = verify_token(self.key(), authorization, Timestamp::now());
        let claims = verified.map_err(|error| unauthenticated(error.to_string()))?;
        let caller = self.bearer_of(&claims).await?;
        Ok((caller, claims))
    }

    /// The role is read anew each time: it is the System DB's word that counts, not the token's.
    async fn bearer_of(&self, claims: &Claims) -> Result<Caller, Error> {
        if self.revoked_tokens().get(&claims.id.to_string()).await?.is_some() {
            return Err(unauthenticated("the token has been revoked; log in again"));
        }
        let record = self.users().get(claims.user.as_str()).await?;
        match record.map(|record| record.value.user) {
            // A user registered again under the same id does not inherit the tokens of the one
            // before. Tokens know seconds only.
            Some(user) if user.metadata.created_at < claims.issued_at + SignedDuration::from_secs(1) => {
                Ok(Caller { user: user.id, role: user.spec.role })
            }
            _ => Err(unauthenticated("the user of the token does not exist any more")),
        }
    }

    pub(crate) async fn hash_password(&self, clear: Secret) -> Result<Secret, Error> {
        let _turn = self.password_turn().await?;
        let hashed =
            tokio::task::spawn_blocking(move || hash_password(clear.expose(), &mut rand::rng())).await;
        let hashed = hashed.map_err(|error| Error::Credentials(Box::new(error)))?;
        Ok(Secret::new(hashed.map_err(|error| Failure::invalid(error.to_string()))?))
    }

    /// Takes the same time whether the user exists or not.
    async fn verify_password(&self, clear: Secret, hash: Option<Secret>) -> Result<bool, Error> {
        let _turn = self.password_turn().await?;
        let verify = move || verify_password(clear.expose(), hash.as_ref().map(Secret::expose));
        let verified = tokio::task::spawn_blocking(verify).await;
        verified.map_err(|error| Error::Credentials(Box::new(error)))
    }

    async fn password_turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        let busy =
            || Failure::new(ErrorCode::TooManyRequests, "too many logins at once; try again in some seconds");
        let _waiting = self.logins_waiting().try_acquire_owned().map_err(|_| busy())?;
        let turn = tokio::time::timeout(TURN_TIMEOUT, self.password_checks().acquire_owned()).await;
        Ok(turn.map_err(|_| busy())?.map_err(|_| busy())?)
    }
}

fn unauthenticated(text: impl Into<String>) -> Error {
    Failure::new(ErrorCode::Unauthenticated, text).into()
}
