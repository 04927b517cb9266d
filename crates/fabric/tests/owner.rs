//! What the owner of a server publishes itself, and retained messages in a journal.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::*;
use morgana_fabric::{Open, Qos, Server, ServerOptions};

async fn server(retained: &Path) -> Server {
    let options = ServerOptions { retained_dir: Some(retained.to_owned()), ..ServerOptions::default() };
    Server::start(options, Arc::new(Open)).await.unwrap()
}

#[tokio::test]
async fn the_owner_is_heard_by_all_but_its_own_live_subscriptions() {
    let server = open_server().await;
    let (listener, mut heard) = connected(options(&server, "listener")).await;
    listener.subscribe("a/#", Qos::AtMostOnce).await.unwrap();
    let (own, mut own_events) = connected(options(&server, "owner")).await;
    own.subscribe_live("a/#", Qos::AtMostOnce).await.unwrap();
    server.publish("owner", "a/b", "said", Qos::AtMostOnce, false).await;
    assert_eq!(next_message(&mut heard).await, ("a/b".to_owned(), "said".to_owned()));
    listener.publish("a/c", "theirs", Qos::AtMostOnce).await.unwrap();
    assert_eq!(next_message(&mut own_events).await, ("a/c".to_owned(), "theirs".to_owned()));
}

#[tokio::test]
async fn clients_retained_messages_are_there_after_a_restart_and_the_owners_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = server(folder.path()).await;
    let (client, _events) = connected(options(&first, "client")).await;
    for topic in ["kept", "overwritten", "deleted"] {
        client.publish_retained(topic, format!("{topic} by a client"), Qos::AtLeastOnce).await.unwrap();
    }
    client.publish_retained("deleted", "", Qos::AtLeastOnce).await.unwrap();
    for topic in ["of the owner", "overwritten"] {
        first.publish("owner", topic, "by the owner", Qos::AtMostOnce, true).await;
    }
    client.close().await;
    first.stop().await;

    let second = server(folder.path()).await;
    second.publish("owner", "z", "the last", Qos::AtMostOnce, true).await;
    let (reader, mut heard) = connected(options(&second, "reader")).await;
    reader.subscribe("#", Qos::AtMostOnce).await.unwrap();
    let mut seen = [next_message(&mut heard).await, next_message(&mut heard).await];
    seen.sort();
    let expected = [("kept", "kept by a client"), ("z", "the last")];
    assert_eq!(seen, expected.map(|(topic, payload)| (topic.to_owned(), payload.to_owned())));
    // Nothing else is retained: what is published now comes next.
    reader.publish("now", "now", Qos::AtLeastOnce).await.unwrap();
    assert_eq!(next_message(&mut heard).await.0, "now");
}

#[tokio::test]
async fn a_long_log_of_retained_messages_is_replaced_by_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let first = server(folder.path()).await;
    let (client, _events) = connected(options(&first, "client")).await;
    let text = "x".repeat(200 * 1024);
    // 60 MB in all; the state is 200 KiB.
    for _ in 0..300 {
        client.publish_retained("big", text.clone(), Qos::AtLeastOnce).await.unwrap();
    }
    client.close().await;
    first.stop().await;
    let size: u64 = std::fs::read_dir(folder.path())
        .unwrap()
        .filter_map(|file| Some(file.ok()?.metadata().ok()?.len()))
        .sum();
    assert!(size < 40_000_000, "{size} bytes");
    let second = server(folder.path()).await;
    let (reader, mut heard) = connected(options(&second, "reader")).await;
    reader.subscribe("#", Qos::AtMostOnce).await.unwrap();
    assert_eq!(next_message(&mut heard).await.1, text);
}
