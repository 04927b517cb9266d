//! Answers of the VirIoT-compatible API in VirIoT's own words (viriot-wire.md section 2.2) that need no
//! workload to be seen; the others are in `crates/morgana/tests/viriot.rs`.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use morgana_access::FabricRole;
use morgana_controller::TestPlatform;
use morgana_fabric::Qos;
use morgana_model::{ControlMessage, Topic, VThingAnnouncement, VThingId, WorkloadName};
use serde_json::{Value, json};
use support::{api, ask};

struct Asking {
    platform: TestPlatform,
    admin: String,
    tenant: String,
}

impl Asking {
    async fn start() -> Self {
        let platform = TestPlatform::start().await;
        platform.tenant("tenant1").await;
        let (admin, tenant) =
            (platform.authorization("admin").await, platform.authorization("tenant1").await);
        Self { platform, admin, tenant }
    }

    async fn says(&self, who: &str, path: &str, body: Value, status: u16, message: &str) {
        let (was, _, answer) = ask(&api(&self.platform), "POST", path, Some(who), body.to_string()).await;
        assert_eq!((was.as_u16(), answer["message"].as_str()), (status, Some(message)), "{path}: {answer}");
    }
}

fn silo(zone: &str) -> Value {
    json!({ "tenantID": "tenant1", "vSiloName": "home", "flavourID": "mqtt", "vSiloZone": zone })
}

fn visor(zone: &str) -> Value {
    json!({ "thingVisorID": "tv", "imageName": "builtin:host", "params": "", "description": "", "tvZone": zone })
}

#[tokio::test]
async fn a_zone_that_is_not_there_is_answered_with_those_that_are() {
    let asking = Asking::start().await;
    let silo_fails = "Silo create fails, zone moon is not available ['default']";
    asking.says(&asking.tenant, "/siloCreate", silo("moon"), 401, silo_fails).await;
    let visor_fails = "ThingVisor create fails, zone moon is not available ['default']";
    asking.says(&asking.admin, "/addThingVisor", visor("moon"), 401, visor_fails).await;
}

#[tokio::test]
async fn what_is_ended_by_force_is_said_to_be_gone() {
    let asking = Asking::start().await;
    let api = api(&asking.platform);
    for (who, path, body) in
        [(&asking.tenant, "/siloCreate", silo("")), (&asking.admin, "/addThingVisor", visor("default"))]
    {
        let (status, _, answer) = ask(&api, "POST", path, Some(who), body.to_string()).await;
        assert_eq!(status.as_u16(), 201, "{answer}");
    }
    let destroy = json!({ "tenantID": "tenant1", "vSiloName": "home", "force": true });
    let destroyed = "Virtual silo tenant1_home destroyed (force=true)";
    asking.says(&asking.tenant, "/siloDestroy", destroy, 201, destroyed).await;
    let delete = json!({ "thingVisorID": "tv", "force": true });
    asking.says(&asking.admin, "/deleteThingVisor", delete, 200, "thingVisor: tv deleted (force=true)").await;
}

#[tokio::test]
async fn what_is_not_there_is_named_in_the_answer() {
    let asking = Asking::start().await;
    let nowhere = json!({ "thingVisorID": "nowhere", "params": {}, "updateInfo": "", "description": "" });
    for (path, message) in [
        ("/updateThingVisor", "Update fails - thingVisor nowhere does not exist"),
        ("/deleteThingVisor", "Delete fails - thingVisor nowhere does not exist"),
    ] {
        asking.says(&asking.admin, path, nowhere.clone(), 409, message).await;
    }
    let unknown = "User nobody does not exists";
    asking.says(&asking.admin, "/unregister", json!({ "userID": "nobody" }), 409, unknown).await;
}

