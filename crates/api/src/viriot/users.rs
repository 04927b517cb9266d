//! Logging in and out, and users (viriot-wire.md sections 2.1 and 2.2).

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use morgana_controller::Controller;
use morgana_model::{Credentials, ErrorCode, NewUser, Role, Secret};
use serde::Deserialize;
use serde_json::json;

use super::documents;
use super::reply::{Answer, Input, Reply, User, all, id, unauthenticated};

pub(super) async fn login(
    State(controller): State<Controller>,
    Input(credentials): Input<Credentials>,
) -> Answer {
    let session = controller.login(credentials).await?;
    let document = json!({ "access_token": session.access_token.expose(), "role": session.role });
    Ok(Reply::document(StatusCode::OK, document))
}

pub(super) async fn logout(State(controller): State<Controller>, headers: HeaderMap) -> Answer {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match controller.logout(header).await {
        Ok(()) => Ok(Reply::message(StatusCode::OK, "Successfully logged out")),
        Err(failure) if failure.code == ErrorCode::Unauthenticated => Err(unauthenticated(header, failure)),
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
    Input(input): Input<Register>,
) -> Answer {
    let role: Role = input.role.parse().map_err(Reply::conflict)?;
    let new = NewUser { id: id(&input.user)?, password: input.password, role };
    match controller.register(&caller, new).await {
        Ok(_) => Ok(Reply::message(StatusCode::CREATED, "User registered successfully")),
        Err(failure) if failure.code == ErrorCode::AlreadyExists => {
            Err(Reply::conflict("User already exists"))
        }
        Err(failure) => Err(failure.into()),
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
    Input(input): Input<Unregister>,
) -> Answer {
    match controller.unregister(&caller, &id(&input.user)?).await {
        Ok(()) => Ok(Reply::message(StatusCode::CREATED, "User unregistered successfully")),
        Err(failure) if failure.code == ErrorCode::NotFound => {
            Err(Reply::conflict(format!("User {} does not exists", input.user)))
        }
        Err(failure) => Err(failure.into()),
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
