//! Forgets what time, or a race, has made pointless.

use std::collections::HashSet;
use std::fmt;

use async_trait::async_trait;
use morgana_model::{ConnectionSpec, VSiloId, VThingId};
use morgana_store::{Expect, connection_key};

use super::runner::{Outcome, Reconciler};
use crate::{Controller, Error};

/// Removes connections of which an end is gone: another controller may make one in the moment in which its silo or vThing goes.
pub(crate) struct Housekeeping {
    controller: Controller,
}

/// Something to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Remnant {
    Connection(ConnectionSpec),
}

impl fmt::Display for Remnant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(spec) => write!(f, "connection {} {}", spec.v_silo, spec.v_thing),
        }
    }
}

impl Housekeeping {
    pub(crate) fn new(controller: Controller) -> Self {
        Self { controller }
    }

    async fn dangling_connections(&self) -> Result<impl Iterator<Item = Remnant>, Error> {
        // Connections first: what comes in between makes nothing dangle.
        let connections = self.controller.connections().all("").await?;
        let v_things = self.controller.v_things().all("").await?;
        let v_things: HashSet<VThingId> = v_things.into_iter().map(|found| found.value.id).collect();
        let v_silos = self.controller.v_silos().all("").await?;
        let v_silos: HashSet<VSiloId> = v_silos.into_iter().map(|found| found.value.id).collect();
        let specs = connections.into_iter().map(|found| found.value.spec);
        let dangles =
            move |spec: &ConnectionSpec| !v_things.contains(&spec.v_thing) || !v_silos.contains(&spec.v_silo);
        Ok(specs.filter(dangles).map(Remnant::Connection))
    }

    /// Removes the connection unless both its ends are there by now.
    async fn disconnect(&self, spec: &ConnectionSpec) -> Result<bool, Error> {
        let _nothing_is_made = self.controller.while_removing().await;
        let v_thing = self.controller.v_things().get(spec.v_thing.as_str()).await?;
        let v_silo = self.controller.v_silos().get(spec.v_silo.as_str()).await?;
        if v_thing.is_some() && v_silo.is_some() {
            return Ok(false);
        }
        self.controller.connections().delete(&connection_key(spec), Expect::Any).await?;
        Ok(true)
    }
}

#[async_trait]
impl Reconciler for Housekeeping {
    type Key = Remnant;

    const NAME: &'static str = "housekeeping";

    async fn keys(&self) -> Result<Vec<Remnant>, Error> {
        Ok(self.dangling_connections().await?.collect())
    }

    async fn reconcile(&self, remnant: &Remnant) -> Result<Outcome, Error> {
        match remnant {
            Remnant::Connection(spec) => {
                if !self.disconnect(spec).await? {
                    return Ok(Outcome { did: Vec::new(), again_in: None });
                }
            }
        }
        Ok(Outcome { did: vec!["forgot"], again_in: None })
    }
}
