//! Two tenants who cannot see each other, whichever door they try.

use morgana_client::Client;
use morgana_model::{ErrorCode, Secret, VSilo, VSiloId, WorkloadName};
use morgana_testbed::{MqttApplication, NgsiLd, Platform, User, add_silo, eventually, mqtt_refusal};
use serde_json::{Value, json};

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");

/// A platform with a relay, and a tenant Bob who has two silos with its vThing in them. Alice has
/// nothing yet. Her id is the beginning of a third one's: that must open nothing either.
struct Neighbours {
    platform: Platform,
    admin: User,
    alice: User,
    bob: User,
    messages: VSilo,
    context: VSilo,
}

impl Neighbours {
    async fn meet() -> Self {
        let platform = Platform::start(MORGANA).await;
        let admin = platform.admin().await;
        platform.relay(&admin, "relay", "room", "Room").await;
        let alice = platform.tenant(&admin, "bo").await;
        let bob = platform.tenant(&admin, "bob").await;
        let messages = platform.silo(&bob, "messages", "mqtt").await;
        let context = platform.silo(&bob, "context", "ngsi-ld").await;
        platform.plug(&bob, &messages, "relay/room").await;
        platform.plug(&bob, &context, "relay/room").await;
        Self { platform, admin, alice, bob, messages, context }
    }
}

#[tokio::test]
async fn a_tenant_can_do_nothing_with_a_neighbours_silo_through_rest_v1() {
    let Neighbours { platform, alice, bob, messages, .. } = Neighbours::meet().await;
    let client = platform.client(&alice);
    assert_eq!(client.vsilos().all().await.unwrap(), []);
    let (silo, room) = (&messages.id, &"relay/room".parse().unwrap());
    let refusals = [
        client.vsilo(silo).await.err(),
        client.delete_vsilo(silo, false).await.err(),
        client.delete_vsilo(silo, true).await.err(),
        client.connections(silo).all().await.err(),
        client.connect(silo, room).await.err(),
        client.disconnect(silo, room).await.err(),
        client.logs(&WorkloadName::VSilo(silo.clone()), None).await.err(),
        client.follow_logs(&WorkloadName::VSilo(silo.clone()), None).await.err(),
        client.user(&bob.id).await.err(),
        add_silo(&client, &bob, "mine", "mqtt").await.err(),
    ];
    for (number, refusal) in refusals.iter().enumerate() {
        let code = refusal.as_ref().and_then(morgana_client::Error::code);
        assert_eq!(code, Some(ErrorCode::PermissionDenied), "attempt {number}: {refusal:?}");
    }
    // A silo that is not there looks the same: its name tells nothing about the neighbour.
    let nowhere: VSiloId = "bob_nowhere".parse().unwrap();
    assert_eq!(client.vsilo(&nowhere).await.unwrap_err().code(), Some(ErrorCode::PermissionDenied));
    let unharmed = platform.client(&bob).vsilo(silo).await.unwrap();
    assert_eq!(unharmed, messages);
}

#[tokio::test]
async fn a_tenant_can_do_nothing_with_a_neighbours_silo_through_the_viriot_api() {
    let Neighbours { platform, alice, bob, .. } = Neighbours::meet().await;
    let http = platform.http_as(&alice);
    assert_eq!(http.get("/listVirtualSilos").await.expect(200), json!([]));
    let named =
        json!({ "tenantID": "bob", "vSiloName": "messages", "vThingID": "relay/room", "force": true });
    let attempts = [
        ("/inspectVirtualSilo", json!({ "vSiloID": "bob_messages" })),
        ("/siloCreate", json!({ "tenantID": "bob", "vSiloName": "mine", "flavourID": "mqtt" })),
        ("/siloDestroy", named.clone()),
        ("/addVThing", named.clone()),
        ("/deleteVThing", named),
    ];
    for (path, body) in attempts {
        let answer = http.post(path, &body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["message"]),
            (401, &json!("operation not allowed")),
            "{path}"
        );
    }
    let silos = platform.http_as(&bob).get("/listVirtualSilos").await.expect(200);
    assert_eq!(silos.as_array().unwrap().len(), 2, "{silos}");
}

#[tokio::test]
async fn a_tenant_hears_of_its_own_changes_only_and_nobody_but_the_owner_hears_a_token() {
    let Neighbours { platform, admin, alice, bob, .. } = Neighbours::meet().await;
    let mut alices = platform.client(&alice).events(false).await.unwrap();
    let mut admins = platform.client(&admin).events(false).await.unwrap();
    platform.silo(&bob, "secret", "mqtt").await;
    let garden = platform.silo(&alice, "garden", "mqtt").await;
    loop {
        let mut event = alices.next().await.unwrap();
        // Her own token is random: it may well have the neighbour's name in it.
        if let Some(silo) = event.resource.as_mut().and_then(Value::as_object_mut) {
            silo.shift_remove("token");
        }
        let text = serde_json::to_string(&event).unwrap();
        assert!(!text.contains("bob"), "{text}");
        if event.kind == "vsilo" && text.contains("running") {
            assert_eq!(event.id, garden.id.as_str());
            break;
        }
    }
    loop {
        let event = admins.next().await.unwrap();
        let resource = event.resource.unwrap_or_default();
        assert!(resource.get("token").is_none(), "the administrator hears the token of {}", event.id);
        if event.id == garden.id.as_str() && resource["status"]["phase"] == "running" {
            break;
        }
    }
}

