//! Notifications that wait: for a schedule, for the rest of a batch, for the end of a rate limit's window, or for an
//! entity that polls (TS-0001 9.6.8 pendingNotification, batchNotify, rateLimit; 9.6.21 pollingChannel). They are in the
//! journal as well: `N` and what waits, `F` and the numbers of what waits no longer. So they outlive the CSE, where the
//! write that they tell of was acknowledged.

use std::collections::{BTreeMap, HashMap, VecDeque};

use morgana_journal::{Journal, Ticket};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{time::Time, tree::RecordError};

/// Why a notification waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Reason {
    /// The schedule of its subscription, or of its target's node, is closed. Its queue is that of one target.
    #[serde(rename = "s")]
    Schedule,
    /// Its subscription's batch is not full yet.
    #[serde(rename = "b")]
    Batch,
    /// Its subscription notified as often as its rate limit allows.
    #[serde(rename = "r")]
    Rate,
    /// Its target polls. The queue has the target's ID.
    #[serde(rename = "p")]
    Poll,
}

/// A notification that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    #[serde(rename = "why")]
    pub(super) reason: Reason,
    #[serde(rename = "in")]
    pub(super) queue: Box<str>,
    /// Its number in the journal; 0 when it is not there.
    #[serde(rename = "n")]
    pub(super) number: u64,
    /// The resourceID of the subscription; empty where that does not matter.
    #[serde(rename = "sub")]
    pub(super) subscription: Box<str>,
    #[serde(rename = "to")]
    pub(super) target: Box<str>,
    /// Since when it waits.
    #[serde(rename = "at")]
    pub(super) since: Time,
    #[serde(rename = "ev")]
    pub(super) events: u64,
    #[serde(rename = "ec")]
    pub(super) category: Option<u64>,
    #[serde(rename = "pc")]
    pub(super) content: Value,
}

impl Waiting {
    pub(super) fn new(reason: Reason, queue: &str, content: Value) -> Self {
        Self {
            reason,
            queue: queue.into(),
            number: 0,
            subscription: Box::default(),
            target: Box::default(),
            since: Time::now(),
            events: 1,
            category: None,
            content,
        }
    }
}

/// There is no room in a queue.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

type Key = (Reason, Box<str>);

/// Everything that waits.
#[derive(Debug)]
pub(crate) struct Shelf {
    journal: Journal,
    queues: Mutex<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    all: HashMap<Key, VecDeque<Waiting>>,
    newest: u64,
    /// Of what was written down last, until someone waits for it.
    ticket: Option<Ticket>,
}

impl Shelf {
    /// A shelf with what was on it before a restart.
    pub(crate) fn new(journal: Journal, found: Found) -> Self {
        let mut queues =
            Queues { newest: found.0.keys().next_back().copied().unwrap_or(0), ..Queues::default() };
        for waiting in found.0.into_values() {
            queues.all.entry((waiting.reason, waiting.queue.clone())).or_default().push_back(waiting);
        }
        Self { journal, queues: Mutex::new(queues) }
    }

    /// Keeps a notification. Of more than `most` in its queue the oldest are lost. Says how many there are.
    pub(super) fn put(&self, waiting: Waiting, most: usize) -> usize {
        let mut queues = self.queues.lock();
        let key = (waiting.reason, waiting.queue.clone());
        self.keep(&mut queues, waiting);
        let Some(queue) = queues.all.get_mut(&key) else { return 0 };
        let lost = queue.len().saturating_sub(most.max(1));
        let lost: Vec<Waiting> = queue.drain(..lost).collect();
        let left = queue.len();
        self.forget(&mut queues, &lost);
        left
    }

    /// As [`Self::put`], where a queue that is full takes no more.
    pub(super) fn try_put(&self, waiting: Waiting, most: usize) -> Result<(), NoRoom> {
        let mut queues = self.queues.lock();
        if queues.len(waiting.reason, &waiting.queue) >= most.max(1) {
            return Err(NoRoom);
        }
        self.keep(&mut queues, waiting);
        Ok(())
    }

    /// As [`Self::try_put`], for what has no meaning after a restart: it is not written down.
    pub(super) fn try_put_for_now(&self, waiting: Waiting, most: usize) -> Result<(), NoRoom> {
        let mut queues = self.queues.lock();
        if queues.len(waiting.reason, &waiting.queue) >= most.max(1) {
            return Err(NoRoom);
        }
        queues.all.entry((waiting.reason, waiting.queue.clone())).or_default().push_back(waiting);
        Ok(())
    }

    /// Takes everything out of a queue.
    pub(super) fn take(&self, reason: Reason, queue: &str) -> Vec<Waiting> {
        let mut queues = self.queues.lock();
        if queues.all.is_empty() {
            return Vec::new();
        }
        let taken: Vec<Waiting> =
            queues.all.remove(&(reason, queue.into())).map(Vec::from).unwrap_or_default();
        self.forget(&mut queues, &taken);
        taken
    }

    /// Takes the oldest out of a queue.
    pub(super) fn take_first(&self, reason: Reason, queue: &str) -> Option<Waiting> {
        let mut queues = self.queues.lock();
        let key = (reason, queue.into());
        let there = queues.all.get_mut(&key)?;
        let first = there.pop_front()?;
        if there.is_empty() {
            queues.all.remove(&key);
        }
        self.forget(&mut queues, std::slice::from_ref(&first));
        Some(first)
    }

    pub(super) fn len(&self, reason: Reason, queue: &str) -> usize {
        self.queues.lock().len(reason, queue)
    }

