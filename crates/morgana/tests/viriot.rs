//! The VirIoT-compatible API, called as VirIoT's command line `f4i.py` calls it
//! (viriot-wire.md sections 2.2 and 2.3).

use morgana_testbed::{Answer, Http, Platform, eventually};
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// Checks an answer that has nothing to say but a message.
#[track_caller]
fn assert_says(answer: Answer, status: u16, message: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.body["message"].as_str()),
        (status, Some(message)),
        "{}",
        answer.body
    );
}

async fn log_in(platform: &Platform, user: &str, password: &str) -> Http {
    let answer = platform.http().post("/login", &json!({ "userID": user, "password": password })).await;
    assert_eq!(answer.content_type, "application/json");
    let session = answer.expect(200);
    Http::new(platform.rest_url(), session["access_token"].as_str())
}

/// Waits for a document of a list to have a status.
async fn wait_for_status(http: &Http, list: &str, id: &str, name: &str, status: &str) -> Value {
    eventually(&format!("{name} is {status}"), async || {
        let documents = http.get(list).await.expect(200);
        let document = documents.as_array().and_then(|all| all.iter().find(|one| one[id] == name)).cloned();
        let document = document.unwrap_or_default();
        if document["status"] == status { Ok(document) } else { Err(documents) }
    })
    .await
}

fn relay() -> Value {
    json!({
        "thingVisorID": "relay-tv",
        "imageName": "builtin:relay",
        "params": "{'vThingName':'room','vThingType':'Room'}",
        "description": "a room",
        "debug_mode": false,
        "tvZone": "",
        "yamlFiles": null,
    })
}

#[tokio::test]
async fn f4i_walks_its_road_from_login_to_logout() {
    let platform = Platform::start(MORGANA).await;
    let password = platform.admin().await.password;
    let admin = log_in(&platform, "admin", password.expose()).await;
    let user = json!({ "userID": "tenant1", "password": "password of tenant1", "role": "user" });
    assert_says(admin.post("/register", &user).await, 201, "User registered successfully");
    let flavour = json!({
        "flavourID": "open-f",
        "flavourParams": "{\"access\":\"open\"}",
        "imageName": "builtin:mqtt",
        "flavourDescription": "for clients without a token",
        "yamlFiles": null,
    });
    let answer = admin.post("/addFlavour", &flavour).await;
    assert_eq!(answer.body["flavourID"], "open-f");
    assert_says(
        answer,
        201,
        "Flavour is being created. Please wait... \n\nCheck process status with inspectFlavour API, \nPOST parameters: {'flavourID': open-f}",
    );
    let flavour = wait_for_status(&admin, "/listFlavours", "flavourID", "open-f", "ready").await;
    assert_eq!(flavour["flavourParams"], "{\"access\":\"open\"}");
    let answer = admin.post("/addThingVisor", &relay()).await;
    assert_eq!(answer.body["thingVisorID"], "relay-tv");
    assert_says(
        answer,
        201,
        "ThingVisor is starting. Please wait... \n\nCheck process status with inspectThingVisor API, \nPOST parameters: {'thingVisorID': relay-tv}",
    );
    let visor = wait_for_status(&admin, "/listThingVisors", "thingVisorID", "relay-tv", "running").await;
    assert_eq!(
        (&visor["tvDescription"], &visor["params"]),
        (&json!("a room"), &json!("{'vThingName':'room','vThingType':'Room'}"))
    );
    assert!(visor["port"]["8089/tcp"].as_str().is_some_and(|port| port.parse::<u16>().is_ok()), "{visor}");

    let tenant = log_in(&platform, "tenant1", "password of tenant1").await;
    let things = eventually("the vThing is listed", async || {
        let things = tenant.get("/listVThings").await.expect(200);
        if things.as_array().is_some_and(|things| things.len() == 1) { Ok(things) } else { Err(things) }
    })
    .await;
    assert_eq!((&things[0]["id"], &things[0]["label"]), (&json!("relay-tv/room"), &json!("room")));
    let inspected =
        admin.post("/inspectThingVisor", &json!({ "thingVisorID": "relay-tv" })).await.expect(200);
    assert_eq!(inspected[0]["vThings"], things);
    let silo = json!({ "tenantID": "tenant1", "vSiloName": "silo1", "flavourID": "open-f", "debug_mode": "false", "vSiloZone": "" });
    let answer = tenant.post("/siloCreate", &silo).await;
    assert_eq!(answer.body["vSiloID"], "tenant1_silo1");
    assert_says(
        answer,
        201,
        "Virtual Silo is starting. Please wait... \n\nCheck process status with inspectVirtualSilo API, \nPOST parameters: {'vSiloID': tenant1_silo1}",
    );
    let silo = wait_for_status(&tenant, "/listVirtualSilos", "vSiloID", "tenant1_silo1", "running").await;
    assert!(silo["port"]["1883/tcp"].as_str().is_some_and(|port| port.parse::<u16>().is_ok()), "{silo}");
    let plug = json!({ "tenantID": "tenant1", "vThingID": "relay-tv/room", "vSiloName": "silo1" });
    assert_says(tenant.post("/addVThing", &plug).await, 201, "vThing created");
    let inspected =
        tenant.post("/inspectVirtualSilo", &json!({ "vSiloID": "tenant1_silo1" })).await.expect(200);
    assert_eq!(inspected["vSilo"]["flavourID"], "open-f");
    assert_eq!(
        (&inspected["vThings"][0]["vThingID"], &inspected["vThings"][0]["tenantID"]),
        (&json!("relay-tv/room"), &json!("tenant1"))
    );
    let again = "Add fails - Virtual thing 'relay-tv/room' already exists for tenantID \"tenant1\" and vSiloID \"tenant1_silo1\"";
    assert_says(tenant.post("/addVThing", &plug).await, 409, again);

    assert_says(tenant.post("/deleteVThing", &plug).await, 200, "deleted virtual thing: relay-tv/room");
    let destroy = json!({ "tenantID": "tenant1", "vSiloName": "silo1", "force": false });
    assert_says(tenant.post("/siloDestroy", &destroy).await, 201, "Destroying virtual silo tenant1_silo1");
    eventually("the silo is gone", async || match tenant.get("/listVirtualSilos").await.expect(200) {
        none if none == json!([]) => Ok(()),
        some => Err(some),
    })
    .await;
    let visor = json!({ "thingVisorID": "relay-tv", "force": false });
    assert_says(admin.post("/deleteThingVisor", &visor).await, 200, "deleting thingVisor: relay-tv");
    eventually("the ThingVisor is gone", async || match admin.get("/listThingVisors").await.expect(200) {
        none if none == json!([]) => Ok(()),
        some => Err(some),
    })
    .await;
    assert_says(
        admin.post("/deleteFlavour", &json!({ "flavourID": "open-f" })).await,
        201,
        "Flavour open-f deleted",
    );
    assert_says(
        admin.post("/unregister", &json!({ "userID": "tenant1" })).await,
        201,
        "User unregistered successfully",
    );
    assert_says(admin.delete("/logout").await, 200, "Successfully logged out");
    assert_eq!(admin.get("/listThingVisors").await.status, 401);
}

