//! vSilos.

use jiff::Timestamp;
use morgana_access::{Action, Caller, generate_silo_token};
use morgana_model::{
    Endpoints, ErrorCode, Failure, Flavour, FlavourPhase, Metadata, NewVSilo, Page, Phase, Role, VSilo,
    VSiloId, VSiloStatus, WorkloadName,
};
use morgana_store::{Expect, Transaction};

use super::{ListOptions, existing, page};
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
            match transaction.commit(self.store()).await {
                Ok(_) => Ok(silo_shown_to(caller, silo)),
                Err(morgana_store::Error::Conflict { kind: morgana_store::Kind::User, key, .. }) => {
                    Err(Failure::not_found(format_args!("tenant '{key}'")).into())
                }
                Err(error) if error.is_conflict() => Err(name_in_use(&silo.id).into()),
                Err(error) => Err(Error::from(error)),
            }
        })
        .await
    }

    /// Asks for the end of a vSilo; with `force`, without waiting for it to agree.
    ///
    /// # Errors
    /// When the caller is not its tenant or it does not exist.
    pub async fn destroy_v_silo(&self, caller: &Caller, id: &VSiloId, force: bool) -> Result<VSilo, Failure> {
        self.operation("siloDestroy", async {
            self.authorize(caller, Action::DestroyVSilo, Some(&id.tenant()))?;
            let now = Timestamp::now();
            let asked = self.v_silos().update(id.as_str(), |silo| {
                silo.metadata.deletion_requested_at.get_or_insert(now);
                silo.status.phase = Phase::Stopping;
            });
            let asked = asked.await?;
            if force && asked.is_some() {
                self.do_not_wait_for(WorkloadName::VSilo(id.clone()));
            }
            match asked {
                Some(found) => Ok(silo_shown_to(caller, found.value)),
                None => Err(Failure::not_found(format_args!("vSilo '{id}'")).into()),
            }
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
            let found = page(self.v_silos(), &prefix, options).await?;
            let items = found.items.into_iter().map(|silo| silo_shown_to(caller, silo)).collect();
            Ok(Page { items, next: found.next })
        })
        .await
    }

    /// One vSilo.
    ///
    /// # Errors
    /// When the caller is not its tenant or it does not exist.
    pub async fn inspect_v_silo(&self, caller: &Caller, id: &VSiloId) -> Result<VSilo, Failure> {
        self.operation("inspectVirtualSilo", async {
            self.authorize(caller, Action::InspectVSilo, Some(&id.tenant()))?;
            Ok(silo_shown_to(caller, existing(self.v_silos(), "vSilo", id.as_str()).await?.value))
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
