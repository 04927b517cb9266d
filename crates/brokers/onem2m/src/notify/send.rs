//! From a notification to the queues of those it is for.

use std::sync::Arc;

use morgana_engine::{DeliveryCounts, Endpoint};
use serde_json::Value;

use super::{
    Parcel, destinations,
    pending::{Held, IMMEDIATE, is_open},
    shelf::Reason,
};
use crate::{
    cse::{Cse, Inner},
    time::Time,
    tree::{Resource, Tree},
    types::ty,
};

impl Inner {
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
                self.hold(subscription, &held);
                continue;
            }
            if self.shelf.len(Reason::Schedule, &lane) > 0 {
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
        let idle = self.notifier.counts(lane).is_none_or(|counts| counts.waiting == 0);
        if destination.uri.scheme_str() == Some("poll")
            && idle
            && self.courier.leave_for_poller(&destination.uri, &parcel, lane, events)
        {
            return;
        }
        let lane_name = lane.to_owned();
        // What it tells of is in the journal before it; nobody hears of a write that may still be lost.
        self.notifier.send_after(self.journal.appended(), lane, move || {
            Ok(parcel.into_message(&destination.uri, Some((&lane_name, events))))
        });
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
        self.shelf.take(Reason::Batch, ri);
        self.shelf.take(Reason::Rate, ri);
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
