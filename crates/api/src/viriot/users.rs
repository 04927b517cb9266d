//! Logging in and out, and users (viriot-wire.md sections 2.1 and 2.2).

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use morgana_controller::{Controller, SessionKind};
use morgana_model::{Credentials, ErrorCode, NewUser, Role, Secret};
use serde::Deserialize;
use serde_json::json;

use super::documents;
use super::input::{Input, all, id};
use super::reply::{Answer, Otherwise, Reply, User, unauthenticated};
use crate::extract::{From, authorization};

/// What VirIoT says when a body is not what it should be.
const ERROR: Otherwise = Otherwise(StatusCode::INTERNAL_SERVER_ERROR, "Error");

/// One longer token, since VirIoT's scripts know no refresh tokens (docs/decisions, compatible tokens).
pub(super) async fn login(
    State(controller): State<Controller>,
    From(origin): From,
    input: Input<Credentials>,
) -> Answer {
    match controller.login(input.or(ERROR)?, &origin, SessionKind::Compatible).await {
        Ok(session) => {
            let document = json!({ "access_token": session.access_token.expose(), "role": session.role });
            Ok(Reply::document(StatusCode::OK, document))
        }
        Err(failure) => Err(failure.into()),
    }
}

pub(super) async fn logout(
    State(controller): State<Controller>,
    From(origin): From,
    headers: HeaderMap,
) -> Answer {
    let header = authorization(&headers);
    match controller.logout(header, &origin).await {
        Ok(()) => Ok(Reply::message(StatusCode::OK, "Successfully logged out")),
        Err(failure) if failure.code == ErrorCode::Unauthenticated => {
            Err(unauthenticated(controller.token_error(header)))
        }
        Err(failure) => Err(failure.into()),
    }
}

#[derive(Deserialize)]
pub(super) struct Register {
    #[serde(rename = "userID")]
    user: String,
    password: Secret,
    role: String,
}

pub(super) async fn register(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Register>,
) -> Answer {
    let input = input.or(ERROR)?;
    let role: Role = input.role.parse().map_err(Reply::conflict)?;
    let id = id(&input.user).map_err(|failure| Reply::conflict(failure.message))?;
    match controller.register(&caller, NewUser { id, password: input.password, role }).await {
        Ok(_) => Ok(Reply::message(StatusCode::CREATED, "User registered successfully")),
        Err(failure) if failure.code == ErrorCode::AlreadyExists => {
            Err(Reply::conflict("User already exists"))
        }
        // VirIoT takes any password; the command line prints why we do not.
        Err(failure) if failure.code == ErrorCode::InvalidInput => Err(Reply::conflict(failure.message)),
        Err(failure) => Err(ERROR.reply(failure)),
    }
}

#[derive(Deserialize)]
pub(super) struct Unregister {
    #[serde(rename = "userID")]
    user: String,
}

pub(super) async fn unregister(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Unregister>,
) -> Answer {
    let Unregister { user } = input.or(ERROR)?;
    let unknown = || Reply::conflict(format!("User {user} does not exists"));
    let id = id(&user).map_err(|_| unknown())?;
    match controller.unregister(&caller, &id).await {
        Ok(()) => Ok(Reply::message(StatusCode::CREATED, "User unregistered successfully")),
        Err(failure) if failure.code == ErrorCode::NotFound => Err(unknown()),
        Err(failure) if failure.code == ErrorCode::Conflict => Err(Reply::conflict(failure.message)),
        Err(failure) => Err(ERROR.reply(failure)),
    }
}

/// VirIoT answers this list with 201.
pub(super) async fn list(State(controller): State<Controller>, User(caller): User) -> Answer {
    let users = all(|options| {
        let (controller, caller) = (&controller, &caller);
        async move { controller.list_users(caller, &options).await }
    });
    let documents = users.await?.iter().map(documents::user).collect();
    Ok(Reply::document(StatusCode::CREATED, documents))
}
