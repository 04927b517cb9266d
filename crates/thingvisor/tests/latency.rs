//! How much time the kit takes: printed, and bounded widely enough for a busy machine.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use morgana_fabric::{Client, ClientOptions, Event, Open, Qos, Server, ServerOptions};
use morgana_model::Secret;
use morgana_thingvisor::{Entity, Environment, NewVThing, Notifier, Options, RunError, serve};
use morgana_workload::{FabricAccess, Role};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 500;

/// From before the author's `publish` to a subscriber of the fabric, and what plain MQTT takes for
/// the same payload.
#[tokio::test]
async fn publishing_through_the_kit_takes_little_more_than_plain_mqtt() {
    let server = Server::start(ServerOptions::default(), Arc::new(Open)).await.unwrap();
    let address = server.local_addr();
    let (silo, mut heard) = Client::connect(ClientOptions::new(address.to_string(), "silo"));
    silo.subscribe("vThing/tv/s/data_out", Qos::AtMostOnce).await.unwrap();
    let (plain, _events) = Client::connect(ClientOptions::new(address.to_string(), "plain"));
    plain.connected().await.unwrap();

    let data = tempfile::tempdir().unwrap();
    let environment = Environment {
        role: Role::ThingVisor { id: "tv".parse().unwrap(), params: serde_json::Value::Null },
        fabric: FabricAccess {
            host: address.ip(),
            port: address.port(),
            user: "tv:tv".to_owned(),
            password: Secret::new("p"),
        },
        data: data.path().to_owned(),
        listen: address.ip(),
        doors: Default::default(),
    };
    let (go, mut going) = mpsc::channel::<u64>(1);
    let stop = CancellationToken::new();
    let work = |visor: morgana_thingvisor::ThingVisor| async move {
        let v_thing = visor.create(NewVThing::new("s")).await?;
        visor.ready().await?;
        while let Some(value) = going.recv().await {
            let entity = Entity::builder("urn:ngsi-ld:Counter:1", "Counter").property("n", value);
            v_thing.publish(entity.build().map_err(RunError::failed)?).await?;
        }
        Ok(())
    };
    let visor =
        tokio::spawn(serve(environment, Options::default(), Notifier::to(None).unwrap(), stop.clone(), work));

    let mut payload = Vec::new();
    let mut through_kit = Vec::new();
    for round in 0..ROUNDS as u64 {
        let start = Instant::now();
        go.send(round).await.unwrap();
        payload = next(&mut heard).await;
        through_kit.push(start.elapsed());
    }
    let mut by_hand = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        plain.publish("vThing/tv/s/data_out", payload.clone(), Qos::AtMostOnce).await.unwrap();
        next(&mut heard).await;
        by_hand.push(start.elapsed());
    }
    let (kit, plain) = (median(&mut through_kit), median(&mut by_hand));
    println!(
        "publish to subscriber, p50: kit {kit:?}, plain MQTT {plain:?}, the kit's own {:?}",
        kit.saturating_sub(plain)
    );
    assert!(kit < plain + Duration::from_millis(5), "kit {kit:?}, plain {plain:?}");
    stop.cancel();
    visor.await.unwrap().unwrap();
}

async fn next(heard: &mut mpsc::Receiver<Event>) -> Vec<u8> {
    loop {
        if let Event::Message { payload, .. } = heard.recv().await.unwrap() {
            return payload.to_vec();
        }
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
