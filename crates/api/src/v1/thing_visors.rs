//! `/v1/thingvisors`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{NewThingVisor, Page, Problem, ThingVisor};

use crate::extract::{Asked, Authenticated, Body, DeleteQuery, ListQuery, id};
use crate::problem::Answer;

/// List the ThingVisors.
#[utoipa::path(get, path = "/v1/thingvisors", tag = "thingvisors", params(ListQuery), responses(
    (status = 200, body = Page<ThingVisor>),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Asked(query): Asked<ListQuery>,
) -> Answer<Json<Page<ThingVisor>>> {
    Ok(Json(controller.list_thing_visors(&caller, &query.into()).await?))
}

/// Add a ThingVisor. It is pending until it answers.
#[utoipa::path(post, path = "/v1/thingvisors", tag = "thingvisors", request_body = NewThingVisor, responses(
    (status = 202, body = ThingVisor),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It exists already, or its state forbids it", body = Problem, content_type = "application/problem+json"),
    (status = 501, description = "The runtime or the kind is not there yet", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn add(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Body(new): Body<NewThingVisor>,
) -> Answer<(StatusCode, Json<ThingVisor>)> {
    Ok((StatusCode::ACCEPTED, Json(controller.add_thing_visor(&caller, new).await?)))
}

/// Show a ThingVisor.
#[utoipa::path(get, path = "/v1/thingvisors/{thingvisor}", tag = "thingvisors", params(("thingvisor" = String, Path)), responses(
    (status = 200, body = ThingVisor),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(visor): Path<String>,
) -> Answer<Json<ThingVisor>> {
    Ok(Json(controller.inspect_thing_visor(&caller, &id(&visor)?).await?))
}

/// Delete a ThingVisor with its vThings. It is stopping until it is gone.
#[utoipa::path(delete, path = "/v1/thingvisors/{thingvisor}", tag = "thingvisors", params(("thingvisor" = String, Path), DeleteQuery), responses(
    (status = 202, body = ThingVisor),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn delete(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(visor): Path<String>,
    Asked(query): Asked<DeleteQuery>,
) -> Answer<(StatusCode, Json<ThingVisor>)> {
    Ok((StatusCode::ACCEPTED, Json(controller.delete_thing_visor(&caller, &id(&visor)?, query.force).await?)))
}
