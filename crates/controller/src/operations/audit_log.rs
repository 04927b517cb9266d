//! Reading the audit log.

use morgana_access::{Action, Caller};
use morgana_model::{AuditEntry, Failure, Page};

use super::{ListOptions, page};
use crate::Controller;
use crate::records::AuditRecord;

impl Controller {
    /// Part of the audit log, oldest first.
    ///
    /// # Errors
    /// When the caller is no administrator or the limit is out of bounds.
    pub async fn list_audit(
        &self,
        caller: &Caller,
        options: &ListOptions,
    ) -> Result<Page<AuditEntry>, Failure> {
        self.operation("listAudit", async {
            self.authorize(caller, Action::ReadAudit, None)?;
            let field = |record: &AuditRecord, name: &str| match name {
                "who" => Some(record.0.who.clone()),
                "action" => Some(record.0.action.clone()),
                "target" => Some(record.0.target.clone()),
                "outcome" => Some(record.0.outcome.clone()),
                _ => None,
            };
            let found = page(self.audit_log(), "", options, field).await?;
            Ok(Page { items: found.items.into_iter().map(|record| record.0).collect(), next: found.next })
        })
        .await
    }
}
