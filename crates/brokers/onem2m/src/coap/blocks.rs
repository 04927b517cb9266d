//! Block-wise transfer (RFC 7959): the option, and what is collected or handed out piece by piece.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
    net::SocketAddr,
};

use coap_lite::{CoapOption, Packet};

use super::options::{uint, uint_value};

/// The largest block: 2^(6 + 4) bytes, which fits an Ethernet frame with its options.
pub(super) const LARGEST: u8 = 6;

/// Milliseconds after which an unfinished transfer is forgotten (EXCHANGE_LIFETIME, RFC 7252 4.8.2).
pub(super) const LIFETIME: u64 = 247_000;

/// The value of Block1 or Block2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) number: usize,
    pub(super) more: bool,
    /// The size is 2^(exponent + 4) bytes.
    pub(super) exponent: u8,
}

impl Block {
    /// The block option of a message; an error when it is malformed.
    pub(super) fn of(packet: &Packet, option: CoapOption) -> Result<Option<Self>, ()> {
        let Some(value) = packet.get_first_option(option) else { return Ok(None) };
        let number = uint(value).filter(|_| value.len() <= 3).ok_or(())?;
        let exponent = (number & 7) as u8;
        if exponent == 7 {
            return Err(());
        }
        Ok(Some(Self { number: (number >> 4) as usize, more: number & 8 != 0, exponent }))
    }

    pub(super) fn size(self) -> usize {
        1 << (self.exponent + 4)
    }

    pub(super) fn put(self, packet: &mut Packet, option: CoapOption) {
        packet.clear_option(option);
        let number = (self.number as u64) << 4 | u64::from(self.more) << 3 | u64::from(self.exponent);
        packet.add_option(option, uint_value(number));
    }

    /// This block of a body.
    pub(super) fn slice(self, body: &[u8]) -> Option<(Self, Vec<u8>)> {
        let from = self.number.checked_mul(self.size())?;
        if from >= body.len() && self.number > 0 {
            return None;
        }
        let to = (from + self.size()).min(body.len());
        Some((Self { more: to < body.len(), ..self }, body[from..to].to_vec()))
    }
}

/// What a transfer is of: who, and which request (RFC 7959 2.4).
pub(super) type Key = (SocketAddr, Vec<u8>);

/// The key of a request: its code and all options but the blocks, which say what it is.
pub(super) fn key(from: SocketAddr, packet: &Packet) -> Key {
    let mut name = vec![u8::from(packet.header.code)];
    let blocks = [u16::from(CoapOption::Block1), u16::from(CoapOption::Block2), 28, 60];
    for (number, values) in packet.options() {
        // The request ID and the time are new with each block of some clients.
        if blocks.contains(number) || [257, 283, 259].contains(number) {
            continue;
        }
        for value in values {
            name.extend_from_slice(&number.to_be_bytes());
            name.extend_from_slice(&(value.len() as u32).to_be_bytes());
            name.extend_from_slice(value);
        }
    }
    (from, name)
}

/// An ETag of a body: the same for the same bytes.
pub(super) fn tag(body: &[u8]) -> Vec<u8> {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    hasher.finish().to_be_bytes().to_vec()
}

/// Why a block of an upload is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// 4.08: the one before it did not come.
    Incomplete,
    /// 4.13.
    TooLarge,
}

/// Bodies on their way, at most so many bytes of them in all, each with its head: what goes with every block of it.
#[derive(Debug)]
pub(super) struct Bodies<H> {
    bodies: HashMap<Key, Kept<H>>,
    bytes: usize,
    body_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Kept<H> {
    body: Vec<u8>,
    head: H,
    until: u64,
}

impl<H> Bodies<H> {
    pub(super) fn new(body_max: usize, bytes_max: usize) -> Self {
        Self { bodies: HashMap::new(), bytes: 0, body_max, bytes_max }
    }

    pub(super) fn body_max(&self) -> usize {
        self.body_max
    }

