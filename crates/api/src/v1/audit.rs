//! `/v1/audit`: who changed or tried what, from where.

use axum::Json;
use axum::extract::State;
use morgana_controller::Controller;
use morgana_model::{AuditEntry, Page};

use crate::extract::{Asked, Authenticated, list_query};
use crate::problem::Answer;

list_query!(
    /// Which lines.
    AuditQuery {
        /// The user, or the user of a workload on the fabric.
        who: "who",
        /// The operation.
        action: "action",
        /// What it was done to.
        target: "target",
        /// `ok`, or the code of the failure.
        outcome: "outcome",
    }
);

/// List the audit log, oldest first.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditQuery), responses((status = 200, body = Page<AuditEntry>)))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Asked(query): Asked<AuditQuery>,
) -> Answer<Json<Page<AuditEntry>>> {
    Ok(Json(controller.list_audit(&caller, &query.into()).await?))
}
