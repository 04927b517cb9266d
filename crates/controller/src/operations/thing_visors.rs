//! ThingVisors.

use jiff::Timestamp;
use morgana_access::{Action, Caller};
use morgana_model::{
    Endpoints, ErrorCode, Failure, ImageName, Metadata, NewThingVisor, Page, Phase, ThingVisor, ThingVisorId,
    ThingVisorStatus, WorkloadKind, WorkloadName,
};

use super::{ListOptions, existing, page};
use crate::Controller;

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
                    limits: None,
                },
            };
            match self.thing_visors().insert(&visor).await {
                Ok(_) => Ok(visor),
                Err(error) if error.is_conflict() => Err(Failure::new(
                    ErrorCode::AlreadyExists,
                    format!("ThingVisor '{}' already exists", visor.id),
                )
                .into()),
                Err(error) => Err(error.into()),
            }
        })
        .await
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
            let asked = self.thing_visors().update(id.as_str(), |visor| {
                visor.metadata.deletion_requested_at.get_or_insert(now);
                visor.status.phase = Phase::Stopping;
            });
            let asked = asked.await?;
            if force && asked.is_some() {
                self.do_not_wait_for(WorkloadName::ThingVisor(id.clone()));
            }
            match asked {
                Some(found) => Ok(found.value),
                None => Err(Failure::not_found(format_args!("ThingVisor '{id}'")).into()),
            }
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
            page(self.thing_visors(), "", options).await
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
        self.operation("inspectThingVisor", async {
            self.authorize(caller, Action::InspectThingVisor, None)?;
            Ok(existing(self.thing_visors(), "ThingVisor", id.as_str()).await?.value)
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
