//! UPDATE (TS-0001 10.1.4, TS-0004 7.3.3.7).

use serde_json::{Map, Value};

use super::{
    Cse, Transaction,
    announce::check_announced_attributes,
    create::{normalise_operations, representation},
};
use crate::{
    notify::Event,
    primitive::{Outcome, Request},
    privilege::Wish,
    status::{Failure, Status},
    time::Time,
    tree::{Slot, is_instance},
    types::{self, ty},
};

impl Cse {
    pub(super) async fn update(&self, request: &Request) -> Result<Outcome, Failure> {
        // A blocking-update subscriber is asked before anything changes (TS-0001 9.6.8, notificationEventType G).
        self.ask_before_update(request).await?;
        self.verify_changed_subscription(request).await?;
        self.update_original(request).await?;
        let (outcome, announces) = self.update_quietly(request).await?;
        if !announces {
            return Ok(outcome);
        }
        self.announce().await;
        // The answer says where it is announced now.
        let transaction = Transaction::begin(self);
        match transaction.inner.identity.resolve(&transaction.tree, &request.to) {
            Ok(target) => Ok(transaction.updated(request, target.slot)),
            Err(_) => Ok(outcome),
        }
    }

    /// Updates, and says whether announced resources are to follow.
    pub(super) async fn update_quietly(&self, request: &Request) -> Result<(Outcome, bool), Failure> {
        self.write(|transaction| Ok((transaction.update(request)?, transaction.announces))).await
    }
}

