//! From an event to the messages of those who want to know.

use serde_json::Value;

use super::{
    Event, EventKind,
    content::{event_type, operation, single},
    windows::hand_over,
};
use crate::{
    cse::{Inner, Transaction},
    primitive::Filter,
    status::Failure,
    time::{Time, duration_millis},
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
