//! crossResourceSubscription (TS-0001 9.6.58, 10.2.10.22 and on): subscriptions at several resources that notify it, and
//! one notification when what they say within a time window is what its subscriber waits for.

mod targets;
mod window;

use serde_json::{Map, Value, json};

pub(crate) use self::window::Windows;
use super::{Cse, Transaction, create::Draft};
use crate::{
    primitive::{Outcome, Request},
    status::{Failure, Status},
    tree::{Resource, Slot},
    types::ty,
};

/// m2m:timeWindowType.
const SLIDING: u64 = 2;

/// m2m:eventEvaluationMode.
const ALL_OR_SOME_MISSING: u64 = 3;
const ALL_MISSING: u64 = 4;

impl Transaction<'_> {
    /// What goes together in a crossResourceSubscription (TS-0004 7.4.58.2.1).
    pub(super) fn check_cross(content: &Map<String, Value>) -> Result<(), Failure> {
        let count = |name: &str| content.get(name).and_then(Value::as_array).map(Vec::len);
        let (regular, existing) = (count("rrat"), count("srat"));
        if regular.is_none() && existing.is_none() {
            return Err(Failure::bad("rrat: there must be targets, in rrat or in srat"));
        }
        let criteria = content.get("encs").and_then(|set| set.get("enc")).and_then(Value::as_array);
        match (regular, criteria.map(Vec::len)) {
            (Some(_), None) => {
                Err(Failure::bad("encs: the targets in rrat need event notification criteria"))
            }
            (Some(targets), Some(criteria)) if criteria != 1 && criteria != targets => Err(Failure::bad(
                format!("encs: {criteria} criteria; there must be one for all targets in rrat, or {targets}"),
            )),
            _ => check_window(content),
        }
    }

    pub(super) fn check_cross_update(&self, slot: Slot, content: &Map<String, Value>) -> Result<(), Failure> {
        let mut become_ = self.tree.at(slot).attributes.to_map();
        become_.extend(content.iter().map(|(name, value)| (name.clone(), value.clone())));
        check_window(&become_)
    }

    pub(super) fn complete_cross(resource: &mut Resource) {
        if resource.attributes.get("eem").is_none() {
            resource.attributes.set("eem", Value::from(1));
        }
    }

    /// Another window begins when it is another one; counting begins and ends.
    pub(super) fn after_cross_update(&mut self, slot: Slot, names: &[String]) {
        Self::complete_cross(self.tree.at_mut(slot));
        if names.iter().any(|name| matches!(name.as_str(), "twt" | "tws" | "eem")) {
            self.inner.open_window(&self.cse.inner, self.tree.at(slot));
        }
        if names.iter().any(|name| name == "nse") {
            self.count_notifications(slot);
        }
    }

    /// Ends the subscriptions that a crossResourceSubscription made, and takes it out of those it joined.
    pub(super) fn forget_cross(&mut self, cross: &Resource) -> Result<(), Failure> {
        self.inner.timers.stop(&cross.ri);
        self.inner.windows.forget(&cross.ri);
        let id = self.inner.identity.sp_relative(&cross.ri);
        for made in cross.attributes.texts("rrats") {
            match self.inner.identity.find(&self.tree, made) {
                Some(slot) => self.remove(slot, None)?,
                None => self.cse.leave_far(&cross.creator, made, &id, true),
            }
        }
        for joined in cross.attributes.texts("srat") {
            match self.inner.identity.find(&self.tree, joined) {
                Some(slot) => self.leave(slot, &id)?,
                None => self.cse.leave_far(&cross.creator, joined, &id, false),
            }
        }
        Ok(())
    }

    /// Ends what a subscription that is gone was a part of.
    pub(super) fn end_crosses(&mut self, subscription: &Resource) -> Result<(), Failure> {
        let crosses: Vec<String> = subscription.attributes.texts("acrs").map(str::to_owned).collect();
        for cross in crosses {
            if let Some(slot) = self.inner.identity.find(&self.tree, &cross) {
                self.remove(slot, None)?;
            }
        }
        Ok(())
    }

    /// Ends those that an updated subscription does not name any more (associatedCrossResourceSub).
    pub(super) fn leave_crosses(&mut self, slot: Slot, names: &[String]) -> Result<(), Failure> {
        if !names.iter().any(|name| name == "acrs") {
            return Ok(());
        }
        let subscription = self.tree.at(slot);
        let id = self.inner.identity.sp_relative(&subscription.ri);
        let left = self.tree.of_type(ty::CRS).filter(|cross| {
            let cross = self.tree.at(*cross);
            let named = self.inner.identity.sp_relative(&cross.ri);
            cross.attributes.texts("sources").any(|source| source == id)
                && !subscription.attributes.texts("acrs").any(|known| known == named)
        });
        let left: Vec<Slot> = left.collect();
        for cross in left {
            self.remove(cross, None)?;
        }
        Ok(())
    }
}

