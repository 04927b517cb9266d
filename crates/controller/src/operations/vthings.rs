//! vThings, which ThingVisors announce and users look at.

use morgana_access::{Action, Caller};
use morgana_model::{Failure, Page, VThing, VThingId};

use super::{ListOptions, existing, page};
use crate::Controller;

impl Controller {
    /// Part of the list of vThings.
    ///
    /// # Errors
    /// When the limit is out of bounds.
    pub async fn list_v_things(
        &self,
        caller: &Caller,
        options: &ListOptions,
    ) -> Result<Page<VThing>, Failure> {
        self.operation("listVThings", async {
            self.authorize(caller, Action::ListVThings, None)?;
            page(self.v_things(), "", options).await
        })
        .await
    }

    /// One vThing.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn inspect_v_thing(&self, caller: &Caller, id: &VThingId) -> Result<VThing, Failure> {
        self.operation("inspectVThing", async {
            self.authorize(caller, Action::ListVThings, None)?;
            Ok(existing(self.v_things(), "vThing", id.as_str()).await?.value)
        })
        .await
    }

    /// The vThings of a ThingVisor.
    ///
    /// # Errors
    /// When the caller may not see them.
    pub async fn v_things_of(
        &self,
        caller: &Caller,
        visor: &morgana_model::ThingVisorId,
    ) -> Result<Vec<VThing>, Failure> {
        self.operation("listVThings", async {
            self.authorize(caller, Action::ListVThings, None)?;
            let found = self.v_things().all(&format!("{visor}/")).await?;
            Ok(found.into_iter().map(|found| found.value).collect())
        })
        .await
    }
}
