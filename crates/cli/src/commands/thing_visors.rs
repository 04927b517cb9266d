//! ThingVisors.

use morgana_client::Goal;
use morgana_model::{
    ImageName, NewThingVisor, ThingVisor, ThingVisorId, ThingVisorPatch, ThingVisorSpec, ThingVisorStatus,
    WorkloadName, ZoneId,
};
use serde_json::{Value, json};

use super::{doors, optional, parameters};
use crate::answer::Answer;
use crate::call::{Context, Operation};
use crate::error::Error;
use crate::params::{self, YamlDocuments};
use crate::progress::Waiting;
use crate::table::Table;

/// Add a ThingVisor.
#[derive(Debug, clap::Args)]
pub struct AddThingVisor {
    /// The ThingVisor's id.
    #[arg(short = 'n', long = "name", value_name = "THINGVISOR", default_value = "helloworld-tv")]
    name: ThingVisorId,
    /// What it runs: builtin:KIND, exec:PATH, a container image, wasm:PATH or vm:PATH.
    #[arg(short = 'i', long = "image", value_name = "IMAGE")]
    image: ImageName,
    /// Its parameters: JSON, @FILE, or a text.
    #[arg(short = 'p', long = "params", value_name = "PARAMS", default_value = "", hide_default_value = true, value_parser = params::parse)]
    params: Value,
    /// A sentence for people.
    #[arg(short = 'd', long = "description", value_name = "TEXT", default_value = "hello thingVisor")]
    description: String,
    /// The zone it runs in; any when not given.
    #[arg(short = 'z', long = "zone", value_name = "ZONE")]
    zone: Option<ZoneId>,
    /// A file of YAML documents (VirIoT's Kubernetes manifests), kept with it.
    #[arg(short = 'y', long = "yaml", value_name = "FILE", value_parser = params::yaml_documents)]
    yaml_files: Option<YamlDocuments>,
    /// VirIoT's debug mode; kept and shown, nothing else.
    #[arg(long)]
    debug: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Operation for AddThingVisor {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let spec = ThingVisorSpec {
            image_name: self.image,
            params: self.params,
            description: self.description,
            zone: self.zone,
            debug_mode: self.debug,
            yaml_files: self.yaml_files.map(|documents| documents.0),
        };
        let mut visor = context.client.create_thing_visor(&NewThingVisor { id: self.name, spec }).await?;
        let workload = WorkloadName::ThingVisor(visor.id.clone());
        if self.waiting.until(Goal::Running, &workload, context).await? {
            visor = context.client.thing_visor(&visor.id).await?;
        }
        Answer::sentence(&visor, format!("ThingVisor {} is {}", visor.id, visor.status.phase))
    }
}

/// Update a ThingVisor.
#[derive(Debug, clap::Args)]
pub struct UpdateThingVisor {
    /// The ThingVisor's id.
    #[arg(short = 'n', long = "name", value_name = "THINGVISOR", default_value = "helloworld-tv")]
    name: ThingVisorId,
    /// New parameters, whole: JSON, @FILE, or a text. They stay when not given.
    #[arg(short = 'p', long = "params", value_name = "PARAMS", default_value = "", hide_default_value = true, value_parser = params::parse)]
    params: Value,
    /// A new sentence for people; it stays when not given.
    #[arg(short = 'd', long = "description", value_name = "TEXT")]
    description: Option<String>,
    /// Something to tell the ThingVisor once: JSON, @FILE, or a text.
    #[arg(short = 'u', long = "update-info", value_name = "INFO", default_value = "", hide_default_value = true, value_parser = params::parse)]
    update_info: Value,
}

impl Operation for UpdateThingVisor {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let given = |value: Value| Some(value).filter(|value| !value.is_null() && value != "");
        let patch = ThingVisorPatch {
            params: given(self.params),
            description: self.description,
            update_info: given(self.update_info),
        };
        let visor = context.client.update_thing_visor(&self.name, &patch).await?;
        Answer::sentence(&visor, format!("ThingVisor {} is updated", visor.id))
    }
}

/// Delete a ThingVisor.
#[derive(Debug, clap::Args)]
pub struct DelThingVisor {
    /// The ThingVisor's id.
    #[arg(short = 'n', long = "name", value_name = "THINGVISOR", default_value = "helloworld-tv")]
    name: ThingVisorId,
    /// Do not give it time to put its state away.
    #[arg(short = 'f', long)]
    force: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Operation for DelThingVisor {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let visor = context.client.delete_thing_visor(&self.name, self.force).await?;
        let workload = WorkloadName::ThingVisor(self.name.clone());
        if self.waiting.until(Goal::Gone, &workload, context).await? {
            let value = json!({"id": self.name, "deleted": true});
            return Answer::sentence(value, format!("ThingVisor {} is deleted", self.name));
        }
        Answer::sentence(&visor, format!("ThingVisor {} is {}", visor.id, visor.status.phase))
    }
}

/// List ThingVisors.
#[derive(Debug, clap::Args)]
pub struct ListThingVisors {}

impl Operation for ListThingVisors {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let visors = context.client.thing_visors().all().await?;
        let rows = visors.iter().map(|visor| {
            [
                visor.id.to_string(),
                visor.status.phase.to_string(),
                visor.spec.image_name.to_string(),
                optional(visor.status.node.as_ref()),
                doors(&visor.status.endpoints),
                visor.status.restarts.to_string(),
                visor.spec.description.clone(),
            ]
        });
        let header = ["THINGVISOR", "PHASE", "IMAGE", "NODE", "DOORS", "RESTARTS", "DESCRIPTION"];
        let table = Table::new(header, rows);
        Answer::table(&visors, table)
    }
}

/// Inspect a ThingVisor.
#[derive(Debug, clap::Args)]
pub struct InspectThingVisor {
    /// The ThingVisor's id.
    #[arg(short = 'v', long = "thingvisor", value_name = "THINGVISOR")]
    name: ThingVisorId,
}

impl Operation for InspectThingVisor {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let visor = context.client.thing_visor(&self.name).await?;
        Answer::table(&visor, details(&visor))
    }
}

/// How often it was updated, and whether the one that runs has it all.
fn updates(status: &ThingVisorStatus) -> String {
    match status.updates_known {
        Some(known) if known < status.updates => format!("{}, of which it has {known}", status.updates),
        _ => status.updates.to_string(),
    }
}

/// What waits to be told once.
fn to_be_told(status: &ThingVisorStatus) -> String {
    let all: Vec<String> = status.update_infos.iter().map(|info| info.info.to_string()).collect();
    all.join(", ")
}

fn details(visor: &ThingVisor) -> Table {
    let ThingVisor { id, metadata, spec, status } = visor;
    Table::of_fields([
        ("thingvisor", id.to_string()),
        ("phase", status.phase.to_string()),
        ("image", spec.image_name.to_string()),
        ("params", parameters(&spec.params)),
        ("description", spec.description.clone()),
        ("zone", optional(spec.zone.as_ref())),
        ("node", optional(status.node.as_ref())),
        ("doors", doors(&status.endpoints)),
        ("restarts", status.restarts.to_string()),
        ("updates", updates(status)),
        ("to be told", to_be_told(status)),
        ("limits", optional(status.limits.as_ref())),
        ("created", metadata.created_at.to_string()),
        ("ending since", optional(metadata.deletion_requested_at.as_ref())),
    ])
}
