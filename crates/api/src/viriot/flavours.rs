//! Flavours (viriot-wire.md section 2.2).

use axum::extract::State;
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{ErrorCode, FlavourSpec, NewFlavour};
use serde::Deserialize;
use serde_json::Value;

use super::documents;
use super::reply::{Answer, Input, Reply, User, all, id, params_value};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Add {
    #[serde(rename = "flavourID")]
    flavour: String,
    #[serde(default)]
    flavour_params: Value,
    image_name: String,
    #[serde(default)]
    flavour_description: String,
}

pub(super) async fn add(
    State(controller): State<Controller>,
    User(caller): User,
    Input(input): Input<Add>,
) -> Answer {
    let spec = FlavourSpec {
        image_name: id(&input.image_name)?,
        params: params_value(input.flavour_params),
        description: input.flavour_description,
    };
    match controller.add_flavour(&caller, NewFlavour { id: id(&input.flavour)?, spec }).await {
        Ok(flavour) => {
            let text = format!(
                "Flavour is being created. Please wait... \n\nCheck process status with inspectFlavour API, \nPOST parameters: {{'flavourID': {}}}",
                flavour.id
            );
            Ok(Reply::accepted(text, "flavourID", flavour.id.as_str()))
        }
        Err(failure) if failure.code == ErrorCode::AlreadyExists => {
            Err(Reply::conflict("Add fails - flavour name already in use"))
        }
        Err(failure) => Err(failure.into()),
    }
}

#[derive(Deserialize)]
pub(super) struct Named {
    #[serde(rename = "flavourID")]
    flavour: String,
}

pub(super) async fn delete(
    State(controller): State<Controller>,
    User(caller): User,
    Input(input): Input<Named>,
) -> Answer {
    match controller.delete_flavour(&caller, &id(&input.flavour)?).await {
        Ok(()) => Ok(Reply::message(StatusCode::CREATED, format!("Flavour {} deleted", input.flavour))),
        Err(failure) if failure.code == ErrorCode::NotFound => {
            Err(Reply::conflict("Delete fails - flavour does not exist"))
        }
        Err(failure) => Err(failure.into()),
    }
}

pub(super) async fn list(State(controller): State<Controller>, User(caller): User) -> Answer {
    let flavours = all(|options| {
        let (controller, caller) = (&controller, &caller);
        async move { controller.list_flavours(caller, &options).await }
    });
    Ok(Reply::document(StatusCode::OK, flavours.await?.iter().map(documents::flavour).collect()))
}
