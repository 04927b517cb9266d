//! Flavours.

use jiff::Timestamp;
use morgana_access::{Action, Caller};
use morgana_model::{
    ErrorCode, Failure, Flavour, FlavourId, FlavourPatch, FlavourPhase, FlavourSpec, FlavourStatus,
    ImageName, Metadata, NewFlavour, Page, Role, VSilo, WorkloadKind,
};
use morgana_store::{Expect, Transaction, Versioned};
use serde_json::Value;

use super::{ListOptions, existing, page};
use crate::change::written;
use crate::{Controller, Error, Precondition, audit};

impl Controller {
    /// Adds a flavour.
    ///
    /// # Errors
    /// When the caller is no administrator, the id is taken, or the image or a parameter is wrong.
    pub async fn add_flavour(&self, caller: &Caller, new: NewFlavour) -> Result<Flavour, Failure> {
        self.operation("addFlavour", async {
            self.authorize(caller, Action::AddFlavour, None)?;
            let create = async {
                let phase = self.flavour_phase(&new.spec)?;
                let flavour = Flavour {
                    id: new.id,
                    metadata: Metadata::new(Timestamp::now()),
                    spec: new.spec,
                    status: FlavourStatus { phase },
                };
                let mut transaction = Transaction::new();
                transaction.insert(&flavour)?;
                written(&mut transaction, caller, "addFlavour", &flavour.id, &flavour)?;
                match transaction.commit(self.store()).await {
                    Ok(_) => Ok(flavour),
                    Err(error) if error.is_conflict() => Err(already_exists(&flavour.id).into()),
                    Err(error) => Err(Error::from(error)),
                }
            };
            self.once(caller, create).await
        })
        .await
    }

    /// Changes a flavour. Silos take it up when they start the next time.
    ///
    /// # Errors
    /// When the caller is no administrator, it does not exist, was changed since, or the image or a
    /// parameter is wrong.
    pub async fn update_flavour(
        &self,
        caller: &Caller,
        id: &FlavourId,
        patch: FlavourPatch,
        precondition: &Precondition,
    ) -> Result<Versioned<Flavour>, Failure> {
        self.operation("updateFlavour", async {
            self.authorize(caller, Action::UpdateFlavour, None)?;
            let change = |flavour: &mut Flavour| {
                let mut spec = flavour.spec.clone();
                if let Some(image_name) = &patch.image_name {
                    spec.image_name = image_name.clone();
                }
                if let Some(params) = &patch.params {
                    spec.params = params.clone();
                }
                if let Some(description) = &patch.description {
                    spec.description = description.clone();
                }
                if spec != flavour.spec {
                    flavour.status.phase = self.flavour_phase(&spec)?;
                    flavour.spec = spec;
                    flavour.metadata.generation += 1;
                }
                Ok(())
            };
            let place = (self.flavours(), "flavour", id.as_str());
            self.change(caller, "updateFlavour", place, precondition, change).await
        })
        .await
    }

    /// Removes a flavour that no silo uses.
    ///
    /// # Errors
    /// When the caller is no administrator, it does not exist, or a silo uses it.
    pub async fn delete_flavour(&self, caller: &Caller, id: &FlavourId) -> Result<(), Failure> {
        self.operation("deleteFlavour", async {
            self.authorize(caller, Action::DeleteFlavour, None)?;
            let _nothing_is_made = self.while_removing().await;
            let found = existing(self.flavours(), "flavour", id.as_str()).await?;
            let silos = self.v_silos().all("").await?;
            if let Some(user) = silos.iter().find(|silo| silo.value.spec.flavour == *id) {
                let text = format!(
                    "flavour '{id}' is used by vSilo '{}': destroy the silos of the flavour first",
                    user.value.id
                );
                return Err(Failure::new(ErrorCode::Conflict, text).into());
            }
            let mut transaction = Transaction::new();
            transaction.delete::<Flavour>(id.as_str(), Expect::Revision(found.revision));
            audit::write(&mut transaction, caller, "deleteFlavour", id)?;
            transaction.commit(self.store()).await?;
            Ok(())
        })
        .await
    }

