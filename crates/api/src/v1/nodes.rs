//! `/v1/zones`, `/v1/nodes` and `/v1/reconcilers`: how the platform itself is.

use axum::Json;
use axum::extract::{Path, State};
use morgana_controller::{Controller, Node, ReconcilerReport};
use morgana_model::{Page, Zone};

use crate::extract::{Authenticated, id};
use crate::problem::Answer;

/// List the zones.
#[utoipa::path(get, path = "/v1/zones", tag = "nodes", responses((status = 200, body = Page<Zone>)))]
pub(super) async fn zones(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
) -> Answer<Json<Page<Zone>>> {
    Ok(Json(Page { items: controller.list_zones(&caller).await?, next: None }))
}

/// List the machines of the platform.
#[utoipa::path(get, path = "/v1/nodes", tag = "nodes", responses((status = 200, body = Page<Node>)))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
) -> Answer<Json<Page<Node>>> {
    Ok(Json(Page { items: controller.list_nodes(&caller).await?, next: None }))
}

/// Show a machine.
#[utoipa::path(get, path = "/v1/nodes/{node}", tag = "nodes", params(("node" = String, Path)), responses((status = 200, body = Node)))]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(node): Path<String>,
) -> Answer<Json<Node>> {
    Ok(Json(controller.inspect_node(&caller, &id(&node)?).await?))
}

/// When each reconciler last ran, and what it did.
#[utoipa::path(get, path = "/v1/reconcilers", tag = "nodes", responses((status = 200, body = Page<ReconcilerReport>)))]
pub(super) async fn reconcilers(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
) -> Answer<Json<Page<ReconcilerReport>>> {
    Ok(Json(Page { items: controller.reconcilers(&caller).await?, next: None }))
}
