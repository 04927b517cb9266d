//! What the client and the server owe each other, without a socket: packets and commands go in,
//! packets and deliveries come out, and callers get their answers.

use std::collections::{BTreeMap, HashSet, VecDeque};

use mqtt5::Packet;
use mqtt5::packet::connack::ConnAckPacket;
use mqtt5::packet::puback::PubAckPacket;
use mqtt5::packet::pubcomp::PubCompPacket;
use mqtt5::packet::publish::PublishPacket;
use mqtt5::packet::pubrec::PubRecPacket;
use mqtt5::packet::pubrel::PubRelPacket;
use mqtt5::packet::suback::SubAckPacket;
use mqtt5::packet::subscribe::{RetainHandling, SubscribePacket, SubscriptionOptions, TopicFilter};
use mqtt5::packet::unsubscribe::UnsubscribePacket;
use tokio::sync::oneshot;

use super::outbox::Delivery;
use super::{ClientError, ConnectionError, Event, Qos, Reason};

/// Filters asked for in one packet after a reconnection.
const FILTERS_A_PACKET: usize = 64;

pub(super) type Reply = oneshot::Sender<Result<(), ClientError>>;

/// What a handle asks for.
pub(super) enum Command {
    Publish { packet: PublishPacket, reply: Option<Reply> },
    Subscribe { filter: String, qos: Qos, live: bool, reply: Reply },
    Unsubscribe { filter: String, reply: Reply },
}

/// What a step of the session leads to, in order.
pub(super) enum Action {
    Send(Packet),
    Deliver(Delivery),
}

/// Something sent that the server has to acknowledge.
struct Pending {
    id: u16,
    sent: Sent,
    reply: Option<Reply>,
}

enum Sent {
    /// `released` is a QoS 2 message whose PUBREC has come (MQTT 5, 4.3.3).
    Publish {
        packet: PublishPacket,
        released: bool,
    },
    Subscribe {
        filters: Vec<(String, Qos)>,
    },
    Unsubscribe {
        filter: String,
    },
}

pub(super) struct Session {
    max_in_flight: u16,
    /// The smaller of ours and the server's Receive Maximum.
    window: usize,
    max_packet_bytes: usize,
    /// What was granted, and is asked for again after a reconnection.
    filters: BTreeMap<String, Qos>,
    /// Those of them that leave out what the client publishes itself and what was retained before.
    live: HashSet<String>,
    /// In the order of sending. A window's worth, so it is searched from the front.
    pending: VecDeque<Pending>,
    last_id: u16,
    /// QoS 2 messages received whose PUBREL is due.
    unreleased: HashSet<u16>,
}

impl Session {
    pub(super) fn new(max_in_flight: u16) -> Self {
        Self {
            max_in_flight: max_in_flight.max(1),
            window: 0,
            max_packet_bytes: usize::MAX,
            filters: BTreeMap::new(),
            live: HashSet::new(),
            pending: VecDeque::new(),
            last_id: 0,
            unreleased: HashSet::new(),
        }
    }

    /// Whether another command may be taken.
    pub(super) fn has_window(&self) -> bool {
        self.pending.len() < self.window
    }

    /// Whether nothing is left to be acknowledged.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether somebody waits for an answer of the server.
    pub(super) fn awaits_answer(&self) -> bool {
        self.pending.iter().any(|pending| pending.reply.is_some())
    }

    /// Fails everybody who waits for an answer; what was sent stays in flight.
    pub(super) fn fail_waiting(&mut self) {
        for pending in &mut self.pending {
            answer(pending.reply.take(), Err(ClientError::ReceiverStalled));
        }
    }

