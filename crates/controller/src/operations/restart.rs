//! Starting a workload anew, because somebody asks for it: one that failed, or one that runs.

use morgana_access::{Action, Caller};
use morgana_model::{
    ErrorCode, Failure, Metadata, Phase, ThingVisor, ThingVisorId, VSilo, VSiloId, WorkloadName,
};
use morgana_store::{Document, Table};

use super::vsilos::silo_shown_to;
use crate::{Controller, Error};

/// What a new start changes of a resource.
trait Restart: Document {
    /// What it is called.
    const WHAT: &'static str;

    fn life(&mut self) -> (&mut Metadata, &mut Phase);
}

impl Restart for ThingVisor {
    const WHAT: &'static str = "ThingVisor";

    fn life(&mut self) -> (&mut Metadata, &mut Phase) {
        (&mut self.metadata, &mut self.status.phase)
    }
}

impl Restart for VSilo {
    const WHAT: &'static str = "vSilo";

    fn life(&mut self) -> (&mut Metadata, &mut Phase) {
        (&mut self.metadata, &mut self.status.phase)
    }
}

impl Controller {
    /// Starts a ThingVisor anew, whether it runs or has failed; it keeps its folder and its ports. Once for
    /// each idempotency key.
    ///
    /// # Errors
    /// When the caller is no administrator, it does not exist, or is being deleted.
    pub async fn restart_thing_visor(
        &self,
        caller: &Caller,
        id: &ThingVisorId,
    ) -> Result<ThingVisor, Failure> {
        self.operation("restartThingVisor", async {
            self.authorize(caller, Action::RestartThingVisor, None)?;
            let name = WorkloadName::ThingVisor(id.clone());
            self.restart(caller, "restartThingVisor", (self.thing_visors(), id.as_str()), &name).await
        })
        .await
    }

    /// Starts a vSilo anew, whether it runs or has failed; it keeps its context, its ports and its token.
    /// Once for each idempotency key.
    ///
    /// # Errors
    /// When the caller is not its tenant, it does not exist, or is being destroyed.
    pub async fn restart_v_silo(&self, caller: &Caller, id: &VSiloId) -> Result<VSilo, Failure> {
        self.operation("siloRestart", async {
            self.authorize(caller, Action::RestartVSilo, Some(&id.tenant()))?;
            let name = WorkloadName::VSilo(id.clone());
            let place = (self.v_silos(), id.as_str());
            Ok(silo_shown_to(caller, self.restart(caller, "siloRestart", place, &name).await?))
        })
        .await
    }

    async fn restart<T: Restart>(
        &self,
        caller: &Caller,
        action: &str,
        (table, id): (&Table<T>, &str),
        name: &WorkloadName,
    ) -> Result<T, Error> {
        let restarted = self.once(caller, async {
            let begin_anew = |resource: &mut T| {
                let (metadata, phase) = resource.life();
                if metadata.is_ending() {
                    let text = format!("{} '{id}' is being taken down: it cannot be started anew", T::WHAT);
                    return Err(Failure::new(ErrorCode::Conflict, text));
                }
                metadata.generation += 1;
                *phase = Phase::Pending;
                Ok(())
            };
            Ok(self.change(caller, action, (table, T::WHAT, id), &None, begin_anew).await?.value)
        });
        let restarted = restarted.await?;
        // What it has failed before does not make it wait after the next failure.
        self.book().well(name);
        Ok(restarted)
    }
}
