//! Who may do what, while it changes.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::sync::Arc;

use common::*;
use morgana_fabric::{ClientError, ConnectionError, Event, Qos, Reason, Server, ServerOptions, SingleUser};
use morgana_model::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn refused_subscription(filter: &str) -> Result<(), ClientError> {
    Err(ClientError::SubscriptionRefused { filter: filter.to_owned(), reason: Reason::NOT_AUTHORIZED })
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_the_right_one_is_not() {
    let policy = SingleUser::new("tenant1", Secret::new("token"));
    let server = Server::start(ServerOptions::default(), Arc::new(policy)).await.unwrap();
    for (user, password) in [("tenant1", "other"), ("tenant2", "token"), ("", "")] {
        let login = options(&server, "c").with_credentials(user, Secret::new(password));
        let (_client, mut events) = morgana_fabric::Client::connect(login);
        match next(&mut events).await {
            Event::Disconnected { cause: ConnectionError::Refused(reason) } => {
                assert_eq!(reason, Reason::BAD_USER_NAME_OR_PASSWORD);
            }
            other => panic!("{other:?}"),
        }
    }
    connected(options(&server, "c").with_credentials("tenant1", Secret::new("token"))).await;
}

#[tokio::test]
async fn a_publication_without_the_right_is_refused_and_not_delivered() {
    let rules = Arc::new(Rules::default());
    rules.set("reader", &["end"], &["#"]);
    rules.set("writer", &["vThing/a/data_out"], &[]);
    let server = ruled_server(&rules).await;
    let (reader, mut events) = enter(&server, "reader").await;
    reader.subscribe("#", Qos::ExactlyOnce).await.unwrap();
    let (writer, _events) = enter(&server, "writer").await;

    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let refused = writer.publish("vThing/b/data_out", "no", qos).await;
        let topic = "vThing/b/data_out".to_owned();
        assert_eq!(refused, Err(ClientError::PublicationRefused { topic, reason: Reason::NOT_AUTHORIZED }));
    }
    writer.publish("vThing/b/data_out", "no", Qos::AtMostOnce).await.unwrap();
    writer.publish_retained("vThing/b/data_out", "no", Qos::AtMostOnce).await.unwrap();
    say(&writer, "vThing/a/data_out", "yes").await;
    assert_eq!(next_message(&mut events).await, ("vThing/a/data_out".to_owned(), "yes".to_owned()));
}

#[tokio::test]
async fn a_wildcard_cannot_escape_an_exact_right() {
    let rules = Arc::new(Rules::default());
    rules.set("silo", &[], &["vThing/a/data_out", "vSilo/s/#"]);
    let server = ruled_server(&rules).await;
    let (silo, _events) = enter(&server, "silo").await;
    for filter in [
        "#",
        "+/#",
        "vThing/#",
        "vThing/+/data_out",
        "vThing/a/#",
        "vThing/a/+",
        "+/a/data_out",
        "vSilo/+/c_in",
        "$share/g/vThing/#",
        "$share/g/#",
        "$SYS/#",
    ] {
        assert_eq!(silo.subscribe(filter, Qos::AtMostOnce).await, refused_subscription(filter));
    }
    for filter in
        ["vThing/a/data_out", "$share/g/vThing/a/data_out", "vSilo/s/#", "vSilo/s/+", "vSilo/s/c_in"]
    {
        silo.subscribe(filter, Qos::AtMostOnce).await.unwrap();
    }
}

#[tokio::test]
async fn shared_subscriptions_can_be_turned_off() {
    let options_ = ServerOptions { shared_subscriptions: false, ..ServerOptions::default() };
    let server = Server::start(options_, Arc::new(morgana_fabric::Open)).await.unwrap();
    let (client, _events) = connected(options(&server, "c")).await;
    assert_eq!(client.subscribe("$share/g/a", Qos::AtMostOnce).await, refused_subscription("$share/g/a"));
    client.subscribe("a", Qos::AtMostOnce).await.unwrap();
}