    /// A connection was made: subscribes again, then sends again what is unacknowledged (4.4).
    pub(super) fn connected(&mut self, connack: &ConnAckPacket, actions: &mut Vec<Action>) {
        let server_window = connack.receive_maximum().unwrap_or(u16::MAX);
        self.window = usize::from(self.max_in_flight.min(server_window).max(1));
        self.max_packet_bytes = connack.maximum_packet_size().map_or(usize::MAX, |bytes| bytes as usize);
        if !connack.session_present {
            self.unreleased.clear();
        }
        // Subscriptions of an earlier reconnection that nobody waits for are asked for below.
        let waited_for =
            |pending: &Pending| pending.reply.is_some() || matches!(pending.sent, Sent::Publish { .. });
        let unfinished: Vec<Pending> = self.pending.drain(..).filter(waited_for).collect();
        let taken: HashSet<u16> = unfinished.iter().map(|pending| pending.id).collect();

        let granted: Vec<(String, Qos)> = self.filters.iter().map(|(f, qos)| (f.clone(), *qos)).collect();
        for filters in granted.chunks(FILTERS_A_PACKET) {
            let id = self.free_id(&taken);
            let sent = Sent::Subscribe { filters: filters.to_vec() };
            self.send(Pending { id, sent, reply: None }, actions);
        }
        for mut pending in unfinished {
            if let Sent::Publish { packet, released } = &mut pending.sent {
                packet.dup = connack.session_present;
                *released &= connack.session_present;
            }
            self.send(pending, actions);
        }
    }

    /// A handle asked for something.
    pub(super) fn command(&mut self, command: Command, actions: &mut Vec<Action>) {
        let (sent, reply) = match command {
            Command::Publish { packet, reply } => {
                let bytes = packet.body_encoded_size() + 5;
                if bytes > self.max_packet_bytes {
                    let error = ClientError::TooLarge { bytes, limit: self.max_packet_bytes };
                    tracing::warn!(topic = packet.topic_name, %error, "mqtt message dropped");
                    return answer(reply, Err(error));
                }
                if packet.qos == Qos::AtMostOnce {
                    return actions.push(Action::Send(Packet::Publish(packet)));
                }
                (Sent::Publish { packet, released: false }, reply)
            }
            Command::Subscribe { filter, qos, live, reply } => {
                if live {
                    self.live.insert(filter.clone());
                } else {
                    self.live.remove(&filter);
                }
                (Sent::Subscribe { filters: vec![(filter, qos)] }, Some(reply))
            }
            Command::Unsubscribe { filter, reply } => {
                self.filters.remove(&filter);
                self.live.remove(&filter);
                (Sent::Unsubscribe { filter }, Some(reply))
            }
        };
        let id = self.free_id(&HashSet::new());
        self.send(Pending { id, sent, reply }, actions);
    }

    /// The server sent a packet.
    pub(super) fn received(
        &mut self,
        packet: Packet,
        actions: &mut Vec<Action>,
    ) -> Result<(), ConnectionError> {
        match packet {
            Packet::Publish(publish) => self.message(publish, actions),
            Packet::PubAck(ack) => self.published(ack.packet_id, ack.reason_code.into()),
            Packet::PubRec(rec) => self.stored(rec.packet_id, rec.reason_code.into(), actions),
            Packet::PubRel(rel) => {
                self.unreleased.remove(&rel.packet_id);
                actions.push(Action::Send(Packet::PubComp(PubCompPacket::new(rel.packet_id))));
            }
            Packet::PubComp(comp) => self.published(comp.packet_id, Reason(0)),
            Packet::SubAck(ack) => self.subscribed(&ack, actions),
            Packet::UnsubAck(ack) => {
                if let Some(pending) = self.take(ack.packet_id) {
                    answer(pending.reply, Ok(()));
                }
            }
            Packet::PingResp => {}
            Packet::Disconnect(disconnect) => {
                return Err(ConnectionError::Refused(disconnect.reason_code.into()));
            }
            other => {
                let text = format!("unexpected {}", other.packet_type_name());
                return Err(ConnectionError::Protocol(mqtt5::MqttError::ProtocolError(text)));
            }
        }
        Ok(())
    }

    fn message(&mut self, publish: PublishPacket, actions: &mut Vec<Action>) {
        let acknowledgement = match (publish.qos, publish.packet_id) {
            (Qos::AtLeastOnce, Some(id)) => Some(Packet::PubAck(PubAckPacket::new(id))),
            (Qos::ExactlyOnce, Some(id)) => {
                let received = Packet::PubRec(PubRecPacket::new(id));
                if !self.unreleased.insert(id) {
                    // Sent again by the server: it has been delivered once already.
                    return actions.push(Action::Send(received));
                }
                Some(received)
            }
            _ => None,
        };
        let event = Event::Message { topic: publish.topic_name, payload: publish.payload };
        actions.push(Action::Deliver(Delivery { event, acknowledgement }));
    }

