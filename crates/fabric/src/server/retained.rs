//! Retained messages in a journal: a kill loses none that was acknowledged.
//!
//! `mqtt5` keeps them in memory, or in a file each with an `fsync` each. The journal takes those that come together
//! in one write, and a publisher's acknowledgement waits for it.

use std::collections::{HashMap, HashSet};
use std::future::{Future, ready};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use morgana_journal::{Durability, Journal, OpenError, Options, Snapshot, SnapshotError, Ticket};
use mqtt5::broker::events::RetainedSetEvent;
use mqtt5::broker::storage::RetainedMessage;
use mqtt5::broker::{BrokerEventHandler, DynamicStorage, StorageBackend};
use parking_lot::Mutex;
use tokio::runtime::Handle;

/// Bytes of log after which a snapshot replaces it.
const SNAPSHOT_AFTER_BYTES: u64 = 8 * 1024 * 1024;

tokio::task_local! {
    /// Set while the server publishes for its owner, who keeps what it says itself.
    pub(super) static BY_OWNER: ();
}

/// Writes down what clients have retained.
pub(super) struct Keeper {
    storage: Arc<DynamicStorage>,
    journal: Journal,
    /// The topics whose message is in the journal.
    kept: Arc<Mutex<HashSet<Arc<str>>>>,
    /// Records are in the order of what they say.
    order: tokio::sync::Mutex<()>,
}

impl Keeper {
    /// Brings what the last run kept in a folder back into the storage. Blocks shortly.
    pub(super) async fn open(dir: &Path, storage: Arc<DynamicStorage>) -> Result<Self, OpenError> {
        let options = Options {
            dir: dir.to_owned(),
            durability: Durability::Interval,
            snapshot_after_bytes: SNAPSHOT_AFTER_BYTES,
            ..Options::default()
        };
        let mut found = HashMap::new();
        let (journal, _) = Journal::open(options, |_, record| {
            let (topic, message) = decode(record)?;
            match message {
                Some(message) => drop(found.insert(topic, message)),
                None => drop(found.remove(&topic)),
            }
            Ok::<_, BadRecord>(())
        })?;
        let mut kept = HashSet::with_capacity(found.len());
        for (topic, mut message) in found {
            message.expires_at = message
                .message_expiry_interval
                .map(|seconds| UNIX_EPOCH + Duration::from_secs(message.stored_at_secs + u64::from(seconds)));
            if message.is_expired() {
                continue;
            }
            match storage.store_retained_message(&topic, message).await {
                Ok(()) => drop(kept.insert(Arc::from(topic))),
                Err(error) => tracing::error!(topic, %error, "a retained message was not taken over"),
            }
        }
        Ok(Self { storage, journal, kept: Arc::new(Mutex::new(kept)), order: tokio::sync::Mutex::default() })
    }

    /// Writes down what is retained on a topic now.
    async fn keep(&self, topic: Arc<str>) {
        let by_owner = BY_OWNER.try_with(|()| ()).is_ok();
        let appended = {
            let _order = self.order.lock().await;
            match self.storage.get_retained_message(&topic).await {
                Ok(Some(message)) if !by_owner => {
                    self.kept.lock().insert(Arc::clone(&topic));
                    self.append(&encode(&topic, Some(message))).await
                }
                _ if self.kept.lock().remove(&topic) => self.append(&encode(&topic, None)).await,
                _ => return,
            }
        };
        if let Some(ticket) = appended
            && let Err(error) = ticket.durable().await
        {
            tracing::error!(topic = &*topic, %error, "a retained message is in memory only");
        }
        self.snapshot_when_due();
    }

    async fn append(&self, record: &[u8]) -> Option<Ticket> {
        let appended = match self.journal.room().await {
            Ok(()) => self.journal.append(record),
            Err(error) => Err(error),
        };
        appended.inspect_err(|error| tracing::error!(%error, "a retained message is in memory only")).ok()
    }

    /// Starts a snapshot if the log has grown enough.
    fn snapshot_when_due(&self) {
        let mut due = std::pin::pin!(self.journal.snapshot_due());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        if due.as_mut().poll(&mut cx).is_pending() {
            return;
        }
        let Ok(snapshot) = self.journal.begin_snapshot() else { return };
        let (storage, kept) = (Arc::clone(&self.storage), Arc::clone(&self.kept));
        tokio::task::spawn_blocking(move || {
            if let Err(error) = Handle::current().block_on(write(snapshot, &storage, &kept)) {
                tracing::warn!(%error, "no snapshot of the retained messages; their log grows on");
            }
        });
    }
}

async fn write(
    mut snapshot: Snapshot,
    storage: &DynamicStorage,
    kept: &Mutex<HashSet<Arc<str>>>,
) -> Result<(), SnapshotError> {
    let topics: Vec<Arc<str>> = kept.lock().iter().cloned().collect();
    for topic in topics {
        if let Ok(Some(message)) = storage.get_retained_message(&topic).await {
            snapshot.push(&encode(&topic, Some(message)))?;
        }
    }
    snapshot.finish().await.map(drop)
}

impl BrokerEventHandler for Keeper {
    fn on_retained_set<'a>(
        &'a self,
        event: RetainedSetEvent,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        // What the owner says itself is the most frequent by far.
        if BY_OWNER.try_with(|()| ()).is_ok() && !self.kept.lock().contains(&event.topic) {
            return Box::pin(ready(()));
        }
        Box::pin(self.keep(event.topic))
    }
}

/// A record that is none of ours.
#[derive(Debug, thiserror::Error)]
#[error("not a record of a retained message")]
struct BadRecord;

/// A record: the length of the topic, the topic, and, where there is a message, the length of its head, the head as
/// JSON without the payload, and the payload.
fn encode(topic: &str, message: Option<RetainedMessage>) -> Vec<u8> {
    let mut record = Vec::new();
    let mut put = |bytes: &[u8]| {
        record.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        record.extend_from_slice(bytes);
    };
    put(topic.as_bytes());
    if let Some(mut message) = message {
        let payload = std::mem::take(&mut message.payload);
        // Texts, numbers and bytes: it always is JSON.
        put(&serde_json::to_vec(&message).unwrap_or_default());
        record.extend_from_slice(&payload);
    }
    record
}

fn decode(record: &[u8]) -> Result<(String, Option<RetainedMessage>), BadRecord> {
    let part = |bytes: &'_ [u8]| -> Result<(usize, usize), BadRecord> {
        let length = bytes.get(..4).and_then(|length| <[u8; 4]>::try_from(length).ok()).ok_or(BadRecord)?;
        let end = 4 + u32::from_le_bytes(length) as usize;
        (end <= bytes.len()).then_some((4, end)).ok_or(BadRecord)
    };
    let (from, to) = part(record)?;
    let topic = std::str::from_utf8(&record[from..to]).map_err(|_| BadRecord)?.to_owned();
    let rest = &record[to..];
    if rest.is_empty() {
        return Ok((topic, None));
    }
    let (from, to) = part(rest)?;
    let mut message: RetainedMessage = serde_json::from_slice(&rest[from..to]).map_err(|_| BadRecord)?;
    message.payload = rest[to..].to_vec();
    Ok((topic, Some(message)))
}
