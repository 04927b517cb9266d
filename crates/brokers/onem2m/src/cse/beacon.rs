//! timeSyncBeacon (TS-0001 from release 4 on): tells entities the time of this CSE, again and again or when a request
//! shows that its originator's clock is wrong.

use std::{sync::Weak, time::Duration};

use serde_json::{Map, Value, json};

use super::{Cse, Inner, Transaction};
use crate::{
    primitive::Request,
    status::Failure,
    time::{Time, duration_millis, millis},
    tree::{Resource, Slot},
    types::ty,
};

/// m2m:beaconCriteria.
const PERIODIC: u64 = 1;
const LOSS_OF_SYNCHRONIZATION: u64 = 2;

/// What holds when the creator does not say: an hour between two beacons, a minute that a clock may be wrong.
const INTERVAL: &str = "PT1H";
const THRESHOLD_MILLIS: u64 = 60_000;

impl Transaction<'_> {
    /// What goes together in a beacon.
    pub(super) fn check_beacon(content: &Map<String, Value>) -> Result<(), Failure> {
        let given = |name: &str| content.get(name).is_some_and(|value| !value.is_null());
        match content.get("bcnc").and_then(Value::as_u64) {
            Some(PERIODIC) if given("bcnt") => {
                Err(Failure::bad("bcnt: a threshold goes with loss of synchronization (bcnc 2) only"))
            }
            Some(LOSS_OF_SYNCHRONIZATION) if given("bcni") => {
                Err(Failure::bad("bcni: an interval goes with periodic beacons (bcnc 1) only"))
            }
            Some(LOSS_OF_SYNCHRONIZATION) if !given("bcnr") => {
                Err(Failure::bad("bcnr: loss of synchronization (bcnc 2) needs the entity to watch"))
            }
            _ => Ok(()),
        }
    }

    /// As [`Self::check_beacon`], for what an existing one would become.
    pub(super) fn check_beacon_update(
        &self,
        slot: Slot,
        content: &Map<String, Value>,
    ) -> Result<(), Failure> {
        let mut become_ = self.tree.at(slot).attributes.to_map();
        // The other criterion's attribute goes with it, when it is not asked for.
        if let Some(criterion) = content.get("bcnc").and_then(Value::as_u64) {
            become_.remove(if criterion == PERIODIC { "bcnt" } else { "bcni" });
        }
        become_.extend(content.iter().map(|(name, value)| (name.clone(), value.clone())));
        Self::check_beacon(&become_)
    }

    pub(super) fn complete_beacon(resource: &mut Resource) {
        let attributes = &mut resource.attributes;
        let (mine, default, other) = if attributes.number("bcnc") == Some(PERIODIC) {
            ("bcni", Value::from(INTERVAL), "bcnt")
        } else {
            ("bcnt", Value::from(THRESHOLD_MILLIS), "bcni")
        };
        attributes.remove(other);
        if attributes.get(mine).is_none() {
            attributes.set(mine, default);
        }
    }

    /// Starts a beacon's clock.
    pub(super) fn start_beacon(&self, slot: Slot) {
        self.inner.start_beacon(&self.cse.inner, self.tree.at(slot));
    }
}

impl Inner {
    fn start_beacon(&self, me: &std::sync::Arc<Self>, beacon: &Resource) {
        let interval = beacon.attributes.text("bcni").and_then(duration_millis);
        match interval.filter(|_| beacon.attributes.number("bcnc") == Some(PERIODIC)) {
            Some(interval) => {
                let task = beat(std::sync::Arc::downgrade(me), beacon.ri.clone(), millis(interval.max(1)));
                self.timers.start(&beacon.ri, task);
            }
            None => self.timers.stop(&beacon.ri),
        }
    }

    /// Sends a beacon to everyone it is for.
    fn send_beacon(&self, ri: &str) -> Option<()> {
        let tree = self.tree.read();
        let beacon = tree.at(tree.by_id(ri)?);
        let content = json!({ "m2m:tsbn": { "tbr": ri, "ctm": Time::now().to_string() } });
        for (index, target) in beacon.attributes.texts("bcnu").enumerate() {
            self.send_to(&tree, target, &format!("{ri}#{index}"), content.clone(), 1, None);
        }
        Some(())
    }
}

impl Cse {
    /// Starts the clocks of the beacons that were there before a restart.
    pub(super) fn revive_beacons(&self) {
        let tree = self.inner.tree.read();
        for slot in tree.of_type(ty::TSB) {
            self.inner.start_beacon(&self.inner, tree.at(slot));
        }
    }

    /// Looks at when a request says that it was made, and tells its originator the time when that is too far off.
    pub(super) fn watch_clock(&self, request: &Request) {
        let Some(made) = request.originated.as_deref().and_then(Time::parse) else { return };
        let late: Vec<Box<str>> = {
            let tree = self.inner.tree.read();
            let originator = self.inner.identity.short_entity(request.originator());
            let off = i64::try_from((Time::now().0 - made.0).unsigned_abs() / 1000).unwrap_or(i64::MAX);
            let watching = tree.of_type(ty::TSB).map(|slot| tree.at(slot)).filter(|beacon| {
                let attributes = &beacon.attributes;
                attributes.number("bcnc") == Some(LOSS_OF_SYNCHRONIZATION)
                    && attributes
                        .text("bcnr")
                        .is_some_and(|watched| self.inner.identity.short_entity(watched) == originator)
                    && off > threshold(beacon)
            });
            watching.map(|beacon| beacon.ri.clone()).collect()
        };
        for ri in late {
            self.inner.send_beacon(&ri);
        }
    }
}

/// Milliseconds that a clock may be wrong.
fn threshold(beacon: &Resource) -> i64 {
    match beacon.attributes.get("bcnt") {
        Some(Value::String(text)) => duration_millis(text).unwrap_or(i64::MAX),
        Some(number) => number.as_i64().unwrap_or(i64::MAX),
        None => i64::MAX,
    }
}

async fn beat(cse: Weak<Inner>, ri: Box<str>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(inner) = cse.upgrade() else { return };
        if inner.send_beacon(&ri).is_none() {
            return;
        }
    }
}