    /// The last word on a publication: PUBACK for QoS 1, PUBCOMP for QoS 2, a refused PUBREC.
    fn published(&mut self, id: u16, reason: Reason) {
        let Some(Pending { sent: Sent::Publish { packet, .. }, reply, .. }) = self.take(id) else { return };
        let outcome = if reason.is_failure() {
            let topic = packet.topic_name;
            tracing::warn!(topic, %reason, "mqtt message refused");
            Err(ClientError::PublicationRefused { topic, reason })
        } else {
            Ok(())
        };
        answer(reply, outcome);
    }

    fn stored(&mut self, id: u16, reason: Reason, actions: &mut Vec<Action>) {
        if reason.is_failure() {
            return self.published(id, reason);
        }
        for pending in &mut self.pending {
            if let Sent::Publish { released, .. } = &mut pending.sent
                && pending.id == id
            {
                *released = true;
            }
        }
        actions.push(Action::Send(Packet::PubRel(PubRelPacket::new(id))));
    }

    fn subscribed(&mut self, ack: &SubAckPacket, actions: &mut Vec<Action>) {
        let Some(Pending { sent: Sent::Subscribe { filters }, reply, .. }) = self.take(ack.packet_id) else {
            return;
        };
        let mut outcome = Ok(());
        for ((filter, qos), code) in filters.into_iter().zip(&ack.reason_codes) {
            let reason = Reason(*code as u8);
            if !reason.is_failure() {
                self.filters.insert(filter, qos);
                continue;
            }
            self.filters.remove(&filter);
            tracing::warn!(filter, %reason, "mqtt subscription refused");
            if reply.is_none() {
                let event = Event::SubscriptionRefused { filter: filter.clone(), reason };
                actions.push(Action::Deliver(event.into()));
            }
            outcome = Err(ClientError::SubscriptionRefused { filter, reason });
        }
        answer(reply, outcome);
    }

    fn send(&mut self, pending: Pending, actions: &mut Vec<Action>) {
        let id = pending.id;
        let packet = match &pending.sent {
            Sent::Publish { released: true, .. } => Packet::PubRel(PubRelPacket::new(id)),
            Sent::Publish { packet, .. } => Packet::Publish(packet.clone().with_packet_id(id)),
            Sent::Subscribe { filters } => {
                let packet = SubscribePacket::new(id);
                let add = |packet: SubscribePacket, (filter, qos): &(String, Qos)| {
                    let options = options(*qos, self.live.contains(filter));
                    packet.add_filter_with_options(TopicFilter::with_options(filter.as_str(), options))
                };
                Packet::Subscribe(filters.iter().fold(packet, add))
            }
            Sent::Unsubscribe { filter } => {
                Packet::Unsubscribe(UnsubscribePacket::new(id).add_filter(filter.as_str()))
            }
        };
        self.pending.push_back(pending);
        actions.push(Action::Send(packet));
    }

    fn take(&mut self, id: u16) -> Option<Pending> {
        let at = self.pending.iter().position(|pending| pending.id == id)?;
        self.pending.remove(at)
    }

    /// The next packet identifier that nothing in flight uses; 0 is none (2.2.1). The window is far
    /// smaller than the range, so there always is one.
    fn free_id(&mut self, taken: &HashSet<u16>) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = self.last_id;
            if !taken.contains(&id) && self.pending.iter().all(|pending| pending.id != id) {
                return id;
            }
        }
    }
}

/// The options of a subscription (MQTT 5, 3.8.3.1).
fn options(qos: Qos, live: bool) -> SubscriptionOptions {
    let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
    if live {
        SubscriptionOptions { no_local: true, retain_handling: RetainHandling::DoNotSend, ..options }
    } else {
        options
    }
}

fn answer(reply: Option<Reply>, outcome: Result<(), ClientError>) {
    if let Some(reply) = reply {
        // The caller may have stopped waiting.
        let _ = reply.send(outcome);
    }
}

#[cfg(test)]
mod tests;
