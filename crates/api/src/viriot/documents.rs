//! Resources in the form of VirIoT's System DB (viriot-wire.md section 6), which its API shows.

use morgana_model::{
    Connection, Endpoints, Flavour, FlavourPhase, Phase, Secret, ThingVisor, User, VSilo, VThing,
};
use serde_json::{Map, Value, json};

use super::reply::params_text;

/// VirIoT says `error` where we say `failed`.
fn status(phase: &Phase) -> &'static str {
    match phase {
        Phase::Failed { .. } => "error",
        other => other.name(),
    }
}

/// Ports are texts there.
fn port(endpoints: &Endpoints) -> Value {
    endpoints
        .iter()
        .map(|(inner, outer)| (inner.clone(), json!(outer.to_string())))
        .collect::<Map<_, _>>()
        .into()
}

pub(super) fn user(user: &User) -> Value {
    json!({ "userID": user.id, "role": user.spec.role, "creationTime": user.metadata.created_at })
}

pub(super) fn flavour(flavour: &Flavour) -> Value {
    let mut document = json!({
        "flavourID": flavour.id,
        "flavourParams": params_text(&flavour.spec.params),
        "imageName": flavour.spec.image_name,
        "flavourDescription": flavour.spec.description,
        "creationTime": flavour.metadata.created_at,
    });
    match &flavour.status.phase {
        FlavourPhase::Ready => document["status"] = json!("ready"),
        FlavourPhase::Failed { reason } => {
            document["status"] = json!("error");
            document["error"] = json!(reason);
        }
    }
    document
}

pub(super) fn v_thing(v_thing: &VThing) -> Value {
    let mut document =
        json!({ "label": v_thing.spec.label, "id": v_thing.id, "description": v_thing.spec.description });
    if let Some(kind) = &v_thing.spec.kind {
        document["type"] = json!(kind);
    }
    document
}

pub(super) fn thing_visor(visor: &ThingVisor, v_things: &[VThing]) -> Value {
    let mut document = json!({
        "thingVisorID": visor.id,
        "status": status(&visor.status.phase),
        "creationTime": visor.metadata.created_at,
        "tvDescription": visor.spec.description,
        "imageName": visor.spec.image_name,
        "params": params_text(&visor.spec.params),
        "vThings": v_things.iter().map(v_thing).collect::<Vec<_>>(),
        "port": port(&visor.status.endpoints),
    });
    if let Phase::Failed { reason } = &visor.status.phase {
        document["error"] = json!(reason);
    }
    document
}

pub(super) fn v_silo(silo: &VSilo) -> Value {
    let mut document = json!({
        "vSiloID": silo.id,
        "status": status(&silo.status.phase),
        "creationTime": silo.metadata.created_at,
        "tenantID": silo.spec.tenant,
        "vSiloName": silo.spec.name,
        "flavourID": silo.spec.flavour,
        "port": port(&silo.status.endpoints),
    });
    if let Phase::Failed { reason } = &silo.status.phase {
        document["error"] = json!(reason);
    }
    if let Some(token) = silo.token.as_ref().map(Secret::expose) {
        document["token"] = json!(token);
    }
    document
}

pub(super) fn connection(connection: &Connection) -> Value {
    json!({
        "tenantID": connection.spec.v_silo.tenant(),
        "vSiloID": connection.spec.v_silo,
        "vThingID": connection.spec.v_thing,
        "creationTime": connection.metadata.created_at,
    })
}
