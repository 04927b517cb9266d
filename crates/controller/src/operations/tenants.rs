//! Tenants, as users with all they have.

use morgana_access::{Action, Caller};
use morgana_model::{Failure, Page, Tenant, TenantId, User};

use super::vsilos::silo_shown_to;
use super::{ListOptions, existing};
use crate::Controller;

impl Controller {
    /// Part of the list of tenants: the users that are no administrators.
    ///
    /// # Errors
    /// When the caller is no administrator or the limit is out of bounds.
    pub async fn list_tenants(&self, caller: &Caller, options: &ListOptions) -> Result<Page<User>, Failure> {
        let mut options = options.clone();
        options.filter.insert("role", "user".to_owned());
        self.list_users(caller, &options).await
    }

    /// All that a tenant has.
    ///
    /// # Errors
    /// When the caller is neither the tenant nor an administrator, or there is no such user.
    pub async fn inspect_tenant(&self, caller: &Caller, id: &TenantId) -> Result<Tenant, Failure> {
        self.operation("inspectTenant", async {
            self.authorize(caller, Action::InspectTenant, Some(id))?;
            existing(self.users(), "tenant", id.as_str()).await?;
            let prefix = format!("{id}_");
            let silos = self.v_silos().all(&prefix).await?;
            let connections = self.connections().all(&prefix).await?;
            Ok(Tenant {
                id: id.clone(),
                v_silos: silos.into_iter().map(|found| silo_shown_to(caller, found.value)).collect(),
                connections: connections.into_iter().map(|found| found.value).collect(),
            })
        })
        .await
    }
}
