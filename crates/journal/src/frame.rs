//! The bytes of a journal file: a header, then frames. Pure: no files here.
//!
//! ```text
//! file   = magic (8 bytes) frame*
//! frame  = length u32 | kind u32 | synced u64 | body crc32 u32 | head crc32 u32 | body     (little endian)
//! body   = (length u32 | record)*
//! ```
//!
//! A frame is what one group commit wrote. `synced` is how many bytes of the file were known to be on the disk when
//! the frame was written: it lets recovery tell a torn tail (never acknowledged, may be cut) from damage to
//! something that had been safe (see [`crate::scan`]).

/// Starts every journal file; the last byte is the version of the format.
pub(crate) const MAGIC: [u8; 8] = *b"MORGJNL\x01";
/// Bytes before a frame's body.
pub(crate) const HEAD: usize = 24;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The body is records.
    Records = 1,
    /// The end of a complete snapshot; the body is empty.
    End = 2,
    /// Where the blocks of a table are (see [`crate::table`]).
    Index = 3,
}

/// A frame's header, read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: usize,
    pub(crate) kind: Kind,
    pub(crate) synced: u64,
    body_crc: u32,
}

impl Head {
    /// Reads a header; `None` when these bytes are not one.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEAD] = bytes.get(..HEAD)?.try_into().ok()?;
        if crc32fast::hash(&bytes[..20]) != u32_at(bytes, 20) {
            return None;
        }
        let kind = match u32_at(bytes, 4) {
            1 => Kind::Records,
            2 => Kind::End,
            3 => Kind::Index,
            _ => return None,
        };
        let synced = u64::from(u32_at(bytes, 8)) | u64::from(u32_at(bytes, 12)) << 32;
        Some(Self { length: u32_at(bytes, 0) as usize, kind, synced, body_crc: u32_at(bytes, 16) })
    }

    /// Whether `body` is what this header was written for.
    pub(crate) fn matches(&self, body: &[u8]) -> bool {
        body.len() == self.length && crc32fast::hash(body) == self.body_crc
    }
}

/// A frame being filled. The header's place is kept free in front, so that sealing copies nothing.
#[derive(Debug)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; HEAD] }
    }

    pub(crate) fn push(&mut self, record: &[u8]) {
        self.push_parts(&[record]);
    }

    /// Adds one record that is these parts, one after another.
    pub(crate) fn push_parts(&mut self, parts: &[&[u8]]) {
        // A record is at most `record_max_bytes`, which `Journal::open` keeps below 4 GiB.
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.bytes.extend_from_slice(&(length as u32).to_le_bytes());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == HEAD
    }

    /// Fills in the header and gives the bytes to write.
    pub(crate) fn seal(&mut self, kind: Kind, synced: u64) -> &[u8] {
        let body_crc = crc32fast::hash(&self.bytes[HEAD..]);
        let length = (self.bytes.len() - HEAD) as u32;
        self.bytes[0..4].copy_from_slice(&length.to_le_bytes());
        self.bytes[4..8].copy_from_slice(&(kind as u32).to_le_bytes());
        self.bytes[8..16].copy_from_slice(&synced.to_le_bytes());
        self.bytes[16..20].copy_from_slice(&body_crc.to_le_bytes());
        let head_crc = crc32fast::hash(&self.bytes[..20]);
        self.bytes[20..24].copy_from_slice(&head_crc.to_le_bytes());
        &self.bytes
    }

    /// Empties the frame and keeps its memory for the next records.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(HEAD);
    }
}

/// The records of a frame's body; `None` for an item that does not fit the body.
pub(crate) fn records(mut body: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        if body.is_empty() {
            return None;
        }
        let split = body
            .split_at_checked(4)
            .and_then(|(length, rest)| rest.split_at_checked(u32_at(length, 0) as usize));
        let Some((record, rest)) = split else {
            body = &[];
            return Some(None);
        };
        body = rest;
        Some(Some(record))
    })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sealed_frame_reads_back(records_in in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20), synced: u64) {
            let mut frame = Frame::new();
            for record in &records_in {
                frame.push(record);
            }
            let bytes = frame.seal(Kind::Records, synced);
            let head = Head::parse(bytes).expect("a header");
            prop_assert!(head.matches(&bytes[HEAD..]));
            prop_assert_eq!(head.synced, synced);
            let back: Vec<_> = records(&bytes[HEAD..]).map(|record| record.expect("whole").to_vec()).collect();
            prop_assert_eq!(back, records_in);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = Head::parse(&bytes);
            let _ = records(&bytes).count();
        }
    }

    #[test]
    fn zeros_are_not_a_frame() {
        assert_eq!(Head::parse(&[0; HEAD]), None);
    }
}
