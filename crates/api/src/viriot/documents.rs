//! Resources in the form of VirIoT's System DB (viriot-wire.md section 6), which its API shows.

use std::net::IpAddr;

use jiff::Timestamp;
use morgana_model::{
    Connection, Endpoints, Flavour, FlavourPhase, Phase, Secret, ThingVisor, User, VSilo, VThing,
};
use serde_json::{Map, Value, json};

use super::input::params_text;

/// Where workloads reach the fabric: VirIoT's documents name it in each of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brokers(pub(super) (IpAddr, u16));

impl Brokers {
    fn add_to(self, document: &mut Value) {
        let (ip, port) = self.0;
        document["MQTTDataBroker"] = json!({ "ip": ip, "port": port });
        document["MQTTControlBroker"] = json!({ "ip": ip, "port": port });
        document["ipAddress"] = json!(ip);
    }
}

/// VirIoT says `error` where we say `failed`.
fn status(phase: &Phase) -> &'static str {
    match phase {
        Phase::Failed { .. } => "error",
        other => other.name(),
    }
}

fn add_error(document: &mut Value, phase: &Phase) {
    if let Phase::Failed { reason } = phase {
        document["error"] = json!(reason);
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

/// VirIoT writes the time of its machine without a zone; ours is UTC.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

pub(super) fn user(user: &User) -> Value {
    let mut document = json!({
        "userID": user.id,
        "role": user.spec.role,
        // VirIoT never writes anything else here; the time is in `lastLogin`.
        "last_login": "never",
        "creationTime": time(user.metadata.created_at),
    });
    if let Some(at) = user.status.last_login_at {
        document["lastLogin"] = json!(time(at));
    }
    document
}

pub(super) fn flavour(flavour: &Flavour) -> Value {
    let mut document = json!({
        "flavourID": flavour.id,
        "flavourParams": params_text(&flavour.spec.params),
        "imageName": flavour.spec.image_name,
        "flavourDescription": flavour.spec.description,
        "creationTime": time(flavour.metadata.created_at),
    });
    match &flavour.status.phase {
        FlavourPhase::Ready => document["status"] = json!("ready"),
        FlavourPhase::Failed { reason } => {
            document["status"] = json!("error");
            document["error"] = json!(reason);
        }
    }
    // The command line of VirIoT takes this away before it prints a flavour, and needs it to be there.
    document["yamlFiles"] = json!(flavour.spec.yaml_files);
    document
}

pub(super) fn v_thing(v_thing: &VThing) -> Value {
    let mut document =
        json!({ "label": v_thing.spec.label, "id": v_thing.id, "description": v_thing.spec.description });
    if let Some(kind) = &v_thing.spec.kind {
        document["type"] = json!(kind);
    }
    if let Some(endpoint) = &v_thing.endpoint {
        document["endpoint"] = json!(endpoint);
    }
    document
}

pub(super) fn thing_visor(visor: &ThingVisor, v_things: &[VThing], brokers: Brokers) -> Value {
    let mut document = json!({
        "thingVisorID": visor.id,
        "status": status(&visor.status.phase),
        "creationTime": time(visor.metadata.created_at),
        "tvDescription": visor.spec.description,
        "imageName": visor.spec.image_name,
        "debug_mode": visor.spec.debug_mode,
        "params": params_text(&visor.spec.params),
        "vThings": v_things.iter().map(v_thing).collect::<Vec<_>>(),
        "containerID": visor.id,
        "port": port(&visor.status.endpoints),
    });
    brokers.add_to(&mut document);
    document["IP"] = document["ipAddress"].clone();
    if let Some(zone) = &visor.spec.zone {
        document["tvZone"] = json!(zone);
    }
    if let Some(files) = &visor.spec.yaml_files {
        document["yamlFiles"] = json!(files);
    }
    add_error(&mut document, &visor.status.phase);
    document
}

pub(super) fn v_silo(silo: &VSilo, brokers: Brokers) -> Value {
    let mut document = json!({
        "vSiloID": silo.id,
        "status": status(&silo.status.phase),
        "creationTime": time(silo.metadata.created_at),
        "tenantID": silo.spec.tenant,
        "vSiloName": silo.spec.name,
        "flavourID": silo.spec.flavour,
        "debug_mode": silo.spec.debug_mode,
        "containerName": silo.id,
        "containerID": silo.id,
        "port": port(&silo.status.endpoints),
    });
    brokers.add_to(&mut document);
    if let Some(zone) = &silo.spec.zone {
        document["vSiloZone"] = json!(zone);
    }
    add_error(&mut document, &silo.status.phase);
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
        "creationTime": time(connection.metadata.created_at),
    })
}
