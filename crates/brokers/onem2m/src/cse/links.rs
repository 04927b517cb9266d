//! What resources say of each other, kept right when one of them goes: nodes and what they host, groups and their
//! members, policies and what they govern.

use serde_json::{Map, Value};

use super::Transaction;
use crate::{
    status::Failure,
    tree::{Resource, Slot},
    types::ty,
};

impl Transaction<'_> {
    /// Puts the AE-ID of an AE into the node that its nodeLink names, and takes it out of the one before
    /// (TS-0001 9.6.18, hostedAELinks).
    pub(super) fn link_node(&mut self, slot: Slot, old: Option<&str>) -> Result<(), Failure> {
        let entity = self.hosted(slot);
        let list = if self.tree.at(slot).ty == ty::AE { "hael" } else { "hsl" };
        let new = self.tree.at(slot).attributes.text("nl").map(str::to_owned);
        if old == new.as_deref() {
            return Ok(());
        }
        if let Some(node) = old.and_then(|old| self.inner.identity.find(&self.tree, old)) {
            self.change_list(node, list, |entries| entries.retain(|known| known.as_str() != Some(&entity)))?;
        }
        if let Some(node) = new.and_then(|new| self.inner.identity.find(&self.tree, &new)) {
            self.change_list(node, list, |entries| {
                if !entries.iter().any(|known| known.as_str() == Some(&entity)) {
                    entries.push(Value::from(entity.as_str()));
                }
            })?;
        }
        Ok(())
    }

    fn hosted(&self, slot: Slot) -> String {
        let resource = self.tree.at(slot);
        resource.ae_id().unwrap_or(&resource.ri).to_owned()
    }

    /// Sets the nodeLink of AEs that a new node lists.
    pub(super) fn link_known_entities(&mut self, node: Slot) -> Result<(), Failure> {
        let id = self.tree.at(node).ri.to_string();
        let entities: Vec<String> = self.tree.at(node).attributes.texts("hael").map(str::to_owned).collect();
        for entity in entities {
            let ae = self.tree.ae(self.inner.identity.short_entity(&entity));
            if let Some(ae) = ae {
                self.tree.at_mut(ae).attributes.set("nl", Value::from(id.as_str()));
                self.keep(ae)?;
            }
        }
        Ok(())
    }

    pub(super) fn check_node(&self, content: &Map<String, Value>) -> Result<(), Failure> {
        let id = content.get("ni");
        let taken = self.tree.of_type(ty::NOD).any(|node| self.tree.at(node).attributes.get("ni") == id);
        if taken {
            return Err(Failure::bad("ni: there is a node with this node identifier"));
        }
        Ok(())
    }

    /// Takes an AE that is gone out of its node.
    pub(super) fn unlink_node(&mut self, ae: &Resource) -> Result<(), Failure> {
        let node = ae.attributes.text("nl").and_then(|link| self.inner.identity.find(&self.tree, link));
        let entity = ae.ae_id().unwrap_or_default().to_owned();
        match node {
            Some(node) => self
                .change_list(node, "hael", |entries| entries.retain(|known| known.as_str() != Some(&entity))),
            None => Ok(()),
        }
    }

    /// Takes the link to a node that is gone out of what it hosted.
    pub(super) fn forget_node(&mut self, node: &Resource) -> Result<(), Failure> {
        for list in ["hael", "hsl"] {
            let entities: Vec<String> = node.attributes.texts(list).map(str::to_owned).collect();
            for entity in entities {
                let short = self.inner.identity.short_entity(&entity);
                let slot = self.tree.ae(short).or_else(|| self.tree.by_id(short));
                if let Some(slot) = slot
                    && self.tree.at_mut(slot).attributes.remove("nl").is_some()
                {
                    self.keep(slot)?;
                }
            }
        }
        Ok(())
    }

    /// Takes a policy that is gone out of every `acpi`.
    pub(super) fn forget_policy(&mut self, policy: &Resource) -> Result<(), Failure> {
        let governed: Vec<Slot> =
            self.tree.regular().filter(|slot| self.tree.at(*slot).attributes.get("acpi").is_some()).collect();
        for slot in governed {
            // What no longer leads anywhere is what named the policy, in whatever form of address.
            let gone: Vec<String> = self
                .tree
                .at(slot)
                .attributes
                .texts("acpi")
                .filter(|address| self.inner.identity.find(&self.tree, address).is_none())
                .map(str::to_owned)
                .collect();
            if !gone.is_empty() {
                tracing::debug!(policy = %policy.ri, "a policy that is gone is taken out of acpi");
                self.change_list(slot, "acpi", |entries| {
                    entries.retain(|known| {
                        !known.as_str().is_some_and(|known| gone.iter().any(|gone| gone == known))
                    });
                })?;
            }
        }
        Ok(())
    }

    /// Takes a resource that is gone out of every group.
    pub(super) fn forget_member(&mut self, gone: &Resource) -> Result<(), Failure> {
        let groups: Vec<Slot> = self.tree.of_type(ty::GRP).collect();
        for group in groups {
            let missing = |address: &str| {
                let plain = address.trim_end_matches("/fopt");
                plain.ends_with(&*gone.rn) || plain.ends_with(&*gone.ri)
            };
            let lost: Vec<String> = self
                .tree
                .at(group)
                .attributes
                .texts("mid")
                .filter(|address| missing(address))
                .filter(|address| {
                    self.inner.identity.find(&self.tree, address.trim_end_matches("/fopt")).is_none()
                })
                .map(str::to_owned)
                .collect();
            if !lost.is_empty() {
                if let Some(Value::Array(mut members)) = self.tree.at(group).attributes.get("mid").cloned() {
                    members.retain(|known| {
                        !known.as_str().is_some_and(|known| lost.iter().any(|lost| lost == known))
                    });
                    self.tree.at_mut(group).attributes.set("mid", Value::Array(members));
                }
                self.refresh_group(group);
                self.keep(group)?;
            }
        }
        Ok(())
    }

    /// Changes a list of a resource; an empty one is taken away.
    pub(super) fn change_list(
        &mut self,
        slot: Slot,
        name: &'static str,
        change: impl FnOnce(&mut Vec<Value>),
    ) -> Result<(), Failure> {
        let attributes = &mut self.tree.at_mut(slot).attributes;
        let mut entries = match attributes.remove(name) {
            Some(Value::Array(entries)) => entries,
            _ => Vec::new(),
        };
        change(&mut entries);
        if !entries.is_empty() {
            attributes.set(name, Value::Array(entries));
        }
        self.keep(slot)
    }
}