#[tokio::test]
async fn refusals_have_viriots_status_and_words() {
    let platform = Platform::start(MORGANA).await;
    let password = platform.admin().await.password;
    let admin = log_in(&platform, "admin", password.expose()).await;
    let wrong = json!({ "userID": "admin", "password": "wrong" });
    assert_says(platform.http().post("/login", &wrong).await, 401, "Bad username or password");
    let missing = platform.http().get("/listVirtualSilos").await;
    assert_eq!(missing.expect(401), json!({ "message": "Missing Authorization Header", "status": 401 }));

    let user = json!({ "userID": "tenant1", "password": "password of tenant1", "role": "user" });
    admin.post("/register", &user).await.expect(201);
    assert_says(admin.post("/register", &user).await, 409, "User already exists");
    let role = json!({ "userID": "x", "password": "password of x", "role": "king" });
    assert_says(admin.post("/register", &role).await, 409, "Provided role (king) is not supported");
    assert_says(
        admin.post("/unregister", &json!({ "userID": "nobody" })).await,
        409,
        "User nobody does not exists",
    );
    admin.post("/addThingVisor", &relay()).await.expect(201);
    assert_says(
        admin.post("/addThingVisor", &relay()).await,
        409,
        "Add fails - thingVisor relay-tv already exists",
    );
    let misnamed = json!({ "thingVisorID": "Bad_Name", "imageName": "builtin:relay" });
    let rule = r"Add fails - ThingVisorID must be a subdomain name, regex('^[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?') - suggested name is: bad-name";
    assert_says(admin.post("/addThingVisor", &misnamed).await, 409, rule);
    let loud = json!({ "thingVisorID": "loud", "imageName": "Fed4IoT/Hello" });
    assert_says(admin.post("/addThingVisor", &loud).await, 409, "Add fails - image name must be lowercase");
    let elsewhere = json!({ "thingVisorID": "far", "imageName": "builtin:host", "tvZone": "mars" });
    assert_says(
        admin.post("/addThingVisor", &elsewhere).await,
        401,
        "ThingVisor create fails, zone mars is not available ['default']",
    );
    let nowhere = json!({ "thingVisorID": "nowhere", "force": false });
    assert_says(
        admin.post("/deleteThingVisor", &nowhere).await,
        409,
        "Delete fails - thingVisor nowhere does not exist",
    );
    assert_eq!(admin.post("/inspectThingVisor", &nowhere).await.expect(200), json!([]));
    let flavour = json!({ "flavourID": "mqtt", "flavourParams": "", "imageName": "builtin:mqtt" });
    assert_says(admin.post("/addFlavour", &flavour).await, 409, "Add fails - flavour name already in use");
    assert_says(
        admin.post("/deleteFlavour", &json!({ "flavourID": "lora" })).await,
        409,
        "Delete fails - flavour does not exist",
    );

    let tenant = log_in(&platform, "tenant1", "password of tenant1").await;
    for path in [
        "/register",
        "/unregister",
        "/addFlavour",
        "/deleteFlavour",
        "/addThingVisor",
        "/deleteThingVisor",
        "/inspectThingVisor",
    ] {
        let body = json!({
            "userID": "x", "password": "password of x", "role": "admin", "flavourID": "x", "imageName": "builtin:mqtt",
            "flavourParams": "", "flavourDescription": "", "thingVisorID": "relay-tv",
        });
        assert_says(tenant.post(path, &body).await, 401, "operation not allowed");
    }
    assert_says(tenant.get("/listThingVisors").await, 401, "operation not allowed");
    assert_says(tenant.get("/listUsers").await, 401, "operation not allowed");
    let silo = |flavour: &str, zone: &str| json!({ "tenantID": "tenant1", "vSiloName": "silo1", "flavourID": flavour, "vSiloZone": zone });
    assert_says(
        tenant.post("/siloCreate", &silo("lora", "")).await,
        409,
        "Create fails - Requested flavour does not exist",
    );
    assert_says(
        tenant.post("/siloCreate", &silo("mqtt", "mars")).await,
        401,
        "Silo create fails, zone mars is not available ['default']",
    );
    tenant.post("/siloCreate", &silo("mqtt", "")).await.expect(201);
    assert_says(
        tenant.post("/siloCreate", &silo("mqtt", "")).await,
        409,
        "Create fails - vSiloName silo1 already in use for tenant tenant1",
    );
    let plug =
        |silo: &str, thing: &str| json!({ "tenantID": "tenant1", "vSiloName": silo, "vThingID": thing });
    assert_says(
        tenant.post("/addVThing", &plug("silo1", "relay-tv/attic")).await,
        409,
        "Add fails - virtual thing does not exist",
    );
    assert_says(
        tenant.post("/addVThing", &plug("silo2", "relay-tv/room")).await,
        401,
        "Add fails - tenantID or vSiloID not valid",
    );
    assert_says(
        tenant.post("/deleteVThing", &plug("silo1", "relay-tv/attic")).await,
        409,
        "Delete fails - Virtual Thing ID, tenantID or vSiloID not valid",
    );
    let destroy = json!({ "tenantID": "tenant1", "vSiloName": "silo2" });
    assert_says(
        tenant.post("/siloDestroy", &destroy).await,
        401,
        "Delete fails - tenantID or vSiloID not valid",
    );
    assert_eq!(
        tenant.post("/inspectVirtualSilo", &json!({ "vSiloID": "tenant1_silo2" })).await.expect(200),
        json!({ "vSilo": null, "vThings": [] })
    );
    let forced = json!({ "tenantID": "tenant1", "vSiloName": "silo1", "force": true });
    assert_says(
        tenant.post("/siloDestroy", &forced).await,
        201,
        "Virtual silo tenant1_silo1 destroyed (force=true)",
    );
}

