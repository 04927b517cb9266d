//! vSilos (viriot-wire.md section 2.2).

use axum::extract::State;
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{ErrorCode, NewVSilo, TenantId, VSiloId, VSiloName, VSiloSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use super::documents;
use super::reply::{Answer, Input, Reply, User, all, id};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    #[serde(rename = "tenantID")]
    tenant: String,
    v_silo_name: String,
    #[serde(rename = "flavourID")]
    flavour: String,
    #[serde(default)]
    v_silo_zone: Option<String>,
}

pub(super) async fn create(
    State(controller): State<Controller>,
    User(caller): User,
    Input(input): Input<Create>,
) -> Answer {
    let zone = match input.v_silo_zone.as_deref() {
        None | Some("") => None,
        Some(zone) => Some(id(zone)?),
    };
    let spec = VSiloSpec {
        tenant: id(&input.tenant)?,
        name: id(&input.v_silo_name)?,
        flavour: id(&input.flavour)?,
        zone,
    };
    match controller.create_v_silo(&caller, NewVSilo { spec }).await {
        Ok(silo) => {
            let text = format!(
                "Virtual Silo is starting. Please wait... \n\nCheck process status with inspectVirtualSilo API, \nPOST parameters: {{'vSiloID': {}}}",
                silo.id
            );
            Ok(Reply::accepted(text, "vSiloID", silo.id.as_str()))
        }
        Err(failure) => Err(match failure.code {
            ErrorCode::AlreadyExists => {
                let Create { v_silo_name, tenant, .. } = input;
                Reply::conflict(format!(
                    "Create fails - vSiloName {v_silo_name} already in use for tenant {tenant}"
                ))
            }
            ErrorCode::NotFound if failure.message.starts_with("flavour") => {
                Reply::conflict("Create fails - Requested flavour does not exist")
            }
            ErrorCode::NotYet => Reply::conflict(format!(
                "Create fails - Requested flavour status is: error ({})",
                failure.message
            )),
            ErrorCode::InvalidInput if failure.message.starts_with("zone ") => {
                Reply::message(StatusCode::UNAUTHORIZED, format!("Silo create fails, {}", failure.message))
            }
            _ => failure.into(),
        }),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Destroy {
    #[serde(rename = "tenantID")]
    tenant: String,
    v_silo_name: String,
    #[serde(default)]
    force: bool,
}

pub(super) async fn destroy(
    State(controller): State<Controller>,
    User(caller): User,
    Input(input): Input<Destroy>,
) -> Answer {
    let silo = silo_id(&input.tenant, &input.v_silo_name)?;
    match controller.destroy_v_silo(&caller, &silo, input.force).await {
        Ok(_) if input.force => {
            Ok(Reply::message(StatusCode::CREATED, format!("Virtual silo {silo} destroyed (force=true)")))
        }
        Ok(_) => Ok(Reply::message(StatusCode::CREATED, format!("Destroying virtual silo {silo}"))),
        Err(failure) if failure.code == ErrorCode::NotFound => {
            Err(Reply::message(StatusCode::UNAUTHORIZED, "Delete fails - tenantID or vSiloID not valid"))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// A silo named by tenant and name, as VirIoT's calls name it.
pub(super) fn silo_id(tenant: &str, name: &str) -> Result<VSiloId, Reply> {
    let (tenant, name): (TenantId, VSiloName) = (id(tenant)?, id(name)?);
    Ok(VSiloId::new(&tenant, &name))
}

pub(super) async fn list(State(controller): State<Controller>, User(caller): User) -> Answer {
    let silos = all(|options| {
        let (controller, caller) = (&controller, &caller);
        async move { controller.list_v_silos(caller, &options).await }
    });
    let mut documents = Vec::new();
    for silo in silos.await? {
        let mut document = documents::v_silo(&silo);
        let connected = controller.connected_v_things(&caller, &silo.id).await?;
        if !connected.is_empty() {
            document["vThings"] = connected.iter().map(documents::connection).collect();
        }
        documents.push(document);
    }
    Ok(Reply::document(StatusCode::OK, documents.into()))
}

#[derive(Deserialize)]
pub(super) struct Named {
    #[serde(rename = "vSiloID")]
    silo: String,
}

pub(super) async fn inspect(
    State(controller): State<Controller>,
    User(caller): User,
    Input(input): Input<Named>,
) -> Answer {
    let id: VSiloId = id(&input.silo)?;
    let silo = match controller.inspect_v_silo(&caller, &id).await {
        Ok(silo) => documents::v_silo(&silo),
        Err(failure) if failure.code == ErrorCode::NotFound => Value::Null,
        Err(failure) => return Err(failure.into()),
    };
    let connected = controller.connected_v_things(&caller, &id).await?;
    let v_things: Vec<_> = connected.iter().map(documents::connection).collect();
    Ok(Reply::document(StatusCode::OK, json!({ "vSilo": silo, "vThings": v_things })))
}
