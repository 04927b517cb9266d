//! Deadlines, tries and bounds: what does not end is ended, what failed is tried again, what is too much
//! is refused.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use common::*;
use morgana_access::FabricRole;
use morgana_controller::TestPlatform;
use morgana_fabric::{Event, Qos};
use morgana_model::{
    ConnectionSpec, ControlMessage, ErrorCode, NewVSilo, Phase, Topic, VSiloSpec, WorkloadName,
};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_thing_visor_hears_of_its_end_after_the_silos_have_heard_that_its_vthings_are_gone() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    let visor = add_visor(&platform, "tv").await;
    let (client, v_thing) = announce(&platform, "tv", "a").await;
    drop(client);
    let silo = create_silo(&platform, &tenant, "home").await;
    silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    let (_silo, mut silo_hears) = listen_as(&platform, &silo.id).await;
    let spec = ConnectionSpec { v_silo: silo.id.clone(), v_thing: v_thing.clone() };
    platform.controller.add_v_thing(&tenant, spec).await.unwrap();
    heard(&mut silo_hears, |message| matches!(message, ControlMessage::AddVThing { .. })).await;
    let (client, mut visor_hears) = platform.workload(&FabricRole::ThingVisor(visor.id.clone()));
    client.subscribe(Topic::ThingVisorIn(visor.id.clone()).to_string(), Qos::AtLeastOnce).await.unwrap();

    platform.controller.delete_thing_visor(&platform.administrator(), &visor.id, false).await.unwrap();
    heard(&mut visor_hears, |message| matches!(message, ControlMessage::DestroyThingVisor { .. })).await;
    // The fabric has handed out what came before: it is here already, or on its way here.
    let mut gone = false;
    while let Ok(event) = silo_hears.try_recv() {
        let Event::Message { payload, .. } = event else { continue };
        let message: ControlMessage = serde_json::from_slice(&payload).unwrap();
        gone |= matches!(message, ControlMessage::DeleteVThing { v_thing: of, .. } if of == v_thing);
    }
    if !gone {
        let is_it = |m: &ControlMessage| matches!(m, ControlMessage::DeleteVThing { v_thing: of, .. } if *of == v_thing);
        heard(&mut silo_hears, is_it).await;
    }
    let connections = platform.controller.connected_v_things(&tenant, &silo.id).await.unwrap();
    assert!(connections.is_empty(), "it is disconnected while its ThingVisor still runs");
    let still = platform.controller.inspect_thing_visor(&platform.administrator(), &visor.id).await;
    drop(still);
    let ack = ControlMessage::DestroyThingVisorAck { thing_visor: visor.id.clone() };
    say(&client, Topic::ThingVisorOut(visor.id.clone()), &ack).await;
    eventually("the ThingVisor to be gone", async || {
        platform.controller.inspect_thing_visor(&platform.administrator(), &visor.id).await.err()
    })
    .await;
}

#[tokio::test]
async fn a_workload_that_failed_is_tried_again_by_itself() {
    let platform = TestPlatform::start().await;
    let visor = add_visor(&platform, "tv").await;
    let name = WorkloadName::ThingVisor(visor.id.clone());
    let before = eventually("it runs", async || platform.node.report(&name)).await.incarnation;
    platform.node.fail(&name, "its thing does not answer");
    eventually("it is started again", async || {
        let report = platform.node.report(&name)?;
        (report.incarnation > before && report.state == morgana_node::State::Ready).then_some(())
    })
    .await;
    eventually("and shown to run", async || {
        let visor =
            platform.controller.inspect_thing_visor(&platform.administrator(), &visor.id).await.ok()?;
        (visor.status.phase == Phase::Running).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_tenant_has_no_more_silos_than_it_may_however_many_it_asks_for_at_once() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    let new = |name: &str| NewVSilo {
        spec: VSiloSpec {
            tenant: tenant.user.clone(),
            name: name.parse().unwrap(),
            flavour: "mqtt".parse().unwrap(),
            zone: None,
            debug_mode: false,
        },
    };
    let mut asking = JoinSet::new();
    for number in 0..20 {
        let (controller, tenant, new) =
            (platform.controller.clone(), tenant.clone(), new(&format!("at-once-{number}")));
        asking.spawn(async move { controller.create_v_silo(&tenant, new).await.is_ok() });
    }
    let accepted = asking.join_all().await.into_iter().filter(|accepted| *accepted).count();
    assert!(accepted <= TestPlatform::SILOS_PER_TENANT, "{accepted}");
    for number in accepted..TestPlatform::SILOS_PER_TENANT {
        platform.controller.create_v_silo(&tenant, new(&format!("later-{number}"))).await.unwrap();
    }
    let refused = platform.controller.create_v_silo(&tenant, new("too-much")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::TooManyRequests);
    assert!(refused.message.contains("controller.max_silos_per_tenant"), "{refused:?}");
    // Another tenant, whose name begins alike, has its own bound.
    let other = platform.tenant("tenant1b").await;
    create_silo(&platform, &other, "home").await;
    let one = platform.controller.list_v_silos(&tenant, &Default::default()).await.unwrap().items.remove(0);
    platform.controller.destroy_v_silo(&tenant, &one.id, true).await.unwrap();
    eventually("there is room again", async || {
        platform.controller.create_v_silo(&tenant, new("again")).await.ok()
    })
    .await;
}

#[tokio::test]
async fn why_a_workload_that_never_agreed_was_ended_is_in_the_audit_log() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    let silo = create_silo(&platform, &tenant, "home").await;
    silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    platform.controller.destroy_v_silo(&tenant, &silo.id, false).await.unwrap();
    let line = eventually("the line", async || {
        let log =
            platform.controller.list_audit(&platform.administrator(), &Default::default()).await.unwrap();
        log.items.into_iter().find(|line| line.action == "endWorkload")
    })
    .await;
    assert_eq!(line.target, "vsilo/tenant1_home");
    assert!(line.outcome.contains("did not acknowledge its end within the grace period"), "{line:?}");
}
