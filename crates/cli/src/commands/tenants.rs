//! Tenants, with all they have.

use morgana_model::TenantId;

use super::doors;
use crate::answer::{Answer, Text};
use crate::call::{Context, Operation};
use crate::error::Error;
use crate::table::Table;

/// Inspect a tenant.
#[derive(Debug, clap::Args)]
pub struct InspectTenant {
    /// The tenant; the user that is logged in when not given.
    #[arg(short = 't', long = "tenant", value_name = "TENANT")]
    tenant: Option<TenantId>,
}

impl Operation for InspectTenant {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let mut tenant = context.client.tenant(&context.tenant(self.tenant)?).await?;
        // Nobody asked for tokens: inspect-vsilo shows them.
        tenant.v_silos.iter_mut().for_each(|silo| silo.token = None);
        let silos = tenant.v_silos.iter().map(|silo| {
            [
                silo.id.to_string(),
                silo.spec.flavour.to_string(),
                silo.status.phase.to_string(),
                doors(&silo.status.endpoints),
            ]
        });
        let silos = Table::new(["VSILO", "FLAVOUR", "PHASE", "DOORS"], silos);
        let plugged = tenant
            .connections
            .iter()
            .map(|connection| [connection.spec.v_silo.to_string(), connection.spec.v_thing.to_string()]);
        let plugged = Table::new(["VSILO", "VTHING"], plugged).render(context.terminal.width);
        Answer::new(&tenant, Text::TableAndLines(silos, format!("\n{plugged}")))
    }
}