impl Transaction<'_> {
    fn update(&mut self, request: &Request) -> Result<Outcome, Failure> {
        let (slot, content) = self.check_update(request)?;
        let content = content.clone();
        self.before_update(slot, &content, request)?;
        let old_node = self.tree.at(slot).attributes.text("nl").map(str::to_owned);
        let was_hidden = self.tree.at(slot).attributes.flag("disr") == Some(true);
        let mut names: Vec<String> = content.keys().cloned().collect();
        self.apply(slot, content)?;
        if was_hidden {
            self.empty_when_enabled(slot)?;
        }
        self.after_update(slot, request, &mut names, old_node.as_deref())?;
        self.keep(slot)?;
        self.tell(&Event::updated(slot, request, &names))?;
        Ok(self.updated(request, slot))
    }

    /// Whether the update could be done. Gives the target and the new attributes.
    pub(super) fn check_update<'r>(
        &self,
        request: &'r Request,
    ) -> Result<(Slot, &'r Map<String, Value>), Failure> {
        let target = self.inner.identity.resolve(&self.tree, &request.to)?;
        if target.part.is_some() {
            return Err(Failure::not_allowed(format!("{} cannot be updated", request.to)));
        }
        let slot = target.slot;
        let resource = self.tree.at(slot);
        let content = representation(request.content.as_ref());
        if is_instance(resource.ty) || resource.ty == ty::REQ {
            return Err(Failure::not_allowed(format!("a {} cannot be updated", resource.root)));
        }
        let (root, content) = content?;
        if resource.ty == ty::CB {
            return Err(Failure::not_allowed("the CSEBase cannot be updated"));
        }
        if root != resource.root {
            return Err(Failure::bad(format!("pc: {root} is not the representation of {}", request.to)));
        }
        let mut wish = Wish::of(request, &self.inner.identity, request.operation.privilege(), self.now);
        wish.attributes = Some(content.keys().map(String::as_str).collect());
        if content.contains_key("acpi") {
            if content.len() > 1 && types::original_type(resource.ty).is_none() {
                return Err(Failure::bad(
                    "acpi: it must be the only attribute of an update (TS-0004 7.4.5.2.3)",
                ));
            }
            if !self.inner.judge(&self.tree).allows_policies(slot, &wish) {
                let debug = format!("{} may not change the policies of {}", wish.originator, request.to);
                return Err(Failure::new(Status::OriginatorHasNoPrivilege, debug));
            }
        } else {
            self.inner.demand(&self.tree, slot, &wish)?;
        }
        if let Some(definition) = types::definition(resource.ty) {
            definition.check_update(&resource.root, content)?;
        }
        for address in content.get("acpi").and_then(Value::as_array).into_iter().flatten() {
            let address = address.as_str().unwrap_or_default();
            let elsewhere = types::original_type(resource.ty).is_some()
                && self.inner.identity.elsewhere(address).is_some();
            if !elsewhere {
                self.check_policy(address)?;
            }
        }
        Ok((slot, content))
    }

    /// What a type asks of an update before it is done.
    fn before_update(
        &mut self,
        slot: Slot,
        content: &Map<String, Value>,
        request: &Request,
    ) -> Result<(), Failure> {
        match self.tree.at(slot).ty {
            ty::SUB => self.check_subscription_update(slot, content, request.release.as_deref()),
            ty::GRP => self.check_group_update(slot, content),
            ty::MGMT_OBJ => {
                // Against what it would become: an interval is refused while there is a schedule.
                let mut changed = self.tree.at(slot).attributes.to_map();
                changed
                    .retain(|name, _| matches!(name.as_str(), "rpil" | "rpsc" | "meil" | "mesc" | "wcrds"));
                changed.extend(content.iter().map(|(name, value)| (name.clone(), value.clone())));
                Self::check_mgmt_update(&changed)
            }
            ty::FCNT => self.check_flex_update(slot, content),
            ty::TS => self.check_series_update(slot, content),
            ty::SCH => self.check_schedule_update(slot, content),
            ty::TSB => self.check_beacon_update(slot, content),
            ty::CRS => self.check_cross_update(slot, content),
            _ => Ok(()),
        }
    }

    /// Sets the attributes; null removes one. Whatever may be wrong is found before the first of them changes.
    fn apply(&mut self, slot: Slot, mut content: Map<String, Value>) -> Result<(), Failure> {
        let now = self.now;
        let expires = match content.remove("et") {
            Some(value) => Some(self.new_expiration(&value)?),
            None => None,
        };
        if let Some(names) = content.get("aa").filter(|names| !names.is_null()) {
            let resource = self.tree.at(slot);
            let present = |name: &str| match content.get(name) {
                Some(value) => !value.is_null(),
                None => resource.attributes.get(name).is_some(),
            };
            let kept = types::definition(resource.ty)
                .map(|definition| check_announced_attributes(definition, &resource.root, names, present));
            let kept = kept.transpose()?.flatten().unwrap_or(Value::Null);
            content.insert("aa".to_owned(), kept);
        }
        if let Some(expires) = expires {
            self.tree.expire_at(slot, expires);
        }
        for (name, value) in content {
            let value = match name.as_str() {
                "at" => self.change_announcements(slot, &value).unwrap_or(Value::Null),
                _ => value,
            };
            let resource = self.tree.at(slot);
            let name = match types::definition(resource.ty) {
                Some(definition) => definition.intern(&resource.root, name),
                None => name.into(),
            };
            self.tree.set_attribute(slot, name, (!value.is_null()).then_some(value));
        }
        let resource = self.tree.at_mut(slot);
        resource.modified = now;
        resource.state_tag += 1;
        Ok(())
    }

    /// When the resource is to expire from now on.
    fn new_expiration(&self, wanted: &Value) -> Result<Time, Failure> {
        let wanted = match wanted {
            Value::String(text) => Time::parse_from(text, self.now),
            other => other.as_i64().map(|millis| self.now.plus_millis(millis)),
        };
        if wanted.is_some_and(|wanted| wanted <= self.now) {
            return Err(Failure::bad("et: it is over already"));
        }
        Ok(self.expiration(wanted))
    }

    /// What goes with the update of a type.
    fn after_update(
        &mut self,
        slot: Slot,
        request: &Request,
        names: &mut Vec<String>,
        old_node: Option<&str>,
    ) -> Result<(), Failure> {
        match self.tree.at(slot).ty {
            ty::ACP => normalise_operations(self.tree.at_mut(slot)),
            ty::AE if names.iter().any(|name| name == "nl") => self.link_node(slot, old_node)?,
            ty::CNT | ty::TS => {
                self.limit_instances(slot)?;
                self.restart_series(slot, names);
            }
            ty::GRP => self.refresh_group(slot),
            ty::FCNT => {
                Self::complete_flex(self.tree.at_mut(slot));
                self.record_flex_update(slot, request, names)?;
                names.push("cs".to_owned());
            }
            ty::MGMT_OBJ => Self::complete_mgmt(self.tree.at_mut(slot)),
            ty::SUB => {
                self.after_subscription_update(slot, names);
                self.leave_crosses(slot, names)?;
            }
            ty::TSB => {
                Self::complete_beacon(self.tree.at_mut(slot));
                self.start_beacon(slot);
            }
            ty::LCP => self.start_fence(slot),
            ty::CRS => self.after_cross_update(slot, names),
            _ => {}
        }
        Ok(())
    }
}
