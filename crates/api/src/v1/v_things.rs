//! `/v1/vthings`.

use axum::Json;
use axum::extract::{Path, State};
use morgana_controller::Controller;
use morgana_model::{Page, Problem, VThing};

use crate::extract::{Asked, Authenticated, ListQuery, id};
use crate::problem::Answer;

/// List the vThings that silos can have.
#[utoipa::path(get, path = "/v1/vthings", tag = "vthings", params(ListQuery), responses(
    (status = 200, body = Page<VThing>),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Asked(query): Asked<ListQuery>,
) -> Answer<Json<Page<VThing>>> {
    Ok(Json(controller.list_v_things(&caller, &query.into()).await?))
}

/// Show a vThing.
#[utoipa::path(
    get,
    path = "/v1/vthings/{thingvisor}/{*name}",
    tag = "vthings",
    params(("thingvisor" = String, Path), ("name" = String, Path, description = "The local name, maybe with slashes")),
    responses(
    (status = 200, body = VThing),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path((visor, name)): Path<(String, String)>,
) -> Answer<Json<VThing>> {
    Ok(Json(controller.inspect_v_thing(&caller, &id(&format!("{visor}/{name}"))?).await?))
}
