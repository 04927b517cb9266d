//! An application that counts the messages of an MQTT silo and does nothing else, so that it is not what is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use morgana_model::VSilo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const READ_BYTES: usize = 256 * 1024;
/// PUBLISH in the upper half of a packet's first byte (MQTT 3.1.1, 2.2.1).
const PUBLISH: u8 = 3;

/// A subscriber of `#`. Each PUBLISH that it reads to its end is counted.
pub(super) struct Counter {
    count: Arc<AtomicU64>,
    reader: JoinHandle<()>,
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Counter {
    /// Subscribes to all of the tenant's topics with QoS 0. What the silo has retained is counted as well.
    pub(super) async fn start(silo: &VSilo) -> Self {
        let port = silo.status.endpoints.get("1883/tcp").copied().expect("a door");
        let token = silo.token.clone().expect("the owner sees the token");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the silo's door is open");
        let mut hello = Vec::new();
        // MQTT 3.1.1, clean session, user name and password, no keep-alive.
        hello.extend([0, 4, b'M', b'Q', b'T', b'T', 4, 0b1100_0010, 0, 0]);
        for text in ["bench-counter", silo.spec.tenant.as_str(), token.expose()] {
            push(&mut hello, text);
        }
        let mut subscribe = vec![0, 1];
        push(&mut subscribe, "#");
        subscribe.push(0);
        for (kind, body) in [(0x10, hello), (0x82, subscribe)] {
            let length = u8::try_from(body.len()).expect("a short packet");
            assert!(length < 128, "a short packet");
            stream.write_all(&[&[kind, length], &body[..]].concat()).await.expect("the silo listens");
        }
        let mut answers = [0; 4 + 5];
        stream.read_exact(&mut answers).await.expect("the silo answers");
        assert_eq!((answers[3], answers[8]), (0, 0), "connected and subscribed");
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let reader = tokio::spawn(async move {
            let (mut read, mut chunk) = (Vec::new(), vec![0; READ_BYTES]);
            while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                read.extend_from_slice(&chunk[..length]);
                let (publishes, end) = publishes(&read);
                read.drain(..end);
                counted.fetch_add(publishes, Ordering::Relaxed);
            }
        });
        Self { count, reader }
    }

    /// How many there were so far.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// A text with its length before (MQTT 3.1.1, 1.5.3).
fn push(packet: &mut Vec<u8>, text: &str) {
    packet.extend((text.len() as u16).to_be_bytes());
    packet.extend(text.as_bytes());
}

/// How many whole PUBLISH packets there are, and where the first unfinished packet begins.
fn publishes(read: &[u8]) -> (u64, usize) {
    let (mut count, mut at) = (0, 0);
    while let Some((kind, end)) = packet(&read[at..]) {
        count += u64::from(kind == PUBLISH);
        at += end;
    }
    (count, at)
}

/// The kind and the length of the first packet, if all of it is there (MQTT 3.1.1, 2.2).
fn packet(bytes: &[u8]) -> Option<(u8, usize)> {
    let first = bytes.first()?;
    let mut length = 0;
    for (place, byte) in bytes[1..].iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let end = 1 + place + 1 + length;
            return (bytes.len() >= end).then_some((first >> 4, end));
        }
    }
    None
}
