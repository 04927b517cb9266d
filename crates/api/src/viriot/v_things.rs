//! vThings and their connections (viriot-wire.md section 2.2).

use axum::extract::State;
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{ConnectionSpec, ErrorCode, VThingId};
use serde::Deserialize;

use super::documents;
use super::reply::{Answer, Input, Reply, User, all, id};
use super::v_silos::silo_id;

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
    fn spec(&self) -> Result<ConnectionSpec, Reply> {
        let v_thing: VThingId = id(&self.v_thing)?;
        Ok(ConnectionSpec { v_silo: silo_id(&self.tenant, &self.v_silo_name)?, v_thing })
    }
}

pub(super) async fn add(
    State(controller): State<Controller>,
    User(caller): User,
    Input(input): Input<Plug>,
) -> Answer {
    let spec = input.spec()?;
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
            _ => failure.into(),
        }),
    }
}

pub(super) async fn delete(
    State(controller): State<Controller>,
    User(caller): User,
    Input(input): Input<Plug>,
) -> Answer {
    match controller.delete_v_thing(&caller, &input.spec()?).await {
        Ok(()) => Ok(Reply::message(StatusCode::OK, format!("deleted virtual thing: {}", input.v_thing))),
        Err(failure) if failure.code == ErrorCode::NotFound => {
            Err(Reply::conflict("Delete fails - Virtual Thing ID, tenantID or vSiloID not valid"))
        }
        Err(failure) => Err(failure.into()),
    }
}
