//! Groups: their members, and requests to all of them (TS-0001 9.6.13, 10.2.7, TS-0004 7.4.13, 7.4.14).

use serde_json::{Map, Value, json};

use super::{Cse, Transaction};
use crate::{
    address::Virtual,
    primitive::{Operation, Outcome, Request, Response, response_to_json},
    privilege::Wish,
    status::{Failure, Status},
    time::Time,
    tree::{Resource, Slot},
    types::ty,
};

/// m2m:consistencyStrategy: what to do with a member of another type.
const ABANDON_MEMBER: u64 = 1;
const ABANDON_GROUP: u64 = 2;

impl Cse {
    /// Carries a request to a virtual resource out that is not a resource under another name; `None` for all others.
    pub(super) async fn virtual_target(&self, request: &Request) -> Option<Result<Outcome, Failure>> {
        // Most addresses do not have the names at all.
        if !request.to.contains("/fopt") && !request.to.ends_with("/pcu") {
            return None;
        }
        let target = self.inner.identity.resolve(&self.inner.tree.read(), &request.to).ok()?;
        match target.part? {
            Virtual::FanOut(rest) => Some(Box::pin(self.fan_out(request, target.slot, &rest)).await),
            Virtual::PollingChannel => Some(self.poll(request, target.slot).await),
            Virtual::Latest | Virtual::Oldest => None,
        }
    }

    /// Sends a request to all members and puts their answers together (TS-0004 7.4.14.3).
    async fn fan_out(&self, request: &Request, group: Slot, rest: &str) -> Result<Outcome, Failure> {
        let members: Vec<String> = {
            let tree = self.inner.tree.read();
            let resource = tree.get(group).ok_or_else(|| Failure::not_found(&request.to))?;
            self.inner.demand_of_members(&tree, group, request)?;
            let members: Vec<String> = resource.attributes.texts("mid").map(str::to_owned).collect();
            if members.is_empty() {
                return Err(Failure::new(Status::NoMembers, "mid: the group has no members"));
            }
            members
        };
        let mut answers = Vec::with_capacity(members.len());
        for member in members {
            let to = if rest.is_empty() { member.clone() } else { format!("{member}/{rest}") };
            let each = Request { to, shown: false, ..request.clone() };
            let response = Response::to(&each, Box::pin(self.execute(&each)).await);
            answers.push(response_to_json(&response, None, &member, false));
        }
        Ok(Outcome::new(Status::Ok, Some(json!({ "m2m:agr": { "m2m:rsp": answers } }))))
    }
}

impl super::Inner {
    /// Whether the originator may use the members: by `macp`, or else by the group's own policies.
    fn demand_of_members(
        &self,
        tree: &crate::tree::Tree,
        group: Slot,
        request: &Request,
    ) -> Result<(), Failure> {
        let mut wish = Wish::of(request, &self.identity, request.operation.privilege(), Time::now());
        wish.creates = request.ty;
        let policies = tree.at(group).attributes.get("macp").cloned();
        match policies.filter(|list| list.as_array().is_some_and(|list| !list.is_empty())) {
            None => self.demand(tree, group, &wish),
            Some(policies) => {
                let mut governed = tree.at(group).clone();
                governed.attributes.set("acpi", policies);
                if self.judge(tree).allows_by(&governed, &wish) {
                    return Ok(());
                }
                let debug = format!("macp: it does not let {} do this to the members", wish.originator);
                Err(Failure::new(Status::OriginatorHasNoPrivilege, debug))
            }
        }
    }
}

