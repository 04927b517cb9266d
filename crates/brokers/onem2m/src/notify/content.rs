//! What a notification says (m2m:notification, TS-0004 7.5.1.1).

use serde_json::{Map, Value, json};

use super::{Event, EventKind};
use crate::{
    address::Identity,
    time::Time,
    tree::{Resource, Tree},
};

/// The number of the event.
pub(super) fn event_type(kind: EventKind, below: bool) -> Option<u64> {
    Some(match (kind, below) {
        (EventKind::Updated, false) => 1,
        (EventKind::Deleted, false) => 2,
        (EventKind::Created, true) => 3,
        (EventKind::Deleted, true) => 4,
        (EventKind::FoundEmpty, _) => 5,
        (EventKind::Missed(_), false) => 8,
        _ => return None,
    })
}

/// The operation of the event, for operationMonitor.
pub(super) fn operation(kind: EventKind) -> Option<u64> {
    match kind {
        EventKind::Created => Some(1),
        EventKind::Retrieved => Some(2),
        EventKind::Updated => Some(3),
        EventKind::Deleted => Some(4),
        EventKind::FoundEmpty | EventKind::Missed(_) => None,
    }
}

/// The name of a subscription in a notification.
pub(crate) fn reference(
    tree: &Tree,
    identity: &Identity,
    subscription: &Resource,
    structured: bool,
) -> String {
    match subscription.parent.filter(|_| structured) {
        Some(parent) => format!("{}/{}", tree.structured(parent), subscription.rn),
        None => identity.sp_relative(&subscription.ri),
    }
}

/// The representation that the subscription asks for (notificationContentType).
fn shown(tree: &Tree, identity: &Identity, event: &Event<'_>, subject: &Resource, kind: u64) -> Value {
    match kind {
        2 if event.kind == EventKind::Updated => {
            let changed: Map<String, Value> = event
                .names
                .iter()
                .map(|name| (name.clone(), subject.attribute(tree, name).unwrap_or(Value::Null)))
                .collect();
            json!({ &*subject.root: changed })
        }
        3 => json!({ "m2m:uri": identity.sp_relative(&subject.ri) }),
        _ => json!({ &*subject.root: subject.to_map(tree) }),
    }
}

/// `m2m:sgn` without its wrapping. `net` is the event's number, or nothing when it is the operation that was monitored.
pub(super) fn single(
    tree: &Tree,
    identity: &Identity,
    event: &Event<'_>,
    subscription: &Resource,
    net: Option<u64>,
    missing: &[Time],
    structured: bool,
) -> Value {
    let subject = tree.at(event.subject);
    let mut happened = Map::new();
    if let EventKind::Missed(_) = event.kind {
        let moments: Vec<String> = missing.iter().map(Time::to_string).collect();
        let missing = json!({ "mdlt": moments, "mdc": missing.len() });
        happened.insert("rep".to_owned(), json!({ "m2m:tsn": missing }));
    } else {
        let kind = subscription.attributes.number("nct").unwrap_or(1);
        happened.insert("rep".to_owned(), shown(tree, identity, event, subject, kind));
    }
    if let Some(net) = net {
        happened.insert("net".to_owned(), Value::from(net));
    } else if let Some(operation) = operation(event.kind) {
        let originator = event.originator.unwrap_or_default();
        happened.insert("om".to_owned(), json!({ "ops": operation, "org": originator }));
    }
    let mut notification = Map::new();
    notification.insert("nev".to_owned(), Value::from(happened));
    notification.insert("sur".to_owned(), Value::from(reference(tree, identity, subscription, structured)));
    if let Some(creator) = subscription.attributes.get("cr") {
        notification.insert("cr".to_owned(), creator.clone());
    } else if subscription.attributes.flag("eeno") == Some(true)
        && let Some(originator) = event.originator
    {
        // enableEventNotificationOriginator: who caused the event takes the creator's place.
        notification.insert("cr".to_owned(), Value::from(originator));
    }
    Value::from(notification)
}
