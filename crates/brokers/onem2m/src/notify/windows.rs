//! What subscriptions gather before they notify: batches and rate limits (TS-0001 9.6.8, 10.2.10.7).

use std::sync::{Arc, Weak};

use serde_json::{Value, json};

use super::{
    publish::count_off,
    shelf::{Reason, Waiting},
};
use crate::{
    cse::{Inner, Transaction},
    status::Failure,
    time::{Time, duration_millis, millis},
    tree::{Resource, Slot, Tree},
};

/// Gives a notification to the subscription's batch or sends it, and counts it off.
pub(super) fn hand_over(
    transaction: &mut Transaction<'_>,
    slot: Slot,
    notification: Value,
) -> Result<(), Failure> {
    let inner = transaction.inner;
    let subscription = transaction.tree.at(slot);
    let ri = &subscription.ri;
    if let Some(batch) = subscription.attributes.get("bn") {
        let number = batch.get("num").and_then(Value::as_u64).filter(|number| *number > 0);
        let most =
            number.map_or(inner.options.batch_max, |number| usize::try_from(number).unwrap_or(usize::MAX));
        let waiting = inner.shelf.put(Waiting::new(Reason::Batch, ri, notification), usize::MAX);
        if waiting >= most {
            inner.flush(&transaction.tree, subscription);
        } else if waiting == 1
            && let Some(wait) = batch_millis(batch)
        {
            tokio::spawn(flush_later(Arc::downgrade(&transaction.cse.inner), ri.clone(), wait));
        }
        return count_off(transaction, slot);
    }
    if let Some((most, window)) = subscription.attributes.get("rl").and_then(rate_limit) {
        let held = inner.shelf.len(Reason::Rate, ri);
        if !inner.subscribers.admits(ri, most, window, held > 0) {
            let queue = inner.options.batch_max;
            let waiting = inner.shelf.put(Waiting::new(Reason::Rate, ri, notification), queue);
            // The first of them waits for the end of the window for all.
            if held == 0 && waiting > 0 {
                tokio::spawn(release(Arc::downgrade(&transaction.cse.inner), ri.clone(), window, window));
            }
            return count_off(transaction, slot);
        }
    }
    let category = subscription.attributes.number("nec");
    inner.send(&transaction.tree, subscription, json!({ "m2m:sgn": notification }), 1, category);
    count_off(transaction, slot)
}

/// The number of notifications and the milliseconds of a rate limit.
fn rate_limit(limit: &Value) -> Option<(u64, i64)> {
    let most = limit.get("mnn")?.as_u64()?;
    let window = limit.get("tww")?.as_str().and_then(duration_millis)?;
    Some((most, window))
}

/// `dur` of a batch in milliseconds.
fn batch_millis(batch: &Value) -> Option<i64> {
    match batch.get("dur")? {
        Value::String(text) => duration_millis(text),
        number => number.as_i64(),
    }
}

/// Sends a batch when it has waited long enough.
async fn flush_later(cse: Weak<Inner>, ri: Box<str>, wait: i64) {
    tokio::time::sleep(millis(wait)).await;
    let Some(inner) = cse.upgrade() else { return };
    let tree = inner.tree.read();
    if let Some(slot) = tree.by_id(&ri) {
        inner.flush(&tree, tree.at(slot));
    }
}

/// Sends what a rate limit held, once its window is over in `wait` milliseconds: all of it, or with pendingNotification 1
/// the latest (TS-0001 9.6.8).
async fn release(cse: Weak<Inner>, ri: Box<str>, window: i64, wait: i64) {
    tokio::time::sleep(millis(wait)).await;
    let Some(inner) = cse.upgrade() else { return };
    let tree = inner.tree.read();
    let Some(slot) = tree.by_id(&ri) else { return };
    let subscription = tree.at(slot);
    let mut held = inner.shelf.take(Reason::Rate, &ri);
    inner.subscribers.begin_window(&ri, window, held.len());
    if subscription.attributes.number("pn") == Some(1) || subscription.attributes.flag("ln") == Some(true) {
        held.drain(..held.len().saturating_sub(1));
    }
    for waiting in held {
        let category = subscription.attributes.number("nec");
        inner.send(&tree, subscription, json!({ "m2m:sgn": waiting.content }), 1, category);
    }
}

impl Inner {
    /// Sends what waits in a subscription's batch.
    pub(crate) fn flush(&self, tree: &Tree, subscription: &Resource) {
        let waiting = self.shelf.take(Reason::Batch, &subscription.ri);
        let mut waiting: Vec<Value> = waiting.into_iter().map(|waiting| waiting.content).collect();
        if waiting.is_empty() {
            return;
        }
        let events = waiting.len() as u64;
        let mut category = subscription.attributes.number("nec");
        if subscription.attributes.flag("ln") == Some(true) {
            // Only the latest counts (TS-0001 table 9.6.8-2, latestNotify); its category says so.
            waiting.drain(..waiting.len() - 1);
            category = Some(4);
        }
        self.send(tree, subscription, json!({ "m2m:agn": { "m2m:sgn": waiting } }), events, category);
    }

    /// Goes on with what waited when the CSE ended: of what is gone, nothing waits; batches and windows end when they
    /// would have ended.
    pub(crate) fn revive_waiting(&self, me: &Arc<Self>) {
        let tree = self.tree.read();
        for waiting in self.shelf.fronts() {
            let queue = &waiting.queue;
            let subscription = tree.by_id(queue).map(|slot| tree.at(slot));
            let left = |millis: i64| (waiting.since.plus_millis(millis).0 - Time::now().0).max(0) / 1000;
            match (waiting.reason, subscription) {
                // Whoever watches the schedules looks after these.
                (Reason::Schedule, _) => {}
                (Reason::Poll, _) => {
                    let cse = queue.strip_prefix('/').and_then(|id| tree.by_id(id));
                    if tree.ae(queue).or(cse).is_none() {
                        self.shelf.take(Reason::Poll, queue);
                    }
                }
                (reason, None) => drop(self.shelf.take(reason, queue)),
                (Reason::Batch, Some(found)) => {
                    let wait = found.attributes.get("bn").and_then(batch_millis).unwrap_or_default();
                    tokio::spawn(flush_later(Arc::downgrade(me), queue.clone(), left(wait)));
                }
                (Reason::Rate, Some(found)) => {
                    let window =
                        found.attributes.get("rl").and_then(rate_limit).map_or(0, |(_, window)| window);
                    tokio::spawn(release(Arc::downgrade(me), queue.clone(), window, left(window)));
                }
            }
        }
    }
}
