//! When a target may be notified: the schedule of the subscription, and that of the node that the target is on; and the
//! notifications that wait for it (TS-0001 9.6.8 pendingNotification, 10.2.10.7).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

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

/// Notifications that wait until they may be sent; they do not outlive the CSE.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    lanes: Mutex<HashMap<String, Lane>>,
    came: Arc<Notify>,
}

#[derive(Debug)]
struct Lane {
    subscription: Box<str>,
    target: String,
    waiting: VecDeque<Notification>,
}

#[derive(Debug)]
struct Notification {
    content: Value,
    events: u64,
    category: Option<u64>,
}

/// A notification for one target of a subscription.
pub(super) struct Held<'a> {
    pub(super) lane: &'a str,
    pub(super) target: &'a str,
    pub(super) content: &'a Value,
    pub(super) events: u64,
    pub(super) category: Option<u64>,
}

impl Pending {
    /// Keeps a notification as the subscription's policy says; without one it is lost. At most `queue` wait, and the
    /// oldest are lost first.
    pub(super) fn hold(&self, subscription: &Resource, held: &Held<'_>, queue: usize) {
        let policy = subscription.attributes.number("pn");
        if !matches!(policy, Some(SEND_LATEST | SEND_ALL)) {
            return;
        }
        let mut lanes = self.lanes.lock();
        let lane = lanes.entry(held.lane.to_owned()).or_insert_with(|| Lane {
            subscription: subscription.ri.clone(),
            target: held.target.to_owned(),
            waiting: VecDeque::new(),
        });
        let category = if policy == Some(SEND_LATEST) { Some(LATEST) } else { held.category };
        if policy == Some(SEND_LATEST) {
            lane.waiting.clear();
        }
        lane.waiting.push_back(Notification { content: held.content.clone(), events: held.events, category });
        if lane.waiting.len() > queue.max(1) {
            lane.waiting.pop_front();
        }
        self.came.notify_one();
    }

    /// What waits for a target.
    fn take(&self, lane: &str) -> VecDeque<Notification> {
        self.lanes.lock().remove(lane).map(|lane| lane.waiting).unwrap_or_default()
    }

    pub(super) fn waits(&self, lane: &str) -> bool {
        let lanes = self.lanes.lock();
        !lanes.is_empty() && lanes.contains_key(lane)
    }

    /// Lane, subscription and target of everything that waits.
    fn all(&self) -> Vec<(String, Box<str>, String)> {
        let lanes = self.lanes.lock();
        lanes
            .iter()
            .map(|(name, lane)| (name.clone(), lane.subscription.clone(), lane.target.clone()))
            .collect()
    }
}

impl Inner {
    /// Sends what waits for a target of a subscription.
    pub(super) fn send_pending(&self, tree: &Tree, lane: &str, target: &str) {
        for waiting in self.pending.take(lane) {
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

/// Sends what waits as soon as it may, until the CSE is gone.
pub(crate) async fn watch_pending(cse: Weak<Inner>, stop: CancellationToken) {
    loop {
        let Some(inner) = cse.upgrade() else { return };
        let waiting = inner.pending.all();
        if waiting.is_empty() {
            // The CSE must not be kept alive by who waits for it.
            let came = Arc::clone(&inner.pending.came);
            drop(inner);
            tokio::select! {
                () = came.notified() => {}
                () = stop.cancelled() => return,
            }
            continue;
        }
        {
            let tree = inner.tree.read();
            for (lane, subscription, target) in waiting {
                match tree.by_id(&subscription).map(|slot| tree.at(slot)) {
                    None => drop(inner.pending.take(&lane)),
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
