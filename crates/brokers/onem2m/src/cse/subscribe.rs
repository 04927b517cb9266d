//! Subscriptions: what they may say, whether their targets want to hear from them, and their end (TS-0001 10.2.10,
//! TS-0004 7.4.8).

use serde_json::{Map, Value, json};

use super::{Inner, Transaction};
use crate::{
    primitive::Request,
    privilege::Wish,
    status::{Failure, Status},
    tree::{Below, Resource, Slot, Tree},
    types::{self, ty},
};

/// Milliseconds that a batch waits at most when it only has a number.
const BATCH_MILLIS: u64 = 60_000;

impl Transaction<'_> {
    /// Whether a new subscription makes sense, and its originator may retrieve what it is about.
    pub(super) fn check_subscription(
        &self,
        request: &Request,
        parent: Slot,
        content: &Map<String, Value>,
    ) -> Result<(), Failure> {
        let wish = Wish::of(request, &self.inner.identity, 2, self.now);
        if !self.inner.judge(&self.tree).allows(parent, &Wish { attributes: Some(Vec::new()), ..wish }) {
            let debug = format!("{} may not retrieve what it subscribes to", request.originator());
            return Err(Failure::new(Status::SubscriptionCreatorHasNoPrivilege, debug));
        }
        let release = request.release.as_deref().unwrap_or(super::DEFAULT_RELEASE);
        check_criteria(&self.tree, parent, content, release)
    }

    /// As [`Self::check_subscription`], for what an existing one would become.
    pub(super) fn check_subscription_update(
        &self,
        slot: Slot,
        content: &Map<String, Value>,
        release: Option<&str>,
    ) -> Result<(), Failure> {
        let subscription = self.tree.at(slot);
        let mut become_ = subscription.attributes.to_map();
        for (name, value) in content {
            if value.is_null() {
                become_.remove(name);
            } else {
                become_.insert(name.clone(), value.clone());
            }
        }
        let was = subscription.attributes.get("enc").and_then(|enc| enc.get("net"));
        let blocks = |net: Option<&Value>| {
            net.and_then(Value::as_array)
                .is_some_and(|net| net.iter().any(|number| number.as_u64() == Some(7)))
        };
        if content.contains_key("enc")
            && blocks(was) != blocks(become_.get("enc").and_then(|enc| enc.get("net")))
        {
            return Err(Failure::bad(
                "enc.net: a subscription cannot become or cease to be one for blocking updates",
            ));
        }
        if content.get("enc").is_some_and(|enc| blocks(enc.get("net"))) {
            return Err(Failure::bad("enc.net: a subscription for blocking updates cannot be changed"));
        }
        let parent = subscription.parent.unwrap_or(crate::tree::ROOT);
        check_criteria(&self.tree, parent, &become_, release.unwrap_or(super::DEFAULT_RELEASE))
    }

    /// What a subscription is when it does not say.
    pub(super) fn complete_subscription(resource: &mut Resource) {
        let attributes = &mut resource.attributes;
        match attributes.get("enc").cloned() {
            None => attributes.set("enc", json!({ "net": [1] })),
            Some(mut criteria) if criteria.get("net").is_none() && criteria.get("om").is_none() => {
                if let Some(members) = criteria.as_object_mut() {
                    members.insert("net".to_owned(), json!([1]));
                }
                attributes.set("enc", criteria);
            }
            Some(_) => {}
        }
        if attributes.get("nct").is_none() {
            let events = attributes.get("enc").and_then(|enc| enc.get("net")).and_then(Value::as_array);
            let blocks = events.is_some_and(|events| events.iter().any(|event| event.as_u64() == Some(7)));
            attributes.set("nct", Value::from(if blocks { 2 } else { 1 }));
        }
        if let Some(mut batch) = attributes.get("bn").cloned()
            && let Some(members) = batch.as_object_mut()
            && !members.contains_key("dur")
        {
            members.insert("dur".to_owned(), Value::from(BATCH_MILLIS));
            attributes.set("bn", batch);
        }
    }

    pub(super) fn after_subscription_update(&mut self, slot: Slot, names: &[String]) {
        if names.iter().any(|name| name == "nse") {
            self.count_notifications(slot);
        }
        Self::complete_subscription(self.tree.at_mut(slot));
        if self.tree.at(slot).attributes.get("bn").is_none() {
            self.inner.flush(&self.tree, self.tree.at(slot));
        }
    }

    /// Starts, stops or forgets counting (notificationStatsEnable, TS-0001 table 9.6.8-2).
    pub(super) fn count_notifications(&mut self, slot: Slot) {
        let inner = self.inner;
        let ri = self.tree.at(slot).ri.to_string();
        let targets = self.tree.at(slot).attributes.texts("nu").count();
        match self.tree.at(slot).attributes.flag("nse") {
            Some(true) => {
                for index in 0..targets {
                    let lane = format!("{ri}#{index}");
                    inner.subscribers.count_from(&lane, inner.courier.statistics(&lane));
                }
                self.tree.at_mut(slot).attributes.remove("nsi");
            }
            Some(false) => {
                let counted = inner.count(self.tree.at(slot));
                if let Some(counted) = counted {
                    self.tree.at_mut(slot).attributes.set("nsi", counted);
                }
            }
            None => drop(self.tree.at_mut(slot).attributes.remove("nsi")),
        }
    }

    /// Ends the subscriptions at and below a resource that goes: the batch goes out, and who wants to know of the end
    /// is told (subscriberURI).
    pub(super) fn end_subscriptions(&mut self, top: Slot) {
        let mut all = vec![top];
        self.tree.walk(top, u64::MAX, Below::Regular, |slot| {
            all.push(slot);
            Some(true)
        });
        for slot in all {
            let subscription = self.tree.at(slot);
            if !matches!(subscription.ty, ty::SUB | ty::CRS) {
                continue;
            }
            self.inner.flush(&self.tree, subscription);
            if let Some(target) = subscription.attributes.text("su") {
                let structured = self.inner.options.structured_references && subscription.ty == ty::SUB;
                let sur =
                    crate::notify::reference(&self.tree, &self.inner.identity, subscription, structured);
                let mut end = json!({ "sud": true, "sur": sur });
                if let (Some(creator), Some(end)) = (subscription.attributes.get("cr"), end.as_object_mut()) {
                    end.insert("cr".to_owned(), creator.clone());
                }
                let same = subscription.attributes.texts("nu").position(|known| known == target);
                let lane = match same {
                    // In the queue of its notifications, so that it comes after the last of them.
                    Some(index) => format!("{}#{index}", subscription.ri),
                    None => format!("{}#gone", subscription.ri),
                };
                self.inner.send_to(&self.tree, target, &lane, json!({ "m2m:sgn": end }), 1, None);
            }
            self.inner.retire(self.cse, &subscription.ri, subscription.attributes.texts("nu").count());
        }
    }
}

