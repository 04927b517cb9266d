//! Forgets what time has made pointless.

use async_trait::async_trait;
use jiff::Timestamp;
use morgana_store::Expect;

use super::runner::{Outcome, Reconciler};
use crate::{Controller, Error};

/// Removes logged-out tokens that would have expired by now.
pub(crate) struct Housekeeping {
    controller: Controller,
}

impl Housekeeping {
    pub(crate) fn new(controller: Controller) -> Self {
        Self { controller }
    }
}

#[async_trait]
impl Reconciler for Housekeeping {
    type Key = String;

    const NAME: &'static str = "housekeeping";

    async fn keys(&self) -> Result<Vec<String>, Error> {
        let now = Timestamp::now();
        let tokens = self.controller.revoked_tokens().all("").await?;
        Ok(tokens
            .into_iter()
            .filter(|token| token.value.expires_at < now)
            .map(|token| token.value.id)
            .collect())
    }

    async fn reconcile(&self, token: &String) -> Result<Outcome, Error> {
        self.controller.revoked_tokens().delete(token, Expect::Any).await?;
        Ok(Outcome { did: vec!["forgot an expired token"], again_in: None })
    }
}
