//! `/v1/login` and `/v1/logout`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use morgana_controller::Controller;
use morgana_model::{Credentials, Problem, Session};

use crate::extract::Body;
use crate::problem::Answer;

/// Log in.
#[utoipa::path(post, path = "/v1/login", tag = "sessions", request_body = Credentials, security(()), responses(
    (status = 200, body = Session),
    (status = 400, description = "The body is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "User and password do not match", body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "Too many logins at once", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn login(
    State(controller): State<Controller>,
    Body(credentials): Body<Credentials>,
) -> Answer<Json<Session>> {
    Ok(Json(controller.login(credentials).await?))
}

/// End the token of this request.
#[utoipa::path(post, path = "/v1/logout", tag = "sessions", responses(
    (status = 204),
    (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn logout(State(controller): State<Controller>, headers: HeaderMap) -> Answer<StatusCode> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    controller.logout(authorization).await?;
    Ok(StatusCode::NO_CONTENT)
}
