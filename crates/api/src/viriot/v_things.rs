//! vThings and their connections (viriot-wire.md section 2.2).

use axum::extract::State;
use axum::http::StatusCode;
use morgana_controller::{Caller, Controller};
use morgana_model::{ConnectionSpec, ErrorCode, Failure, Phase, Role, VThingId};
use serde::Deserialize;

use super::documents;
use super::input::{Input, all, id};
use super::reply::{Answer, Otherwise, Reply, User};
use super::v_silos::silo_id;

const ADD: Otherwise = Otherwise(StatusCode::UNAUTHORIZED, "Add fails");
const DELETE: Otherwise = Otherwise(StatusCode::UNAUTHORIZED, "Delete fails");
const SET_ENDPOINT: Otherwise = Otherwise(StatusCode::UNAUTHORIZED, "Set fails");
const DELETE_ENDPOINT: Otherwise = Otherwise(StatusCode::UNAUTHORIZED, "Del fails");

pub(super) async fn list(State(controller): State<Controller>, User(caller): User) -> Answer {
    let v_things = all(|options| {
        let (controller, caller) = (&controller, &caller);
        async move { controller.list_v_things(caller, &options).await }
    });
    Ok(Reply::document(StatusCode::OK, v_things.await?.iter().map(documents::v_thing).collect()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plug {
    #[serde(rename = "tenantID")]
    tenant: String,
    v_silo_name: String,
    #[serde(rename = "vThingID")]
    v_thing: String,
}

impl Plug {
    fn spec(&self) -> Result<ConnectionSpec, Failure> {
        Ok(ConnectionSpec { v_silo: silo_id(&self.tenant, &self.v_silo_name)?, v_thing: id(&self.v_thing)? })
    }
}

pub(super) async fn add(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Plug>,
) -> Answer {
    let input = input.or(ADD)?;
    if input.v_thing.parse::<VThingId>().is_err() {
        return Err(Reply::conflict("Add fails - virtual thing does not exist"));
    }
    let spec = input.spec().map_err(|failure| ADD.reply(failure))?;
    match controller.add_v_thing(&caller, spec.clone()).await {
        Ok(_) => Ok(Reply::message(StatusCode::CREATED, "vThing created")),
        Err(failure) => Err(match failure.code {
            ErrorCode::NotFound if failure.message.starts_with("vSilo") => {
                Reply::message(StatusCode::UNAUTHORIZED, "Add fails - tenantID or vSiloID not valid")
            }
            ErrorCode::NotFound => Reply::conflict("Add fails - virtual thing does not exist"),
            ErrorCode::AlreadyExists => Reply::conflict(format!(
                "Add fails - Virtual thing '{}' already exists for tenantID \"{}\" and vSiloID \"{}\"",
                spec.v_thing, input.tenant, spec.v_silo
            )),
            _ => ADD.reply(failure),
        }),
    }
}

pub(super) async fn delete(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Plug>,
) -> Answer {
    let input = input.or(DELETE)?;
    let unknown = || Reply::conflict("Delete fails - Virtual Thing ID, tenantID or vSiloID not valid");
    let spec = input.spec().map_err(|_| unknown())?;
    match controller.delete_v_thing(&caller, &spec).await {
        Ok(()) => Ok(Reply::message(StatusCode::OK, format!("deleted virtual thing: {}", input.v_thing))),
        Err(failure) if failure.code == ErrorCode::NotFound => Err(unknown()),
        Err(failure) => Err(DELETE.reply(failure)),
    }
}

#[derive(Deserialize)]
pub(super) struct Endpoint {
    #[serde(rename = "vThingID", default)]
    v_thing: Option<String>,
    #[serde(default)]
    endpoint: Option<String>,
}

pub(super) async fn set_endpoint(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Endpoint>,
) -> Answer {
    only_administrators(&caller)?;
    let (Some(v_thing), Some(endpoint)) = ({
        let Endpoint { v_thing, endpoint } = input.or(SET_ENDPOINT)?;
        (v_thing, endpoint)
    }) else {
        let text = "Set endpoint fails - request must contain vThingID and endpoint keys";
        return Err(Reply::conflict(text));
    };
    let unknown = || Reply::conflict("Set endpoint fails - virtual thing does not exist");
    let id = running(&controller, &caller, &v_thing, "Set endpoint fails", unknown).await?;
    match controller.set_v_thing_endpoint(&caller, &id, Some(endpoint), &None).await {
        Ok(_) => Ok(Reply::message(StatusCode::CREATED, "vThing endpoint created")),
        Err(failure) if failure.code == ErrorCode::NotFound => Err(unknown()),
        Err(failure) => Err(SET_ENDPOINT.reply(failure)),
    }
}

pub(super) async fn delete_endpoint(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Endpoint>,
) -> Answer {
    only_administrators(&caller)?;
    let Some(v_thing) = input.or(DELETE_ENDPOINT)?.v_thing else {
        return Err(Reply::conflict("Del endpoint fails - request must contain vThingID"));
    };
    let unknown = || Reply::conflict("Add endpoint fails - virtual thing does not exist");
    let id = running(&controller, &caller, &v_thing, "Del endpoint fails", unknown).await?;
    match controller.set_v_thing_endpoint(&caller, &id, None, &None).await {
        Ok(_) => Ok(Reply::message(StatusCode::CREATED, "vThing endpoint deleted")),
        Err(failure) if failure.code == ErrorCode::NotFound => Err(unknown()),
        Err(failure) => Err(DELETE_ENDPOINT.reply(failure)),
    }
}

/// Before anything else is said about the request.
fn only_administrators(caller: &Caller) -> Result<(), Reply> {
    if caller.role == Role::Administrator {
        return Ok(());
    }
    Err(Reply::message(StatusCode::UNAUTHORIZED, "operation not allowed"))
}

/// The id of a vThing whose ThingVisor runs, which VirIoT asks for (the missing space is its own).
async fn running(
    controller: &Controller,
    caller: &Caller,
    v_thing: &str,
    fails: &str,
    unknown: impl Fn() -> Reply,
) -> Result<VThingId, Reply> {
    let id: VThingId = v_thing.parse().map_err(|_| unknown())?;
    controller.inspect_v_thing(caller, &id).await.map_err(|_| unknown())?;
    let visor = id.thing_visor();
    match controller.inspect_thing_visor(caller, &visor).await {
        Ok(found) if found.status.phase == Phase::Running => Ok(id),
        _ => Err(Reply::conflict(format!("{fails} - ThingVisor {visor}is not ready"))),
    }
}
