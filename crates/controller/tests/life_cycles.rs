//! The lives of ThingVisors, silos and connections, with a real System DB and a real fabric; the
//! test plays the workloads.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use morgana_access::FabricRole;
use morgana_controller::{ListOptions, TestPlatform};
use morgana_fabric::Qos;
use morgana_model::{
    ConnectionSpec, ControlMessage, ErrorCode, Phase, Topic, VThingAnnouncement, WorkloadName,
};

use common::*;

#[tokio::test]
async fn a_thing_visor_runs_and_its_vthings_can_be_rented() {
    let platform = TestPlatform::start().await;
    let visor = add_visor(&platform, "tv").await;
    assert_eq!(visor.status.phase, Phase::Pending);
    eventually("tv running", async || {
        let visor =
            platform.controller.inspect_thing_visor(&platform.administrator(), &visor.id).await.ok()?;
        (visor.status.phase == Phase::Running).then_some(())
    })
    .await;
    announce(&platform, "tv", "a").await;
    let tenant = platform.tenant("tenant1").await;
    let rentable = platform.controller.list_v_things(&tenant, &ListOptions::default()).await.unwrap();
    assert_eq!(rentable.items.len(), 1);
}

#[tokio::test]
async fn a_silo_runs_with_its_doors_open_and_shows_its_token_to_its_owner_alone() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    let silo = create_silo(&platform, &tenant, "home").await;
    let running = silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    assert!(running.status.endpoints.contains_key("1883/tcp"), "{running:?}");
    assert!(running.token.is_some());
    let seen = platform.controller.inspect_v_silo(&platform.administrator(), &silo.id).await.unwrap();
    assert_eq!(seen.token, None);
    let other = platform.tenant("tenant2").await;
    let refused = platform.controller.inspect_v_silo(&other, &silo.id).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::PermissionDenied);
}

#[tokio::test]
async fn a_silo_is_told_of_each_vthing_that_comes_and_goes() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    add_visor(&platform, "tv").await;
    let (_visor, v_thing) = announce(&platform, "tv", "a").await;
    let silo = create_silo(&platform, &tenant, "home").await;
    silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    let (client, mut events) = listen_as(&platform, &silo.id).await;

    let spec = ConnectionSpec { v_silo: silo.id.clone(), v_thing: v_thing.clone() };
    platform.controller.add_v_thing(&tenant, spec.clone()).await.unwrap();
    heard(
        &mut events,
        |m| matches!(m, ControlMessage::AddVThing { v_thing: added, .. } if *added == v_thing),
    )
    .await;
    client.subscribe("vThing/tv/a/data_out", Qos::AtMostOnce).await.unwrap();

    platform.controller.delete_v_thing(&tenant, &spec).await.unwrap();
    heard(
        &mut events,
        |m| matches!(m, ControlMessage::DeleteVThing { v_thing: gone, .. } if *gone == v_thing),
    )
    .await;
    eventually("the right to be taken back", async || {
        client.subscribe("vThing/tv/a/data_out", Qos::AtMostOnce).await.err()
    })
    .await;
}

#[tokio::test]
async fn a_silo_that_asks_gets_the_whole_list_of_its_vthings() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    add_visor(&platform, "tv").await;
    let (_visor, v_thing) = announce(&platform, "tv", "a").await;
    let silo = create_silo(&platform, &tenant, "home").await;
    let spec = ConnectionSpec { v_silo: silo.id.clone(), v_thing: v_thing.clone() };
    platform.controller.add_v_thing(&tenant, spec).await.unwrap();
    silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    let (client, mut events) = listen_as(&platform, &silo.id).await;
    for _ in 0..2 {
        let ask = ControlMessage::GetVThingsRequest { v_silo: silo.id.clone() };
        say(&client, Topic::VSiloOut(silo.id.clone()), &ask).await;
        let all = |m: &ControlMessage| matches!(m, ControlMessage::SetVThings { v_things, .. } if v_things.len() == 1);
        heard(&mut events, all).await;
    }
}

#[tokio::test]
async fn a_silo_that_agrees_to_its_end_is_gone_with_its_connections() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    add_visor(&platform, "tv").await;
    let (_visor, v_thing) = announce(&platform, "tv", "a").await;
    let silo = create_silo(&platform, &tenant, "home").await;
    silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    let spec = ConnectionSpec { v_silo: silo.id.clone(), v_thing };
    platform.controller.add_v_thing(&tenant, spec).await.unwrap();
    let (client, mut events) = listen_as(&platform, &silo.id).await;
    let stopping = platform.controller.destroy_v_silo(&tenant, &silo.id, false).await.unwrap();
    assert_eq!(stopping.status.phase, Phase::Stopping);
    heard(&mut events, |m| matches!(m, ControlMessage::DestroyVSilo { .. })).await;
    say(
        &client,
        Topic::VSiloOut(silo.id.clone()),
        &ControlMessage::DestroyVSiloAck { v_silo: silo.id.clone() },
    )
    .await;
    eventually("the silo to be gone", async || {
        let found = platform.controller.inspect_v_silo(&tenant, &silo.id).await;
        found.err().filter(|failure| failure.code == ErrorCode::NotFound)
    })
    .await;
    assert!(platform.node.assignments().iter().all(|assignment| assignment.name.id() != silo.id.as_str()));
    let again = create_silo(&platform, &tenant, "home").await;
    let connections = platform.controller.connected_v_things(&tenant, &again.id).await.unwrap();
    assert!(connections.is_empty(), "a silo of the same name inherits nothing");
}

