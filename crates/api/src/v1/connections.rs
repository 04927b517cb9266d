//! `/v1/vsilos/{vsilo}/connections`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{Connection, ConnectionSpec, NewConnection, Page, Problem};

use crate::extract::{Asked, Authenticated, Body, ListQuery, id};
use crate::problem::Answer;

/// List the connections of a vSilo.
#[utoipa::path(get, path = "/v1/vsilos/{vsilo}/connections", tag = "connections", params(("vsilo" = String, Path), ListQuery), responses(
    (status = 200, body = Page<Connection>),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(silo): Path<String>,
    Asked(query): Asked<ListQuery>,
) -> Answer<Json<Page<Connection>>> {
    Ok(Json(controller.list_connections(&caller, &id(&silo)?, &query.into()).await?))
}

/// Plug a vThing into a vSilo.
#[utoipa::path(post, path = "/v1/vsilos/{vsilo}/connections", tag = "connections", params(("vsilo" = String, Path)), request_body = NewConnection, responses(
    (status = 201, body = Connection),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It exists already, or its state forbids it", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn add(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(silo): Path<String>,
    Body(new): Body<NewConnection>,
) -> Answer<(StatusCode, Json<Connection>)> {
    let spec = ConnectionSpec { v_silo: id(&silo)?, v_thing: new.v_thing };
    Ok((StatusCode::CREATED, Json(controller.add_v_thing(&caller, spec).await?)))
}

/// Unplug a vThing from a vSilo.
#[utoipa::path(
    delete,
    path = "/v1/vsilos/{vsilo}/connections/{thingvisor}/{*name}",
    tag = "connections",
    params(
        ("vsilo" = String, Path),
        ("thingvisor" = String, Path),
        ("name" = String, Path, description = "The local name, maybe with slashes")
    ),
    responses(
    (status = 204),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn delete(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path((silo, visor, name)): Path<(String, String, String)>,
) -> Answer<StatusCode> {
    let spec = ConnectionSpec { v_silo: id(&silo)?, v_thing: id(&format!("{visor}/{name}"))? };
    controller.delete_v_thing(&caller, &spec).await?;
    Ok(StatusCode::NO_CONTENT)
}
