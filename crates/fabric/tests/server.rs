//! The server under bad input, limits, stops and kills.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::*;
use morgana_fabric::{Client, Event, Open, Qos, Server, ServerError, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn a_busy_port_is_named() {
    let first = open_server().await;
    let options = ServerOptions { listen: first.local_addr(), ..ServerOptions::default() };
    match Server::start(options, Arc::new(Open)).await.map(drop) {
        Err(error @ ServerError::Bind { .. }) => {
            assert_eq!(error.to_string(), format!("cannot listen for MQTT on {}", first.local_addr()));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_data_folder_serves_one_server_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let options = ServerOptions { data_dir: Some(folder.path().to_owned()), ..ServerOptions::default() };
    let first = Server::start(options.clone(), Arc::new(Open)).await.unwrap();
    match Server::start(options.clone(), Arc::new(Open)).await.map(drop) {
        Err(ServerError::Open { path, .. }) => assert_eq!(path, folder.path()),
        other => panic!("{other:?}"),
    }
    first.stop().await;
    Server::start(options, Arc::new(Open)).await.unwrap();
}

#[tokio::test]
async fn stop_tells_its_clients_and_frees_the_port() {
    let server = open_server().await;
    let address = server.local_addr();
    let (_client, mut events) = connected(options(&server, "c")).await;
    timeout(PATIENCE, server.stop()).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    let options = ServerOptions { listen: address, ..ServerOptions::default() };
    Server::start(options, Arc::new(Open)).await.unwrap();
}

#[tokio::test]
async fn malformed_bytes_end_their_connection_and_nothing_else() {
    let server = open_server().await;
    let (witness, mut events) = connected(options(&server, "witness")).await;
    witness.subscribe("witness", Qos::AtLeastOnce).await.unwrap();
    let connect: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x";
    let garbage: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0xff; 64],
        &[0x10, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x10, 0xff, 0xff, 0xff, 0x7f],
        b"\x10\x0d\x00\x04MQTT\x09\x02\x00\x3c\x00\x01x",
        b"\x10\x0d\xff\xffMQTT\x04\x02\x00\x3c\x00\x01x",
        b"\x30\x03\x00\x01a",
        b"\x00\x00",
        b"\x10\x02",
    ];
    for (n, bytes) in garbage.iter().enumerate() {
        for before in [&b""[..], connect] {
            let mut socket = TcpStream::connect(server.local_addr()).await.unwrap();
            socket.write_all(&[before, *bytes].concat()).await.unwrap();
            socket.shutdown().await.unwrap();
            let mut answer = Vec::new();
            let end = timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
            assert!(end.is_ok(), "case {n}: the connection stays open");
        }
        say(&witness, "witness", "alive").await;
        assert_eq!(next_message(&mut events).await.1, "alive");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_the_others_live() {
    let limit = 20;
    let limits = ServerOptions { max_connections: limit, ..ServerOptions::default() };
    let server = Server::start(limits, Arc::new(Open)).await.unwrap();
    let mut inside = Vec::new();
    for n in 0..limit {
        inside.push(connected(options(&server, &format!("c{n}"))).await);
    }
    for n in 0..30 {
        let (_client, mut events) = Client::connect(options(&server, &format!("d{n}")));
        assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    }
    let (client, events) = &mut inside[0];
    client.subscribe("a", Qos::AtMostOnce).await.unwrap();
    say(client, "a", "x").await;
    assert_eq!(next_message(events).await.1, "x");
    assert_eq!(server.stats().connections, limit as u64);
    inside.pop();
    let (late, mut events) = Client::connect(options(&server, "late"));
    timeout(PATIENCE, late.connected()).await.unwrap().unwrap();
    while !matches!(next(&mut events).await, Event::Connected { first: true }) {}
}

#[tokio::test]
async fn a_packet_beyond_the_limit_ends_its_connection() {
    let limits = ServerOptions { max_packet_bytes: 4096, ..ServerOptions::default() };
    let server = Server::start(limits, Arc::new(Open)).await.unwrap();
    let (client, _events) = connected(options(&server, "c")).await;
    let refused = client.publish("a", vec![0; 5000], Qos::AtLeastOnce).await;
    assert!(matches!(refused, Err(morgana_fabric::ClientError::TooLarge { limit: 4096, .. })));
    client.publish("a", vec![0; 3000], Qos::AtLeastOnce).await.unwrap();

    let mut socket = TcpStream::connect(server.local_addr()).await.unwrap();
    socket.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x").await.unwrap();
    socket.write_all(b"\x30\xff\xff\x7f\x00\x01a").await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap().unwrap();
}

/// The child of the test below: a server in a process of its own, to be killed.
#[tokio::test]
#[ignore = "run by another test as a child process"]
async fn child_server() {
    let Ok(folder) = std::env::var("FABRIC_TEST_FOLDER") else { return };
    let options = ServerOptions { data_dir: Some(folder.clone().into()), ..ServerOptions::default() };
    let server = Server::start(options, Arc::new(Open)).await.unwrap();
    let address = server.local_addr().to_string();
    std::fs::write(format!("{folder}.tmp"), address).unwrap();
    std::fs::rename(format!("{folder}.tmp"), format!("{folder}.address")).unwrap();
    std::future::pending::<()>().await;
}

struct Child(std::process::Child);

impl Child {
    async fn start(folder: &str) -> (Self, String) {
        let address = format!("{folder}.address");
        let _ = std::fs::remove_file(&address);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["child_server", "--exact", "--ignored", "--nocapture"])
            .env("FABRIC_TEST_FOLDER", folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let read = async {
            loop {
                if let Ok(text) = std::fs::read_to_string(&address) {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let text = timeout(PATIENCE, read).await.expect("the child's address");
        (Self(child), text)
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn retained_messages_and_sessions_survive_kill_9() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("mqtt").display().to_string();
    let (child, address) = Child::start(&folder).await;
    let stays = |address: &str| morgana_fabric::ClientOptions {
        session_expiry_seconds: 600,
        ..morgana_fabric::ClientOptions::new(address, "stays")
    };
    let (subscriber, _events) = connected(stays(&address)).await;
    subscriber.subscribe("queued/#", Qos::AtLeastOnce).await.unwrap();
    subscriber.close().await;
    let (publisher, _events) = connected(morgana_fabric::ClientOptions::new(address.as_str(), "p")).await;
    for n in 0..20 {
        let topic = format!("entity/{n}");
        publisher.publish_retained(topic, format!("value {n}"), Qos::AtLeastOnce).await.unwrap();
    }
    publisher.publish_retained("entity/3", "", Qos::AtLeastOnce).await.unwrap();
    child.kill();

    let (child, address) = Child::start(&folder).await;
    let (reader, mut events) = connected(morgana_fabric::ClientOptions::new(address.as_str(), "r")).await;
    reader.subscribe("entity/#", Qos::AtLeastOnce).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 19 {
        let (topic, payload) = next_message(&mut events).await;
        assert_eq!(payload, topic.replace("entity/", "value "));
        seen.insert(topic);
    }
    assert!(!seen.contains("entity/3"));

    // The session is still known: what comes for it while it is away is kept.
    say(&reader, "queued/x", "kept").await;
    let (_subscriber, mut events) = connected(stays(&address)).await;
    assert_eq!(next_message(&mut events).await, ("queued/x".to_owned(), "kept".to_owned()));
    child.kill();
}