#[tokio::test]
async fn every_endpoint_answers_in_viriots_words() {
    let platform = Platform::start(MORGANA).await;
    let password = platform.admin().await.password;
    let admin = log_in(&platform, "admin", password.expose()).await;
    let user = json!({ "userID": "tenant1", "password": "password of tenant1", "role": "user" });
    admin.post("/register", &user).await.expect(201);
    let users = admin.get("/listUsers").await.expect(201);
    let listed =
        |id: &str| users.as_array().unwrap().iter().find(|user| user["userID"] == id).cloned().unwrap();
    assert_eq!(
        (&listed("tenant1")["role"], &listed("tenant1")["last_login"]),
        (&json!("user"), &json!("never"))
    );
    assert!(listed("admin")["lastLogin"].is_string() && listed("admin")["creationTime"].is_string());
    assert!(!users.to_string().contains("password") && !users.to_string().contains("argon2"));

    let files = json!([{ "kind": "Deployment", "metadata": { "name": "f" } }, { "kind": "Service" }]);
    let flavour = json!({
        "flavourID": "k8s-f", "flavourParams": "Mobius", "imageName": "builtin:mqtt", "flavourDescription": "d",
        "yamlFiles": files,
    });
    admin.post("/addFlavour", &flavour).await.expect(201);
    let inspected = admin.post("/inspectFlavour", &json!({ "flavourID": "k8s-f" })).await.expect(200);
    assert_eq!((&inspected[0]["flavourParams"], &inspected[0]["yamlFiles"]), (&json!("Mobius"), &files));
    assert_eq!(admin.post("/inspectFlavour", &json!({ "flavourID": "none" })).await.expect(200), json!([]));

    let visor = json!({
        "thingVisorID": "relay-tv", "imageName": "builtin:relay", "params": "{'vThingName':'room','vThingType':'Room'}",
        "description": "a room", "debug_mode": true, "tvZone": "default", "yamlFiles": files,
    });
    admin.post("/addThingVisor", &visor).await.expect(201);
    let visor = wait_for_status(&admin, "/listThingVisors", "thingVisorID", "relay-tv", "running").await;
    assert_eq!((&visor["debug_mode"], &visor["yamlFiles"]), (&json!(true), &files));
    assert!(
        visor["MQTTDataBroker"]["ip"].is_string() && visor["MQTTControlBroker"]["port"].is_number(),
        "{visor}"
    );
    eventually("the vThing is listed", async || match admin.get("/listVThings").await.expect(200) {
        things if things.as_array().is_some_and(|things| things.len() == 1) => Ok(()),
        things => Err(things),
    })
    .await;

    let update = |visor: &str, params: Value, description: &str| json!({ "thingVisorID": visor, "params": params, "description": description, "updateInfo": "once" });
    let unchanged = update("relay-tv", json!(""), "hello thingVisor");
    assert_says(admin.post("/updateThingVisor", &unchanged).await, 200, "updating thingVisor: relay-tv");
    let same = admin.post("/inspectThingVisor", &json!({ "thingVisorID": "relay-tv" })).await.expect(200);
    assert_eq!((&same[0]["params"], &same[0]["tvDescription"]), (&visor["params"], &json!("a room")));
    let changed = update("relay-tv", json!({ "vThingName": "room", "vThingType": "Hall" }), "a hall");
    admin.post("/updateThingVisor", &changed).await.expect(200);
    let now = admin.post("/inspectThingVisor", &json!({ "thingVisorID": "relay-tv" })).await.expect(200);
    assert_eq!(now[0]["tvDescription"], "a hall");
    assert!(now[0]["params"].as_str().unwrap().contains("Hall"), "{now}");
    assert_says(
        admin.post("/updateThingVisor", &update("nothing", json!({}), "x")).await,
        409,
        "Update fails - thingVisor nothing does not exist",
    );

    let endpoint = |v_thing: &str| json!({ "vThingID": v_thing, "endpoint": "http://127.0.0.1:9" });
    let set = "/setVThingEndpoint";
    assert_says(admin.post(set, &endpoint("relay-tv/room")).await, 201, "vThing endpoint created");
    let things = admin.get("/listVThings").await.expect(200);
    assert_eq!(things[0]["endpoint"], "http://127.0.0.1:9");
    let incomplete = "Set endpoint fails - request must contain vThingID and endpoint keys";
    assert_says(admin.post(set, &json!({ "vThingID": "relay-tv/room" })).await, 409, incomplete);
    let unknown = "Set endpoint fails - virtual thing does not exist";
    assert_says(admin.post(set, &endpoint("relay-tv/attic")).await, 409, unknown);
    let delete = "/delVThingEndpoint";
    assert_says(admin.post(delete, &endpoint("relay-tv/room")).await, 201, "vThing endpoint deleted");
    assert_says(
        admin.post(delete, &json!({})).await,
        409,
        "Del endpoint fails - request must contain vThingID",
    );
    let unknown = "Add endpoint fails - virtual thing does not exist";
    assert_says(admin.post(delete, &endpoint("relay-tv/attic")).await, 409, unknown);
    assert!(admin.get("/listVThings").await.expect(200)[0].get("endpoint").is_none());

    let tenant = log_in(&platform, "tenant1", "password of tenant1").await;
    let silo = json!({ "tenantID": "tenant1", "vSiloName": "s", "flavourID": "mqtt", "debug_mode": "false", "vSiloZone": "" });
    tenant.post("/siloCreate", &silo).await.expect(201);
    let plug = json!({ "tenantID": "tenant1", "vSiloName": "s", "vThingID": "relay-tv/room" });
    tenant.post("/addVThing", &plug).await.expect(201);
    for body in [json!({}), json!({ "tenantID": "tenant1" })] {
        let all = tenant.post("/inspectTenant", &body).await.expect(200);
        assert_eq!(
            (&all["vSilos"][0]["vSiloID"], &all["vThings"][0]["vThingID"]),
            (&json!("tenant1_s"), &json!("relay-tv/room"))
        );
    }
    assert_says(
        tenant.post("/inspectTenant", &json!({ "tenantID": "admin" })).await,
        401,
        "operation not allowed",
    );
    assert_says(tenant.post(set, &endpoint("relay-tv/room")).await, 401, "operation not allowed");
    assert_says(
        tenant.post("/inspectFlavour", &json!({ "flavourID": "mqtt" })).await,
        401,
        "operation not allowed",
    );

    for (path, body, status, message) in [
        ("/addFlavour", json!({}), 401, "Add fails"),
        ("/addThingVisor", json!({ "thingVisorID": "x" }), 401, "Add fails"),
        ("/addThingVisor", json!({ "thingVisorID": "x", "imageName": "" }), 401, "Add fails"),
        ("/updateThingVisor", json!({}), 401, "thingVisor update failed"),
        ("/deleteThingVisor", json!([]), 401, "thingVisor delete fails"),
        ("/addVThing", json!({}), 401, "Add fails"),
        ("/deleteVThing", json!({}), 401, "Delete fails"),
        ("/siloDestroy", json!({}), 401, "Delete fails - tenantID or vSiloID not valid"),
        ("/register", json!({ "userID": "x" }), 500, "Error"),
        ("/login", json!({ "userID": "admin" }), 500, "Error"),
    ] {
        let answer = admin.post(path, &body).await;
        assert!(answer.body["detail"].is_string(), "{path}: what was wrong is said, too: {}", answer.body);
        assert_says(answer, status, message);
    }
}