impl Transaction<'_> {
    /// Looks at the members of a new group and counts them.
    pub(super) fn complete_group(
        &mut self,
        request: &Request,
        resource: &mut Resource,
    ) -> Result<(), Failure> {
        let wish = Wish::of(request, &self.inner.identity, Operation::Retrieve.privilege(), self.now);
        if resource.attributes.get("mt").is_none() {
            resource.attributes.set("mt", Value::from(0));
        }
        if resource.attributes.get("csy").is_none() {
            resource.attributes.set("csy", Value::from(ABANDON_MEMBER));
        }
        let members: Vec<String> = resource.attributes.texts("mid").map(str::to_owned).collect();
        let checked = self.check_members(resource, &members, Some(&wish))?;
        resource.attributes.set("mid", Value::from(checked));
        count_members(resource);
        Ok(())
    }

    pub(super) fn check_group_update(
        &mut self,
        slot: Slot,
        content: &Map<String, Value>,
    ) -> Result<(), Failure> {
        let mut changed = self.tree.at(slot).clone();
        for (name, value) in content {
            changed.attributes.set(name.clone(), value.clone());
        }
        let members: Vec<String> = changed.attributes.texts("mid").map(str::to_owned).collect();
        self.check_members(&mut changed, &members, None).map(drop)
    }

    /// Brings what is counted of a group up to date.
    pub(super) fn refresh_group(&mut self, slot: Slot) {
        let mut resource = self.tree.at(slot).clone();
        let members: Vec<String> = resource.attributes.texts("mid").map(str::to_owned).collect();
        if let Ok(checked) = self.check_members(&mut resource, &members, None) {
            resource.attributes.set("mid", Value::from(checked));
        }
        count_members(&mut resource);
        self.tree.at_mut(slot).attributes = resource.attributes;
    }

    /// The members without those named twice, each checked for being there and for its type.
    fn check_members(
        &self,
        group: &mut Resource,
        members: &[String],
        wish: Option<&Wish<'_>>,
    ) -> Result<Vec<String>, Failure> {
        let wanted = group.attributes.number("mt").unwrap_or(0);
        let strategy = group.attributes.number("csy").unwrap_or(ABANDON_MEMBER);
        let mut seen: Vec<Slot> = Vec::new();
        let mut kept: Vec<String> = Vec::new();
        for member in members {
            let plain = member.trim_end_matches("/fopt");
            let Some(slot) = self.inner.identity.find(&self.tree, plain) else {
                if self.inner.identity.local(plain).is_err() {
                    // A member of another CSE; who it is shows when it is asked.
                    if !kept.contains(member) {
                        kept.push(member.clone());
                    }
                    continue;
                }
                return Err(Failure::new(Status::NotFound, format!("mid: there is no resource {member}")));
            };
            if seen.contains(&slot) {
                continue;
            }
            seen.push(slot);
            if let Some(wish) = wish
                && !self.inner.judge(&self.tree).allows(slot, wish)
            {
                let debug = format!("mid: {} may not retrieve {member}", wish.originator);
                return Err(Failure::new(Status::ReceiverHasNoPrivilege, debug));
            }
            let is_group = plain.len() != member.len();
            let type_found = if is_group {
                self.tree.at(slot).attributes.number("mt").unwrap_or(0)
            } else {
                u64::from(self.tree.at(slot).ty)
            };
            if wanted != 0 && type_found != wanted {
                match strategy {
                    ABANDON_MEMBER => continue,
                    ABANDON_GROUP => {
                        let debug = format!("mid: {member} is not of the member type {wanted} (mt)");
                        return Err(Failure::new(Status::GroupMemberTypeInconsistent, debug));
                    }
                    _ => group.attributes.set("mt", Value::from(0)),
                }
            }
            // An address that other CSEs use is kept as the one that this CSE uses.
            let short = member.starts_with('/') && !is_group;
            kept.push(if short { self.tree.at(slot).ri.to_string() } else { member.clone() });
        }
        let most = group.attributes.number("mnm").unwrap_or(u64::MAX);
        if kept.len() as u64 > most {
            let debug = format!("mid: {} members, and the group has room for {most} (mnm)", kept.len());
            return Err(Failure::new(Status::MaxNumberOfMemberExceeded, debug));
        }
        Ok(kept)
    }
}

fn count_members(group: &mut Resource) {
    let count = group.attributes.texts("mid").count();
    let typed = group.attributes.number("mt").unwrap_or(0) != 0;
    group.attributes.set("cnm", Value::from(count));
    group.attributes.set("mtv", Value::Bool(typed || group.ty == ty::GRP));
}
