//! The audit log: who changed or tried what, from where.
//!
//! The line of a change is written in the commit of the change, so neither is there without the other.
//! What changed nothing (a refused login, a foreign topic on the fabric) is noted on a [`AuditTrail`],
//! which writes it soon after; the same attempt again within a minute is one line, so that nobody can
//! fill the database with refusals.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use morgana_access::Caller;
use morgana_model::AuditEntry;
use morgana_store::Transaction;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::error::chain;
use crate::records::AuditRecord;
use crate::{Controller, Error, metrics};

/// The outcome of what was done.
pub(crate) const OK: &str = "ok";
/// For how long the same attempt is not noted again, in seconds.
const REPEATED_WITHIN_SECONDS: i64 = 60;
/// How many attempts are remembered for that.
const REMEMBERED: usize = 1024;
/// How many attempts may wait to be written; further ones are dropped, and counted.
const WAITING: usize = 256;
/// How many are written in one commit.
const BATCH: usize = 64;
/// How long to wait for the System DB after it refused.
const RETRY: Duration = Duration::from_secs(1);
/// How long a target is at most, in characters: topics may be 65,535 bytes long.
const MAX_TARGET: usize = 300;

/// A new line about what a user did.
pub(crate) fn line(caller: &Caller, action: &str, target: impl ToString, outcome: &str) -> AuditEntry {
    let from = caller.origin.address.map(|address| address.to_string());
    entry(caller.user.as_str(), from, action, &target.to_string(), outcome)
}

/// A new line.
pub(crate) fn entry(
    who: &str,
    from: Option<String>,
    action: &str,
    target: &str,
    outcome: &str,
) -> AuditEntry {
    AuditEntry {
        id: Uuid::now_v7().to_string(),
        at: Timestamp::now(),
        who: cut(who),
        from,
        action: action.to_owned(),
        target: cut(target),
        outcome: outcome.to_owned(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TARGET).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Adds the line of a change to its commit.
pub(crate) fn write(
    transaction: &mut Transaction,
    caller: &Caller,
    action: &str,
    target: impl ToString,
) -> Result<(), Error> {
    transaction.insert(&AuditRecord(line(caller, action, target, OK)))?;
    Ok(())
}

/// Where attempts are noted that changed nothing. Cheap to clone; noting never waits.
#[derive(Clone)]
pub struct AuditTrail(Arc<Trail>);

struct Trail {
    sender: mpsc::Sender<AuditEntry>,
    /// Taken by the task that writes.
    receiver: Mutex<Option<mpsc::Receiver<AuditEntry>>>,
    /// When each attempt was last noted, in seconds.
    recent: Mutex<HashMap<Attempt, i64>>,
}

/// Who, what, to what, with which outcome.
type Attempt = (String, String, String, String);

impl Default for AuditTrail {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self(Arc::new(Trail { sender, receiver: Mutex::new(Some(receiver)), recent: Mutex::default() }))
    }
}

impl AuditTrail {
    pub(crate) fn note(&self, entry: AuditEntry) {
        if self.is_repeated(&entry) {
            return;
        }
        if self.0.sender.try_send(entry).is_err() {
            metrics::audit_dropped();
        }
    }

    fn is_repeated(&self, entry: &AuditEntry) -> bool {
        let attempt = (entry.who.clone(), entry.action.clone(), entry.target.clone(), entry.outcome.clone());
        let now = entry.at.as_second();
        let mut recent = self.0.recent.lock();
        if recent.get(&attempt).is_some_and(|last| now - last < REPEATED_WITHIN_SECONDS) {
            return true;
        }
        if recent.len() >= REMEMBERED {
            recent.retain(|_, last| now - *last < REPEATED_WITHIN_SECONDS);
        }
        // Where everything is recent, somebody makes up targets: then each is a line until the queue is full.
        if recent.len() < REMEMBERED {
            recent.insert(attempt, now);
        }
        false
    }

    /// Writes what is noted, until nobody can note any more.
    pub(crate) async fn write_to(self, controller: Controller) {
        let Some(mut receiver) = self.0.receiver.lock().take() else { return };
        drop(self);
        let mut batch = Vec::new();
        while receiver.recv_many(&mut batch, BATCH).await > 0 {
            while let Err(error) = commit(&controller, &batch).await {
                tracing::error!(error = %chain(&error), "the audit log cannot be written; it is tried again");
                tokio::time::sleep(RETRY).await;
            }
            batch.clear();
        }
    }
}

async fn commit(controller: &Controller, batch: &[AuditEntry]) -> Result<(), Error> {
    let mut transaction = Transaction::new();
    for entry in batch {
        transaction.put(&AuditRecord(entry.clone()), morgana_store::Expect::Any)?;
    }
    transaction.commit(controller.store()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_attempt_within_a_minute_is_one_line() {
        let trail = AuditTrail::default();
        let attempt = |target: &str| entry("silo:t_s", None, "publish", target, "permission-denied");
        assert!(!trail.is_repeated(&attempt("a")));
        assert!(trail.is_repeated(&attempt("a")));
        assert!(!trail.is_repeated(&attempt("b")));
        let mut later = attempt("a");
        later.at += jiff::SignedDuration::from_secs(61);
        assert!(!trail.is_repeated(&later));
    }

    #[test]
    fn memory_is_bounded_and_a_full_queue_drops() {
        let trail = AuditTrail::default();
        for n in 0..5000 {
            trail.note(entry("x", None, "publish", &format!("t{n}"), "permission-denied"));
        }
        assert!(trail.0.recent.lock().len() <= REMEMBERED);
        assert_eq!(trail.0.sender.capacity(), 0);
    }

    #[test]
    fn a_line_is_one_line_of_bounded_length() {
        let entry = entry("w\n", None, "publish", &"x".repeat(70_000), OK);
        assert_eq!(entry.target.chars().count(), MAX_TARGET);
        assert_eq!(entry.who, "w\u{fffd}");
    }
}
