//! The instances of containers: their size, their order, and how many there may be (TS-0001 10.2.4).

use serde_json::Value;

use super::{Transaction, create::Draft};
use crate::{
    primitive::{Operation, Request},
    status::{Failure, Status},
    time::Time,
    tree::{Resource, Slot},
    types::ty,
};

impl Transaction<'_> {
    /// Whether an instance fits its container.
    pub(super) fn check_instance(&self, parent: Slot, draft: &Draft) -> Result<(), Failure> {
        let container = self.tree.at(parent);
        if let Some(most) = container.attributes.number("mbs") {
            let size = content_size(draft.content.get("con"));
            if size > most {
                let debug = format!("con: it has {size} bytes, and the container keeps {most} (mbs)");
                return Err(Failure::new(Status::NotAcceptable, debug));
            }
        }
        if draft.definition.ty == ty::TSI {
            return self.check_sample(parent, draft);
        }
        Ok(())
    }

    /// Gives an instance its size, its stateTag and its end.
    pub(super) fn complete_instance(&mut self, parent: Slot, resource: &mut Resource, expires: bool) {
        resource.size = content_size(resource.attributes.get("con"));
        let now = self.now;
        let container = self.tree.at_mut(parent);
        container.state_tag += 1;
        container.modified = now;
        resource.state_tag = container.state_tag;
        if resource.creator.is_empty() {
            resource.creator = container.creator.clone();
        }
        let age = container.attributes.number("mia").and_then(|age| i64::try_from(age).ok());
        let oldest = age.map_or(Time::NEVER, |age| now.plus_millis(age.saturating_mul(1000)));
        let end = resource.expires.min(container.expires).min(oldest);
        if age.is_some() || (expires && resource.expires < container.expires) {
            resource.attributes.set("aged", Value::Bool(true));
        }
        resource.expires = end;
    }

    /// Takes the oldest instances out until the container keeps no more than it may. Nobody is told: the standard has
    /// no event for it (TS-0001 10.2.4.7).
    pub(super) fn limit_instances(&mut self, slot: Slot) -> Result<(), Failure> {
        loop {
            let container = self.tree.at(slot);
            let most = container.attributes.number("mni");
            let most_bytes = container.attributes.number("mbs");
            let too_many = most.is_some_and(|most| container.instance_count() > most)
                || most_bytes.is_some_and(|most| container.instance_bytes() > most);
            let oldest = container.family.as_deref().and_then(|family| family.instances.front().copied());
            match oldest {
                Some(oldest) if too_many => drop(self.take_out(oldest)?),
                _ => return Ok(()),
            }
        }
    }

    /// One retrieval less of an instance with `dcnt`; with the last it goes.
    pub(super) fn count_down(&mut self, slot: Slot) -> Result<(), Failure> {
        match self.tree.at(slot).attributes.number("dcnt") {
            Some(left) if left > 1 => {
                self.tree.at_mut(slot).attributes.set("dcnt", Value::from(left - 1));
                self.keep(slot)
            }
            Some(_) => {
                let address = self.tree.structured(slot);
                let by_cse = Request::new(Operation::Delete, address, self.inner.identity.cse_id());
                self.remove(slot, Some(&by_cse))
            }
            None => Ok(()),
        }
    }

    /// A container that lets its instances be retrieved again begins empty (TS-0001 table 9.6.6-2, disableRetrieval).
    pub(super) fn empty_when_enabled(&mut self, slot: Slot) -> Result<(), Failure> {
        if self.tree.at(slot).attributes.flag("disr") == Some(true) {
            return Ok(());
        }
        let instances: Vec<Slot> =
            self.tree.at(slot).family.iter().flat_map(|family| family.instances.iter().copied()).collect();
        for instance in instances {
            self.take_out(instance)?;
        }
        Ok(())
    }
}

/// The bytes of a content: of a string its length, of other JSON the length of its text.
pub(super) fn content_size(content: Option<&Value>) -> u64 {
    match content {
        None => 0,
        Some(Value::String(text)) => text.len() as u64,
        Some(other) => other.to_string().len() as u64,
    }
}