    /// The first of each queue, without its content.
    pub(super) fn fronts(&self) -> Vec<Waiting> {
        let queues = self.queues.lock();
        let front = |waiting: &Waiting| Waiting {
            number: waiting.number,
            subscription: waiting.subscription.clone(),
            target: waiting.target.clone(),
            since: waiting.since,
            ..Waiting::new(waiting.reason, &waiting.queue, Value::Null)
        };
        queues.all.values().filter_map(VecDeque::front).map(front).collect()
    }

    /// What to wait for until everything that was put here is durable; once.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        self.queues.lock().ticket.take()
    }

    /// All that waits, for a snapshot.
    pub(crate) fn records(&self) -> Vec<Vec<u8>> {
        let queues = self.queues.lock();
        queues
            .all
            .values()
            .flatten()
            .filter(|waiting| waiting.number > 0)
            .map(|waiting| record(b'N', waiting))
            .collect()
    }

    fn keep(&self, queues: &mut Queues, mut waiting: Waiting) {
        queues.newest += 1;
        waiting.number = queues.newest;
        match self.journal.append(&record(b'N', &waiting)) {
            Ok(ticket) => queues.ticket = Some(ticket),
            // The write that it tells of fails as well.
            Err(error) => tracing::warn!(%error, "a notification that waits is in memory only"),
        }
        queues.all.entry((waiting.reason, waiting.queue.clone())).or_default().push_back(waiting);
    }

    fn forget(&self, queues: &mut Queues, taken: &[Waiting]) {
        let numbers: Vec<u64> =
            taken.iter().map(|waiting| waiting.number).filter(|number| *number > 0).collect();
        if numbers.is_empty() {
            return;
        }
        match self.journal.append(&record(b'F', &numbers)) {
            Ok(ticket) => queues.ticket = Some(ticket),
            Err(error) => tracing::warn!(%error, "notifications that left may leave again after a restart"),
        }
    }
}

impl Queues {
    fn len(&self, reason: Reason, queue: &str) -> usize {
        if self.all.is_empty() {
            return 0;
        }
        self.all.get(&(reason, queue.into())).map_or(0, VecDeque::len)
    }
}

fn record(kind: u8, content: &impl Serialize) -> Vec<u8> {
    let mut record = vec![kind];
    // Writing to memory does not fail, and what waits always has a JSON form.
    let _ = serde_json::to_writer(&mut record, content);
    record
}

/// What waits, on its way from the journal to a shelf.
#[derive(Debug, Default)]
pub(crate) struct Found(BTreeMap<u64, Waiting>);

impl Found {
    /// Whether a record is of a shelf.
    pub(crate) fn is_one(record: &[u8]) -> bool {
        matches!(record.first(), Some(b'N' | b'F'))
    }

    pub(crate) fn take(&mut self, record: &[u8]) -> Result<(), RecordError> {
        match record.split_first() {
            Some((b'N', json)) => {
                let waiting: Waiting = serde_json::from_slice(json)?;
                self.0.insert(waiting.number, waiting);
            }
            Some((b'F', json)) => {
                let numbers: Vec<u64> = serde_json::from_slice(json)?;
                numbers.iter().for_each(|number| drop(self.0.remove(number)));
            }
            _ => return Err(RecordError::Kind),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf(dir: &std::path::Path) -> Shelf {
        let options = morgana_journal::Options { dir: dir.to_owned(), ..morgana_journal::Options::default() };
        let mut found = Found::default();
        let (journal, _) = Journal::open(options, |_, record: &[u8]| found.take(record)).unwrap();
        Shelf::new(journal, found)
    }

    fn waiting(queue: &str, content: u64) -> Waiting {
        Waiting::new(Reason::Poll, queue, Value::from(content))
    }

    fn contents(waiting: Vec<Waiting>) -> Vec<u64> {
        waiting.into_iter().filter_map(|waiting| waiting.content.as_u64()).collect()
    }

    #[test]
    fn of_too_much_the_oldest_is_lost_or_the_newest_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf(dir.path());
        for content in 0..5 {
            shelf.put(waiting("a", content), 3);
        }
        assert_eq!(shelf.try_put(waiting("a", 9), 3), Err(NoRoom));
        assert_eq!(shelf.try_put_for_now(waiting("a", 9), 3), Err(NoRoom));
        assert_eq!(shelf.take_first(Reason::Poll, "a").map(|first| first.content), Some(Value::from(2)));
        assert_eq!(shelf.try_put(waiting("a", 9), 3), Ok(()));
        assert_eq!(contents(shelf.take(Reason::Poll, "a")), [3, 4, 9]);
        assert_eq!(shelf.len(Reason::Poll, "a"), 0);
    }

    #[test]
    fn what_was_not_taken_is_there_again_and_a_snapshot_has_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let first = shelf(dir.path());
        for content in 0..4 {
            first.put(waiting("a", content), 10);
        }
        first.put(waiting("b", 7), 10);
        first.try_put_for_now(waiting("a", 8), 10).unwrap();
        first.take_first(Reason::Poll, "a");
        first.take(Reason::Poll, "b");
        assert_eq!(first.records().len(), 3);
        let mut from_snapshot = Found::default();
        first.records().iter().for_each(|record| from_snapshot.take(record).unwrap());
        assert_eq!(contents(from_snapshot.0.into_values().collect()), [1, 2, 3]);
        drop(first);
        let second = shelf(dir.path());
        assert_eq!(contents(second.take(Reason::Poll, "a")), [1, 2, 3]);
        assert_eq!(second.len(Reason::Poll, "b"), 0);
    }
}