#[tokio::test]
async fn a_right_taken_back_stops_delivery_and_leaves_the_others() {
    let rules = Arc::new(Rules::default());
    rules.set("silo", &[], &["vThing/a/data_out", "vThing/b/data_out", "end"]);
    rules.set("visor", &["#"], &[]);
    let server = ruled_server(&rules).await;
    let (silo, mut events) = enter(&server, "silo").await;
    for filter in ["vThing/a/data_out", "vThing/b/data_out", "end"] {
        silo.subscribe(filter, Qos::AtLeastOnce).await.unwrap();
    }
    let (visor, _events) = enter(&server, "visor").await;
    say(&visor, "vThing/a/data_out", "a1").await;
    say(&visor, "end", "e1").await;
    assert!(messages_until(&mut events, "e1").await.contains("a1"));

    rules.set("silo", &[], &["vThing/b/data_out", "end"]);
    assert_eq!(server.recheck_user("visor").await, 0);
    assert_eq!(server.recheck_user("silo").await, 1);
    say(&visor, "vThing/a/data_out", "a2").await;
    say(&visor, "vThing/b/data_out", "b2").await;
    say(&visor, "end", "e2").await;
    let seen = messages_until(&mut events, "e2").await;
    assert!(seen.contains("b2") && !seen.contains("a2"), "{seen:?}");
}

#[tokio::test]
async fn a_right_taken_back_while_away_throws_its_stored_messages_away() {
    let rules = Arc::new(Rules::default());
    rules.set("silo", &[], &["a", "b", "end"]);
    rules.set("visor", &["#"], &[]);
    let server = ruled_server(&rules).await;
    let mut stays = options(&server, "silo").with_credentials("silo", Secret::new("silo"));
    stays.session_expiry_seconds = 600;
    let (silo, _events) = connected(stays.clone()).await;
    for filter in ["a", "b", "end"] {
        silo.subscribe(filter, Qos::AtLeastOnce).await.unwrap();
    }
    silo.close().await;

    let (visor, _events) = enter(&server, "visor").await;
    for topic in ["a", "b"] {
        say(&visor, topic, topic).await;
    }
    rules.set("silo", &[], &["b", "end"]);
    assert_eq!(server.recheck().await, 1);
    let (_silo, mut events) = connected(stays).await;
    say(&visor, "end", "end").await;
    assert_eq!(messages_until(&mut events, "end").await, ["b".to_owned()].into());
}

