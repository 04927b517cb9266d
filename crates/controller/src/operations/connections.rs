//! Plugging vThings into vSilos.

use jiff::Timestamp;
use morgana_access::{Action, Caller};
use morgana_model::{
    Connection, ConnectionSpec, ErrorCode, Failure, Metadata, Page, ThingVisor, VSilo, VSiloId, VThing,
    VThingId,
};
use morgana_store::{Expect, Transaction, Versioned, connection_key, connection_prefix};

use super::{ListOptions, existing, page};
use crate::change::written;
use crate::{Controller, Error, audit};

impl Controller {
    /// Plugs a vThing into a silo.
    ///
    /// # Errors
    /// When the caller is not the silo's tenant, silo or vThing do not exist or are ending, or they
    /// are connected already.
    pub async fn add_v_thing(&self, caller: &Caller, spec: ConnectionSpec) -> Result<Connection, Failure> {
        self.operation("addVThing", async {
            self.authorize(caller, Action::ConnectVThing, Some(&spec.v_silo.tenant()))?;
            self.once(caller, self.connect_checked(caller, spec)).await
        })
        .await
    }

    async fn connect_checked(&self, caller: &Caller, spec: ConnectionSpec) -> Result<Connection, Error> {
        let _what_it_needs_stays = self.while_building().await;
        let silo = existing(self.v_silos(), "vSilo", spec.v_silo.as_str()).await?;
        existing(self.v_things(), "vThing", spec.v_thing.as_str()).await?;
        let visor = existing(self.thing_visors(), "ThingVisor", spec.v_thing.thing_visor().as_str()).await?;
        let ending = [
            silo.value.metadata.is_ending().then(|| format!("vSilo '{}'", spec.v_silo)),
            visor.value.metadata.is_ending().then(|| format!("ThingVisor '{}'", visor.value.id)),
        ];
        if let Some(what) = ending.into_iter().flatten().next() {
            return Err(Failure::new(ErrorCode::Conflict, format!("{what} is being deleted")).into());
        }
        let connection = Connection { metadata: Metadata::new(Timestamp::now()), spec };
        let mut transaction = Transaction::new();
        transaction.insert(&connection)?;
        // Another controller on the same database is not held up by our lock.
        transaction.check::<VSilo>(connection.spec.v_silo.as_str(), Expect::Present);
        transaction.check::<VThing>(connection.spec.v_thing.as_str(), Expect::Present);
        transaction.check::<ThingVisor>(visor.value.id.as_str(), Expect::Present);
        let target = connection_key(&connection.spec);
        written(&mut transaction, caller, "addVThing", target, &connection)?;
        match transaction.commit(self.store()).await {
            Ok(_) => Ok(connection),
            Err(morgana_store::Error::Conflict { kind: morgana_store::Kind::Connection, .. }) => {
                Err(already_connected(&connection.spec).into())
            }
            Err(error) => Err(Error::from(error)),
        }
    }

    /// Unplugs a vThing from a silo.
    ///
    /// # Errors
    /// When the caller is not the silo's tenant or they are not connected.
    pub async fn delete_v_thing(&self, caller: &Caller, spec: &ConnectionSpec) -> Result<(), Failure> {
        self.operation("deleteVThing", async {
            self.authorize(caller, Action::DisconnectVThing, Some(&spec.v_silo.tenant()))?;
            let mut transaction = Transaction::new();
            transaction.delete::<Connection>(connection_key(spec), Expect::Present);
            audit::write(&mut transaction, caller, "deleteVThing", connection_key(spec))?;
            match transaction.commit(self.store()).await {
                Ok(_) => Ok(()),
                Err(error) if error.is_conflict() => {
                    let text =
                        format!("vThing '{}' is not connected to vSilo '{}'", spec.v_thing, spec.v_silo);
                    Err(Failure::new(ErrorCode::NotFound, text).into())
                }
                Err(error) => Err(Error::from(error)),
            }
        })
        .await
    }

    /// Part of the list of a silo's connections.
    ///
    /// # Errors
    /// When the caller is not the silo's tenant, it does not exist, or the limit is out of bounds.
    pub async fn list_connections(
        &self,
        caller: &Caller,
        silo: &VSiloId,
        options: &ListOptions,
    ) -> Result<Page<Connection>, Failure> {
        self.operation("listConnections", async {
            self.authorize(caller, Action::ListConnections, Some(&silo.tenant()))?;
            existing(self.v_silos(), "vSilo", silo.as_str()).await?;
            let field = |connection: &Connection, name: &str| match name {
                "thingVisor" => Some(connection.spec.v_thing.thing_visor().to_string()),
                _ => None,
            };
            page(self.connections(), &connection_prefix(silo), options, field).await
        })
        .await
    }

    /// One connection with its revision.
    ///
    /// # Errors
    /// When the caller is not the silo's tenant or they are not connected.
    pub async fn find_connection(
        &self,
        caller: &Caller,
        spec: &ConnectionSpec,
    ) -> Result<Versioned<Connection>, Failure> {
        self.operation("inspectConnection", async {
            self.authorize(caller, Action::ListConnections, Some(&spec.v_silo.tenant()))?;
            existing(self.connections(), "connection", &connection_key(spec)).await
        })
        .await
    }

    /// Every vThing of a silo.
    ///
    /// # Errors
    /// When the caller is not the silo's tenant.
    pub async fn connected_v_things(
        &self,
        caller: &Caller,
        silo: &VSiloId,
    ) -> Result<Vec<Connection>, Failure> {
        self.operation("listConnections", async {
            self.authorize(caller, Action::ListConnections, Some(&silo.tenant()))?;
            let found = self.connections().all(&connection_prefix(silo)).await?;
            Ok(found.into_iter().map(|found| found.value).collect())
        })
        .await
    }

    /// The connections of a silo, for reconcilers.
    pub(crate) async fn v_things_in(&self, silo: &VSiloId) -> Result<Vec<VThingId>, Error> {
        let found = self.connections().all(&connection_prefix(silo)).await?;
        Ok(found.into_iter().map(|found| found.value.spec.v_thing).collect())
    }
}

fn already_connected(spec: &ConnectionSpec) -> Failure {
    let text = format!("vThing '{}' is already connected to vSilo '{}'", spec.v_thing, spec.v_silo);
    Failure::new(ErrorCode::AlreadyExists, text)
}
