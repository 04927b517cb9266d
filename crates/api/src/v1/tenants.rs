//! `/v1/tenants`.

use axum::Json;
use axum::extract::{Path, State};
use morgana_controller::Controller;
use morgana_model::{Page, Tenant, User};

use crate::extract::{Asked, Authenticated, id, list_query};
use crate::problem::Answer;

list_query!(
    /// Which tenants.
    TenantQuery {}
);

/// List the tenants: the users that are no administrators.
#[utoipa::path(get, path = "/v1/tenants", tag = "tenants", params(TenantQuery), responses((status = 200, body = Page<User>)))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Asked(query): Asked<TenantQuery>,
) -> Answer<Json<Page<User>>> {
    Ok(Json(controller.list_tenants(&caller, &query.into()).await?))
}

/// Show all that a tenant has. Tokens of silos are shown to the tenant alone.
#[utoipa::path(get, path = "/v1/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path)), responses((status = 200, body = Tenant)))]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(tenant): Path<String>,
) -> Answer<Json<Tenant>> {
    Ok(Json(controller.inspect_tenant(&caller, &id(&tenant)?).await?))
}