impl Cse {
    /// Creates a crossResourceSubscription with the subscriptions it needs, or nothing at all.
    pub(super) async fn create_cross(&self, request: &Request, draft: Draft) -> Result<Outcome, Failure> {
        let ri = draft.ri.clone();
        let mut draft = Some(draft);
        self.write(|transaction| {
            let Some(draft) = draft.take() else { return Ok(()) };
            let parent = transaction.check_create(request, &draft)?;
            transaction.check_near_targets(&draft.content)?;
            let slot = transaction.place(request, draft, parent)?;
            let joined = transaction.subscribe_near(request, slot);
            if joined.is_err() {
                transaction.remove(slot, None)?;
            }
            joined
        })
        .await?;
        if let Err(failure) = self.subscribe_far(request, &ri).await {
            self.write(|transaction| match transaction.tree.by_id(&ri) {
                Some(slot) => transaction.remove(slot, None),
                None => Ok(()),
            })
            .await?;
            return Err(failure);
        }
        let transaction = Transaction::begin(self);
        let slot = transaction.tree.by_id(&ri).ok_or_else(|| {
            Failure::new(Status::CrossResourceOperationFailure, "it ended while it was made")
        })?;
        transaction.inner.open_window(&self.inner, transaction.tree.at(slot));
        Ok(transaction.created(request, slot, None))
    }

    /// A notification for a crossResourceSubscription, of a subscription at another CSE.
    pub(super) async fn notify_cross(&self, ri: &str, content: &Value) -> Result<Outcome, Failure> {
        let notification = content.get("m2m:sgn").ok_or_else(|| {
            Failure::bad(
                "pc: a crossResourceSubscription takes notifications of subscriptions (m2m:sgn) only",
            )
        })?;
        let flag = |name: &str| notification.get(name).and_then(Value::as_bool) == Some(true);
        if flag("vrq") {
            return Ok(Outcome::new(Status::Ok, None));
        }
        let source = notification.get("sur").and_then(Value::as_str).unwrap_or_default().to_owned();
        let known = {
            let tree = self.inner.tree.read();
            let cross = tree.by_id(ri).map(|slot| tree.at(slot));
            cross.is_some_and(|cross| cross.attributes.texts("sources").any(|known| known == source))
        };
        if !known {
            let debug = format!("sur {source}: it is no subscription of this crossResourceSubscription");
            return Err(Failure::new(Status::OriginatorHasNoPrivilege, debug));
        }
        if flag("sud") {
            self.write(|transaction| match transaction.tree.by_id(ri) {
                Some(slot) => transaction.remove(slot, None),
                None => Ok(()),
            })
            .await?;
        } else {
            self.inner.windows.came(ri, &source);
        }
        Ok(Outcome::new(Status::Ok, None))
    }

    /// Says what was seen in a window: one notification to everyone it is for.
    async fn notify_of_window(&self, ri: &str) {
        let told = self
            .write(|transaction| {
                let Some(slot) = transaction.tree.by_id(ri) else { return Ok(()) };
                let sur = transaction.inner.identity.sp_relative(ri);
                let mut content = json!({ "sur": sur });
                let cross = transaction.tree.at(slot);
                if let (Some(creator), Some(members)) = (cross.attributes.get("cr"), content.as_object_mut())
                {
                    members.insert("cr".to_owned(), creator.clone());
                }
                let category = cross.attributes.number("nec");
                transaction.inner.send(&transaction.tree, cross, json!({ "m2m:sgn": content }), 1, category);
                crate::notify::count_off(transaction, slot)
            })
            .await;
        if let Err(failure) = told {
            tracing::warn!(%failure, cross = ri, "cannot notify of a time window");
        }
    }

    /// Opens the windows of those that were there before a restart. What their windows had seen is not kept.
    pub(super) fn revive_windows(&self) {
        let tree = self.inner.tree.read();
        for slot in tree.of_type(ty::CRS) {
            self.inner.open_window(&self.inner, tree.at(slot));
        }
    }
}

fn check_window(content: &Map<String, Value>) -> Result<(), Failure> {
    let number = |name: &str| content.get(name).and_then(Value::as_u64);
    let mode = number("eem").unwrap_or(1);
    if number("twt") == Some(SLIDING) && matches!(mode, ALL_OR_SOME_MISSING | ALL_MISSING) {
        return Err(Failure::bad(format!(
            "eem {mode}: a sliding window (twt 2) begins with an event, so not all can be missing"
        )));
    }
    Ok(())
}
