//! vThings, and plugging them into vSilos.

use morgana_model::{TenantId, VSiloId, VSiloName, VThingId};
use serde_json::json;

use crate::answer::Answer;
use crate::call::{Context, Operation};
use crate::error::Error;
use crate::table::Table;

/// List vThings.
#[derive(Debug, clap::Args)]
pub struct ListVThings {}

impl Operation for ListVThings {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let vthings = context.client.vthings().all().await?;
        let rows = vthings.iter().map(|vthing| {
            [
                vthing.id.to_string(),
                vthing.spec.kind.clone().unwrap_or_else(|| "sensor".to_owned()),
                vthing.spec.label.clone(),
                vthing.spec.description.clone(),
            ]
        });
        let table = Table::new(["VTHING", "TYPE", "LABEL", "DESCRIPTION"], rows);
        Answer::table(&vthings, table)
    }
}

/// A vThing and the vSilo it is plugged into.
#[derive(Debug, clap::Args)]
struct Plug {
    /// The tenant; the user that is logged in when not given.
    #[arg(short = 't', long = "tenant", value_name = "TENANT")]
    tenant: Option<TenantId>,
    /// The name of the vSilo.
    #[arg(short = 's', long = "silo", value_name = "VSILO", default_value = "Silo1")]
    silo: VSiloName,
    /// The vThing: THINGVISOR/NAME.
    #[arg(short = 'v', long = "vthing", value_name = "VTHING")]
    vthing: VThingId,
}

impl Plug {
    fn silo_id(&self, context: &Context<'_>) -> Result<VSiloId, Error> {
        Ok(VSiloId::new(&context.tenant(self.tenant.clone())?, &self.silo))
    }
}

/// Plug a vThing into a vSilo.
#[derive(Debug, clap::Args)]
pub struct AddVThing {
    #[command(flatten)]
    plug: Plug,
}

impl Operation for AddVThing {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let silo = self.plug.silo_id(context)?;
        let connection = context.client.connect(&silo, &self.plug.vthing).await?;
        Answer::sentence(&connection, format!("vThing {} is plugged into vSilo {silo}", self.plug.vthing))
    }
}

/// Unplug a vThing from a vSilo.
#[derive(Debug, clap::Args)]
pub struct DelVThing {
    #[command(flatten)]
    plug: Plug,
}

impl Operation for DelVThing {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let silo = self.plug.silo_id(context)?;
        context.client.disconnect(&silo, &self.plug.vthing).await?;
        Answer::sentence(
            json!({"vSilo": silo, "vThing": self.plug.vthing, "deleted": true}),
            format!("vThing {} is unplugged from vSilo {silo}", self.plug.vthing),
        )
    }
}

/// Set where a vThing's generic content is.
#[derive(Debug, clap::Args)]
pub struct SetVThingEndpoint {
    /// The vThing: THINGVISOR/NAME.
    #[arg(short = 'v', long = "vthing", value_name = "VTHING")]
    vthing: VThingId,
    /// An http or https URL; `dummy` is VirIoT's picture for trying.
    #[arg(short = 'e', long = "endpoint", value_name = "URL", default_value = "dummy")]
    endpoint: String,
}

impl Operation for SetVThingEndpoint {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let vthing = context.client.set_vthing_endpoint(&self.vthing, Some(&self.endpoint)).await?;
        Answer::sentence(&vthing, format!("the content of vThing {} is at {}", vthing.id, self.endpoint))
    }
}

/// Take away where a vThing's generic content is.
#[derive(Debug, clap::Args)]
pub struct DelVThingEndpoint {
    /// The vThing: THINGVISOR/NAME.
    #[arg(short = 'v', long = "vthing", value_name = "VTHING")]
    vthing: VThingId,
}

impl Operation for DelVThingEndpoint {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let vthing = context.client.set_vthing_endpoint(&self.vthing, None).await?;
        Answer::sentence(&vthing, format!("vThing {} has no content any more", vthing.id))
    }
}
