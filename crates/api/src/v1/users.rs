//! `/v1/users`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{NewUser, Page, Problem, User};

use crate::extract::{Asked, Authenticated, Body, ListQuery, id};
use crate::problem::Answer;

/// List the users.
#[utoipa::path(get, path = "/v1/users", tag = "users", params(ListQuery), responses(
    (status = 200, body = Page<User>),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Asked(query): Asked<ListQuery>,
) -> Answer<Json<Page<User>>> {
    Ok(Json(controller.list_users(&caller, &query.into()).await?))
}

/// Register a user.
#[utoipa::path(post, path = "/v1/users", tag = "users", request_body = NewUser, responses(
    (status = 201, body = User),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It exists already, or its state forbids it", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn register(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Body(new): Body<NewUser>,
) -> Answer<(StatusCode, Json<User>)> {
    Ok((StatusCode::CREATED, Json(controller.register(&caller, new).await?)))
}

/// Show a user.
#[utoipa::path(get, path = "/v1/users/{user}", tag = "users", params(("user" = String, Path)), responses(
    (status = 200, body = User),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(user): Path<String>,
) -> Answer<Json<User>> {
    Ok(Json(controller.inspect_user(&caller, &id(&user)?).await?))
}

/// Unregister a user that has no silo.
#[utoipa::path(delete, path = "/v1/users/{user}", tag = "users", params(("user" = String, Path)), responses(
    (status = 204),
    (status = 400, description = "The input is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It does not exist", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It exists already, or its state forbids it", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn unregister(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(user): Path<String>,
) -> Answer<StatusCode> {
    controller.unregister(&caller, &id(&user)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
