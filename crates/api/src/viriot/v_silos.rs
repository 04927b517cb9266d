//! vSilos (viriot-wire.md section 2.2).

use axum::extract::State;
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{ErrorCode, Failure, NewVSilo, TenantId, VSiloId, VSiloName, VSiloSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use super::documents::{self, Brokers};
use super::input::{Input, all, id, switch, zone};
use super::reply::{Answer, Otherwise, Reply, User};

/// VirIoT answers an HTML page of status 500 here.
const CREATE: Otherwise = Otherwise(StatusCode::CONFLICT, "Create fails");
const DESTROY: Otherwise =
    Otherwise(StatusCode::UNAUTHORIZED, "Delete fails - tenantID or vSiloID not valid");
const INSPECT: Otherwise = Otherwise(StatusCode::UNAUTHORIZED, "Inspect fails");

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
    #[serde(default, rename = "debug_mode", deserialize_with = "switch")]
    debug_mode: bool,
}

impl Create {
    fn new_silo(&self) -> Result<NewVSilo, Failure> {
        let spec = VSiloSpec {
            tenant: id(&self.tenant)?,
            name: id(&self.v_silo_name)?,
            flavour: id(&self.flavour)?,
            zone: zone(self.v_silo_zone.as_deref())?,
            debug_mode: self.debug_mode,
        };
        Ok(NewVSilo { spec })
    }
}

pub(super) async fn create(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Create>,
) -> Answer {
    let input = input.or(CREATE)?;
    let new = input.new_silo().map_err(|failure| CREATE.reply(failure))?;
    match controller.create_v_silo(&caller, new).await {
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
            ErrorCode::NotYet => Reply::document(
                StatusCode::CONFLICT,
                json!({
                    "message": "Create fails - Requested flavour status is: error",
                    "detail": failure.message,
                }),
            ),
            ErrorCode::InvalidInput if failure.message.starts_with("zone ") => {
                Reply::message(StatusCode::UNAUTHORIZED, format!("Silo create fails, {}", failure.message))
            }
            _ => CREATE.reply(failure),
        }),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Destroy {
    #[serde(rename = "tenantID")]
    tenant: String,
    v_silo_name: String,
    #[serde(default, deserialize_with = "switch")]
    force: bool,
}

pub(super) async fn destroy(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Destroy>,
) -> Answer {
    let input = input.or(DESTROY)?;
    let silo = silo_id(&input.tenant, &input.v_silo_name).map_err(|failure| DESTROY.reply(failure))?;
    match controller.destroy_v_silo(&caller, &silo, input.force).await {
        Ok(_) if input.force => {
            Ok(Reply::message(StatusCode::CREATED, format!("Virtual silo {silo} destroyed (force=true)")))
        }
        Ok(_) => Ok(Reply::message(StatusCode::CREATED, format!("Destroying virtual silo {silo}"))),
        Err(failure) if failure.code == ErrorCode::NotFound => {
            Err(Reply::message(StatusCode::UNAUTHORIZED, DESTROY.1))
        }
        Err(failure) => Err(DESTROY.reply(failure)),
    }
}

/// A silo named by tenant and name, as VirIoT's calls name it.
pub(super) fn silo_id(tenant: &str, name: &str) -> Result<VSiloId, Failure> {
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
        let mut document = documents::v_silo(&silo, Brokers(controller.fabric_address()));
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
    input: Input<Named>,
) -> Answer {
    let Named { silo } = input.or(INSPECT)?;
    let id: VSiloId = id(&silo).map_err(|failure| INSPECT.reply(failure))?;
    let silo = match controller.inspect_v_silo(&caller, &id).await {
        Ok(silo) => documents::v_silo(&silo, Brokers(controller.fabric_address())),
        Err(failure) if failure.code == ErrorCode::NotFound => Value::Null,
        Err(failure) => return Err(INSPECT.reply(failure)),
    };
    let connected = controller.connected_v_things(&caller, &id).await?;
    let v_things: Vec<_> = connected.iter().map(documents::connection).collect();
    Ok(Reply::document(StatusCode::OK, json!({ "vSilo": silo, "vThings": v_things })))
}
