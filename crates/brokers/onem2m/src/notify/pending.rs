//! When a target may be notified: the schedule of the subscription, and that of the node that the target is on; and the
//! notifications that wait for it (TS-0001 9.6.8 pendingNotification, 10.2.10.7).

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::shelf::{Reason, Waiting};
use crate::{
    address::Identity,
    cse::Inner,
    schedule::Schedule,
    time::Time,
    tree::{Resource, Slot, Tree},
    types::ty,
};

/// Schedules are of whole seconds.
const TICK: Duration = Duration::from_millis(500);

/// m2m:pendingNotification.
const SEND_LATEST: u64 = 1;
const SEND_ALL: u64 = 2;

/// m2m:eventCat.
pub(super) const IMMEDIATE: u64 = 2;
const LATEST: u64 = 4;

/// A notification for one target of a subscription.
pub(super) struct Held<'a> {
    pub(super) lane: &'a str,
    pub(super) target: &'a str,
    pub(super) content: &'a Value,
    pub(super) events: u64,
    pub(super) category: Option<u64>,
}

impl Inner {
    /// Keeps a notification as the subscription's policy says; without one it is lost. At most `batch_max` wait, and the
    /// oldest are lost first.
    pub(super) fn hold(&self, subscription: &Resource, held: &Held<'_>) {
        let (most, category) = match subscription.attributes.number("pn") {
            Some(SEND_LATEST) => (1, Some(LATEST)),
            Some(SEND_ALL) => (self.options.batch_max, held.category),
            _ => return,
        };
        let waiting = Waiting {
            subscription: subscription.ri.clone(),
            target: held.target.into(),
            events: held.events,
            category,
            ..Waiting::new(Reason::Schedule, held.lane, held.content.clone())
        };
        self.shelf.put(waiting, most);
        self.held.notify_one();
    }

    /// Sends what waits for a target of a subscription.
    pub(super) fn send_pending(&self, tree: &Tree, lane: &str, target: &str) {
        for waiting in self.shelf.take(Reason::Schedule, lane) {
            self.send_to(tree, target, lane, waiting.content, waiting.events, waiting.category);
        }
    }
}

/// Whether a subscription may notify a target now.
pub(super) fn is_open(
    tree: &Tree,
    identity: &Identity,
    subscription: &Resource,
    target: &str,
    now: Time,
) -> bool {
    let allows = |schedule: &Resource| {
        let entries = schedule.attributes.get("se").and_then(|se| se.get("sce")).and_then(Value::as_array);
        let entries = entries.into_iter().flatten().filter_map(Value::as_str);
        entries.filter_map(Schedule::parse).any(|entry| entry.contains(now))
    };
    let own = schedule_of(tree, subscription);
    let reach = node_of(tree, identity, target).and_then(|node| schedule_of(tree, tree.at(node)));
    [own, reach].into_iter().flatten().all(|slot| allows(tree.at(slot)))
}

fn schedule_of(tree: &Tree, resource: &Resource) -> Option<Slot> {
    let family = resource.family.as_deref()?;
    family.children.iter().copied().find(|slot| tree.at(*slot).ty == ty::SCH)
}

/// The node of an AE or a CSE, by its nodeLink.
fn node_of(tree: &Tree, identity: &Identity, target: &str) -> Option<Slot> {
    if target.contains("://") {
        return None;
    }
    let short = identity.short_entity(target);
    let slot = tree.ae(short).or_else(|| tree.by_id(short.trim_start_matches('/')))?;
    let link = tree.at(slot).attributes.text("nl")?;
    identity.find(tree, link).filter(|node| tree.at(*node).ty == ty::NOD)
}

/// Sends what waits for a schedule as soon as it may, until the CSE is gone.
pub(crate) async fn watch_pending(cse: Weak<Inner>, stop: CancellationToken) {
    loop {
        let Some(inner) = cse.upgrade() else { return };
        let mut waiting = inner.shelf.fronts();
        waiting.retain(|waiting| waiting.reason == Reason::Schedule);
        if waiting.is_empty() {
            // The CSE must not be kept alive by who waits for it.
            let came = Arc::clone(&inner.held);
            drop(inner);
            tokio::select! {
                () = came.notified() => {}
                () = stop.cancelled() => return,
            }
            continue;
        }
        {
            let tree = inner.tree.read();
            for Waiting { queue: lane, subscription, target, .. } in waiting {
                match tree.by_id(&subscription).map(|slot| tree.at(slot)) {
                    None => drop(inner.shelf.take(Reason::Schedule, &lane)),
                    Some(found) if is_open(&tree, &inner.identity, found, &target, Time::now()) => {
                        inner.send_pending(&tree, &lane, &target);
                    }
                    Some(_) => {}
                }
            }
        }
        drop(inner);
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = stop.cancelled() => return,
        }
    }
}
