//! The session without a socket: what a reconnection sends again, and what a server may say.

use mqtt5::protocol::v5::reason_codes::ReasonCode;

use super::*;

type Answer = oneshot::Receiver<Result<(), ClientError>>;

fn connack(session_present: bool) -> ConnAckPacket {
    ConnAckPacket::new(session_present, ReasonCode::Success)
}

fn connected(session: &mut Session, session_present: bool) -> Vec<Packet> {
    let mut actions = Vec::new();
    session.connected(&connack(session_present), &mut actions);
    packets(actions)
}

fn packets(actions: Vec<Action>) -> Vec<Packet> {
    let sent = |action| match action {
        Action::Send(packet) => Some(packet),
        Action::Deliver(_) => None,
    };
    actions.into_iter().filter_map(sent).collect()
}

fn publish(session: &mut Session, payload: &'static str, qos: Qos) -> (u16, Answer) {
    let (reply, answer) = oneshot::channel();
    let mut actions = Vec::new();
    let packet = PublishPacket::new("t", payload, qos);
    session.command(Command::Publish { packet, reply: Some(reply) }, &mut actions);
    match &packets(actions)[..] {
        [Packet::Publish(publish)] => (publish.packet_id.unwrap(), answer),
        other => panic!("{other:?}"),
    }
}

fn receive(session: &mut Session, packet: Packet) -> Vec<Action> {
    let mut actions = Vec::new();
    session.received(packet, &mut actions).unwrap();
    actions
}

/// What the packets say, in short.
fn short(packets: &[Packet]) -> Vec<String> {
    let tell = |packet: &Packet| match packet {
        Packet::Publish(p) => {
            format!("publish {:?} dup {}", String::from_utf8_lossy(&p.payload), p.dup)
        }
        Packet::Subscribe(s) => format!("subscribe {}", s.filters.len()),
        other => other.packet_type_name().to_owned(),
    };
    packets.iter().map(tell).collect()
}

#[test]
fn the_unacknowledged_is_sent_again_in_order_after_the_subscriptions() {
    let mut session = Session::new(10);
    connected(&mut session, false);
    session.filters.insert("a".to_owned(), Qos::AtLeastOnce);
    publish(&mut session, "1", Qos::AtLeastOnce);
    let (id, mut acknowledged) = publish(&mut session, "2", Qos::AtLeastOnce);
    publish(&mut session, "3", Qos::ExactlyOnce);
    receive(&mut session, Packet::PubAck(PubAckPacket::new(id)));
    assert_eq!(acknowledged.try_recv(), Ok(Ok(())));

    let again = connected(&mut session, false);
    assert_eq!(short(&again), ["subscribe 1", "publish \"1\" dup false", "publish \"3\" dup false"]);
    let resumed = connected(&mut session, true);
    assert_eq!(short(&resumed), ["subscribe 1", "publish \"1\" dup true", "publish \"3\" dup true"]);
}

#[test]
fn a_released_message_is_released_again_only_in_the_same_session() {
    let mut session = Session::new(10);
    connected(&mut session, false);
    let (id, mut answer) = publish(&mut session, "x", Qos::ExactlyOnce);
    let release = receive(&mut session, Packet::PubRec(PubRecPacket::new(id)));
    assert_eq!(short(&packets(release)), ["PUBREL"]);
    assert_eq!(short(&connected(&mut session, true)), ["PUBREL"]);
    assert_eq!(short(&connected(&mut session, false)), ["publish \"x\" dup false"]);
    receive(&mut session, Packet::PubComp(PubCompPacket::new(id)));
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    assert!(session.is_settled());
}

#[test]
fn a_message_sent_twice_in_exactly_once_is_delivered_once() {
    let mut session = Session::new(10);
    connected(&mut session, false);
    let message = || Packet::Publish(PublishPacket::new("t", "x", Qos::ExactlyOnce).with_packet_id(7));
    assert!(matches!(&receive(&mut session, message())[..], [Action::Deliver(_)]));
    assert_eq!(short(&packets(receive(&mut session, message()))), ["PUBREC"]);
    receive(&mut session, Packet::PubRel(PubRelPacket::new(7)));
    assert!(matches!(&receive(&mut session, message())[..], [Action::Deliver(_)]));
}

#[test]
fn many_subscriptions_are_asked_for_again_in_few_packets() {
    let mut session = Session::new(10);
    session.filters.extend((0..150).map(|n| (format!("t/{n}"), Qos::AtMostOnce)));
    assert_eq!(short(&connected(&mut session, false)), ["subscribe 64", "subscribe 64", "subscribe 22"]);
    // Unanswered when the connection is lost: asked for once, not twice.
    assert_eq!(connected(&mut session, false).len(), 3);
}

#[test]
fn an_unsubscribed_filter_is_not_asked_for_again() {
    let mut session = Session::new(10);
    connected(&mut session, false);
    session.filters.insert("a".to_owned(), Qos::AtMostOnce);
    let (reply, _answer) = oneshot::channel();
    session.command(Command::Unsubscribe { filter: "a".to_owned(), reply }, &mut Vec::new());
    assert_eq!(short(&connected(&mut session, false)), ["UNSUBSCRIBE"]);
}

#[test]
fn an_answer_to_nothing_and_a_foreign_packet_do_no_harm() {
    let mut session = Session::new(10);
    connected(&mut session, false);
    for packet in [
        Packet::PubAck(PubAckPacket::new(99)),
        Packet::PubComp(PubCompPacket::new(99)),
        Packet::SubAck(SubAckPacket::new(99)),
    ] {
        assert!(receive(&mut session, packet).is_empty());
    }
    assert!(matches!(session.received(Packet::PingReq, &mut Vec::new()), Err(ConnectionError::Protocol(_))));
}

#[test]
fn the_window_is_the_smaller_of_both_sides() {
    let mut session = Session::new(10);
    assert!(!session.has_window(), "nothing may be sent before CONNACK");
    session.connected(&connack(false).with_receive_maximum(2), &mut Vec::new());
    let _first = publish(&mut session, "1", Qos::AtLeastOnce);
    assert!(session.has_window());
    let _second = publish(&mut session, "2", Qos::AtLeastOnce);
    assert!(!session.has_window());
}
