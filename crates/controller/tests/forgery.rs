//! What a workload says in another's name reaches nobody.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use common::*;
use morgana_access::FabricRole;
use morgana_controller::TestPlatform;
use morgana_fabric::{Client, Qos};
use morgana_model::{ConnectionSpec, ControlMessage, Entity, Meta, Phase, Topic};
use serde_json::json;

/// A ThingVisor whose vThing a silo has, and the silo.
async fn connected(platform: &TestPlatform) -> (Client, morgana_model::VSilo) {
    let tenant = platform.tenant("tenant1").await;
    add_visor(platform, "tv").await;
    let (visor, v_thing) = announce(platform, "tv", "a").await;
    let silo = create_silo(platform, &tenant, "home").await;
    silo_in(platform, &tenant, &silo.id, &Phase::Running).await;
    let spec = ConnectionSpec { v_silo: silo.id.clone(), v_thing };
    platform.controller.add_v_thing(&tenant, spec).await.unwrap();
    let topic = Topic::VSiloIn(silo.id.clone()).to_string();
    let answer = serde_json::to_vec(&context_of("tv/a")).unwrap();
    eventually("the ThingVisor may speak to the silo", async || {
        visor.publish(topic.clone(), answer.clone(), Qos::AtLeastOnce).await.ok()
    })
    .await;
    (visor, silo)
}

fn context_of(v_thing: &str) -> ControlMessage {
    let meta = Meta { v_thing: Some(v_thing.parse().unwrap()), v_silo: None };
    ControlMessage::GetContextResponse { data: Vec::<Entity>::new(), meta }
}

#[tokio::test]
async fn a_thing_visor_cannot_pass_for_the_controller_to_a_silo_that_has_its_vthing() {
    let platform = TestPlatform::start().await;
    let (visor, silo) = connected(&platform).await;
    let (_client, mut events) = listen_as(&platform, &silo.id).await;
    let id = silo.id.clone();
    let forged = [
        ControlMessage::DestroyVSilo { v_silo: id.clone() },
        ControlMessage::SetVThings { v_silo: id.clone(), v_things: Vec::new() },
        ControlMessage::DeleteVThing { v_silo: id.to_string(), v_thing: "tv/a".parse().unwrap() },
        ControlMessage::AddVThing {
            v_silo: id.clone(),
            v_thing: "tv/b".parse().unwrap(),
            v_thing_type: String::new(),
        },
        context_of("other/a"),
    ];
    // In order on one connection: had one of them come through, it would be heard before the answer.
    for message in &forged {
        say(&visor, Topic::VSiloIn(id.clone()), message).await;
    }
    let answer = context_of("tv/a");
    say(&visor, Topic::VSiloIn(id.clone()), &answer).await;
    // The controller tells of the connection by itself; nothing else may come before the answer.
    let first = heard(
        &mut events,
        |message| !matches!(message, ControlMessage::AddVThing { v_thing, .. } if v_thing.as_str() == "tv/a"),
    );
    assert_eq!(first.await, answer);
}

#[tokio::test]
async fn a_silo_cannot_ask_or_command_in_the_name_of_another() {
    let platform = TestPlatform::start().await;
    let (visor, silo) = connected(&platform).await;
    let (client, _events) = listen_as(&platform, &silo.id).await;
    drop(visor);
    let (visor, mut events) = platform.workload(&FabricRole::ThingVisor("tv".parse().unwrap()));
    for end in ["c_in", "data_in"] {
        visor.subscribe(format!("vThing/tv/a/{end}"), Qos::AtLeastOnce).await.unwrap();
    }
    let say_json = async |end: &str, message: serde_json::Value| {
        let topic = format!("vThing/tv/a/{end}");
        eventually("the silo may speak to its vThing", async || {
            client.publish(topic.clone(), message.to_string(), Qos::AtLeastOnce).await.ok()
        })
        .await;
    };
    let ask = |silo: &str| json!({ "command": "getContextRequest", "vSiloID": silo, "vThingID": "tv/a" });
    say_json("data_in", json!({ "data": [], "meta": { "vThingID": "tv/a", "vSiloID": "tenant2_home" } }))
        .await;
    say_json("c_in", ask("tenant2_home")).await;
    say_json("c_in", json!({ "command": "destroyTV", "thingVisorID": "tv" })).await;
    say_json("c_in", ask(silo.id.as_str())).await;
    let (topic, payload) = next_message(&mut events).await;
    assert_eq!((topic.as_str(), payload), ("vThing/tv/a/c_in", ask(silo.id.as_str())));
}
