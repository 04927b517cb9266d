//! Requests of ours: sent in blocks, and what comes back put together.

use std::net::SocketAddr;

use coap_lite::{CoapOption, MessageType, Packet};

use super::{super::blocks::Block, Due, Effect, Endpoint, empty};

/// A request of ours.
#[derive(Debug)]
pub(super) struct Asked {
    to: SocketAddr,
    token: Vec<u8>,
    packet: Packet,
    body: Vec<u8>,
    received: Vec<u8>,
    until: u64,
}

impl Endpoint {
    /// Sends a request whose answer is called `ask`, and gives it up after `patience` milliseconds.
    pub(crate) fn ask(
        &mut self,
        ask: u64,
        to: SocketAddr,
        mut packet: Packet,
        patience: u64,
        now: u64,
    ) -> Vec<Effect> {
        let token = (self.random)().to_be_bytes().to_vec();
        packet.set_token(token.clone());
        let body = std::mem::take(&mut packet.payload);
        let until = now + patience;
        self.due.insert((until, Due::GiveUp(ask)));
        self.asked.insert(ask, Asked { to, token, packet, body, received: Vec::new(), until });
        let first = Block { number: 0, more: false, exponent: self.block };
        self.send_block(ask, first, now)
    }

    /// Sends a block of a request; all of it when it fits into one.
    fn send_block(&mut self, ask: u64, block: Block, now: u64) -> Vec<Effect> {
        let message = self.next_message();
        let Some(asked) = self.asked.get_mut(&ask) else { return Vec::new() };
        let mut packet = asked.packet.clone();
        if asked.body.len() > block.size() {
            let Some((block, payload)) = block.slice(&asked.body) else { return Vec::new() };
            block.put(&mut packet, CoapOption::Block1);
            packet.payload = payload;
        } else {
            packet.payload.clone_from(&asked.body);
        }
        packet.header.message_id = message;
        let to = asked.to;
        let Ok(bytes) = packet.to_bytes_unlimited() else {
            return self.fail(ask, "the request cannot be written");
        };
        self.confirm(to, message, bytes.clone(), Some(ask), now);
        vec![Effect::Send(to, bytes)]
    }

    pub(super) fn response(&mut self, from: SocketAddr, mut packet: Packet, now: u64) -> Vec<Effect> {
        let (kind, message) = (packet.header.get_type(), packet.header.message_id);
        let found =
            self.asked.iter().find(|(_, asked)| asked.to == from && asked.token == packet.get_token());
        let Some(ask) = found.map(|(ask, _)| *ask) else {
            // A late or foreign one; its sender shall not send it again.
            return match kind {
                MessageType::Confirmable => vec![empty(from, MessageType::Reset, message)],
                _ => Vec::new(),
            };
        };
        let mut effects = Vec::new();
        match kind {
            MessageType::Acknowledgement => drop(self.confirmed(from, message)),
            MessageType::Confirmable => effects.push(empty(from, MessageType::Acknowledgement, message)),
            _ => {}
        }
        // The answer says that the request came, even when its acknowledgement did not.
        self.stop_sending(ask);
        let upload = Block::of(&packet, CoapOption::Block1).ok().flatten();
        if u8::from(packet.header.code) == 0x5f
            && let Some(done) = upload
        {
            let exponent = done.exponent.min(self.block);
            let number = (done.number + 1) * done.size() / (1 << (exponent + 4));
            effects.extend(self.send_block(ask, Block { number, more: false, exponent }, now));
            return effects;
        }
        let download = Block::of(&packet, CoapOption::Block2).ok().flatten();
        let Some(asked) = self.asked.get_mut(&ask) else { return effects };
        if let Some(block) = download {
            if asked.received.len() != block.number * block.size()
                || asked.received.len() + packet.payload.len() > self.uploads_max()
            {
                effects.extend(self.fail(ask, "its answer came in blocks that do not fit together"));
                return effects;
            }
            if let Some(asked) = self.asked.get_mut(&ask) {
                asked.received.append(&mut packet.payload);
                if block.more {
                    asked.body.clear();
                    let next = Block { number: block.number + 1, more: false, exponent: block.exponent };
                    next.put(&mut asked.packet, CoapOption::Block2);
                    effects.extend(self.send_block(ask, next, now));
                    return effects;
                }
                packet.payload = std::mem::take(&mut asked.received);
            }
        }
        self.forget_ask(ask);
        effects.push(Effect::Answered(ask, Ok(Box::new(packet))));
        effects
    }

    fn uploads_max(&self) -> usize {
        self.uploads.body_max()
    }

    fn stop_sending(&mut self, ask: u64) {
        let sent: Vec<_> =
            self.unconfirmed.iter().filter(|(_, sent)| sent.ask == Some(ask)).map(|(key, _)| *key).collect();
        for (to, message) in sent {
            self.confirmed(to, message);
        }
    }

    fn forget_ask(&mut self, ask: u64) {
        self.stop_sending(ask);
        if let Some(asked) = self.asked.remove(&ask) {
            self.due.remove(&(asked.until, Due::GiveUp(ask)));
        }
    }

    pub(super) fn fail(&mut self, ask: u64, why: &'static str) -> Vec<Effect> {
        self.forget_ask(ask);
        vec![Effect::Answered(ask, Err(why))]
    }
}
