//! The message layer of CoAP (RFC 7252 4, 5; RFC 7959): confirmation, retransmission, deduplication and blocks, without
//! a socket. Datagrams, answers and the clock go in; [`Effect`]s come out.

mod asking;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::SocketAddr,
};

use coap_lite::{CoapOption, MessageClass, MessageType, Packet};

use self::asking::Asked;
use super::{
    CoapOptions,
    blocks::{self, Block, Bodies, LIFETIME, Refused},
    options::{uint_value, unknown_critical},
};

/// Transmissions after the first (MAX_RETRANSMIT).
const RETRANSMISSIONS: u32 = 4;

/// Milliseconds after which a request is acknowledged without its answer.
const SEPARATE_AFTER: u64 = 1_000;

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// A datagram leaves.
    Send(SocketAddr, Vec<u8>),
    /// A request came and is to be carried out; [`Endpoint::respond`] takes its answer.
    Take(Exchange, Box<Packet>),
    /// The answer to a request of ours, or why there is none.
    Answered(u64, Result<Box<Packet>, &'static str>),
}

/// A request that is being carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) from: SocketAddr,
    message: u16,
    confirmable: bool,
    token: Vec<u8>,
    /// The last block of the request.
    block1: Option<Block>,
    /// The size that the client wants its answer in.
    exponent: u8,
    key: blocks::Key,
}

/// A request that came, so that it is not carried out twice.
#[derive(Debug)]
struct Seen {
    reply: Option<Vec<u8>>,
    acknowledged: bool,
}

/// A confirmable message of ours that is not acknowledged yet.
#[derive(Debug)]
struct Unconfirmed {
    bytes: Vec<u8>,
    retries: u32,
    timeout: u64,
    due: u64,
    ask: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Retransmit(SocketAddr, u16),
    Acknowledge(SocketAddr, u16),
    GiveUp(u64),
}

/// One side of CoAP over UDP.
#[derive(Debug)]
pub(crate) struct Endpoint {
    ack_timeout: u64,
    remembered: usize,
    block: u8,
    random: fn() -> u64,
    message: u16,
    seen: HashMap<(SocketAddr, u16), Seen>,
    order: VecDeque<(u64, (SocketAddr, u16))>,
    unconfirmed: HashMap<(SocketAddr, u16), Unconfirmed>,
    asked: HashMap<u64, Asked>,
    uploads: Bodies<()>,
    /// Answers that were cut, with their code and options.
    downloads: Bodies<Packet>,
    due: BTreeSet<(u64, Due)>,
}

impl Endpoint {
    /// An endpoint that takes its randomness from `random`.
    pub(crate) fn new(options: &CoapOptions, random: fn() -> u64) -> Self {
        Self {
            ack_timeout: options.ack_timeout_ms.max(1),
            remembered: options.remembered_messages.max(1),
            block: options.block_exponent.min(blocks::LARGEST),
            random,
            message: random() as u16,
            seen: HashMap::new(),
            order: VecDeque::new(),
            unconfirmed: HashMap::new(),
            asked: HashMap::new(),
            uploads: Bodies::new(options.body_max_bytes, options.transfers_max_bytes),
            downloads: Bodies::new(options.body_max_bytes, options.transfers_max_bytes),
            due: BTreeSet::new(),
        }
    }

