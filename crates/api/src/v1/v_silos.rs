//! `/v1/vsilos`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{NewVSilo, Page, Problem, VSilo};

use crate::extract::{Asked, Authenticated, Body, DeleteQuery, ListQuery, id};
use crate::problem::Answer;

/// List the vSilos: the caller's own, or for an administrator all.
#[utoipa::path(get, path = "/v1/vsilos", tag = "vsilos", params(ListQuery), responses(
    (status = 200, body = Page<VSilo>),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Asked(query): Asked<ListQuery>,
) -> Answer<Json<Page<VSilo>>> {
    Ok(Json(controller.list_v_silos(&caller, &query.into()).await?))
}

/// Create a vSilo. It is pending until it answers.
#[utoipa::path(post, path = "/v1/vsilos", tag = "vsilos", request_body = NewVSilo, responses(
    (status = 202, body = VSilo),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It exists already, or its state forbids it", body = Problem, content_type = "application/problem+json"),
    (status = 501, description = "The flavour is not there yet", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn create(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Body(new): Body<NewVSilo>,
) -> Answer<(StatusCode, Json<VSilo>)> {
    Ok((StatusCode::ACCEPTED, Json(controller.create_v_silo(&caller, new).await?)))
}

/// Show a vSilo. Its token is shown to its owner alone.
#[utoipa::path(get, path = "/v1/vsilos/{vsilo}", tag = "vsilos", params(("vsilo" = String, Path)), responses(
    (status = 200, body = VSilo),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(silo): Path<String>,
) -> Answer<Json<VSilo>> {
    Ok(Json(controller.inspect_v_silo(&caller, &id(&silo)?).await?))
}

/// Destroy a vSilo with all it holds. It is stopping until it is gone.
#[utoipa::path(delete, path = "/v1/vsilos/{vsilo}", tag = "vsilos", params(("vsilo" = String, Path), DeleteQuery), responses(
    (status = 202, body = VSilo),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn destroy(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(silo): Path<String>,
    Asked(query): Asked<DeleteQuery>,
) -> Answer<(StatusCode, Json<VSilo>)> {
    Ok((StatusCode::ACCEPTED, Json(controller.destroy_v_silo(&caller, &id(&silo)?, query.force).await?)))
}