#[tokio::test]
async fn the_administrator_sees_every_silo_and_no_token() {
    let Neighbours { platform, admin, bob, messages, context, .. } = Neighbours::meet().await;
    let client = platform.client(&admin);
    let seen = client.vsilos().all().await.unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|silo| silo.token.is_none()));
    assert!(client.vsilo(&messages.id).await.unwrap().token.is_none());
    let http = platform.http_as(&admin);
    let inspected = http.post("/inspectVirtualSilo", &json!({ "vSiloID": "bob_context" })).await.expect(200);
    let listed = http.get("/listVirtualSilos").await.expect(200);
    let log = client.logs(&WorkloadName::VSilo(context.id.clone()), None).await.unwrap().join("\n");
    let everything = format!("{inspected} {listed} {log} {}", platform.stderr());
    for silo in [&messages, &context] {
        let token = silo.token.as_ref().unwrap().expose();
        assert!(!everything.contains(token), "the token of {} is told: {everything}", silo.id);
    }
    let owner =
        platform.http_as(&bob).post("/inspectVirtualSilo", &json!({ "vSiloID": "bob_context" })).await;
    assert_eq!(owner.expect(200)["vSilo"]["token"], json!(context.token));
}

#[tokio::test]
async fn a_silos_broker_lets_nobody_in_but_with_its_own_token() {
    let Neighbours { platform, alice, messages, context, .. } = Neighbours::meet().await;
    let garden = platform.silo(&alice, "garden", "mqtt").await;
    let port = messages.status.endpoints["1883/tcp"];
    let [own, foreign, other] = [&messages, &garden, &context].map(|silo| silo.token.clone().unwrap());
    let attempts = [
        None,
        Some(("bob", Secret::new(""))),
        Some(("bob", foreign.clone())),
        Some(("bob", other)),
        Some(("bo", foreign.clone())),
        Some(("bo", own.clone())),
        Some(("bo", alice.token.clone())),
    ];
    for credentials in attempts {
        let shown = credentials.clone();
        assert!(mqtt_refusal(port, credentials).await.is_some(), "{shown:?} opens the silo");
    }
    assert_eq!(mqtt_refusal(port, Some(("bob", own.clone()))).await, None);
    for token in [None, Some(foreign.expose()), Some(own.expose()), Some(alice.token.expose())] {
        let broker = NgsiLd::with_token(&context, token);
        for path in ["/entities?local=true", "/subscriptions", "/types"] {
            assert_eq!(broker.http.get(path).await.status, 401, "{path} with {token:?}");
        }
    }
    NgsiLd::at(&context).http.get("/entities?local=true").await.expect(200);
}

#[tokio::test]
async fn what_a_tenant_knows_does_not_enter_the_fabric() {
    let Neighbours { platform, admin, alice, bob, messages, .. } = Neighbours::meet().await;
    let fabric = platform.fabric_port();
    let token = messages.token.clone().unwrap();
    let attempts = [
        None,
        Some(("bo", alice.password.clone())),
        Some(("bob", bob.token.clone())),
        Some(("bob", token.clone())),
        Some(("silo:bob_messages", token)),
        Some(("controller", admin.password.clone())),
        Some(("controller", admin.token.clone())),
        Some(("tv:relay", Secret::new(""))),
    ];
    for credentials in attempts {
        let shown = credentials.clone();
        assert!(mqtt_refusal(fabric, credentials).await.is_some(), "{shown:?} enters the fabric");
    }
}

#[tokio::test]
async fn a_silos_process_hears_and_says_on_the_fabric_only_what_is_its_own() {
    let Neighbours { platform, alice, bob: _, .. } = Neighbours::meet().await;
    let garden = platform.silo(&alice, "garden", "mqtt").await;
    let process = platform.workload(&WorkloadName::VSilo(garden.id)).unwrap();
    let [user, password] =
        ["MORGANA_FABRIC_USER", "MORGANA_FABRIC_PASSWORD"].map(|name| process.variable(name).unwrap());
    let stolen = MqttApplication::connect(platform.fabric_port(), Some((&user, Secret::new(password)))).await;
    stolen.subscribe("vSilo/bo_garden/c_in").await.expect("its own topic is open to it");
    for filter in [
        "#",
        "+/#",
        "vThing/#",
        "vThing/relay/room/data_out",
        "vThing/relay/room/c_out",
        "vSilo/bob_messages/c_in",
        "vSilo/bob_messages/data_in",
        "vSilo/+/c_in",
        "TV/relay/c_in",
        "$share/any/vThing/relay/room/data_out",
        "$SYS/#",
    ] {
        assert!(stolen.subscribe(filter).await.is_err(), "{filter} is open to a foreign silo");
    }
    for topic in [
        "vThing/relay/room/data_out",
        "vThing/relay/room/data_in",
        "vSilo/bob_messages/c_in",
        "TV/relay/c_in",
        "TV/relay/c_out",
    ] {
        assert!(stolen.publish(topic, &json!({})).await.is_err(), "{topic} is open to a foreign silo");
    }
}

#[tokio::test]
async fn a_session_that_was_ended_opens_nothing_any_more() {
    let Neighbours { platform, bob, .. } = Neighbours::meet().await;
    let client: Client = platform.client(&bob);
    client.logout().await.unwrap();
    assert_eq!(client.vsilos().all().await.unwrap_err().code(), Some(ErrorCode::Unauthenticated));
    let again = platform.log_in("bob", &bob.password).await;
    eventually("a new session sees the silos", async || platform.client(&again).vsilos().all().await).await;
}
