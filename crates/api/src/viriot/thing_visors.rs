//! ThingVisors (viriot-wire.md section 2.2).

use axum::extract::State;
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{
    ErrorCode, ImageName, ImageNameError, NewThingVisor, ThingVisor, ThingVisorId, ThingVisorPatch,
    ThingVisorSpec,
};
use serde::Deserialize;
use serde_json::Value;

use super::documents::{self, Brokers};
use super::input::{Input, all, id, params_value, switch, zone};
use super::reply::{Answer, Otherwise, Reply, User};

const ADD: Otherwise = Otherwise(StatusCode::UNAUTHORIZED, "Add fails");
const UPDATE: Otherwise = Otherwise(StatusCode::UNAUTHORIZED, "thingVisor update failed");
const DELETE: Otherwise = Otherwise(StatusCode::UNAUTHORIZED, "thingVisor delete fails");
const INSPECT: Otherwise = Otherwise(StatusCode::UNAUTHORIZED, "Inspect fails");

/// The description that means "leave it as it is": what VirIoT's command line sends when none is given.
const SAME_DESCRIPTION: &str = "hello thingVisor";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Add {
    #[serde(rename = "thingVisorID")]
    visor: String,
    image_name: String,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    description: Option<String>,
    #[serde(default, rename = "debug_mode", deserialize_with = "switch")]
    debug_mode: bool,
    #[serde(default)]
    tv_zone: Option<String>,
    #[serde(default)]
    yaml_files: Option<Vec<Value>>,
}

pub(super) async fn add(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Add>,
) -> Answer {
    let input = input.or(ADD)?;
    let id: ThingVisorId = input.visor.parse().map_err(|_| {
        Reply::conflict(format!(
            "Add fails - ThingVisorID must be a subdomain name, regex('^[a-z0-9](?:[a-z0-9\\-]{{0,61}}[a-z0-9])?') - suggested name is: {}",
            suggestion(&input.visor)
        ))
    })?;
    let image_name: ImageName = input.image_name.parse().map_err(|error| match error {
        ImageNameError::NotLowerCase => Reply::conflict(format!("Add fails - {error}")),
        error => ADD.reply(morgana_model::Failure::invalid(error.to_string())),
    })?;
    let spec = ThingVisorSpec {
        image_name,
        params: params_value(input.params),
        description: input.description.unwrap_or_default(),
        zone: zone(input.tv_zone.as_deref()).map_err(|failure| ADD.reply(failure))?,
        debug_mode: input.debug_mode,
        yaml_files: input.yaml_files,
    };
    match controller.add_thing_visor(&caller, NewThingVisor { id, spec }).await {
        Ok(visor) => {
            let text = format!(
                "ThingVisor is starting. Please wait... \n\nCheck process status with inspectThingVisor API, \nPOST parameters: {{'thingVisorID': {}}}",
                visor.id
            );
            Ok(Reply::accepted(text, "thingVisorID", visor.id.as_str()))
        }
        Err(failure) if failure.code == ErrorCode::AlreadyExists => {
            Err(Reply::conflict(format!("Add fails - thingVisor {} already exists", input.visor)))
        }
        Err(failure) if failure.message.starts_with("zone ") => Err(Reply::message(
            StatusCode::UNAUTHORIZED,
            format!("ThingVisor create fails, {}", failure.message),
        )),
        Err(failure) => Err(ADD.reply(failure)),
    }
}

/// The nearest subdomain name to what was given.
fn suggestion(given: &str) -> String {
    let name: String = given
        .chars()
        .take(63)
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    name.trim_matches('-').to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update {
    #[serde(rename = "thingVisorID")]
    visor: String,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    update_info: Value,
}

/// Without parameters they stay (viriot-wire.md, "Where Morgana differs", 10).
pub(super) async fn update(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Update>,
) -> Answer {
    let Update { visor, params, description, update_info } = input.or(UPDATE)?;
    let unknown = || Reply::conflict(format!("Update fails - thingVisor {visor} does not exist"));
    let id: ThingVisorId = visor.parse().map_err(|_| unknown())?;
    let patch = ThingVisorPatch {
        params: Some(params_value(params)).filter(|params| !params.is_null()),
        description: description.filter(|text| text != SAME_DESCRIPTION),
        update_info: Some(update_info),
    };
    match controller.update_thing_visor(&caller, &id, patch, &None).await {
        Ok(_) => Ok(Reply::message(StatusCode::OK, format!("updating thingVisor: {visor}"))),
        Err(failure) if failure.code == ErrorCode::NotFound => Err(unknown()),
        Err(failure) => Err(UPDATE.reply(failure)),
    }
}

#[derive(Deserialize)]
pub(super) struct Delete {
    #[serde(rename = "thingVisorID")]
    visor: String,
    #[serde(default, deserialize_with = "switch")]
    force: bool,
}

pub(super) async fn delete(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Delete>,
) -> Answer {
    let Delete { visor, force } = input.or(DELETE)?;
    let unknown = || Reply::conflict(format!("Delete fails - thingVisor {visor} does not exist"));
    let id: ThingVisorId = visor.parse().map_err(|_| unknown())?;
    match controller.delete_thing_visor(&caller, &id, force).await {
        Ok(_) if force => {
            Ok(Reply::message(StatusCode::OK, format!("thingVisor: {visor} deleted (force=true)")))
        }
        Ok(_) => Ok(Reply::message(StatusCode::OK, format!("deleting thingVisor: {visor}"))),
        Err(failure) if failure.code == ErrorCode::NotFound => Err(unknown()),
        Err(failure) => Err(DELETE.reply(failure)),
    }
}

pub(super) async fn list(State(controller): State<Controller>, User(caller): User) -> Answer {
    let visors = all(|options| {
        let (controller, caller) = (&controller, &caller);
        async move { controller.list_thing_visors(caller, &options).await }
    });
    let mut documents = Vec::new();
    for visor in visors.await? {
        let v_things = controller.v_things_of(&caller, &visor.id).await?;
        documents.push(documents::thing_visor(&visor, &v_things, Brokers(controller.fabric_address())));
    }
    Ok(Reply::document(StatusCode::OK, documents.into()))
}

#[derive(Deserialize)]
pub(super) struct Named {
    #[serde(rename = "thingVisorID")]
    visor: String,
}

/// VirIoT answers a list of none or one.
pub(super) async fn inspect(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Named>,
) -> Answer {
    let Named { visor } = input.or(INSPECT)?;
    let found: Result<ThingVisor, _> = match id(&visor) {
        Ok(id) => controller.inspect_thing_visor(&caller, &id).await,
        Err(failure) => Err(failure),
    };
    let visor = match found {
        Ok(visor) => visor,
        Err(failure) if matches!(failure.code, ErrorCode::NotFound | ErrorCode::InvalidInput) => {
            return Ok(Reply::document(StatusCode::OK, Value::Array(Vec::new())));
        }
        Err(failure) => return Err(INSPECT.reply(failure)),
    };
    let v_things = controller.v_things_of(&caller, &visor.id).await?;
    let document = documents::thing_visor(&visor, &v_things, Brokers(controller.fabric_address()));
    Ok(Reply::document(StatusCode::OK, Value::Array(vec![document])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_is_answered_with_a_right_one() {
        assert_eq!(suggestion("Bad_Name!"), "bad-name");
    }
}
