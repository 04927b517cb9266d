//! ThingVisors.

use jiff::Timestamp;
use morgana_access::{Action, Caller};
use morgana_model::{
    ControlMessage, Endpoints, ErrorCode, Failure, ImageName, Metadata, NewThingVisor, Page, Phase,
    ThingVisor, ThingVisorId, ThingVisorPatch, ThingVisorStatus, Topic, UpdateInfo, WorkloadKind,
    WorkloadName,
};
use morgana_store::{Transaction, Versioned};
use serde_json::Value;

use super::{ListOptions, existing, page, phase_field};
use crate::change::written;
use crate::error::chain;
use crate::inbox::tell;
use crate::{Controller, Error, Precondition};

/// How much a ThingVisor may have to be told once.
const MAX_UPDATE_INFOS: usize = 16;

impl Controller {
    /// Adds a ThingVisor; it is pending until its workload answers.
    ///
    /// # Errors
    /// When the caller is no administrator, the id is taken, or the image, zone or a parameter is
    /// wrong.
    pub async fn add_thing_visor(&self, caller: &Caller, new: NewThingVisor) -> Result<ThingVisor, Failure> {
        self.operation("addThingVisor", async {
            self.authorize(caller, Action::AddThingVisor, None)?;
            self.check_zone(new.spec.zone.as_ref())?;
            self.check_params(&new.spec.params)?;
            self.check_thing_visor_image(&new.spec.image_name)?;
            let visor = ThingVisor {
                id: new.id,
                metadata: Metadata::new(Timestamp::now()),
                spec: new.spec,
                status: ThingVisorStatus {
                    phase: Phase::Pending,
                    node: None,
                    endpoints: Endpoints::new(),
                    restarts: 0,
                    updates: 0,
                    updates_known: None,
                    update_infos: Vec::new(),
                    limits: None,
                },
            };
            self.once(caller, async {
                let mut transaction = Transaction::new();
                transaction.insert(&visor)?;
                written(&mut transaction, caller, "addThingVisor", &visor.id, &visor)?;
                match transaction.commit(self.store()).await {
                    Ok(_) => Ok(visor),
                    Err(error) if error.is_conflict() => Err(Failure::new(
                        ErrorCode::AlreadyExists,
                        format!("ThingVisor '{}' already exists", visor.id),
                    )
                    .into()),
                    Err(error) => Err(Error::from(error)),
                }
            })
            .await
        })
        .await
    }

    /// Changes the parameters or the description of a ThingVisor. It goes on running, and the reconciler
    /// tells it, until it has them; they are also those of its next start. What it is to be told once
    /// (`updateInfo`) is kept until it was told, whatever is killed meanwhile.
    ///
    /// # Errors
    /// When the caller is no administrator, it does not exist, is ending, was changed since, a
    /// parameter is wrong, or too much waits to be told already.
    pub async fn update_thing_visor(
        &self,
        caller: &Caller,
        id: &ThingVisorId,
        patch: ThingVisorPatch,
        precondition: &Precondition,
    ) -> Result<Versioned<ThingVisor>, Failure> {
        self.operation("updateThingVisor", async {
            self.authorize(caller, Action::UpdateThingVisor, None)?;
            if let Some(params) = &patch.params {
                self.check_params(params)?;
            }
            let nothing = |info: &Value| info.is_null() || info == "";
            let info = patch.update_info.filter(|info| !nothing(info));
            if let Some(info) = &info {
                self.check_params(info)?;
            }
            let change = |visor: &mut ThingVisor| {
                if visor.metadata.is_ending() {
                    let text = format!("ThingVisor '{id}' is being deleted");
                    return Err(Failure::new(ErrorCode::Conflict, text));
                }
                let before = visor.spec.clone();
                if let Some(params) = &patch.params {
                    visor.spec.params = params.clone();
                }
                if let Some(description) = &patch.description {
                    visor.spec.description = description.clone();
                }
                if visor.spec != before || info.is_some() {
                    visor.status.updates += 1;
                }
                let infos = &mut visor.status.update_infos;
                if info.is_some() && infos.len() >= MAX_UPDATE_INFOS {
                    let text = format!(
                        "ThingVisor '{id}' has not yet heard {MAX_UPDATE_INFOS} of updateInfo: it is down, or does \
                         not take them; try again when it runs"
                    );
                    return Err(Failure::new(ErrorCode::Conflict, text));
                }
                infos.extend(info.clone().map(|info| UpdateInfo { update: visor.status.updates, info }));
                Ok(())
            };
            let place = (self.thing_visors(), "ThingVisor", id.as_str());
            self.change(caller, "updateThingVisor", place, precondition, change).await
        })
        .await
    }