/// What goes together in a subscription (TS-0004 7.4.8.2.1).
fn check_criteria(
    tree: &Tree,
    parent: Slot,
    content: &Map<String, Value>,
    release: &str,
) -> Result<(), Failure> {
    let criteria = content.get("enc");
    let member = |name: &str| criteria.and_then(|criteria| criteria.get(name));
    let events: Vec<u64> =
        member("net").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64).collect();
    let has = |event: u64| events.contains(&event);
    let parent_type = tree.at(parent).ty;
    if member("om").is_some() && member("net").is_some() {
        return Err(Failure::bad("enc: om and net cannot both be given"));
    }
    if let Some(monitors) = member("om").and_then(Value::as_array)
        && monitors.iter().any(|monitor| monitor.as_object().is_none_or(Map::is_empty))
    {
        return Err(Failure::bad("enc.om: an entry must have ops, org or both"));
    }
    for wanted in member("chty").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64) {
        let allowed = types::definition(parent_type)
            .is_some_and(|known| known.children.iter().any(|child| u64::from(*child) == wanted));
        if !allowed {
            return Err(Failure::bad(format!(
                "enc.chty: a resource of type {parent_type} has no children of type {wanted}"
            )));
        }
    }
    let missing = member("md").is_some();
    if has(8) && (parent_type != ty::TS || !missing) {
        return Err(Failure::bad("enc.net: missing data (8) needs md, and a timeSeries to subscribe to"));
    }
    if missing && !has(8) {
        return Err(Failure::bad("enc.md: it goes with the event of missing data (8) only"));
    }
    let targets = content.get("nu").and_then(Value::as_array).map_or(0, Vec::len);
    let kind = content.get("nct").and_then(Value::as_u64);
    if has(7) {
        if events.len() > 1 || targets != 1 {
            return Err(Failure::bad(
                "enc.net: a blocking update (7) is the only event and has one target (nu)",
            ));
        }
        const NOT_WITH: [&str; 7] = ["bn", "rl", "psn", "pn", "nsp", "ln", "exc"];
        if let Some(name) = NOT_WITH.into_iter().find(|name| content.contains_key(*name)) {
            return Err(Failure::bad(format!("{name}: it does not go with blocking updates (enc.net 7)")));
        }
        const WITH: [&str; 2] = ["net", "atr"];
        let members = criteria.and_then(Value::as_object).into_iter().flat_map(Map::keys);
        if let Some(name) = members.into_iter().find(|name| !WITH.contains(&name.as_str())) {
            return Err(Failure::bad(format!(
                "enc.{name}: it does not go with blocking updates (enc.net 7)"
            )));
        }
        if kind.is_some_and(|kind| kind != 2) {
            return Err(Failure::bad("nct: a blocking update is notified with the modified attributes (2)"));
        }
    }
    // Mobius clients ask for the modified attributes of new children and get all of them: they are all new. Later
    // releases have them refused.
    let old = matches!(release, "2" | "2a");
    if kind == Some(2) && events.iter().any(|event| !matches!(event, 1 | 7)) && !old {
        return Err(Failure::bad("nct: the modified attributes (2) go with the event of updates (1) only"));
    }
    if kind == Some(5) && !has(8) {
        return Err(Failure::bad("nct: a timeSeries notification (5) goes with missing data (8) only"));
    }
    Ok(())
}

impl Inner {
    /// notificationStatsInfo of a subscription that counts.
    pub(super) fn statistics(&self, subscription: &Resource) -> Option<Value> {
        match subscription.attributes.flag("nse") {
            Some(true) => self.count(subscription),
            _ => subscription.attributes.get("nsi").cloned(),
        }
    }

    fn count(&self, subscription: &Resource) -> Option<Value> {
        let of = |(index, target): (usize, &str)| {
            let lane = format!("{}#{index}", subscription.ri);
            let counted = self.subscribers.counted_since(&lane, self.courier.statistics(&lane));
            (counted.events > 0).then(|| {
                json!({
                    "tg": target,
                    "rqs": counted.requests,
                    "rsr": counted.responses,
                    "noec": counted.events,
                })
            })
        };
        let counted: Vec<Value> = subscription.attributes.texts("nu").enumerate().filter_map(of).collect();
        (!counted.is_empty()).then(|| Value::from(counted))
    }
}