#[tokio::test]
async fn a_zone_that_is_there_needs_no_gateway_that_somebody_defines() {
    // VirIoT refuses with `gateway for zone Z is not defined!` where no node of a zone has the label of its public
    // address. Here the address of a zone is that of its node, which every zone has: a zone is there whole, or not.
    let asking = Asking::start().await;
    let api = api(&asking.platform);
    for (who, path, body) in [
        (&asking.tenant, "/siloCreate", silo("default")),
        (&asking.admin, "/addThingVisor", visor("default")),
    ] {
        let (status, _, answer) = ask(&api, "POST", path, Some(who), body.to_string()).await;
        assert_eq!(status.as_u16(), 201, "{answer}");
    }
    let (status, _, zones) = ask(&api, "GET", "/v1/zones", Some(&asking.admin), "").await;
    assert_eq!((status.as_u16(), &zones["items"][0]["id"]), (200, &json!("default")));
    assert_eq!(zones["items"][0]["nodes"], json!(["test"]), "its node, with its address");
}

#[tokio::test]
async fn the_endpoint_of_a_vthing_is_refused_while_its_thing_visor_does_not_run() {
    let asking = Asking::start().await;
    let (api, body) = (api(&asking.platform), visor("").to_string());
    let (status, ..) = ask(&api, "POST", "/addThingVisor", Some(&asking.admin), body).await;
    assert_eq!(status.as_u16(), 201);
    announce(&asking, "tv/cam").await;
    let (set, del) =
        (json!({ "vThingID": "tv/cam", "endpoint": "http://127.0.0.1:9" }), json!({ "vThingID": "tv/cam" }));
    eventually_running(&asking, "tv").await;
    asking.says(&asking.admin, "/setVThingEndpoint", set.clone(), 201, "vThing endpoint created").await;
    asking.says(&asking.admin, "/delVThingEndpoint", del.clone(), 201, "vThing endpoint deleted").await;

    // After a restart its vThing is known, and the ThingVisor is not there yet. The missing space is VirIoT's.
    let Asking { platform, admin, tenant } = asking;
    let asking = Asking { platform: platform.restart_with_a_slow_node().await, admin, tenant };
    let refused = "Set endpoint fails - ThingVisor tvis not ready";
    asking.says(&asking.admin, "/setVThingEndpoint", set.clone(), 409, refused).await;
    let refused = "Del endpoint fails - ThingVisor tvis not ready";
    asking.says(&asking.admin, "/delVThingEndpoint", del, 409, refused).await;

    asking.platform.node.set_ready(&WorkloadName::ThingVisor("tv".parse().unwrap()));
    eventually_running(&asking, "tv").await;
    asking.says(&asking.admin, "/setVThingEndpoint", set, 201, "vThing endpoint created").await;
}

/// Has the ThingVisor of a vThing announce it, and waits until it is known.
async fn announce(asking: &Asking, v_thing: &str) {
    let id: VThingId = v_thing.parse().unwrap();
    let visor = id.thing_visor();
    let (client, _events) = asking.platform.workload(&FabricRole::ThingVisor(visor.clone()));
    let announcement =
        VThingAnnouncement { label: "cam".to_owned(), id, description: String::new(), kind: None };
    let message = ControlMessage::CreateVThing { thing_visor: visor.clone(), v_thing: announcement };
    let payload = serde_json::to_vec(&message).unwrap();
    client.publish(Topic::ThingVisorOut(visor).to_string(), payload, Qos::AtLeastOnce).await.unwrap();
    let path = format!("/v1/vthings/{v_thing}");
    until(&format!("{v_thing} is known"), async || {
        ask(&api(&asking.platform), "GET", &path, Some(&asking.admin), "").await.0.as_u16() == 200
    })
    .await;
}

async fn eventually_running(asking: &Asking, visor: &str) {
    let path = format!("/v1/thingvisors/{visor}");
    until(&format!("{visor} runs"), async || {
        let (_, _, found) = ask(&api(&asking.platform), "GET", &path, Some(&asking.admin), "").await;
        found["status"]["phase"] == "running"
    })
    .await;
}

async fn until(what: &str, mut it_is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..3000 {
        if it_is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("never came: {what}");
}
