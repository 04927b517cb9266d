//! `/v1/flavours`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{Flavour, NewFlavour, Page, Problem};

use crate::extract::{Asked, Authenticated, Body, ListQuery, id};
use crate::problem::Answer;

/// List the flavours. Parameters are shown to administrators alone.
#[utoipa::path(get, path = "/v1/flavours", tag = "flavours", params(ListQuery), responses(
    (status = 200, body = Page<Flavour>),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Asked(query): Asked<ListQuery>,
) -> Answer<Json<Page<Flavour>>> {
    Ok(Json(controller.list_flavours(&caller, &query.into()).await?))
}

/// Add a flavour.
#[utoipa::path(post, path = "/v1/flavours", tag = "flavours", request_body = NewFlavour, responses(
    (status = 201, body = Flavour),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It exists already, or its state forbids it", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn add(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Body(new): Body<NewFlavour>,
) -> Answer<(StatusCode, Json<Flavour>)> {
    Ok((StatusCode::CREATED, Json(controller.add_flavour(&caller, new).await?)))
}

/// Show a flavour.
#[utoipa::path(get, path = "/v1/flavours/{flavour}", tag = "flavours", params(("flavour" = String, Path)), responses(
    (status = 200, body = Flavour),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(flavour): Path<String>,
) -> Answer<Json<Flavour>> {
    Ok(Json(controller.inspect_flavour(&caller, &id(&flavour)?).await?))
}

/// Delete a flavour that no silo uses.
#[utoipa::path(delete, path = "/v1/flavours/{flavour}", tag = "flavours", params(("flavour" = String, Path)), responses(
    (status = 204),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It exists already, or its state forbids it", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn delete(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(flavour): Path<String>,
) -> Answer<StatusCode> {
    controller.delete_flavour(&caller, &id(&flavour)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
