//! Passwords: hashed and checked on threads that may block, a few at a time.

use std::time::Duration;

use morgana_access::{check_new_password, hash_password, verify_password};
use morgana_model::{ErrorCode, Failure, Secret, TenantId};
use tokio::sync::OwnedSemaphorePermit;

use crate::{Controller, Error};

/// How long a login waits for its turn to have its password checked.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

impl Controller {
    /// Whether a new password is good enough.
    pub(crate) fn check_new_password(&self, user: &TenantId, password: &Secret) -> Result<(), Failure> {
        let minimum = self.options().password_min_characters;
        check_new_password(user.as_str(), password.expose(), minimum)
            .map_err(|weak| Failure::invalid(weak.to_string()))
    }

    pub(crate) async fn hash_password(&self, clear: Secret) -> Result<Secret, Error> {
        let _turn = self.password_turn().await?;
        let hashed =
            tokio::task::spawn_blocking(move || hash_password(clear.expose(), &mut rand::rng())).await;
        let hashed = hashed.map_err(|error| Error::Credentials(Box::new(error)))?;
        Ok(Secret::new(hashed.map_err(|error| Failure::invalid(error.to_string()))?))
    }

    /// Takes the same time whether the user exists or not.
    pub(crate) async fn verify_password(&self, clear: Secret, hash: Option<Secret>) -> Result<bool, Error> {
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
