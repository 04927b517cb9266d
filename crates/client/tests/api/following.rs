//! Events, and waiting for a workload, against a stand-in for the controller.

use std::time::Duration;

use crate::stand_in::{Behaviour, StandIn};
use morgana_client::{Client, Error, Goal};
use morgana_model::{NewThingVisor, Phase, Secret, ThingVisor, WorkloadName};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(20);

fn admin(stand_in: &StandIn) -> Client {
    Client::new(&stand_in.url, Some(Secret::new("token-of-admin"))).unwrap()
}

fn workload() -> WorkloadName {
    "thingvisor/host".parse().unwrap()
}

async fn add_host(client: &Client) -> ThingVisor {
    let spec = serde_json::from_value(json!({"imageName": "builtin:host"})).unwrap();
    client.create_thing_visor(&NewThingVisor { id: "host".parse().unwrap(), spec }).await.unwrap()
}

async fn wait(client: &Client, goal: Goal, limit: Duration) -> (Vec<String>, Result<(), Error>) {
    let mut seen = Vec::new();
    let outcome = client
        .wait_until(&workload(), goal, limit, |phase| {
            seen.push(phase.map_or("gone".to_owned(), ToString::to_string));
        })
        .await;
    (seen, outcome)
}

#[tokio::test]
async fn waiting_follows_a_workload_until_it_runs_and_until_it_is_gone() {
    let stand_in = StandIn::start().await;
    let client = admin(&stand_in);
    assert_eq!(add_host(&client).await.status.phase, Phase::Pending);
    let (seen, outcome) = wait(&client, Goal::Running, LIMIT).await;
    outcome.unwrap();
    assert_eq!(seen.last().unwrap(), "running");

    let stopping = client.delete_thing_visor(&"host".parse().unwrap(), true).await.unwrap();
    assert_eq!(stopping.status.phase, Phase::Stopping);
    let (seen, outcome) = wait(&client, Goal::Gone, LIMIT).await;
    outcome.unwrap();
    assert_eq!(seen.last().unwrap(), "gone");
    assert!(stand_in.requests().contains(&"DELETE /v1/thingvisors/host?force=true".to_owned()));
}

#[tokio::test]
async fn waiting_needs_no_event_stream() {
    let stand_in = StandIn::with(Behaviour { events: false, ..Behaviour::default() }).await;
    let client = admin(&stand_in);
    add_host(&client).await;
    wait(&client, Goal::Running, LIMIT).await.1.unwrap();
}

#[tokio::test]
async fn waiting_ends_with_the_reason_of_a_failure() {
    let start = Phase::Failed { reason: "no such program".into() };
    let stand_in = StandIn::with(Behaviour { start, ..Behaviour::default() }).await;
    let client = admin(&stand_in);
    add_host(&client).await;
    let error = wait(&client, Goal::Running, LIMIT).await.1.unwrap_err();
    assert_eq!(error.to_string(), "thingvisor/host failed: no such program");
}

#[tokio::test]
async fn waiting_gives_up_in_time_and_says_what_it_saw() {
    let stand_in = StandIn::with(Behaviour { start: Phase::Pending, ..Behaviour::default() }).await;
    let client = admin(&stand_in);
    add_host(&client).await;
    let error = wait(&client, Goal::Running, Duration::from_secs(1)).await.1.unwrap_err();
    assert_eq!(error.to_string(), "thingvisor/host was not running within 1 s: it is pending");
}

#[tokio::test]
async fn waiting_for_what_is_not_there_ends_at_once() {
    let stand_in = StandIn::start().await;
    let error = wait(&admin(&stand_in), Goal::Running, LIMIT).await.1.unwrap_err();
    assert!(matches!(error, Error::WorkloadGone { .. }), "{error:?}");
}

#[tokio::test]
async fn waiting_without_a_token_ends_at_once() {
    let stand_in = StandIn::start().await;
    let client = Client::new(&stand_in.url, None).unwrap();
    let error = wait(&client, Goal::Running, LIMIT).await.1.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn events_come_in_order_after_every_resource_as_it_is_now() {
    let stand_in = StandIn::start().await;
    let client = admin(&stand_in);
    for id in ["host/thing1", "host/thing2", "host/thing1"] {
        stand_in.state.publish("vthing", id, Some(&json!({})));
    }
    let (mut from_now, mut all) = (client.events(false).await.unwrap(), client.events(true).await.unwrap());
    stand_in.state.publish("vthing", "host/thing1", None::<&ThingVisor>);
    for (revision, id) in [(3, "host/thing1"), (2, "host/thing2"), (4, "host/thing1")] {
        let event = all.next().await.unwrap();
        assert_eq!((event.revision, event.id.as_str()), (revision, id));
    }
    let event = from_now.next().await.unwrap();
    assert_eq!((event.revision, event.id.as_str(), event.resource), (4, "host/thing1", None));
}

#[tokio::test]
async fn an_event_stream_that_breaks_is_opened_again_and_misses_no_last_state() {
    let stand_in = StandIn::with(Behaviour { events_per_stream: 2, ..Behaviour::default() }).await;
    let mut events = admin(&stand_in).events(false).await.unwrap();
    for _ in 1..=9 {
        stand_in.state.publish("vthing", "host/thing1", Some(&json!({})));
    }
    let mut revision = 0;
    while revision < 9 {
        revision = events.next().await.unwrap().revision;
    }
    assert!(stand_in.requests().iter().any(|request| request == "GET /v1/events?snapshot=true"));
}

#[tokio::test]
async fn an_event_stream_that_never_brings_anything_is_given_up() {
    let stand_in = StandIn::with(Behaviour { events_per_stream: 0, ..Behaviour::default() }).await;
    let mut events = admin(&stand_in).events(false).await.unwrap();
    let error = events.next().await.unwrap_err();
    assert!(matches!(error, Error::BrokenOff { .. }), "{error:?}");
}
