//! Flavours: kinds of vSilos.

use morgana_model::{FlavourId, FlavourPhase, FlavourSpec, ImageName, NewFlavour};
use serde_json::{Value, json};

use super::parameters;
use crate::answer::Answer;
use crate::call::{Context, Operation};
use crate::error::Error;
use crate::params::{self, YamlDocuments};
use crate::table::Table;

/// Add a flavour.
#[derive(Debug, clap::Args)]
pub struct AddFlavour {
    /// The flavour's id.
    #[arg(short = 'f', long = "flavour", value_name = "FLAVOUR", default_value = DEFAULT_FLAVOUR)]
    flavour: FlavourId,
    /// What its silos run: builtin:KIND, exec:PATH, a container image, wasm:PATH or vm:PATH.
    #[arg(short = 'i', long = "image", value_name = "IMAGE")]
    image: ImageName,
    /// Parameters of its silos: JSON, @FILE, or a text; of mobius-base-f Mobius when not given.
    #[arg(short = 's', long = "params", value_name = "PARAMS", value_parser = params::parse)]
    params: Option<Value>,
    /// A sentence for people.
    #[arg(
        short = 'd',
        long = "description",
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    description: String,
    /// A file of YAML documents (VirIoT's Kubernetes manifests), kept with it.
    #[arg(short = 'y', long = "yaml", value_name = "FILE", value_parser = params::yaml_documents)]
    yaml_files: Option<YamlDocuments>,
}

/// VirIoT's flavour where none is named, and the parameters that it gives its silos where none are given
/// (viriot-wire.md section 2.3). They mean nothing to other flavours.
const DEFAULT_FLAVOUR: &str = "mobius-base-f";
const DEFAULT_PARAMS: &str = "Mobius";

impl Operation for AddFlavour {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let is_default = self.flavour.as_str() == DEFAULT_FLAVOUR;
        let default = || if is_default { json!(DEFAULT_PARAMS) } else { Value::Null };
        let spec = FlavourSpec {
            image_name: self.image,
            params: self.params.unwrap_or_else(default),
            description: self.description,
            yaml_files: self.yaml_files.map(|documents| documents.0),
        };
        let flavour = context.client.create_flavour(&NewFlavour { id: self.flavour, spec }).await?;
        Answer::sentence(
            &flavour,
            format!("flavour {} is added, {}", flavour.id, phase(&flavour.status.phase)),
        )
    }
}

/// Delete a flavour.
#[derive(Debug, clap::Args)]
pub struct DelFlavour {
    /// The flavour's id.
    #[arg(short = 'n', long = "name", value_name = "FLAVOUR")]
    flavour: FlavourId,
}

impl Operation for DelFlavour {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        context.client.delete_flavour(&self.flavour).await?;
        Answer::sentence(
            json!({"id": self.flavour, "deleted": true}),
            format!("flavour {} is deleted", self.flavour),
        )
    }
}

/// List flavours.
#[derive(Debug, clap::Args)]
pub struct ListFlavours {}

impl Operation for ListFlavours {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let flavours = context.client.flavours().all().await?;
        let rows = flavours.iter().map(|flavour| {
            [
                flavour.id.to_string(),
                phase(&flavour.status.phase),
                flavour.spec.image_name.to_string(),
                flavour.spec.description.clone(),
            ]
        });
        let table = Table::new(["FLAVOUR", "PHASE", "IMAGE", "DESCRIPTION"], rows);
        Answer::table(&flavours, table)
    }
}

/// Inspect a flavour.
#[derive(Debug, clap::Args)]
pub struct InspectFlavour {
    /// The flavour's id.
    #[arg(short = 'v', long = "flavour", value_name = "FLAVOUR")]
    flavour: FlavourId,
}

impl Operation for InspectFlavour {
    async fn run(self, context: &mut Context<'_>) -> Result<Answer, Error> {
        let flavour = context.client.flavour(&self.flavour).await?;
        let table = Table::of_fields([
            ("flavour", flavour.id.to_string()),
            ("phase", phase(&flavour.status.phase)),
            ("image", flavour.spec.image_name.to_string()),
            ("params", parameters(&flavour.spec.params)),
            ("description", flavour.spec.description.clone()),
            ("created", flavour.metadata.created_at.to_string()),
        ]);
        Answer::table(&flavour, table)
    }
}

fn phase(phase: &FlavourPhase) -> String {
    match phase {
        FlavourPhase::Ready => "ready".to_owned(),
        FlavourPhase::Failed { reason } => format!("failed: {reason}"),
    }
}
