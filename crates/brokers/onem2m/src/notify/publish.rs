//! From an event to the messages of those who want to know.

use std::sync::{Arc, Weak};

use morgana_engine::{DeliveryCounts, Endpoint};
use serde_json::{Value, json};

use super::{
    Event, EventKind, Parcel,
    content::{event_type, operation, single},
    destinations,
    pending::{Held, IMMEDIATE, is_open},
    subscribers::Admission,
};
use crate::{
    cse::{Cse, Inner, Transaction},
    primitive::Filter,
    status::Failure,
    time::{Time, duration_millis, millis},
    tree::{Resource, Slot, Tree, is_instance},
    types::ty,
};

/// Tells every subscription that the event concerns, under the transaction's lock, so that each hears of events in
/// their order.
pub(crate) fn publish(transaction: &mut Transaction<'_>, event: &Event<'_>) -> Result<(), Failure> {
    let Some(subject) = transaction.tree.get(event.subject) else { return Ok(()) };
    let own = transaction.tree.subscriptions(event.subject);
    let above = subject.parent.map_or(&[][..], |parent| transaction.tree.subscriptions(parent));
    if own.is_empty() && above.is_empty() {
        return Ok(());
    }
    let mut concerned: Vec<(Slot, Option<u64>)> = Vec::new();
    for (list, below) in [(own, false), (above, true)] {
        for slot in list {
            if *slot != event.subject
                && let Some(net) = wants(&transaction.tree, transaction.tree.at(*slot), event, below)
            {
                concerned.push((*slot, net));
            }
        }
    }
    for (slot, net) in concerned {
        let structured = transaction.inner.options.structured_references;
        let tree = &transaction.tree;
        let missing = match event.kind {
            EventKind::Missed(moment) => match missing(transaction.inner, tree.at(slot), moment) {
                Some(missing) => missing,
                None => continue,
            },
            _ => Vec::new(),
        };
        let notification =
            single(tree, &transaction.inner.identity, event, tree.at(slot), net, &missing, structured);
        hand_over(transaction, slot, notification)?;
    }
    Ok(())
}

/// Tells a new subscription of the latest creations that were before it (preSubscriptionNotify, TS-0001 10.2.10.7): what
/// the CSE retains of events are the children of the subscribed-to resource.
pub(crate) fn publish_prior(transaction: &mut Transaction<'_>, slot: Slot) -> Result<(), Failure> {
    let subscription = transaction.tree.at(slot);
    let Some(wanted) = subscription.attributes.number("psn").filter(|wanted| *wanted > 0) else {
        return Ok(());
    };
    let Some(parent) = subscription.parent else { return Ok(()) };
    let family = transaction.tree.at(parent).family.as_deref();
    let mut children: Vec<Slot> = family.into_iter().flat_map(|family| family.all()).collect();
    children.retain(|child| {
        let child = transaction.tree.at(*child);
        is_instance(child.ty) || child.ty != ty::SUB
    });
    children.sort_by_key(|child| transaction.tree.at(*child).sequence);
    let event = |subject: Slot| Event { kind: EventKind::Created, subject, originator: None, names: &[] };
    children
        .retain(|child| wants(&transaction.tree, transaction.tree.at(slot), &event(*child), true).is_some());
    let first = children.len().saturating_sub(usize::try_from(wanted).unwrap_or(usize::MAX));
    for child in children.drain(first..) {
        let tree = &transaction.tree;
        let structured = transaction.inner.options.structured_references;
        let identity = &transaction.inner.identity;
        let notification = single(tree, identity, &event(child), tree.at(slot), Some(3), &[], structured);
        hand_over(transaction, slot, notification)?;
        if transaction.tree.get(slot).is_none() {
            break;
        }
    }
    Ok(())
}

/// The missing samples to tell of, once there are as many as the subscription asks for.
fn missing(inner: &Inner, subscription: &Resource, moment: Time) -> Option<Vec<Time>> {
    let wanted = subscription.attributes.get("enc").and_then(|enc| enc.get("md"));
    let needed = wanted.and_then(|wanted| wanted.get("num")).and_then(Value::as_u64).unwrap_or(1);
    let within =
        wanted.and_then(|wanted| wanted.get("dur")).and_then(Value::as_str).and_then(duration_millis);
    let needed = usize::try_from(needed).unwrap_or(usize::MAX);
    inner.subscribers.add_missing(&subscription.ri, moment, needed, within.unwrap_or(i64::MAX / 1000))
}

