//! Tenants (viriot-wire.md section 2.2).

use axum::extract::State;
use axum::http::StatusCode;
use morgana_controller::Controller;
use morgana_model::{ErrorCode, TenantId};
use serde::Deserialize;
use serde_json::json;

use super::documents::{self, Brokers};
use super::input::{Input, id};
use super::reply::{Answer, Otherwise, Reply, User};

const INSPECT: Otherwise = Otherwise(StatusCode::UNAUTHORIZED, "Inspect fails");

#[derive(Deserialize)]
pub(super) struct Named {
    #[serde(rename = "tenantID")]
    tenant: Option<String>,
}

/// Of a tenant that there is not, VirIoT shows that it has nothing.
pub(super) async fn inspect(
    State(controller): State<Controller>,
    User(caller): User,
    input: Input<Named>,
) -> Answer {
    let Named { tenant } = input.or(INSPECT)?;
    let tenant: TenantId = match tenant {
        Some(tenant) => id(&tenant).map_err(|failure| INSPECT.reply(failure))?,
        None => caller.user.clone(),
    };
    let (silos, connections) = match controller.inspect_tenant(&caller, &tenant).await {
        Ok(tenant) => (tenant.v_silos, tenant.connections),
        Err(failure) if failure.code == ErrorCode::NotFound => (Vec::new(), Vec::new()),
        Err(failure) => return Err(INSPECT.reply(failure)),
    };
    let brokers = Brokers(controller.fabric_address());
    let silos: Vec<_> = silos.iter().map(|silo| documents::v_silo(silo, brokers)).collect();
    let v_things: Vec<_> = connections.iter().map(documents::connection).collect();
    Ok(Reply::document(StatusCode::OK, json!({ "vSilos": silos, "vThings": v_things })))
}