    /// Keeps a body; says whether there was room.
    pub(super) fn put(&mut self, key: Key, body: Vec<u8>, head: H, now: u64) -> bool {
        self.take(&key);
        if self.bytes + body.len() > self.bytes_max {
            self.forget(now);
        }
        if self.bytes + body.len() > self.bytes_max {
            return false;
        }
        self.bytes += body.len();
        self.bodies.insert(key, Kept { body, head, until: now + LIFETIME });
        true
    }

    pub(super) fn get(&self, key: &Key) -> Option<(&[u8], &H)> {
        self.bodies.get(key).map(|kept| (kept.body.as_slice(), &kept.head))
    }

    pub(super) fn take(&mut self, key: &Key) -> Option<Vec<u8>> {
        let Kept { body, .. } = self.bodies.remove(key)?;
        self.bytes -= body.len();
        Some(body)
    }

    /// Forgets what was not gone on with.
    pub(super) fn forget(&mut self, now: u64) {
        self.bodies.retain(|_, kept| kept.until > now);
        self.bytes = self.bodies.values().map(|kept| kept.body.len()).sum();
    }
}

impl Bodies<()> {
    /// Adds a block to an upload. Gives the body when it is the last.
    pub(super) fn add(
        &mut self,
        key: Key,
        block: Block,
        payload: &[u8],
        now: u64,
    ) -> Result<Option<Vec<u8>>, Refused> {
        if block.number == 0 {
            self.take(&key);
        }
        let mut body = self.take(&key).unwrap_or_default();
        if Some(body.len()) != block.number.checked_mul(block.size()) {
            return Err(Refused::Incomplete);
        }
        if block.more && payload.len() != block.size() {
            return Err(Refused::Incomplete);
        }
        if body.len() + payload.len() > self.body_max {
            return Err(Refused::TooLarge);
        }
        body.extend_from_slice(payload);
        if !block.more {
            return Ok(Some(body));
        }
        if self.put(key, body, (), now) { Ok(None) } else { Err(Refused::TooLarge) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        (([127, 0, 0, 1], 5).into(), vec![1])
    }

    fn block(number: usize, more: bool) -> Block {
        Block { number, more, exponent: 0 }
    }

    #[test]
    fn a_body_comes_together_from_its_blocks() {
        let mut bodies = Bodies::new(100, 100);
        assert_eq!(bodies.add(key(), block(0, true), &[1; 16], 0), Ok(None));
        assert_eq!(bodies.add(key(), block(1, true), &[2; 16], 0), Ok(None));
        let body = bodies.add(key(), block(2, false), &[3; 4], 0).unwrap().unwrap();
        assert_eq!(body.len(), 36);
        assert_eq!(bodies.bytes, 0);
    }

    #[test]
    fn blocks_out_of_order_and_bodies_too_large_are_refused() {
        let mut bodies = Bodies::new(20, 100);
        assert_eq!(bodies.add(key(), block(1, true), &[0; 16], 0), Err(Refused::Incomplete));
        assert_eq!(bodies.add(key(), block(0, true), &[0; 15], 0), Err(Refused::Incomplete));
        assert_eq!(bodies.add(key(), block(0, true), &[0; 16], 0), Ok(None));
        assert_eq!(bodies.add(key(), block(1, false), &[0; 16], 0), Err(Refused::TooLarge));
        assert_eq!(bodies.bytes, 0);
    }

    #[test]
    fn what_is_not_gone_on_with_makes_room() {
        let mut bodies = Bodies::new(64, 20);
        assert!(bodies.put(key(), vec![0; 16], (), 0));
        let other = (key().0, vec![2]);
        assert!(!bodies.put(other.clone(), vec![0; 16], (), 1));
        assert!(bodies.put(other, vec![0; 16], (), LIFETIME + 1));
    }

    #[test]
    fn a_body_is_handed_out_in_blocks() {
        let body: Vec<u8> = (0..40).collect();
        let (first, bytes) = block(0, false).slice(&body).unwrap();
        assert!(first.more && bytes.len() == 16);
        let (last, bytes) = block(2, false).slice(&body).unwrap();
        assert!(!last.more && bytes == body[32..]);
        assert_eq!(block(3, false).slice(&body), None);
    }
}