#[tokio::test]
async fn a_workload_that_never_agrees_is_ended_all_the_same() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    let silo = create_silo(&platform, &tenant, "home").await;
    silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    platform.controller.destroy_v_silo(&tenant, &silo.id, false).await.unwrap();
    eventually("the silo to be gone", async || {
        platform.controller.inspect_v_silo(&tenant, &silo.id).await.err()
    })
    .await;
}

#[tokio::test]
async fn a_thing_visor_that_goes_takes_its_vthings_out_of_every_silo() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    let visor = add_visor(&platform, "tv").await;
    let (_client, v_thing) = announce(&platform, "tv", "a").await;
    let silo = create_silo(&platform, &tenant, "home").await;
    silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    let (_silo_client, mut events) = listen_as(&platform, &silo.id).await;
    let spec = ConnectionSpec { v_silo: silo.id.clone(), v_thing: v_thing.clone() };
    platform.controller.add_v_thing(&tenant, spec).await.unwrap();
    platform.controller.delete_thing_visor(&platform.administrator(), &visor.id, true).await.unwrap();
    heard(
        &mut events,
        |m| matches!(m, ControlMessage::DeleteVThing { v_thing: gone, .. } if *gone == v_thing),
    )
    .await;
    eventually("the vThing to be gone", async || {
        platform.controller.inspect_v_thing(&tenant, &v_thing).await.err()
    })
    .await;
    assert!(platform.controller.connected_v_things(&tenant, &silo.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failed_workload_shows_why() {
    let platform = TestPlatform::start().await;
    let visor = add_visor(&platform, "tv").await;
    let name = WorkloadName::ThingVisor(visor.id.clone());
    eventually("an assignment", async || platform.node.report(&name)).await;
    platform.node.fail(&name, "parameter 'rate' is missing");
    eventually("the reason to show", async || {
        let visor =
            platform.controller.inspect_thing_visor(&platform.administrator(), &visor.id).await.ok()?;
        matches!(visor.status.phase, Phase::Failed { reason } if reason.contains("'rate'")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_failed_workload_is_started_anew_when_somebody_asks() {
    let platform = TestPlatform::start_with(|options| options.revive_first_seconds = 3600).await;
    let (admin, visor) = (platform.administrator(), add_visor(&platform, "tv").await);
    let name = WorkloadName::ThingVisor(visor.id.clone());
    let in_phase = async |wanted: &Phase| {
        eventually(&format!("{name} {wanted}"), async || {
            let visor = platform.controller.inspect_thing_visor(&admin, &visor.id).await.ok()?;
            (visor.status.phase == *wanted).then_some(visor)
        })
        .await
    };
    in_phase(&Phase::Running).await;
    platform.node.fail(&name, "it fell over");
    in_phase(&Phase::Failed { reason: "it fell over".to_owned() }).await;
    let restarted = platform.controller.restart_thing_visor(&admin, &visor.id).await.unwrap();
    assert_eq!(restarted.status.phase, Phase::Pending);
    in_phase(&Phase::Running).await;

    platform.node.ready_at_once(false);
    platform.controller.delete_thing_visor(&admin, &visor.id, false).await.unwrap();
    let refused = platform.controller.restart_thing_visor(&admin, &visor.id).await.unwrap_err();
    assert!(matches!(refused.code, ErrorCode::Conflict | ErrorCode::NotFound), "{refused}");
}

#[tokio::test]
async fn a_running_silo_is_started_anew_when_its_tenant_asks_and_keeps_what_is_its_own() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    let silo = create_silo(&platform, &tenant, "home").await;
    let before = silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    let name = WorkloadName::VSilo(silo.id.clone());
    let first = platform.node.report(&name).unwrap().incarnation;
    let restarted = platform.controller.restart_v_silo(&tenant, &silo.id).await.unwrap();
    assert_eq!((restarted.status.phase, &restarted.token), (Phase::Pending, &before.token));
    let after = silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    assert!(platform.node.report(&name).unwrap().incarnation > first);
    assert_eq!((after.status.endpoints, after.token), (before.status.endpoints, before.token));
    let by_administrator = platform.controller.restart_v_silo(&platform.administrator(), &silo.id).await;
    assert_eq!(by_administrator.unwrap().token, None, "a token is its owner's alone");
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    let authorization = platform.authorization("tenant1").await;
    add_visor(&platform, "tv").await;
    let (_visor, v_thing) = announce(&platform, "tv", "a").await;
    let silo = create_silo(&platform, &tenant, "home").await;
    let before = silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    let spec = ConnectionSpec { v_silo: silo.id.clone(), v_thing };
    platform.controller.add_v_thing(&tenant, spec.clone()).await.unwrap();

    let platform = platform.restart().await;
    assert_eq!(platform.controller.authenticate(Some(&authorization)).await.unwrap(), tenant);
    let assigned = eventually("both workloads to be assigned again", async || {
        let assigned = platform.node.assignments();
        (assigned.len() == 2).then_some(assigned)
    })
    .await;
    let silo_assignment = assigned.iter().find(|a| a.name == WorkloadName::VSilo(silo.id.clone())).unwrap();
    assert_eq!(silo_assignment.endpoints, before.status.endpoints, "it gets its doors back");
    let after = silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    assert_eq!(after.token, before.token);
    let (client, _events) = listen_as(&platform, &silo.id).await;
    client
        .subscribe("vThing/tv/a/data_out", Qos::AtMostOnce)
        .await
        .expect("its right holds from the first moment");
}

#[tokio::test]
async fn a_silo_is_not_said_to_run_before_it_does_so_again() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    let silo = create_silo(&platform, &tenant, "home").await;
    silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    let platform = platform.restart_with_a_slow_node().await;
    let after = platform.controller.inspect_v_silo(&tenant, &silo.id).await.unwrap();
    assert_eq!(after.status.phase, Phase::Pending);
    eventually("an assignment", async || platform.node.assignments().pop()).await;
    platform.node.set_ready(&WorkloadName::VSilo(silo.id.clone()));
    silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
}

#[tokio::test]
async fn a_platform_at_rest_writes_nothing() {
    let platform = TestPlatform::start().await;
    let tenant = platform.tenant("tenant1").await;
    add_visor(&platform, "tv").await;
    let silo = create_silo(&platform, &tenant, "home").await;
    silo_in(&platform, &tenant, &silo.id, &Phase::Running).await;
    let passes = async || {
        let reports = platform.controller.reconcilers(&platform.administrator()).await.unwrap();
        reports.iter().find(|report| report.name == "workloads").unwrap().passes
    };
    // Two rounds of the timer over both workloads, and all that changed before them is seen to.
    let before = passes().await;
    eventually("rounds of the timer", async || (passes().await > before + 4).then_some(())).await;
    let (revision, before) = (platform.revision().await, passes().await);
    eventually("more rounds of the timer", async || (passes().await > before + 4).then_some(())).await;
    assert_eq!(platform.revision().await, revision);
}

#[tokio::test]
async fn what_runs_though_nobody_wants_it_is_removed() {
    let platform = TestPlatform::start().await;
    let visor = add_visor(&platform, "stray").await;
    let name = WorkloadName::ThingVisor(visor.id.clone());
    let mut assignment = eventually("an assignment", async || platform.node.assignments().pop()).await;
    assignment.name = WorkloadName::ThingVisor("nobodys".parse().unwrap());
    morgana_node::NodeAgent::assign(platform.node.as_ref(), assignment).await.unwrap();
    eventually("the stray to be removed", async || {
        let left = platform.node.assignments();
        (left.len() == 1 && left[0].name == name).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_thing_visor_cannot_announce_for_another() {
    let platform = TestPlatform::start().await;
    add_visor(&platform, "tv").await;
    add_visor(&platform, "other").await;
    let (client, _) = platform.workload(&FabricRole::ThingVisor("tv".parse().unwrap()));
    let forged = VThingAnnouncement {
        label: String::new(),
        id: "other/x".parse().unwrap(),
        description: String::new(),
        kind: None,
    };
    let message = ControlMessage::CreateVThing { thing_visor: "other".parse().unwrap(), v_thing: forged };
    say(&client, Topic::ThingVisorOut("tv".parse().unwrap()), &message).await;
    let payload = serde_json::to_vec(&message).unwrap();
    let refused = client.publish("TV/other/c_out", payload, Qos::AtLeastOnce).await;
    assert!(refused.is_err(), "the fabric refuses the other's topic");
    announce(&platform, "tv", "own").await;
    let all =
        platform.controller.list_v_things(&platform.administrator(), &ListOptions::default()).await.unwrap();
    assert_eq!(all.items.iter().map(|v_thing| v_thing.id.as_str()).collect::<Vec<_>>(), ["tv/own"]);
}
