//! `/v1/login`, `/v1/refresh` and `/v1/logout`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use morgana_controller::{Controller, SessionKind};
use morgana_model::{Credentials, Refresh, Session};

use crate::extract::{Body, From, authorization};
use crate::problem::Answer;

/// Log in.
#[utoipa::path(post, path = "/v1/login", tag = "sessions", request_body = Credentials, security(()), responses((status = 200, body = Session)))]
pub(super) async fn login(
    State(controller): State<Controller>,
    From(origin): From,
    Body(credentials): Body<Credentials>,
) -> Answer<Json<Session>> {
    Ok(Json(controller.login(credentials, &origin, SessionKind::Refreshed).await?))
}

/// Go on with a session: a new access token, and the next refresh token. A refresh token that was used
/// before ends its session.
#[utoipa::path(post, path = "/v1/refresh", tag = "sessions", request_body = Refresh, security(()), responses((status = 200, body = Session)))]
pub(super) async fn refresh(
    State(controller): State<Controller>,
    From(origin): From,
    Body(refresh): Body<Refresh>,
) -> Answer<Json<Session>> {
    Ok(Json(controller.refresh(&refresh.refresh_token, &origin).await?))
}

/// End the session of this request's token, with all its tokens.
#[utoipa::path(post, path = "/v1/logout", tag = "sessions", responses((status = 204)))]
pub(super) async fn logout(
    State(controller): State<Controller>,
    From(origin): From,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    controller.logout(authorization(&headers), &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