/// Whether a subscription wants an event: `Some(net)` with the number of the event, `Some(None)` when it is the
/// operation that it monitors.
fn wants(tree: &Tree, subscription: &Resource, event: &Event<'_>, below: bool) -> Option<Option<u64>> {
    let criteria = subscription.attributes.get("enc");
    let member = |name: &str| criteria.and_then(|criteria| criteria.get(name));
    let list = |name: &str| member(name).and_then(Value::as_array);
    if let Some(monitors) = list("om") {
        // Operations on the subscribed-to resource; of a creation, that is the parent.
        let here = below == (event.kind == EventKind::Created);
        let done = operation(event.kind).filter(|_| here)?;
        let fits = monitors.iter().any(|monitor| {
            monitor.get("ops").and_then(Value::as_u64).is_none_or(|wanted| wanted == done)
                && monitor
                    .get("org")
                    .and_then(Value::as_str)
                    .is_none_or(|wanted| Some(wanted) == event.originator)
        });
        return fits.then_some(None);
    }
    let net = event_type(event.kind, below)?;
    let events = list("net");
    let wanted = match events {
        Some(events) => events.iter().any(|wanted| wanted.as_u64() == Some(net)),
        None => net == 1,
    };
    if !wanted {
        return None;
    }
    let subject = tree.at(event.subject);
    if below
        && let Some(types) = list("chty")
        && !types.iter().any(|wanted| wanted.as_u64() == Some(u64::from(subject.ty)))
    {
        return None;
    }
    if event.kind == EventKind::Updated
        && let Some(names) = list("atr")
        && !names
            .iter()
            .any(|wanted| wanted.as_str().is_some_and(|wanted| event.names.iter().any(|name| name == wanted)))
    {
        return None;
    }
    fits_conditions(tree, subject, criteria?).then_some(Some(net))
}

/// The conditions of eventNotificationCriteria over the resource itself; they are those of a filter.
fn fits_conditions(tree: &Tree, subject: &Resource, criteria: &Value) -> bool {
    const CONDITIONS: [&str; 10] = ["crb", "cra", "ms", "us", "sts", "stb", "exb", "exa", "sza", "szb"];
    let given: Vec<&str> = CONDITIONS.into_iter().filter(|name| criteria.get(name).is_some()).collect();
    if given.is_empty() {
        return true;
    }
    let mut filter = Filter::default();
    let read = given.into_iter().chain(["fo"]).all(|name| match criteria.get(name) {
        Some(value) => filter.add_json(name, value).is_ok(),
        None => true,
    });
    read && crate::cse::matches(tree, subject, &filter)
}

/// Gives a notification to the subscription's batch or sends it, and counts it off.
fn hand_over(transaction: &mut Transaction<'_>, slot: Slot, notification: Value) -> Result<(), Failure> {
    let inner = transaction.inner;
    let subscription = transaction.tree.at(slot);
    match subscription.attributes.get("bn") {
        Some(batch) => {
            let number = batch.get("num").and_then(Value::as_u64).filter(|number| *number > 0);
            let most = number
                .map_or(inner.options.batch_max, |number| usize::try_from(number).unwrap_or(usize::MAX));
            let waiting = inner.subscribers.add_to_batch(&subscription.ri, notification);
            if waiting >= most {
                inner.flush(&transaction.tree, subscription);
            } else if waiting == 1
                && let Some(wait) = batch_millis(batch)
            {
                let cse = Arc::downgrade(&transaction.cse.inner);
                let ri = subscription.ri.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(millis(wait)).await;
                    let Some(inner) = cse.upgrade() else { return };
                    let tree = inner.tree.read();
                    if let Some(slot) = tree.by_id(&ri) {
                        inner.flush(&tree, tree.at(slot));
                    }
                });
            }
        }
        None => {
            let limit = subscription.attributes.get("rl").and_then(rate_limit);
            let queue = inner.options.batch_max;
            let admission = match limit {
                Some((most, window)) => {
                    inner.subscribers.admit(&subscription.ri, notification, most, window, queue)
                }
                None => Admission::Now(notification),
            };
            match (admission, limit) {
                (Admission::Now(notification), _) => {
                    let category = subscription.attributes.number("nec");
                    inner.send(
                        &transaction.tree,
                        subscription,
                        json!({ "m2m:sgn": notification }),
                        1,
                        category,
                    );
                }
                (Admission::Held(true), Some((_, window))) => {
                    tokio::spawn(release(
                        Arc::downgrade(&transaction.cse.inner),
                        subscription.ri.clone(),
                        window,
                    ));
                }
                (Admission::Held(_), _) => {}
            }
        }
    }
    count_off(transaction, slot)
}

/// The number of notifications and the milliseconds of a rate limit.
fn rate_limit(limit: &Value) -> Option<(u64, i64)> {
    let most = limit.get("mnn")?.as_u64()?;
    let window = limit.get("tww")?.as_str().and_then(duration_millis)?;
    Some((most, window))
}

/// Sends what a rate limit held, once its window is over: all of it, or with pendingNotification 1 the latest
/// (TS-0001 9.6.8).
async fn release(cse: Weak<Inner>, ri: Box<str>, window: i64) {
    tokio::time::sleep(millis(window)).await;
    let Some(inner) = cse.upgrade() else { return };
    let tree = inner.tree.read();
    let Some(slot) = tree.by_id(&ri) else { return };
    let subscription = tree.at(slot);
    let mut held = inner.subscribers.release(&ri, window);
    if subscription.attributes.number("pn") == Some(1) || subscription.attributes.flag("ln") == Some(true) {
        held.drain(..held.len().saturating_sub(1));
    }
    for notification in held {
        let category = subscription.attributes.number("nec");
        inner.send(&tree, subscription, json!({ "m2m:sgn": notification }), 1, category);
    }
}

