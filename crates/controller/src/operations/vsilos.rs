//! vSilos.

use jiff::Timestamp;
use morgana_access::{Action, Caller, generate_silo_token};
use morgana_model::{
    Endpoints, ErrorCode, Failure, Flavour, FlavourPhase, Metadata, NewVSilo, Page, Phase, Role, VSilo,
    VSiloId, VSiloStatus, WorkloadName,
};
use morgana_store::{Expect, Transaction, Versioned};

use super::{ListOptions, existing, page, phase_field};
use crate::change::written;
use crate::records::UserRecord;
use crate::{Controller, Error};

impl Controller {
    /// Creates a vSilo; it is pending until its workload answers.
    ///
    /// # Errors
    /// When the caller is not its tenant, the name is taken, or the flavour or zone is not there.
    pub async fn create_v_silo(&self, caller: &Caller, new: NewVSilo) -> Result<VSilo, Failure> {
        self.operation("siloCreate", async {
            self.authorize(caller, Action::CreateVSilo, Some(&new.spec.tenant))?;
            self.check_zone(new.spec.zone.as_ref())?;
            self.once(caller, self.create_checked(caller, new)).await
        })
        .await
    }

    async fn create_checked(&self, caller: &Caller, new: NewVSilo) -> Result<VSilo, Error> {
        let id = VSiloId::new(&new.spec.tenant, &new.spec.name);
        let _what_it_needs_stays = self.while_building().await;
        if self.v_silos().get(id.as_str()).await?.is_some() {
            return Err(name_in_use(&id).into());
        }
        let flavour = existing(self.flavours(), "flavour", new.spec.flavour.as_str()).await?;
        if let FlavourPhase::Failed { reason } = &flavour.value.status.phase {
            let text = format!("flavour '{}' cannot be used: {reason}", flavour.value.id);
            return Err(Failure::new(ErrorCode::NotYet, text).into());
        }
        let _one_more = self.one_more_silo(&new.spec.tenant).await?;
        let silo = VSilo {
            id,
            metadata: Metadata::new(Timestamp::now()),
            status: VSiloStatus {
                phase: Phase::Pending,
                node: None,
                endpoints: Endpoints::new(),
                restarts: 0,
                limits: None,
            },
            token: Some(generate_silo_token(&mut rand::rng())),
            spec: new.spec,
        };
        let mut transaction = Transaction::new();
        transaction.insert(&silo)?;
        transaction.check::<Flavour>(silo.spec.flavour.as_str(), Expect::Present);
        transaction.check::<UserRecord>(silo.spec.tenant.as_str(), Expect::Present);
        let shown = silo_shown_to(caller, silo.clone());
        written(&mut transaction, caller, "siloCreate", &silo.id, &shown)?;
        match transaction.commit(self.store()).await {
            Ok(_) => Ok(shown),
            Err(morgana_store::Error::Conflict { kind: morgana_store::Kind::User, key, .. }) => {
                Err(Failure::not_found(format_args!("tenant '{key}'")).into())
            }
            Err(error) if error.is_conflict() => Err(name_in_use(&silo.id).into()),
            Err(error) => Err(Error::from(error)),
        }
    }

    /// Asks for the end of a vSilo; with `force`, without waiting for it to agree.
    ///
    /// # Errors
    /// When the caller is not its tenant or it does not exist.
    pub async fn destroy_v_silo(&self, caller: &Caller, id: &VSiloId, force: bool) -> Result<VSilo, Failure> {
        self.operation("siloDestroy", async {
            self.authorize(caller, Action::DestroyVSilo, Some(&id.tenant()))?;
            let now = Timestamp::now();
            let place = (self.v_silos(), "vSilo", id.as_str());
            let asked = self.change(caller, "siloDestroy", place, &None, |silo| {
                silo.metadata.deletion_requested_at.get_or_insert(now);
                silo.status.phase = Phase::Stopping;
                Ok(())
            });
            let asked = asked.await?;
            if force {
                self.do_not_wait_for(WorkloadName::VSilo(id.clone()));
            }
            Ok(silo_shown_to(caller, asked.value))
        })
        .await
    }

    /// Part of the list of vSilos: the caller's own, or for an administrator all.
    ///
    /// # Errors
    /// When the limit is out of bounds.
    pub async fn list_v_silos(&self, caller: &Caller, options: &ListOptions) -> Result<Page<VSilo>, Failure> {
        self.operation("listVirtualSilos", async {
            self.authorize(caller, Action::ListVSilos, None)?;
            let prefix = match caller.role {
                Role::Administrator => String::new(),
                Role::Tenant => format!("{}_", caller.user),
            };
            let field = |silo: &VSilo, name: &str| match name {
                "tenant" => Some(silo.spec.tenant.to_string()),
                "flavour" => Some(silo.spec.flavour.to_string()),
                "phase" => phase_field(&silo.status.phase),
                "zone" => silo.spec.zone.as_ref().map(ToString::to_string),
                _ => None,
            };
            let mut found = page(self.v_silos(), &prefix, options, field).await?;
            // A list is no place for secrets, not even one's own: `inspect_v_silo` shows the token.
            found.items.iter_mut().for_each(|silo| silo.token = None);
            Ok(found)
        })
        .await
    }

    /// One vSilo.
    ///
    /// # Errors
    /// When the caller is not its tenant or it does not exist.
    pub async fn inspect_v_silo(&self, caller: &Caller, id: &VSiloId) -> Result<VSilo, Failure> {
        Ok(self.find_v_silo(caller, id).await?.value)
    }

    /// [`Controller::inspect_v_silo`] with its revision.
    ///
    /// # Errors
    /// When the caller is not its tenant or it does not exist.
    pub async fn find_v_silo(&self, caller: &Caller, id: &VSiloId) -> Result<Versioned<VSilo>, Failure> {
        self.operation("inspectVirtualSilo", async {
            self.authorize(caller, Action::InspectVSilo, Some(&id.tenant()))?;
            let found = existing(self.v_silos(), "vSilo", id.as_str()).await?;
            Ok(Versioned { revision: found.revision, value: silo_shown_to(caller, found.value) })
        })
        .await
    }
}

/// A silo as the caller may see it: the token is its owner's alone, and not the administrator's.
pub(super) fn silo_shown_to(caller: &Caller, mut silo: VSilo) -> VSilo {
    if silo.spec.tenant != caller.user {
        silo.token = None;
    }
    silo
}

fn name_in_use(id: &VSiloId) -> Failure {
    let text = format!("vSilo name '{}' is already in use for tenant '{}'", id.name(), id.tenant());
    Failure::new(ErrorCode::AlreadyExists, text)
}