#[tokio::test]
async fn tokens_that_are_none_are_refused_in_the_words_of_viriots_library() {
    let platform = Platform::start(MORGANA).await;
    let password = platform.admin().await.password;
    let ask = async |authorization: &str| {
        let request = platform.http().request(reqwest::Method::GET, "/listVThings");
        Answer::of(request.header("authorization", authorization).send().await.unwrap()).await
    };
    let session =
        platform.http().post("/login", &json!({ "userID": "admin", "password": password.expose() })).await;
    let session = session.expect(200);
    let token = session["access_token"].as_str().unwrap();
    assert_eq!(session["role"], "admin");
    let (head, _) = token.rsplit_once('.').unwrap();
    for (authorization, status, message) in [
        ("Bearer nonsense".to_owned(), 422, "Not enough segments"),
        (format!("Bearer {head}.AAAA"), 422, "Signature verification failed"),
        (format!("Token {token}"), 422, "Bad Authorization header. Expected value 'Bearer <JWT>'"),
        (token.to_owned(), 422, "Bad Authorization header. Expected value 'Bearer <JWT>'"),
    ] {
        assert_eq!(
            ask(&authorization).await.expect(status),
            json!({ "msg": message }),
            "{authorization:.20}"
        );
    }
    ask(&format!("Bearer {token}")).await.expect(200);
    Http::new(platform.rest_url(), Some(token)).delete("/logout").await.expect(200);
    assert_eq!(ask(&format!("Bearer {token}")).await.expect(401), json!({ "msg": "Token has been revoked" }));
}