    /// Part of the list of flavours. Their parameters, which may hold secrets, are shown to
    /// administrators alone.
    ///
    /// # Errors
    /// When the limit is out of bounds.
    pub async fn list_flavours(
        &self,
        caller: &Caller,
        options: &ListOptions,
    ) -> Result<Page<Flavour>, Failure> {
        self.operation("listFlavours", async {
            self.authorize(caller, Action::ListFlavours, None)?;
            let field = |flavour: &Flavour, name: &str| match (name, &flavour.status.phase) {
                ("phase", FlavourPhase::Ready) => Some("ready".to_owned()),
                ("phase", FlavourPhase::Failed { .. }) => Some("failed".to_owned()),
                _ => None,
            };
            let mut found = page(self.flavours(), "", options, field).await?;
            found.items = found.items.into_iter().map(|flavour| flavour_shown_to(caller, flavour)).collect();
            Ok(found)
        })
        .await
    }

    /// One flavour; its parameters are shown to administrators alone.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn inspect_flavour(&self, caller: &Caller, id: &FlavourId) -> Result<Flavour, Failure> {
        Ok(self.find_flavour(caller, id).await?.value)
    }

    /// [`Controller::inspect_flavour`] with its revision.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn find_flavour(&self, caller: &Caller, id: &FlavourId) -> Result<Versioned<Flavour>, Failure> {
        self.operation("inspectFlavour", async {
            self.authorize(caller, Action::InspectFlavour, None)?;
            let found = existing(self.flavours(), "flavour", id.as_str()).await?;
            Ok(Versioned { revision: found.revision, value: flavour_shown_to(caller, found.value) })
        })
        .await
    }

    /// Whether silos of such a flavour can be made here.
    pub(crate) fn flavour_phase(&self, spec: &FlavourSpec) -> Result<FlavourPhase, Failure> {
        spec.access().map_err(Failure::invalid)?;
        self.check_params(&spec.params)?;
        match &spec.image_name {
            ImageName::Builtin(kind) => match self.place().builtin(WorkloadKind::VSilo, kind) {
                Some(builtin) if builtin.ready => {
                    spec.ports(&builtin.doors).map_err(Failure::invalid)?;
                    Ok(FlavourPhase::Ready)
                }
                Some(_) => {
                    Ok(FlavourPhase::Failed { reason: format!("builtin:{kind} is not yet available") })
                }
                None => Err(self.unknown_builtin(WorkloadKind::VSilo, kind)),
            },
            ImageName::Exec(_) => Ok(FlavourPhase::Ready),
            image => Ok(FlavourPhase::Failed {
                reason: format!("{image} cannot be run yet: this node runs builtin: and exec: images"),
            }),
        }
    }

    /// Adds the flavours that come with the binary, and brings the status of all up to date: what
    /// was not yet available may be, after an upgrade.
    pub(crate) async fn refresh_flavours(&self, first_start: bool) -> Result<(), Error> {
        if first_start {
            for builtin in
                self.place().builtins.iter().filter(|builtin| builtin.workload == WorkloadKind::VSilo)
            {
                let invalid =
                    |error: &dyn std::fmt::Display| Failure::new(ErrorCode::Internal, error.to_string());
                let id: FlavourId = builtin.kind.parse().map_err(|error| invalid(&error))?;
                let spec = FlavourSpec {
                    image_name: ImageName::Builtin(builtin.kind.clone()),
                    params: Value::Null,
                    description: builtin.description.clone(),
                    yaml_files: None,
                };
                let status = FlavourStatus { phase: self.flavour_phase(&spec)? };
                let metadata = Metadata::new(Timestamp::now());
                self.flavours().put(&Flavour { id, metadata, spec, status }, Expect::Any).await?;
            }
        }
        for mut found in self.flavours().all("").await? {
            let phase = match self.flavour_phase(&found.value.spec) {
                Ok(phase) => phase,
                Err(failure) => FlavourPhase::Failed { reason: failure.message },
            };
            if phase != found.value.status.phase {
                found.value.status.phase = phase;
                self.flavours().put(&found.value, Expect::Revision(found.revision)).await?;
            }
        }
        Ok(())
    }

    /// The flavour of a silo.
    pub(crate) async fn flavour_of(&self, silo: &VSilo) -> Result<Flavour, Error> {
        Ok(existing(self.flavours(), "flavour", silo.spec.flavour.as_str()).await?.value)
    }
}

/// A flavour as the caller may see it: its parameters may hold secrets.
pub(super) fn flavour_shown_to(caller: &Caller, mut flavour: Flavour) -> Flavour {
    if caller.role != Role::Administrator {
        flavour.spec.params = Value::Null;
        flavour.spec.yaml_files = None;
    }
    flavour
}

fn already_exists(id: &FlavourId) -> Failure {
    Failure::new(
        ErrorCode::AlreadyExists,
        format!("flavour '{id}' already exists; choose another id, or delete it first"),
    )
}
