//! Answers of the VirIoT-compatible API in VirIoT's own words (viriot-wire.md section 2.2) that need no
//! workload to be seen; the others are in `crates/morgana/tests/viriot.rs`.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use morgana_controller::TestPlatform;
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
