//! How much a tenant may have.

use morgana_model::{ErrorCode, Failure, TenantId};
use morgana_store::ListQuery;

use crate::tally::Counted;
use crate::{Controller, Error};

impl Controller {
    /// Lets a tenant create one more vSilo if it may; keep the answer until that is done. Those that
    /// are being created at the same time count, so that the bound holds however many ask at once.
    pub(crate) async fn one_more_silo(&self, tenant: &TenantId) -> Result<Counted<TenantId>, Error> {
        let most = self.options().max_silos_per_tenant;
        let (creation, under_way) = self.creations().count(tenant.clone());
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