    /// Tells a running ThingVisor what the System DB has already; where that fails it learns it at its
    /// next start.
    pub(super) async fn tell_thing_visor(&self, id: &ThingVisorId, message: &ControlMessage) {
        if let Err(error) = tell(self.fabric(), &Topic::ThingVisorIn(id.clone()), message).await {
            tracing::warn!(thing_visor = %id, error = %chain(&error), "a ThingVisor could not be told of a change");
        }
    }

    /// Asks for the end of a ThingVisor; with `force`, without waiting for it to agree.
    ///
    /// # Errors
    /// When the caller is no administrator or it does not exist.
    pub async fn delete_thing_visor(
        &self,
        caller: &Caller,
        id: &ThingVisorId,
        force: bool,
    ) -> Result<ThingVisor, Failure> {
        self.operation("deleteThingVisor", async {
            self.authorize(caller, Action::DeleteThingVisor, None)?;
            let now = Timestamp::now();
            let place = (self.thing_visors(), "ThingVisor", id.as_str());
            let asked = self.change(caller, "deleteThingVisor", place, &None, |visor| {
                visor.metadata.deletion_requested_at.get_or_insert(now);
                visor.status.phase = Phase::Stopping;
                Ok(())
            });
            let asked = asked.await?;
            if force {
                self.do_not_wait_for(WorkloadName::ThingVisor(id.clone()));
            }
            Ok(asked.value)
        })
        .await
    }

    /// Part of the list of ThingVisors.
    ///
    /// # Errors
    /// When the caller is no administrator or the limit is out of bounds.
    pub async fn list_thing_visors(
        &self,
        caller: &Caller,
        options: &ListOptions,
    ) -> Result<Page<ThingVisor>, Failure> {
        self.operation("listThingVisors", async {
            self.authorize(caller, Action::ListThingVisors, None)?;
            let field = |visor: &ThingVisor, name: &str| match name {
                "phase" => phase_field(&visor.status.phase),
                "zone" => visor.spec.zone.as_ref().map(ToString::to_string),
                "image" => Some(visor.spec.image_name.to_string()),
                _ => None,
            };
            page(self.thing_visors(), "", options, field).await
        })
        .await
    }

    /// One ThingVisor.
    ///
    /// # Errors
    /// When the caller is no administrator or it does not exist.
    pub async fn inspect_thing_visor(
        &self,
        caller: &Caller,
        id: &ThingVisorId,
    ) -> Result<ThingVisor, Failure> {
        Ok(self.find_thing_visor(caller, id).await?.value)
    }

    /// [`Controller::inspect_thing_visor`] with its revision.
    ///
    /// # Errors
    /// When the caller is no administrator or it does not exist.
    pub async fn find_thing_visor(
        &self,
        caller: &Caller,
        id: &ThingVisorId,
    ) -> Result<Versioned<ThingVisor>, Failure> {
        self.operation("inspectThingVisor", async {
            self.authorize(caller, Action::InspectThingVisor, None)?;
            existing(self.thing_visors(), "ThingVisor", id.as_str()).await
        })
        .await
    }

    fn check_thing_visor_image(&self, image: &ImageName) -> Result<(), Failure> {
        match image {
            ImageName::Builtin(kind) => match self.place().builtin(WorkloadKind::ThingVisor, kind) {
                Some(builtin) if builtin.ready => Ok(()),
                Some(_) => {
                    Err(Failure::new(ErrorCode::NotYet, format!("builtin:{kind} is not yet available")))
                }
                None => Err(self.unknown_builtin(WorkloadKind::ThingVisor, kind)),
            },
            ImageName::Exec(_) => Ok(()),
            image => Err(Failure::new(
                ErrorCode::NotYet,
                format!("{image} cannot be run yet: this node runs builtin: and exec: images"),
            )),
        }
    }
}
