//! flexContainers: their definitions, their size, and the instances that keep their history (TS-0001 10.2.4.15).

use serde_json::{Map, Value};

use super::{
    Transaction,
    create::{Draft, base_36},
    instances::content_size,
};
use crate::{
    primitive::Request,
    status::Failure,
    time::Time,
    tree::{Attributes, Resource, Slot},
    types::{self, ty},
};

impl Transaction<'_> {
    /// Whether containerDefinition and representation go together.
    pub(super) fn check_flex(draft: &Draft) -> Result<(), Failure> {
        let wanted = types::flex_specialization(&draft.root).map_or("", |known| known.definition);
        let given = draft.content.get("cnd").and_then(Value::as_str).unwrap_or_default();
        if wanted.is_empty() || wanted == given {
            return check_limits(&draft.content, draft.content.contains_key("fcied"));
        }
        Err(Failure::bad(format!("cnd {given}: a {} has the definition {wanted}", draft.root)))
    }

    /// As [`Self::check_flex`], for what an existing one would become.
    pub(super) fn check_flex_update(&self, slot: Slot, content: &Map<String, Value>) -> Result<(), Failure> {
        let attributes = &self.tree.at(slot).attributes;
        let enabled = match content.get("fcied") {
            Some(value) => !value.is_null(),
            None => attributes.get("fcied").is_some(),
        };
        check_limits(content, enabled)?;
        let size = self.tree.at(slot).size;
        match content.get("mbs").and_then(Value::as_u64) {
            Some(most) if most < size => Err(Failure::bad(format!(
                "mbs: the container itself has {size} bytes, and would keep {most}"
            ))),
            _ => Ok(()),
        }
    }

    /// Counts the bytes of the custom attributes.
    pub(super) fn complete_flex(resource: &mut Resource) {
        let custom = types::specialization(ty::FCNT, &resource.root);
        let sizes = custom.iter().map(|attribute| content_size(resource.attributes.get(attribute.name)));
        resource.size = sizes.sum();
    }

    /// Keeps an instance after an update, when it was one of content, and forgets the history when that was switched
    /// off (TS-0001 table 9.6.35-2, flexContainerInstancesEnabled).
    pub(super) fn record_flex_update(
        &mut self,
        slot: Slot,
        request: &Request,
        names: &[String],
    ) -> Result<(), Failure> {
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        let enabled = self.tree.at(slot).attributes.flag("fcied");
        if enabled.is_none() {
            for name in ["mni", "mbs", "mia"] {
                self.tree.at_mut(slot).attributes.remove(name);
            }
            return self.keep_flex_instances(slot, 0);
        }
        let custom = types::specialization(ty::FCNT, &self.tree.at(slot).root);
        let content = has("lbl") || has("loc") || custom.iter().any(|attribute| has(attribute.name));
        if content || self.tree.at(slot).instance_count() == 0 {
            return self.record_flex_instance(slot, request);
        }
        if enabled == Some(false) {
            self.keep_flex_instances(slot, 1)?;
        }
        self.limit_instances(slot)
    }

    /// Keeps the newest instances only.
    fn keep_flex_instances(&mut self, slot: Slot, most: usize) -> Result<(), Failure> {
        let family = self.tree.at(slot).family.as_deref();
        let all: Vec<Slot> = family.into_iter().flat_map(|family| family.instances.iter().copied()).collect();
        for instance in all.iter().take(all.len().saturating_sub(most)) {
            self.take_out(*instance)?;
        }
        Ok(())
    }

    /// Keeps what a flexContainer is now as an instance: with `fcied` true one more, with false the only one.
    pub(super) fn record_flex_instance(&mut self, slot: Slot, request: &Request) -> Result<(), Failure> {
        let container = self.tree.at(slot);
        let Some(history) = container.attributes.flag("fcied") else { return Ok(()) };
        let custom = types::specialization(ty::FCNT, &container.root);
        let names = custom.iter().map(|attribute| attribute.name).chain(["lbl", "loc"]);
        let kept = names.filter_map(|name| Some((name.into(), container.attributes.get(name)?.clone())));
        let mut attributes: Attributes = kept.collect();
        attributes.set("org", Value::from(request.originator()));
        let age = container.attributes.number("mia").and_then(|age| i64::try_from(age).ok());
        let oldest = age.map_or(Time::NEVER, |age| self.now.plus_millis(age.saturating_mul(1000)));
        if age.is_some() {
            attributes.set("aged", Value::Bool(true));
        }
        let expires = container.expires.min(oldest);
        let sequence = self.inner.next_sequence();
        let instance = Resource {
            ty: ty::FCI,
            root: container.root.clone(),
            ri: format!("fci{}", base_36(sequence)).into(),
            rn: format!("fci_{}", base_36(sequence)).into(),
            parent: Some(slot),
            sequence,
            created: self.now,
            modified: self.now,
            expires,
            state_tag: container.state_tag,
            size: container.size,
            creator: container.creator.clone(),
            attributes,
            family: None,
        };
        if !history {
            self.keep_flex_instances(slot, 0)?;
        }
        self.insert(instance)?;
        self.limit_instances(slot)
    }
}

/// Limits of instances make sense only where there are instances.
fn check_limits(content: &Map<String, Value>, enabled: bool) -> Result<(), Failure> {
    let given = |name: &&str| content.get(*name).is_some_and(|value| !value.is_null());
    match ["mni", "mbs", "mia"].into_iter().find(given) {
        Some(name) if !enabled => {
            Err(Failure::bad(format!("{name}: it needs flexContainer instances (fcied)")))
        }
        _ => Ok(()),
    }
}
