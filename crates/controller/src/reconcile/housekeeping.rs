//! Forgets what time, or a race, has made pointless.

use std::collections::HashSet;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use morgana_model::{Connection, ConnectionSpec, VThing, VThingId};
use morgana_store::{Expect, Transaction, connection_key};

use super::runner::{Outcome, Reconciler};
use crate::{Controller, Error};

/// Removes logged-out tokens that would have expired by now, and connections to vThings that are
/// gone: one may be made in the moment in which its vThing goes.
pub(crate) struct Housekeeping {
    controller: Controller,
}

/// Something to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Remnant {
    Token(String),
    Connection { key: String, v_thing: VThingId },
}

impl fmt::Display for Remnant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(id) => write!(f, "token {id}"),
            Self::Connection { key, .. } => write!(f, "connection {key}"),
        }
    }
}

impl Housekeeping {
    pub(crate) fn new(controller: Controller) -> Self {
        Self { controller }
    }

    async fn expired_tokens(&self) -> Result<impl Iterator<Item = Remnant>, Error> {
        let now = Timestamp::now();
        let tokens = self.controller.revoked_tokens().all("").await?;
        Ok(tokens
            .into_iter()
            .filter(move |token| token.value.expires_at < now)
            .map(|token| Remnant::Token(token.value.id)))
    }

    async fn dangling_connections(&self) -> Result<impl Iterator<Item = Remnant>, Error> {
        // Connections first: a vThing that comes in between makes nothing dangle.
        let connections = self.controller.connections().all("").await?;
        let v_things = self.controller.v_things().all("").await?;
        let there: HashSet<VThingId> = v_things.into_iter().map(|found| found.value.id).collect();
        let specs = connections.into_iter().map(|found| found.value.spec);
        Ok(specs.filter(move |spec| !there.contains(&spec.v_thing)).map(|spec| {
            let key = connection_key(&spec);
            let ConnectionSpec { v_thing, .. } = spec;
            Remnant::Connection { key, v_thing }
        }))
    }
}

#[async_trait]
impl Reconciler for Housekeeping {
    type Key = Remnant;

    const NAME: &'static str = "housekeeping";

    async fn keys(&self) -> Result<Vec<Remnant>, Error> {
        let tokens = self.expired_tokens().await?;
        Ok(tokens.chain(self.dangling_connections().await?).collect())
    }

    async fn reconcile(&self, remnant: &Remnant) -> Result<Outcome, Error> {
        match remnant {
            Remnant::Token(id) => {
                self.controller.revoked_tokens().delete(id, Expect::Any).await?;
            }
            Remnant::Connection { key, v_thing } => {
                let mut transaction = Transaction::new();
                transaction.delete::<Connection>(key.as_str(), Expect::Any);
                transaction.check::<VThing>(v_thing.as_str(), Expect::Absent);
                transaction.commit(self.controller.store()).await?;
            }
        }
        Ok(Outcome { did: vec!["forgot"], again_in: None })
    }
}
