//! `/v1/users`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use morgana_controller::Controller;
use morgana_model::{NewUser, Page, User, UserPatch};

use crate::extract::{Asked, Authenticated, Body, Creation, IfMatch, id, list_query};
use crate::problem::Answer;
use crate::tagged::Tagged;

list_query!(
    /// Which users.
    UserQuery {
        /// `admin` or `user`.
        role: "role",
    }
);

/// List the users.
#[utoipa::path(get, path = "/v1/users", tag = "users", params(UserQuery), responses((status = 200, body = Page<User>)))]
pub(super) async fn list(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Asked(query): Asked<UserQuery>,
) -> Answer<Json<Page<User>>> {
    Ok(Json(controller.list_users(&caller, &query.into()).await?))
}

/// Register a user.
#[utoipa::path(post, path = "/v1/users", tag = "users", params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request creates once, and is answered the same")), request_body = NewUser, responses((status = 201, body = User)))]
pub(super) async fn register(
    State(controller): State<Controller>,
    Creation(caller, new): Creation<NewUser>,
) -> Answer<(StatusCode, Json<User>)> {
    Ok((StatusCode::CREATED, Json(controller.register(&caller, new).await?)))
}

/// Show a user.
#[utoipa::path(get, path = "/v1/users/{user}", tag = "users", params(("user" = String, Path)), responses((status = 200, body = User, headers(("ETag" = String, description = "The revision; a change may ask for it with If-Match")))))]
pub(super) async fn inspect(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    Ok(Tagged(controller.find_user(&caller, &id(&user)?).await?).unless_known(&headers))
}

/// Change the password or the role of a user. A new password ends all its sessions.
#[utoipa::path(patch, path = "/v1/users/{user}", tag = "users", params(("user" = String, Path), ("If-Match" = Option<String>, Header, description = "The ETag that the resource has to have")), request_body = UserPatch, responses((status = 200, body = User, headers(("ETag" = String, description = "The revision; a change may ask for it with If-Match")))))]
pub(super) async fn update(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(user): Path<String>,
    IfMatch(revisions): IfMatch,
    Body(patch): Body<UserPatch>,
) -> Answer<Tagged<User>> {
    Ok(Tagged(controller.update_user(&caller, &id(&user)?, patch, &revisions).await?))
}

/// Unregister a user that has no silo.
#[utoipa::path(delete, path = "/v1/users/{user}", tag = "users", params(("user" = String, Path)), responses((status = 204)))]
pub(super) async fn unregister(
    State(controller): State<Controller>,
    Authenticated(caller): Authenticated,
    Path(user): Path<String>,
) -> Answer<StatusCode> {
    controller.unregister(&caller, &id(&user)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
