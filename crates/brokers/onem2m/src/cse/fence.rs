//! locationPolicy (TS-0001 9.6.10, 10.2.9): the container for positions, and geo-fences. This CSE has no location server:
//! positions are those that the device, or who shares its place, puts into the container as GeoJSON points.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::{Cse, Inner, Transaction, create::Draft};
use crate::{
    location::Area,
    primitive::Request,
    status::{Failure, Status},
    time::{duration_millis, millis},
    tree::{Resource, Slot},
    types::{self, ty},
};

/// m2m:locationSource.
const NETWORK_BASED: u64 = 1;

/// m2m:locationInformationType.
const GEO_FENCE: u64 = 2;

/// m2m:geofenceEventCriteria.
const ENTERING: u64 = 1;
const LEAVING: u64 = 2;
const INSIDE: u64 = 3;
const OUTSIDE: u64 = 4;

impl Transaction<'_> {
    pub(super) fn check_location(content: &Map<String, Value>) -> Result<(), Failure> {
        if content.get("los").and_then(Value::as_u64) == Some(NETWORK_BASED) {
            let debug = "los 1: this CSE has no location server for network-based positions";
            return Err(Failure::new(Status::NotImplemented, debug));
        }
        // TS-0001 table 9.6.10-2: these are for a location server.
        const NETWORK_ONLY: [&str; 5] = ["lot", "lor", "aid", "rlkl", "luec"];
        let given = |name: &&str| content.get(*name).is_some_and(|value| !value.is_null());
        if let Some(name) = NETWORK_ONLY.into_iter().find(given) {
            return Err(Failure::bad(format!("{name}: it goes with network-based positions (los 1) only")));
        }
        let name = |member: &str| content.get(member).and_then(Value::as_str);
        if name("lon").is_some() && name("lon") == name("rn") {
            return Err(Failure::bad("lon: the container needs a name other than the policy's (rn)"));
        }
        Ok(())
    }

    /// Whether the name of the container is free.
    pub(super) fn check_location_name(
        &self,
        parent: Slot,
        content: &Map<String, Value>,
    ) -> Result<(), Failure> {
        match content.get("lon").and_then(Value::as_str) {
            Some(name) if self.tree.child(parent, name).is_some() => {
                let debug = format!("lon {name}: {} has a child of this name", self.tree.structured(parent));
                Err(Failure::new(Status::Conflict, debug))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn complete_location(resource: &mut Resource) {
        resource.attributes.set("lost", Value::from(""));
        if resource.attributes.get("lit").is_none() {
            resource.attributes.set("lit", Value::from(1));
        }
    }

    /// Makes the container for the positions, beside the policy.
    pub(super) fn make_location_container(
        &mut self,
        request: &Request,
        parent: Slot,
        slot: Slot,
    ) -> Result<(), Failure> {
        let Some(definition) = types::definition(ty::CNT) else { return Ok(()) };
        let policy = self.tree.at(slot);
        let mut content = Map::new();
        if let Some(name) = policy.attributes.get("lon") {
            content.insert("rn".to_owned(), name.clone());
        }
        if let Some(policies) = policy.attributes.get("acpi") {
            content.insert("acpi".to_owned(), policies.clone());
        }
        content.insert("li".to_owned(), Value::from(&*policy.ri));
        let creator = policy.creator.to_string();
        let sequence = self.inner.next_sequence();
        let ri = format!("{}{}", definition.prefix, super::base_36(sequence));
        let named = content.contains_key("rn");
        let root = definition.root.into();
        let draft = Draft { definition, root, content, sequence, ri: ri.clone(), creator, named };
        let create = Request::create(request.to.as_str(), request.originator(), ty::CNT, json!({}));
        self.place(&create, draft, parent)?;
        self.tree.at_mut(slot).attributes.set("loi", Value::from(ri));
        self.keep(slot)?;
        self.start_fence(slot);
        Ok(())
    }

    /// Starts the clock of a policy that looks at positions from time to time (locationUpdatePeriod).
    pub(super) fn start_fence(&self, slot: Slot) {
        self.inner.start_fence(&self.cse.inner, self.tree.at(slot));
    }

    /// A position came into a container. Without an update period it is looked at at once: who retrieves the latest
    /// instance then finds what it led to.
    pub(super) fn position_came(&mut self, container: Slot) -> Result<(), Failure> {
        let Some(policy) = self.tree.at(container).attributes.text("li").and_then(|id| self.tree.by_id(id))
        else {
            return Ok(());
        };
        if self.tree.at(policy).ty == ty::LCP && period(self.tree.at(policy)).is_none() {
            self.look_at_fence(policy)?;
        }
        Ok(())
    }

    /// The container goes with its policy.
    pub(super) fn forget_location(&mut self, policy: &Resource) -> Result<(), Failure> {
        self.inner.timers.stop(&policy.ri);
        match policy.attributes.text("loi").and_then(|id| self.tree.by_id(id)) {
            Some(container) => self.remove(container, None),
            None => Ok(()),
        }
    }

    /// Compares the latest position with the region, and writes the event that the policy waits for into the container.
    /// Before the first position the device counts as inside.
    fn look_at_fence(&mut self, slot: Slot) -> Result<(), Failure> {
        let policy = self.tree.at(slot);
        let attributes = &policy.attributes;
        if attributes.number("lit") != Some(GEO_FENCE) {
            return Ok(());
        }
        let area = attributes.get("gta").and_then(|area| Area::of(area).ok());
        let container = attributes.text("loi").and_then(|id| self.tree.by_id(id));
        let (Some(area), Some(container)) = (area, container) else { return Ok(()) };
        let latest = self.tree.at(container).family.as_deref().and_then(|family| family.instances.back());
        let position = latest.and_then(|slot| self.tree.at(*slot).attributes.get("con"));
        let Some(inside) = position.and_then(|position| area.has(position)) else { return Ok(()) };
        let event = match (attributes.flag("inside").unwrap_or(true), inside) {
            (false, true) => ENTERING,
            (true, false) => LEAVING,
            (true, true) => INSIDE,
            (false, false) => OUTSIDE,
        };
        let wanted = attributes.number("gec") == Some(event);
        self.tree.at_mut(slot).attributes.set("inside", Value::Bool(inside));
        self.keep(slot)?;
        if !wanted {
            return Ok(());
        }
        let Some(definition) = types::definition(ty::CIN) else { return Ok(()) };
        let mut content = Map::new();
        content.insert("con".to_owned(), Value::from(event));
        let sequence = self.inner.next_sequence();
        let ri = format!("{}{}", definition.prefix, super::base_36(sequence));
        let creator = self.inner.identity.cse_id();
        let create = Request::create("", creator.as_str(), ty::CIN, json!({}));
        let root = definition.root.into();
        let draft = Draft { definition, root, content, sequence, ri, creator, named: false };
        self.place(&create, draft, container).map(drop)
    }
}

impl Inner {
    fn start_fence(&self, me: &Arc<Self>, policy: &Resource) {
        match period(policy) {
            Some(pause) => self.timers.start(&policy.ri, look(Arc::downgrade(me), policy.ri.clone(), pause)),
            None => self.timers.stop(&policy.ri),
        }
    }
}

impl Cse {
    pub(super) fn revive_fences(&self) {
        let tree = self.inner.tree.read();
        for slot in tree.of_type(ty::LCP) {
            self.inner.start_fence(&self.inner, tree.at(slot));
        }
    }
}

/// The time between two looks at positions; nothing when none or zero is given.
fn period(policy: &Resource) -> Option<Duration> {
    let first = policy.attributes.texts("lou").next().and_then(duration_millis);
    first.filter(|period| *period > 0).map(millis)
}

async fn look(cse: Weak<Inner>, ri: Box<str>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(inner) = cse.upgrade() else { return };
        let looked = Cse { inner }
            .write(|transaction| match transaction.tree.by_id(&ri) {
                Some(slot) => transaction.look_at_fence(slot).map(|()| true),
                None => Ok(false),
            })
            .await;
        match looked {
            Ok(true) => {}
            Ok(false) => return,
            Err(failure) => tracing::warn!(%failure, policy = %ri, "cannot look at a position"),
        }
    }
}
