//! Flavours (viriot-wire.md section 2.2).

use axum::extract::State;
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{ErrorCode, FlavourSpec, NewFlavour};
use serde::Deserialize;
use serde_json::Value;

use super::documents;
use super::input::{Input, all, id, params_value};
use super::reply::{Answer, Otherwise, Reply, User};

const ADD: Otherwise = Otherwise(StatusCode::UNAUTHORIZED, "Add fails");
const DELETE: Otherwise = Otherwise(StatusCode::CONFLICT, "Delete fails - flavour does not exist");
const INSPECT: Otherwise = Otherwise(StatusCode::UNAUTHORIZED, "Inspect fails");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Add {
    #[serde(rename = "flavourID")]
    flavour: String,
    #[serde(default)]
    flavour_params: Value,
    image_name: String,
    #[serde(default)]
    flavour_description: Option<String>,
    #[serde(default)]
    yaml_files: Option<Vec<Value>>,
}

impl Add {
    fn new_flavour(self) -> Result<NewFlavour, morgana_model::Failure> {
        let spec = FlavourSpec {
            image_name: id(&self.image_name)?,
            params: params_value(self.flavour_params),
            description: self.flavour_description.unwrap_or_default(),
            yaml_files: self.yaml_files,
        };
        Ok(NewFlavour { id: id(&self.flavour)?, spec })
    }
}

pub(super) async fn add(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Add>,
) -> Answer {
    let new = input.or(ADD)?.new_flavour().map_err(|failure| ADD.reply(failure))?;
    match controller.add_flavour(&caller, new).await {
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
        Err(failure) => Err(ADD.reply(failure)),
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
    input: Input<Named>,
) -> Answer {
    let Named { flavour } = input.or(DELETE)?;
    let id = id(&flavour).map_err(|failure| DELETE.reply(failure))?;
    match controller.delete_flavour(&caller, &id).await {
        Ok(()) => Ok(Reply::message(StatusCode::CREATED, format!("Flavour {flavour} deleted"))),
        // VirIoT deletes flavours that silos have; we say why not.
        Err(failure) if failure.code == ErrorCode::Conflict => {
            Err(Reply::conflict(format!("Delete fails - {}", failure.message)))
        }
        Err(failure) => Err(DELETE.reply(failure)),
    }
}

pub(super) async fn list(State(controller): State<Controller>, User(caller): User) -> Answer {
    let flavours = all(|options| {
        let (controller, caller) = (&controller, &caller);
        async move { controller.list_flavours(caller, &options).await }
    });
    Ok(Reply::document(StatusCode::OK, flavours.await?.iter().map(documents::flavour).collect()))
}

/// VirIoT answers a list of none or one, to administrators.
pub(super) async fn inspect(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Named>,
) -> Answer {
    if caller.role != morgana_model::Role::Administrator {
        return Err(Reply::message(StatusCode::UNAUTHORIZED, "operation not allowed"));
    }
    let Named { flavour } = input.or(INSPECT)?;
    let found = match id(&flavour) {
        Ok(id) => controller.inspect_flavour(&caller, &id).await,
        Err(_) => return Ok(Reply::document(StatusCode::OK, Value::Array(Vec::new()))),
    };
    match found {
        Ok(flavour) => Ok(Reply::document(StatusCode::OK, Value::Array(vec![documents::flavour(&flavour)]))),
        Err(failure) if failure.code == ErrorCode::NotFound => {
            Ok(Reply::document(StatusCode::OK, Value::Array(Vec::new())))
        }
        Err(failure) => Err(INSPECT.reply(failure)),
    }
}