    /// When [`Self::tick`] is to be called next, in the milliseconds of `now`.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(time, _)| *time)
    }

    /// Takes a datagram.
    pub(crate) fn datagram(&mut self, from: SocketAddr, bytes: &[u8], now: u64) -> Vec<Effect> {
        let Ok(packet) = Packet::from_bytes(bytes) else {
            // Of a malformed confirmable message the sender is told (RFC 7252 4.2).
            return match bytes {
                [first, _, high, low, ..] if first & 0xf0 == 0x40 => {
                    vec![empty(from, MessageType::Reset, u16::from_be_bytes([*high, *low]))]
                }
                _ => Vec::new(),
            };
        };
        if packet.header.get_version() != 1 {
            return Vec::new();
        }
        let (kind, message) = (packet.header.get_type(), packet.header.message_id);
        match packet.header.code {
            MessageClass::Empty => self.empty(from, kind, message),
            MessageClass::Request(_) => match kind {
                MessageType::Confirmable | MessageType::NonConfirmable => self.request(from, packet, now),
                MessageType::Acknowledgement | MessageType::Reset => Vec::new(),
            },
            MessageClass::Response(_) => self.response(from, packet, now),
            MessageClass::Reserved(code) if (2..=5).contains(&(code >> 5)) => {
                self.response(from, packet, now)
            }
            MessageClass::Reserved(_) if kind == MessageType::Confirmable => {
                vec![empty(from, MessageType::Reset, message)]
            }
            MessageClass::Reserved(_) => Vec::new(),
        }
    }

    fn empty(&mut self, from: SocketAddr, kind: MessageType, message: u16) -> Vec<Effect> {
        match kind {
            // A CoAP ping.
            MessageType::Confirmable => vec![empty(from, MessageType::Reset, message)],
            MessageType::NonConfirmable => Vec::new(),
            MessageType::Acknowledgement => {
                self.confirmed(from, message);
                Vec::new()
            }
            MessageType::Reset => match self.confirmed(from, message).and_then(|sent| sent.ask) {
                Some(ask) => self.fail(ask, "it does not know what to do with the message"),
                None => Vec::new(),
            },
        }
    }

    fn confirmed(&mut self, from: SocketAddr, message: u16) -> Option<Unconfirmed> {
        let sent = self.unconfirmed.remove(&(from, message))?;
        self.due.remove(&(sent.due, Due::Retransmit(from, message)));
        Some(sent)
    }

    fn request(&mut self, from: SocketAddr, mut packet: Packet, now: u64) -> Vec<Effect> {
        let message = packet.header.message_id;
        let confirmable = packet.header.get_type() == MessageType::Confirmable;
        self.forget_seen(now);
        if let Some(seen) = self.seen.get(&(from, message)) {
            // It came before: only its answer goes again (RFC 7252 4.2, 4.5).
            return match &seen.reply {
                Some(reply) => vec![Effect::Send(from, reply.clone())],
                None if confirmable && seen.acknowledged => {
                    vec![empty(from, MessageType::Acknowledgement, message)]
                }
                None => Vec::new(),
            };
        }
        self.seen.insert((from, message), Seen { reply: None, acknowledged: false });
        self.order.push_back((now + LIFETIME, (from, message)));
        let key = blocks::key(from, &packet);
        let mut exchange = Exchange {
            from,
            message,
            confirmable,
            token: packet.get_token().to_vec(),
            block1: None,
            exponent: self.block,
            key,
        };
        if let Some(number) = unknown_critical(&packet) {
            let text = format!("option {number} is critical, and this CSE does not know it");
            return self.reply(&exchange, plain(0x82, &text), now);
        }
        let (Ok(upload), Ok(download)) =
            (Block::of(&packet, CoapOption::Block1), Block::of(&packet, CoapOption::Block2))
        else {
            return self.reply(&exchange, plain(0x80, "a block option is malformed"), now);
        };
        if let Some(wanted) = download {
            exchange.exponent = wanted.exponent.min(self.block);
            if wanted.number > 0 {
                return self.next_block(&exchange, wanted, now);
            }
        }
        if let Some(block) = upload {
            exchange.block1 = Some(block);
            match self.uploads.add(exchange.key.clone(), block, &packet.payload, now) {
                Ok(Some(body)) => packet.payload = body,
                Ok(None) => return self.reply(&exchange, plain(0x5f, ""), now),
                Err(Refused::Incomplete) => {
                    return self.reply(&exchange, plain(0x88, "a block before this one is missing"), now);
                }
                Err(Refused::TooLarge) => {
                    return self.reply(&exchange, plain(0x8d, "the content is too large"), now);
                }
            }
        }
        if confirmable {
            self.due.insert((now + SEPARATE_AFTER, Due::Acknowledge(from, message)));
        }
        vec![Effect::Take(exchange, Box::new(packet))]
    }

    /// A later block of an answer that was cut.
    fn next_block(&mut self, exchange: &Exchange, wanted: Block, now: u64) -> Vec<Effect> {
        let wanted = Block { exponent: exchange.exponent, ..wanted };
        let kept = self.downloads.get(&exchange.key);
        let sliced = kept.and_then(|(body, head)| Some((wanted.slice(body)?, head.clone())));
        let Some(((block, payload), mut packet)) = sliced else {
            return self.reply(exchange, plain(0x88, "there is no such block; begin with block 0"), now);
        };
        block.put(&mut packet, CoapOption::Block2);
        packet.payload = payload;
        if !block.more {
            self.downloads.take(&exchange.key);
        }
        self.reply(exchange, packet, now)
    }

    fn forget_seen(&mut self, now: u64) {
        while let Some((until, key)) = self.order.front() {
            if *until > now && self.order.len() < self.remembered {
                return;
            }
            self.seen.remove(key);
            self.order.pop_front();
        }
    }

    /// Takes the answer to a request.
    pub(crate) fn respond(&mut self, exchange: &Exchange, mut packet: Packet, now: u64) -> Vec<Effect> {
        let whole = Block { number: 0, more: false, exponent: exchange.exponent };
        if packet.payload.len() > whole.size()
            && let Some((block, payload)) = whole.slice(&packet.payload)
        {
            let body = std::mem::take(&mut packet.payload);
            packet.add_option(CoapOption::Size2, uint_value(body.len() as u64));
            // So that a client sees whether two blocks are of the same body (RFC 7959 2.4).
            packet.add_option(CoapOption::ETag, blocks::tag(&body));
            // Content-Format is that of the whole body, and goes with each block of it (RFC 7959 2.3); so do the code
            // and the options of oneM2M, since a client may look at those of the last block.
            if !self.downloads.put(exchange.key.clone(), body, packet.clone(), now) {
                return self.reply(exchange, plain(0xa3, "too many large answers are under way"), now);
            }
            packet.payload = payload;
            block.put(&mut packet, CoapOption::Block2);
        }
        self.reply(exchange, packet, now)
    }

    /// Sends an answer: on the acknowledgement while that has not left, or else as a message of its own.
    fn reply(&mut self, exchange: &Exchange, mut packet: Packet, now: u64) -> Vec<Effect> {
        let (from, message) = (exchange.from, exchange.message);
        packet.set_token(exchange.token.clone());
        if let Some(block) = exchange.block1 {
            block.put(&mut packet, CoapOption::Block1);
        }
        self.due.retain(|(_, due)| *due != Due::Acknowledge(from, message));
        let separate = self.seen.get(&(from, message)).is_none_or(|seen| seen.acknowledged);
        if exchange.confirmable && !separate {
            packet.header.set_type(MessageType::Acknowledgement);
            packet.header.message_id = message;
        } else {
            let kind =
                if exchange.confirmable { MessageType::Confirmable } else { MessageType::NonConfirmable };
            packet.header.set_type(kind);
            packet.header.message_id = self.next_message();
        }
        let Ok(bytes) = packet.to_bytes_unlimited() else { return Vec::new() };
        if exchange.confirmable && separate {
            self.confirm(from, packet.header.message_id, bytes.clone(), None, now);
        } else if let Some(seen) = self.seen.get_mut(&(from, message)) {
            seen.reply = Some(bytes.clone());
        }
        vec![Effect::Send(from, bytes)]
    }

    fn next_message(&mut self) -> u16 {
        self.message = self.message.wrapping_add(1);
        self.message
    }

    /// Sends a message again until it is acknowledged (RFC 7252 4.2).
    fn confirm(&mut self, to: SocketAddr, message: u16, bytes: Vec<u8>, ask: Option<u64>, now: u64) {
        // ACK_RANDOM_FACTOR is 1.5.
        let timeout = self.ack_timeout + (self.random)() % (self.ack_timeout / 2 + 1);
        let due = now + timeout;
        self.due.insert((due, Due::Retransmit(to, message)));
        self.unconfirmed.insert((to, message), Unconfirmed { bytes, retries: 0, timeout, due, ask });
    }

    /// Does what is due at `now`.
    pub(crate) fn tick(&mut self, now: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some((time, due)) = self.due.first().copied().filter(|(time, _)| *time <= now) {
            self.due.remove(&(time, due));
            match due {
                Due::GiveUp(ask) => effects.extend(self.fail(ask, "it did not answer in time")),
                Due::Acknowledge(from, message) => {
                    if let Some(seen) = self.seen.get_mut(&(from, message)) {
                        seen.acknowledged = true;
                        effects.push(empty(from, MessageType::Acknowledgement, message));
                    }
                }
                Due::Retransmit(to, message) => {
                    let Some(sent) = self.unconfirmed.get_mut(&(to, message)) else { continue };
                    if sent.retries >= RETRANSMISSIONS {
                        let ask = sent.ask;
                        self.unconfirmed.remove(&(to, message));
                        if let Some(ask) = ask {
                            effects.extend(self.fail(ask, "it does not acknowledge"));
                        }
                        continue;
                    }
                    sent.retries += 1;
                    sent.timeout *= 2;
                    sent.due = now + sent.timeout;
                    self.due.insert((sent.due, Due::Retransmit(to, message)));
                    effects.push(Effect::Send(to, sent.bytes.clone()));
                }
            }
        }
        effects
    }
}

/// A message without anything.
fn empty(to: SocketAddr, kind: MessageType, message: u16) -> Effect {
    let mut packet = Packet::new();
    packet.header.set_type(kind);
    packet.header.code = MessageClass::Empty;
    packet.header.message_id = message;
    Effect::Send(to, packet.to_bytes_unlimited().unwrap_or_default())
}

/// An answer of the message layer itself.
fn plain(code: u8, text: &str) -> Packet {
    let mut packet = Packet::new();
    packet.header.code = MessageClass::from(code);
    packet.payload = text.as_bytes().to_vec();
    packet
}

#[cfg(test)]
mod tests;
