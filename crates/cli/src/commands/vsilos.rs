//! vSilos.

use morgana_client::Goal;
use morgana_model::{
    FlavourId, NewVSilo, TenantId, VSilo, VSiloId, VSiloName, VSiloSpec, VThingId, WorkloadName, ZoneId,
};
use serde_json::json;

use super::{doors, optional};
use crate::answer::{Answer, Text};
use crate::call::{Context, Operation};
use crate::connect;
use crate::error::Error;
use crate::progress::Waiting;
use crate::table::Table;

/// Create a vSilo.
#[derive(Debug, clap::Args)]
pub struct CreateVSilo {
    /// The tenant; the user that is logged in when not given.
    #[arg(short = 't', long = "tenant", value_name = "TENANT")]
    tenant: Option<TenantId>,
    /// The name of the vSilo among the tenant's.
    #[arg(short = 's', long = "silo", value_name = "VSILO", default_value = "Silo1")]
    name: VSiloName,
    /// The flavour of the vSilo.
    #[arg(short = 'f', long = "flavour", value_name = "FLAVOUR", default_value = "Mobius-base-f")]
    flavour: FlavourId,
    /// The zone it runs in; any when not given.
    #[arg(short = 'z', long = "zone", value_name = "ZONE")]
    zone: Option<ZoneId>,
    /// VirIoT's debug mode, `true` or `false`; kept and shown, nothing else.
    #[arg(short = 'd', long = "debug", value_name = "DEBUG", default_value_t = false, hide_default_value = true, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    debug: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Operation for CreateVSilo {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let tenant = context.tenant(self.tenant)?;
        let spec = VSiloSpec {
            tenant,
            name: self.name,
            flavour: self.flavour,
            zone: self.zone,
            debug_mode: self.debug,
        };
        let mut silo = context.client.create_vsilo(&NewVSilo { spec }).await?;
        let workload = WorkloadName::VSilo(silo.id.clone());
        if self.waiting.until(Goal::Running, &workload, context).await? {
            silo = context.client.vsilo(&silo.id).await?;
        }
        let hint = format!("`morgana inspect-vsilo -v {}` shows how to connect", silo.id);
        let sentence = format!("vSilo {} is {}; {hint}", silo.id, silo.status.phase);
        Answer::sentence(without_token(silo), sentence)
    }
}

/// Destroy a vSilo.
#[derive(Debug, clap::Args)]
pub struct DestroyVSilo {
    /// The tenant; the user that is logged in when not given.
    #[arg(short = 't', long = "tenant", value_name = "TENANT")]
    tenant: Option<TenantId>,
    /// The name of the vSilo.
    #[arg(short = 's', long = "silo", value_name = "VSILO", default_value = "Silo1")]
    name: VSiloName,
    /// Do not give it time to put its state away.
    #[arg(short = 'f', long)]
    force: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Operation for DestroyVSilo {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let id = VSiloId::new(&context.tenant(self.tenant)?, &self.name);
        let silo = context.client.delete_vsilo(&id, self.force).await?;
        if self.waiting.until(Goal::Gone, &WorkloadName::VSilo(id.clone()), context).await? {
            return Answer::sentence(json!({"id": id, "deleted": true}), format!("vSilo {id} is destroyed"));
        }
        let sentence = format!("vSilo {id} is {}", silo.status.phase);
        Answer::sentence(without_token(silo), sentence)
    }
}

/// List vSilos.
#[derive(Debug, clap::Args)]
pub struct ListVSilos {}

impl Operation for ListVSilos {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let silos: Vec<_> = context.client.vsilos().all().await?.into_iter().map(without_token).collect();
        let rows = silos.iter().map(|silo| {
            [
                silo.id.to_string(),
                silo.spec.flavour.to_string(),
                silo.status.phase.to_string(),
                optional(silo.status.node.as_ref()),
                doors(&silo.status.endpoints),
                silo.status.restarts.to_string(),
            ]
        });
        let table = Table::new(["VSILO", "FLAVOUR", "PHASE", "NODE", "DOORS", "RESTARTS"], rows);
        Answer::table(&silos, table)
    }
}

/// Inspect a vSilo.
#[derive(Debug, clap::Args)]
pub struct InspectVSilo {
    /// The vSilo's id: TENANT_NAME.
    #[arg(short = 'v', long = "vsilo", value_name = "VSILO")]
    id: VSiloId,
}

impl Operation for InspectVSilo {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let client = &context.client;
        let silo = client.vsilo(&self.id).await?;
        let connections = client.connections(&self.id).all().await?;
        let vthings: Vec<_> = connections.into_iter().map(|connection| connection.spec.v_thing).collect();
        // The flavour only makes the lines better: without it the port tells what it can.
        let flavour = client.flavour(&silo.spec.flavour).await.ok();
        let image = flavour.map(|flavour| flavour.spec.image_name);
        let lines = connect::lines(&silo, image.as_ref(), client.host());
        let text = match lines.is_empty() {
            true => String::new(),
            false => format!("\nconnect with\n  {}\n", lines.join("\n  ")),
        };
        let mut value = serde_json::to_value(&silo)?;
        value["vThings"] = json!(vthings);
        value["connectWith"] = json!(lines);
        Answer::new(value, Text::TableAndLines(details(&silo, &vthings), text))
    }
}

fn details(silo: &VSilo, vthings: &[VThingId]) -> Table {
    let VSilo { id, metadata, spec, status, token } = silo;
    let vthings: Vec<_> = vthings.iter().map(VThingId::as_str).collect();
    Table::of_fields([
        ("vsilo", id.to_string()),
        ("phase", status.phase.to_string()),
        ("flavour", spec.flavour.to_string()),
        ("zone", optional(spec.zone.as_ref())),
        ("node", optional(status.node.as_ref())),
        ("doors", doors(&status.endpoints)),
        ("token", token.as_ref().map(|token| token.expose().to_owned()).unwrap_or_default()),
        ("vthings", vthings.join("\n")),
        ("restarts", status.restarts.to_string()),
        ("limits", optional(status.limits.as_ref())),
        ("created", metadata.created_at.to_string()),
        ("ending since", optional(metadata.deletion_requested_at.as_ref())),
    ])
}

/// A silo as it is shown where nobody asked for its token.
fn without_token(silo: VSilo) -> VSilo {
    VSilo { token: None, ..silo }
}
