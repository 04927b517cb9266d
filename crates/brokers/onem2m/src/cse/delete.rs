//! DELETE (TS-0001 10.1.5, TS-0004 7.3.3.8).

use super::{Cse, Transaction, discovery::is_hidden};
use crate::{
    notify::Event,
    primitive::{Outcome, Request},
    privilege::Wish,
    status::{Failure, Status},
    tree::{Resource, Slot, is_instance},
    types::ty,
};

impl Cse {
    pub(super) async fn delete(&self, request: &Request) -> Result<Outcome, Failure> {
        let (outcome, announces) = self.delete_quietly(request).await?;
        if announces {
            self.announce().await;
        }
        Ok(outcome)
    }

    /// Deletes, and says whether announced resources are to be taken away.
    pub(super) async fn delete_quietly(&self, request: &Request) -> Result<(Outcome, bool), Failure> {
        self.write(|transaction| Ok((transaction.delete(request)?, transaction.announces))).await
    }
}

impl Transaction<'_> {
    fn delete(&mut self, request: &Request) -> Result<Outcome, Failure> {
        let slot = self.inner.target(&self.tree, request)?;
        let resource = self.tree.at(slot);
        if resource.ty == ty::CB {
            return Err(Failure::not_allowed("the CSEBase cannot be deleted"));
        }
        let wish = Wish::of(request, &self.inner.identity, request.operation.privilege(), self.now);
        self.inner.demand(&self.tree, slot, &wish)?;
        if resource.ty == ty::REQ && resource.attributes.number("rs") == Some(super::nonblocking::PENDING) {
            return Err(Failure::new(Status::UnableToRecallRequest, "the request is being carried out"));
        }
        let disabled = resource.attributes.flag("disr") == Some(true) && resource.instance_count() > 0;
        if disabled || (is_instance(resource.ty) && is_hidden(&self.tree, resource)) {
            return Err(Failure::not_allowed("disr: the container does not let its instances be deleted"));
        }
        let content = self.inner.show_with_children(&self.tree, slot, request, &wish);
        self.remove(slot, Some(request))?;
        Ok(Outcome::new(Status::Deleted, content))
    }

    /// Takes a resource out, tells who wants to know, and mends what refers to it.
    pub(crate) fn remove(&mut self, slot: Slot, request: Option<&Request>) -> Result<(), Failure> {
        // Subscribers are told while the resource is still there to be shown.
        self.tell(&Event::deleted(slot, request))?;
        if self.tree.get(slot).is_none() {
            return Ok(());
        }
        self.end_subscriptions(slot);
        let parent = self.tree.at(slot).parent;
        let was_instance = is_instance(self.tree.at(slot).ty);
        let removed = self.take_out(slot)?;
        if let Some(parent) = parent.filter(|_| was_instance && request.is_some()) {
            let now = self.now;
            let container = self.tree.at_mut(parent);
            container.state_tag += 1;
            container.modified = now;
            self.keep(parent)?;
        }
        self.mend(&removed)
    }

    /// Takes resources that are gone out of what refers to them: groups, nodes, policies.
    fn mend(&mut self, removed: &[Resource]) -> Result<(), Failure> {
        for resource in removed {
            match resource.ty {
                ty::CIN | ty::TSI | ty::FCI | ty::REQ => continue,
                ty::SUB => {
                    self.end_crosses(resource)?;
                    continue;
                }
                ty::CRS => self.forget_cross(resource)?,
                ty::TSB => self.inner.timers.stop(&resource.ri),
                ty::LCP => self.forget_location(resource)?,
                ty::AE => self.unlink_node(resource)?,
                ty::NOD => self.forget_node(resource)?,
                ty::ACP => self.forget_policy(resource)?,
                ty::TS => self.forget_series(&resource.ri),
                ty::CSR => self.inner.cse_went(),
                ty::PCH => self.inner.courier.polled.close(&resource.creator),
                _ => {}
            }
            self.forget_member(resource)?;
        }
        Ok(())
    }
}
