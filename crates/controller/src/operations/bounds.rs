//! How much a tenant may have.

use std::collections::HashMap;

use morgana_model::{ErrorCode, Failure, TenantId};
use morgana_store::ListQuery;
use parking_lot::Mutex;

use crate::{Controller, Error};

/// Creations that are under way, by tenant.
#[derive(Debug, Default)]
pub(crate) struct Creations(Mutex<HashMap<TenantId, usize>>);

/// One creation that is under way, until it is dropped.
pub(crate) struct Creation<'a> {
    creations: &'a Creations,
    tenant: TenantId,
}

impl Creations {
    /// Counts one more; how many there are with it.
    fn begin(&self, tenant: &TenantId) -> (Creation<'_>, usize) {
        let mut creations = self.0.lock();
        let count = creations.entry(tenant.clone()).or_default();
        *count += 1;
        (Creation { creations: self, tenant: tenant.clone() }, *count)
    }
}

impl Drop for Creation<'_> {
    fn drop(&mut self) {
        let mut creations = self.creations.0.lock();
        if let Some(count) = creations.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                creations.remove(&self.tenant);
            }
        }
    }
}

impl Controller {
    /// Lets a tenant create one more vSilo if it may; keep the answer until that is done. Those that
    /// are being created at the same time count, so that the bound holds however many ask at once.
    pub(crate) async fn one_more_silo(&self, tenant: &TenantId) -> Result<Creation<'_>, Error> {
        let most = self.options().max_silos_per_tenant;
        let (creation, under_way) = self.creations().begin(tenant);
        let query = ListQuery::prefix(format!("{tenant}_")).limit(most);
        let has = self.store().list(morgana_store::Kind::VSilo, query).await?.len();
        if has + under_way > most {
            let text = format!(
                "tenant '{tenant}' has {has} vSilos and may have {most}: destroy one, or ask the administrator to raise \
                 controller.max_silos_per_tenant"
            );
            return Err(Failure::new(ErrorCode::TooManyRequests, text).into());
        }
        Ok(creation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_creation_counts_until_it_is_done() {
        let creations = Creations::default();
        let (alice, bob): (TenantId, TenantId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let (first, one) = creations.begin(&alice);
        let (_second, two) = creations.begin(&alice);
        let (_other, of_bob) = creations.begin(&bob);
        assert_eq!((one, two, of_bob), (1, 2, 1));
        drop(first);
        assert_eq!(creations.begin(&alice).1, 2);
    }
}