#[tokio::test]
async fn a_client_that_comes_back_learns_which_right_is_gone() {
    let rules = Arc::new(Rules::default());
    rules.set("silo", &[], &["a", "b"]);
    rules.set("visor", &["#"], &[]);
    let server = ruled_server(&rules).await;
    let (silo, mut events) = enter(&server, "silo").await;
    silo.subscribe("a", Qos::AtLeastOnce).await.unwrap();
    silo.subscribe("b", Qos::AtLeastOnce).await.unwrap();

    rules.set("silo", &[], &["b"]);
    assert_eq!(server.disconnect_user("silo").await, 1);
    let mut back = false;
    loop {
        match next(&mut events).await {
            Event::Connected { first: false } => back = true,
            Event::SubscriptionRefused { filter, reason } => {
                assert_eq!((filter.as_str(), reason), ("a", Reason::NOT_AUTHORIZED));
                break;
            }
            Event::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(back);
    let (visor, _events) = enter(&server, "visor").await;
    say(&visor, "b", "still").await;
    assert_eq!(next_message(&mut events).await.1, "still");
}

#[tokio::test]
async fn a_user_that_is_no_more_is_put_out_and_stays_out() {
    let rules = Arc::new(Rules::default());
    rules.set("silo", &[], &["a"]);
    rules.set("other", &[], &["a"]);
    let server = ruled_server(&rules).await;
    let (silo, mut events) = enter(&server, "silo").await;
    silo.subscribe("a", Qos::AtLeastOnce).await.unwrap();
    let (_other, mut others) = enter(&server, "other").await;

    rules.remove("silo");
    assert_eq!(server.forget_user("silo").await, 1);
    assert_eq!(server.forget_user("silo").await, 0);
    loop {
        match next(&mut events).await {
            Event::Disconnected { cause: ConnectionError::Refused(reason) } => {
                break assert_eq!(reason, Reason::BAD_USER_NAME_OR_PASSWORD);
            }
            Event::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(others.try_recv().is_err(), "another user was touched");
}

#[tokio::test]
async fn a_client_id_belongs_to_the_user_who_has_it() {
    let rules = Arc::new(Rules::default());
    rules.set("silo", &[], &["a"]);
    rules.set("thief", &["#"], &["a"]);
    let server = ruled_server(&rules).await;
    let (silo, mut events) = enter(&server, "silo").await;
    silo.subscribe("a", Qos::AtLeastOnce).await.unwrap();

    let (_thief, mut refused) = morgana_fabric::Client::connect(
        options(&server, "silo").with_credentials("thief", Secret::new("thief")),
    );
    match next(&mut refused).await {
        Event::Disconnected { cause: ConnectionError::Refused(reason) } => {
            assert_eq!(reason, Reason::NOT_AUTHORIZED);
        }
        other => panic!("{other:?}"),
    }
    let (writer, _events) = enter(&server, "thief").await;
    say(&writer, "a", "here").await;
    assert_eq!(next_message(&mut events).await.1, "here");
}

/// A will is a publication by a client that is gone (MQTT 5, 3.1.2.5), and the library under test has
/// no wills, so this speaks the bytes: CONNECT with will flag, QoS 0 will, user name and password.
async fn leave_a_will(server: &Server, user: &str, topic: &str, payload: &str) {
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let flags = 0b1100_0110_u8;
    let body = [
        text("MQTT"),
        vec![4, flags, 0, 60],
        text(&format!("{user}-will-{}", topic.len())),
        text(topic),
        text(payload),
        text(user),
        text(user),
    ]
    .concat();
    let mut socket = TcpStream::connect(server.local_addr()).await.unwrap();
    socket.write_all(&[&[0x10, body.len() as u8][..], &body].concat()).await.unwrap();
    let mut connack = [0; 4];
    socket.read_exact(&mut connack).await.unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
}

#[tokio::test]
async fn a_will_obeys_the_policy() {
    let rules = Arc::new(Rules::default());
    rules.set("reader", &["end"], &["#"]);
    rules.set("mortal", &["own/status"], &[]);
    let server = ruled_server(&rules).await;
    let (reader, mut events) = enter(&server, "reader").await;
    reader.subscribe("#", Qos::AtLeastOnce).await.unwrap();
    leave_a_will(&server, "mortal", "vThing/foreign/data_out", "bad").await;
    leave_a_will(&server, "mortal", "own/status", "gone").await;
    assert_eq!(next_message(&mut events).await, ("own/status".to_owned(), "gone".to_owned()));
    say(&reader, "end", "end").await;
    assert_eq!(messages_until(&mut events, "end").await, [].into());
}

#[tokio::test]
async fn what_may_not_be_said_is_delivered_to_nobody_and_is_no_will() {
    let server = Server::start(ServerOptions::default(), Arc::new(NothingForged { passes_properties: true }))
        .await
        .unwrap();
    let (reader, mut events) = connected(options(&server, "reader")).await;
    reader.subscribe("#", Qos::ExactlyOnce).await.unwrap();
    let (writer, _events) = connected(options(&server, "writer")).await;
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        writer.publish("a", "forged", qos).await.unwrap();
        writer.publish_retained("a", "forged", qos).await.unwrap();
    }
    say(&writer, "a", "meant").await;
    assert_eq!(next_message(&mut events).await, ("a".to_owned(), "meant".to_owned()));

    // CONNECT of MQTT 3.1.1 with a clean session and a will on "a": 3.1.3 and 3.2.2 of the standard.
    for (will, code) in [("forged", 5_u8), ("meant", 0)] {
        let mut body = b"\x00\x04MQTT\x04\x06\x00\x3c\x00\x01w\x00\x01a\x00".to_vec();
        body.push(will.len() as u8);
        body.extend(will.as_bytes());
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.write_all(&[&[0x10, body.len() as u8], &body[..]].concat()).await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [0x20, 2, 0, code], "{will}");
    }
}
