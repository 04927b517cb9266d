//! `/v1/nodes` and `/v1/reconcilers`: how the platform itself is.

use axum::Json;
use axum::extract::State;
use morgana_controller::{Controller, Node, ReconcilerReport};
use morgana_model::{Page, Problem};

use crate::extract::Authenticated;
use crate::problem::Answer;

/// List the machines of the platform.
#[utoipa::path(get, path = "/v1/nodes", tag = "nodes", responses(
    (status = 200, body = Object),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
) -> Answer<Json<Page<Node>>> {
    Ok(Json(Page { items: controller.list_nodes(&caller).await?, next: None }))
}

/// When each reconciler last ran, and what it did.
#[utoipa::path(get, path = "/v1/reconcilers", tag = "nodes", responses(
    (status = 200, body = Object),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn reconcilers(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
) -> Answer<Json<Page<ReconcilerReport>>> {
    Ok(Json(Page { items: controller.reconcilers(&caller).await?, next: None }))
}
