//! From a command that an application writes to the result that it is notified of.

use std::time::{Duration, Instant};

use morgana_fabric::{Client, ClientOptions, Event, Qos};
use morgana_model::VSilo;
use serde_json::{Value, json};

use super::heard::{self, Heard};
use super::standard::{Place, Standard};

/// How long a result may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);
const PACE: Duration = Duration::from_millis(10);

fn command(number: u64) -> Value {
    json!({ "cmd-value": "green", "cmd-qos": 1, "cmd-id": format!("bench-command-{number}-") })
}

pub(super) async fn measure(standard: Standard, silo: &VSilo, commands: u64) -> Vec<Duration> {
    if standard == Standard::Mqtt {
        return mqtt(silo, commands).await;
    }
    let place = Place::in_silo(standard, silo);
    // The pipe may be a moment away.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !place.command(&json!({ "cmd-value": "white", "cmd-qos": 0 })).await {
        assert!(Instant::now() < deadline, "there is no pipe");
        tokio::time::sleep(PACE).await;
    }
    let mut heard = Heard::start().await;
    place.subscribe_result(&heard.uri).await;
    heard.drain(Duration::from_millis(300)).await;
    let mut took = Vec::new();
    for number in 0..commands {
        let command = command(number);
        let start = Instant::now();
        let sent = place.command(&command);
        let arrived = async {
            while let Some((_, body)) = heard.next(PATIENCE).await {
                if heard::command(&body) == Some(number) {
                    return Some(start.elapsed());
                }
            }
            None
        };
        let (accepted, arrived) = tokio::join!(sent, arrived);
        assert!(accepted, "a command is accepted");
        took.push(arrived.unwrap_or_else(|| panic!("command {number} has no result")));
        tokio::time::sleep(PACE).await;
    }
    took
}

async fn mqtt(silo: &VSilo, commands: u64) -> Vec<Duration> {
    const TOPIC: &str = "lamp/Lamp01/lamp:Lamp01/set-color";
    let port = silo.status.endpoints.get("1883/tcp").copied().expect("a door");
    let tenant = silo.spec.tenant.as_str();
    let options = ClientOptions::new(format!("127.0.0.1:{port}"), "bench-commander");
    let options = options.with_credentials(tenant, silo.token.clone().expect("the owner sees the token"));
    let (client, mut events) = Client::connect(options);
    client
        .subscribe(format!("{tenant}/{TOPIC}-result"), Qos::AtMostOnce)
        .await
        .expect("the application may subscribe");
    let mut took = Vec::new();
    for number in 0..commands {
        let start = Instant::now();
        let sent =
            client.publish(format!("{tenant}/{TOPIC}"), command(number).to_string(), Qos::AtMostOnce).await;
        sent.expect("the application may publish");
        let arrived = async {
            while let Some(event) = events.recv().await {
                if let Event::Message { payload, .. } = event
                    && heard::command(&String::from_utf8_lossy(&payload)) == Some(number)
                {
                    return start.elapsed();
                }
            }
            panic!("the silo's broker is gone")
        };
        took.push(
            tokio::time::timeout(PATIENCE, arrived)
                .await
                .unwrap_or_else(|_| panic!("command {number} has no result")),
        );
        tokio::time::sleep(PACE).await;
    }
    took
}
