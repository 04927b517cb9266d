//! ThingVisors (viriot-wire.md section 2.2).

use axum::extract::State;
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{ErrorCode, NewThingVisor, ThingVisorSpec};
use serde::Deserialize;
use serde_json::Value;

use super::documents;
use super::reply::{Answer, Input, Reply, User, all, id, params_value};

/// VirIoT's command line sends this zone when none was given.
const NO_ZONE: &str = "";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Add {
    #[serde(rename = "thingVisorID")]
    visor: String,
    image_name: String,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    description: String,
    #[serde(default)]
    tv_zone: Option<String>,
}

pub(super) async fn add(
    State(controller): State<Controller>,
    User(caller): User,
    Input(input): Input<Add>,
) -> Answer {
    let invalid_id = |_| {
        Reply::conflict(format!(
            "Add fails - ThingVisorID must be a subdomain name, regex('^[a-z0-9](?:[a-z0-9\\-]{{0,61}}[a-z0-9])?') - suggested name is: {}",
            suggestion(&input.visor)
        ))
    };
    let visor = id(&input.visor).map_err(invalid_id)?;
    let image_name = input
        .image_name
        .parse()
        .map_err(|error: morgana_model::ImageNameError| Reply::conflict(format!("Add fails - {error}")))?;
    let zone = match input.tv_zone.as_deref() {
        None | Some(NO_ZONE) => None,
        Some(zone) => Some(id(zone)?),
    };
    let spec = ThingVisorSpec {
        image_name,
        params: params_value(input.params),
        description: input.description,
        zone,
    };
    match controller.add_thing_visor(&caller, NewThingVisor { id: visor, spec }).await {
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
        Err(failure) => Err(failure.into()),
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
pub(super) struct Delete {
    #[serde(rename = "thingVisorID")]
    visor: String,
    #[serde(default)]
    force: bool,
}

pub(super) async fn delete(
    State(controller): State<Controller>,
    User(caller): User,
    Input(input): Input<Delete>,
) -> Answer {
    let Delete { visor, force } = input;
    match controller.delete_thing_visor(&caller, &id(&visor)?, force).await {
        Ok(_) if force => {
            Ok(Reply::message(StatusCode::OK, format!("thingVisor: {visor} deleted (force=true)")))
        }
        Ok(_) => Ok(Reply::message(StatusCode::OK, format!("deleting thingVisor: {visor}"))),
        Err(failure) if failure.code == ErrorCode::NotFound => {
            Err(Reply::conflict(format!("Delete fails - thingVisor {visor} does not exist")))
        }
        Err(failure) => Err(failure.into()),
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
        documents.push(documents::thing_visor(&visor, &v_things));
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
    Input(input): Input<Named>,
) -> Answer {
    let visor = match controller.inspect_thing_visor(&caller, &id(&input.visor)?).await {
        Ok(visor) => visor,
        Err(failure) if failure.code == ErrorCode::NotFound => {
            return Ok(Reply::document(StatusCode::OK, Value::Array(Vec::new())));
        }
        Err(failure) => return Err(failure.into()),
    };
    let v_things = controller.v_things_of(&caller, &visor.id).await?;
    Ok(Reply::document(StatusCode::OK, Value::Array(vec![documents::thing_visor(&visor, &v_things)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_is_answered_with_a_right_one() {
        assert_eq!(suggestion("Bad_Name!"), "bad-name");
    }
}
