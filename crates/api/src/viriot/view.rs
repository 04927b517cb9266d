//! The System DB in the form of VirIoT's, for its own components (viriot-wire.md section 6).

use morgana_controller::{Caller, Controller};
use morgana_model::{Failure, Role};
use serde_json::Value;

use super::documents::{self, Brokers};
use super::input::{all, params_text};

/// Reads the collections of VirIoT's System DB that its components read at start.
#[derive(Clone)]
pub struct SystemDbView {
    controller: Controller,
    reader: Caller,
}

impl SystemDbView {
    /// A view that reads with an administrator's rights.
    ///
    /// # Errors
    /// Never, but that the name of the reader is parsed.
    pub fn new(controller: Controller) -> Result<Self, Failure> {
        let reader = "legacy"
            .parse()
            .map_err(|error: morgana_model::InvalidId| Failure::invalid(error.to_string()))?;
        Ok(Self { controller, reader: Caller::new(reader, Role::Administrator) })
    }

    /// All documents of a collection; `None` of one that is not shown.
    ///
    /// # Errors
    /// When the System DB cannot be read.
    pub async fn documents(&self, collection: &str) -> Result<Option<Vec<Value>>, Failure> {
        match collection {
            "thingVisorC" => self.thing_visors().await.map(Some),
            "vSiloC" => self.v_silos().await.map(Some),
            "vThingC" => self.connections().await.map(Some),
            _ => Ok(None),
        }
    }

    async fn thing_visors(&self) -> Result<Vec<Value>, Failure> {
        let (controller, reader) = (&self.controller, &self.reader);
        let visors = all(|options| async move { controller.list_thing_visors(reader, &options).await });
        let mut found = Vec::new();
        for visor in visors.await? {
            let v_things = controller.v_things_of(reader, &visor.id).await?;
            found.push(documents::thing_visor(&visor, &v_things, Brokers(controller.fabric_address())));
        }
        Ok(found)
    }

    /// A silo's own controller reads the parameters of its flavour here.
    async fn v_silos(&self) -> Result<Vec<Value>, Failure> {
        let (controller, reader) = (&self.controller, &self.reader);
        let silos = all(|options| async move { controller.list_v_silos(reader, &options).await });
        let flavours = all(|options| async move { controller.list_flavours(reader, &options).await }).await?;
        let mut found = Vec::new();
        for silo in silos.await? {
            let mut document = documents::v_silo(&silo, Brokers(controller.fabric_address()));
            let flavour = flavours.iter().find(|flavour| flavour.id == silo.spec.flavour);
            let params = flavour.map_or(&Value::Null, |flavour| &flavour.spec.params);
            document["flavourParams"] = params_text(params);
            found.push(document);
        }
        Ok(found)
    }

    async fn connections(&self) -> Result<Vec<Value>, Failure> {
        let (controller, reader) = (&self.controller, &self.reader);
        let silos = all(|options| async move { controller.list_v_silos(reader, &options).await });
        let mut found = Vec::new();
        for silo in silos.await? {
            let connected = controller.connected_v_things(reader, &silo.id).await?;
            found.extend(connected.iter().map(documents::connection));
        }
        Ok(found)
    }
}