/// `dur` of a batch in milliseconds.
fn batch_millis(batch: &Value) -> Option<i64> {
    match batch.get("dur")? {
        Value::String(text) => duration_millis(text),
        number => number.as_i64(),
    }
}

/// One notification less until the subscription expires (expirationCounter).
pub(crate) fn count_off(transaction: &mut Transaction<'_>, slot: Slot) -> Result<(), Failure> {
    match transaction.tree.at(slot).attributes.number("exc") {
        None => Ok(()),
        Some(left) if left > 1 => {
            transaction.tree.at_mut(slot).attributes.set("exc", Value::from(left - 1));
            transaction.keep(slot)
        }
        Some(_) => transaction.remove(slot, None),
    }
}

impl Inner {
    /// Sends what waits in a subscription's batch.
    pub(crate) fn flush(&self, tree: &Tree, subscription: &Resource) {
        let mut waiting = self.subscribers.take_batch(&subscription.ri);
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

    /// Queues a message for every target of a subscription.
    pub(crate) fn send(
        &self,
        tree: &Tree,
        subscription: &Resource,
        content: Value,
        events: u64,
        category: Option<u64>,
    ) {
        let targets = subscription.attributes.texts("nu").map(str::to_owned).enumerate().collect::<Vec<_>>();
        for (index, target) in targets {
            if let Some(cross) = self.cross_at(tree, &target) {
                self.windows.came(&cross, &self.identity.sp_relative(&subscription.ri));
                continue;
            }
            let lane = format!("{}#{index}", subscription.ri);
            if category != Some(IMMEDIATE)
                && !is_open(tree, &self.identity, subscription, &target, Time::now())
            {
                let held = Held { lane: &lane, target: &target, content: &content, events, category };
                self.pending.hold(subscription, &held, self.options.batch_max);
                continue;
            }
            if self.pending.waits(&lane) {
                self.send_pending(tree, &lane, &target);
            }
            self.send_to(tree, &target, &lane, content.clone(), events, category);
        }
    }

    /// The crossResourceSubscription that a target is, by its resourceID.
    fn cross_at(&self, tree: &Tree, target: &str) -> Option<Box<str>> {
        if target.contains("://") || tree.of_type(ty::CRS).next().is_none() {
            return None;
        }
        let slot = self.identity.find(tree, target)?;
        let resource = tree.at(slot);
        (resource.ty == ty::CRS).then(|| resource.ri.clone())
    }

    /// Queues a message for one target in the lane of that name.
    pub(crate) fn send_to(
        &self,
        tree: &Tree,
        target: &str,
        lane: &str,
        content: Value,
        events: u64,
        category: Option<u64>,
    ) {
        let found = match destinations(tree, &self.identity, &self.courier, target) {
            Ok(found) => found,
            Err(why) => {
                tracing::debug!(target, why, "a notification has no way to its target");
                return;
            }
        };
        let Some(destination) = found.into_iter().next() else { return };
        let endpoint = Endpoint {
            uri: destination.uri.clone(),
            headers: http::HeaderMap::new(),
            timeout: self.notifier.default_timeout(),
        };
        self.notifier.open(lane, endpoint, DeliveryCounts::default());
        let parcel = Parcel {
            from: self.identity.cse_id(),
            to: target.to_owned(),
            id: self.next_request_id(),
            release: destination.release,
            category,
            cbor: destination.cbor,
            content,
        };
        let lane_name = lane.to_owned();
        self.notifier
            .send(lane, move || Ok(parcel.into_message(&destination.uri, Some((&lane_name, events)))));
    }

    pub(crate) fn next_request_id(&self) -> String {
        format!("n{}", crate::cse::base_36(self.next_sequence()))
    }

    /// A parcel for a request that is waited for.
    pub(crate) fn parcel(&self, to: &str, release: &'static str, cbor: bool, content: Value) -> Parcel {
        Parcel {
            from: self.identity.cse_id(),
            to: to.to_owned(),
            id: self.next_request_id(),
            release,
            category: None,
            cbor,
            content,
        }
    }

    /// Closes the lanes of a subscription that is gone once they are empty.
    pub(crate) fn retire(&self, cse: &Cse, ri: &str, targets: usize) {
        self.subscribers.forget(ri);
        let notifier = self.notifier.clone();
        let courier = Arc::clone(&cse.inner.courier);
        let lanes: Vec<String> =
            (0..targets).map(|index| format!("{ri}#{index}")).chain([format!("{ri}#gone")]).collect();
        tokio::spawn(async move {
            for lane in lanes {
                // A lane gives every message up after a few attempts, so this ends.
                while notifier.counts(&lane).is_some_and(|counts| counts.waiting > 0) {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                notifier.close(&lane);
                courier.forget_statistics(&lane);
            }
        });
    }
}
