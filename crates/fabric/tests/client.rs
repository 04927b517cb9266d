//! The client through restarts of its server and with slow receivers.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::*;
use morgana_fabric::{Client, ClientError, ClientOptions, Event, Open, Qos, Server, ServerOptions};
use tokio::time::timeout;

async fn server_on(listen: SocketAddr) -> Server {
    Server::start(ServerOptions { listen, ..ServerOptions::default() }, Arc::new(Open)).await.unwrap()
}

#[tokio::test]
async fn messages_of_every_qos_arrive_in_order() {
    let server = open_server().await;
    let (subscriber, mut events) = connected(options(&server, "subscriber")).await;
    subscriber.subscribe("a/#", Qos::ExactlyOnce).await.unwrap();
    let (publisher, _other) = connected(options(&server, "publisher")).await;
    for (n, qos) in
        [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce].into_iter().cycle().take(300).enumerate()
    {
        publisher.publish("a/b", n.to_string(), qos).await.unwrap();
        assert_eq!(next_message(&mut events).await, ("a/b".to_owned(), n.to_string()));
    }
    publisher.close().await;
    assert_eq!(publisher.publish("a", "late", Qos::AtLeastOnce).await, Err(ClientError::Closed));
    server.stop().await;
}

#[tokio::test]
async fn a_client_subscribes_again_after_every_restart_of_its_server() {
    let mut server = open_server().await;
    let address = server.local_addr();
    let (subscriber, mut events) = connected(options(&server, "s")).await;
    for n in 0..100 {
        subscriber.subscribe(format!("topic/{n}"), Qos::AtLeastOnce).await.unwrap();
    }
    subscriber.unsubscribe("topic/7").await.unwrap();
    let (publisher, _events) = connected(options(&server, "p")).await;
    for round in 0..5 {
        server.stop().await;
        server = server_on(address).await;
        loop {
            match next(&mut events).await {
                Event::Connected { first: false } => break,
                Event::Disconnected { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        // Asked for again means asked for before anything this client says now.
        for topic in ["topic/0", "topic/7", "topic/99"] {
            say(&subscriber, topic, &format!("{round} {topic}")).await;
        }
        say(&publisher, "topic/1", "end").await;
        let seen = messages_until(&mut events, "end").await;
        assert_eq!(seen, [format!("{round} topic/0"), format!("{round} topic/99")].into());
    }
}

#[tokio::test]
async fn an_acknowledged_publication_survives_restarts_of_the_server() {
    let mut server = open_server().await;
    let address = server.local_addr();
    let (publisher, _events) = connected(options(&server, "p")).await;
    let publishing = tokio::spawn(async move {
        for n in 0..400 {
            publisher.publish_retained(format!("kept/{n}"), n.to_string(), Qos::AtLeastOnce).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let stored = |listen| ServerOptions {
        listen,
        data_dir: Some(folder.path().to_owned()),
        ..ServerOptions::default()
    };
    for _ in 0..5 {
        server.stop().await;
        server = Server::start(stored(address), Arc::new(Open)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    timeout(PATIENCE, publishing).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_publication_while_disconnected_waits_or_fails_by_its_qos() {
    let server = open_server().await;
    let address = server.local_addr();
    let (client, mut events) = connected(options(&server, "c")).await;
    server.stop().await;
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    assert_eq!(client.publish("a", "lost", Qos::AtMostOnce).await, Err(ClientError::Disconnected));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.publish("a", "kept", Qos::AtLeastOnce).await }
    });
    let subscribing = tokio::spawn(async move { client.subscribe("a", Qos::AtLeastOnce).await });
    let _server = server_on(address).await;
    timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    timeout(PATIENCE, subscribing).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_slow_receiver_loses_nothing() {
    let server = open_server().await;
    let narrow = ClientOptions { event_queue: 4, keep_alive_seconds: 2, ..options(&server, "slow") };
    let (slow, mut events) = connected(narrow).await;
    slow.subscribe("a", Qos::AtLeastOnce).await.unwrap();
    let (fast, _events) = connected(options(&server, "fast")).await;
    let all = 3000;
    let publishing = tokio::spawn(async move {
        for n in 0..all {
            say(&fast, "a", &n.to_string()).await;
        }
    });
    // Longer than the keep-alive: pings go on while nothing is taken.
    tokio::time::sleep(Duration::from_secs(4)).await;
    for n in 0..all {
        assert_eq!(next(&mut events).await.message(), n.to_string());
    }
    timeout(PATIENCE, publishing).await.unwrap().unwrap();
}

trait Told {
    fn message(self) -> String;
}

impl Told for Event {
    fn message(self) -> String {
        match self {
            Self::Message { payload, .. } => String::from_utf8(payload.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

/// Floods `topic` until told to stop; each message is as long as `payload`.
fn flood(client: Client, topic: &'static str, payload: usize) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while client.publish(topic, vec![b'x'; payload], Qos::AtMostOnce).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
}

#[tokio::test]
async fn a_receiver_may_subscribe_and_publish_in_its_own_loop_under_load() {
    let server = open_server().await;
    let narrow = ClientOptions { event_queue: 2, ..options(&server, "loop") };
    let (client, mut events) = connected(narrow).await;
    client.subscribe("load", Qos::AtMostOnce).await.unwrap();
    let (other, _events) = connected(options(&server, "other")).await;
    let flooding = flood(other, "load", 100);
    for n in 0..50 {
        next_message(&mut events).await;
        timeout(PATIENCE, client.subscribe(format!("t/{n}"), Qos::AtLeastOnce)).await.unwrap().unwrap();
        say(&client, "answer", "x").await;
    }
    flooding.abort();
}

#[tokio::test]
async fn a_receiver_that_stalls_too_long_is_told_instead_of_waiting_for_ever() {
    let server = open_server().await;
    let narrow = ClientOptions { event_queue: 1, max_read_ahead_bytes: 2_000, ..options(&server, "stalled") };
    let (client, mut events) = connected(narrow).await;
    client.subscribe("load", Qos::AtMostOnce).await.unwrap();
    let (other, _events) = connected(options(&server, "other")).await;
    let flooding = flood(other, "load", 1000);
    let mut outcomes = Vec::new();
    for _ in 0..20 {
        next_message(&mut events).await;
        outcomes.push(timeout(PATIENCE, client.publish("b", "x", Qos::AtLeastOnce)).await.unwrap());
    }
    flooding.abort();
    assert!(
        outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(ClientError::ReceiverStalled))),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn nonsense_topics_are_refused_before_they_cost_the_connection() {
    let server = open_server().await;
    let (client, _events) = connected(options(&server, "c")).await;
    for topic in ["", "a/#", "a/+/b", "a\0b"] {
        let refused = client.publish(topic, "x", Qos::AtLeastOnce).await;
        assert_eq!(refused, Err(ClientError::InvalidTopic(topic.to_owned())));
    }
    for filter in ["", "a/#/b", "a#", "+a"] {
        let refused = client.subscribe(filter, Qos::AtLeastOnce).await;
        assert_eq!(refused, Err(ClientError::InvalidTopic(filter.to_owned())));
    }
    say(&client, "a", "still connected").await;
}

#[tokio::test]
async fn a_client_without_a_server_keeps_trying_until_it_is_closed() {
    let server = open_server().await;
    let gone = options(&server, "c");
    let address = server.local_addr();
    server.stop().await;
    let (client, mut events) = Client::connect(gone);
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    let server = server_on(address).await;
    timeout(PATIENCE, client.connected()).await.unwrap().unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected { first: true }));
    server.stop().await;
    timeout(PATIENCE, client.close()).await.unwrap();
    while timeout(PATIENCE, events.recv()).await.unwrap().is_some() {}
}

#[tokio::test]
async fn a_live_subscription_brings_neither_what_was_retained_nor_what_the_client_says_itself() {
    let server = open_server().await;
    let (client, mut events) = connected(options(&server, "me")).await;
    let (other, _others) = connected(options(&server, "other")).await;
    other.publish_retained("t", "old", Qos::AtLeastOnce).await.unwrap();
    client.subscribe_live("t", Qos::AtMostOnce).await.unwrap();
    client.publish("t", "own", Qos::AtLeastOnce).await.unwrap();
    other.publish("t", "new", Qos::AtLeastOnce).await.unwrap();
    assert_eq!(next_message(&mut events).await, ("t".to_owned(), "new".to_owned()));
}
