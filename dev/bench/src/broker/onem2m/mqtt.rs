//! Requests and notifications over the CSE's own MQTT broker, one at a time.

use std::io;
use std::time::{Duration, Instant};

use morgana_fabric::{Client, ClientOptions, Event, Qos};
use serde_json::{Value, json};

use super::super::bench::Bench;
use super::{ORIGINATOR, create, headers};
use crate::broker::request::with_body;

const COUNT: u64 = 1_000;
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn measure(bench: &mut Bench<'_>, address: &str) -> io::Result<()> {
    eprintln!("  over MQTT");
    let (client, mut events) = Client::connect(ClientOptions::new(address, "bench"));
    let failed = |error| io::Error::other(format!("MQTT: {error}"));
    for topic in ["/oneM2M/resp/CAdmin/id-in/json", "/oneM2M/req/id-in/bench/json"] {
        client.subscribe(topic, Qos::AtLeastOnce).await.map_err(failed)?;
    }

    let mut took = Vec::new();
    for number in 0..COUNT {
        let request = json!({
            "op": 2, "to": "cse-in/noticed", "fr": ORIGINATOR, "rqi": number.to_string(), "rvi": "4",
        });
        let sent = Instant::now();
        // Its acknowledgement is not waited for: it is the response that counts.
        client
            .publish("/oneM2M/req/CAdmin/id-in/json", request.to_string(), Qos::AtMostOnce)
            .await
            .map_err(failed)?;
        let (_, response) = next(&mut events).await?;
        took.push(sent.elapsed());
        if response["rqi"].as_str() != Some(&number.to_string()) || response["rsc"] != 2000 {
            return Err(io::Error::other(format!("a request over MQTT was answered with {response}")));
        }
    }
    bench.figures.put_durations("MQTT request -> response", &mut took, Some("<= 0.5"));

    // A Mobius client: without a release it is not asked whether it wants to hear.
    let subscription =
        r#"{"m2m:sub":{"rn":"mqtt","nu":["mqtt://127.0.0.1/bench"],"nct":1,"enc":{"net":[3]}}}"#;
    let mobius = headers(Some(23)).replace("X-M2M-RVI: 4\r\n", "");
    bench.prepare(1, |_, out| with_body(out, "POST", "/cse-in/noticed", &mobius, subscription)).await?;
    let mut took = Vec::new();
    for number in 0..COUNT {
        let sent = Instant::now();
        bench
            .prepare(1, |_, out| {
                create(out, "/cse-in/noticed", 4, &format!(r#"{{"m2m:cin":{{"con":"{number}"}}}}"#));
            })
            .await?;
        let (arrived, notification) = next(&mut events).await?;
        took.push(arrived.saturating_duration_since(sent));
        let shown = &notification["pc"]["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"];
        if shown.as_str() != Some(&number.to_string()) {
            return Err(io::Error::other(format!("a notification over MQTT was {notification}")));
        }
    }
    bench.figures.put_durations("request -> notification over MQTT", &mut took, Some("<= 0.5"));
    client.close().await;
    Ok(())
}

/// The next message, and when it came.
async fn next(events: &mut tokio::sync::mpsc::Receiver<Event>) -> io::Result<(Instant, Value)> {
    loop {
        let event = tokio::time::timeout(PATIENCE, events.recv()).await;
        match event.map_err(|_| io::Error::other("nothing came over MQTT"))? {
            Some(Event::Message { payload, .. }) => {
                return Ok((Instant::now(), serde_json::from_slice(&payload)?));
            }
            Some(_) => {}
            None => return Err(io::Error::other("the MQTT connection ended")),
        }
    }
}
