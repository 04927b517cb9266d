//! flexContainers: their definitions, their size, and the instances that keep their history (TS-0001 10.2.4.15).

use serde_json::Value;

use super::{Transaction, create::{Draft, base_36}, instances::content_size};
use crate::{
    primitive::Request,
    status::Failure,
    tree::{Attributes, Resource, Slot},
    types::{self, ty},
};

impl Transaction<'_> {
    /// Whether containerDefinition and representation go together.
    pub(super) fn check_flex(draft: &Draft) -> Result<(), Failure> {
        let wanted = types::flex_specialization(&draft.root).map_or("", |known| known.definition);
        let given = draft.content.get("cnd").and_then(Value::as_str).unwrap_or_default();
        if wanted.is_empty() || wanted == given {
            return Ok(());
        }
        Err(Failure::bad(format!("cnd {given}: a {} has the definition {wanted}", draft.root)))
    }

    /// Counts the bytes of the custom attributes.
    pub(super) fn complete_flex(resource: &mut Resource) {
        let custom = types::specialization(ty::FCNT, &resource.root);
        let sizes = custom.iter().map(|attribute| content_size(resource.attributes.get(attribute.name)));
        resource.size = sizes.sum();
    }

    /// Keeps what the custom attributes are now as an instance, where the container asks for it.
    pub(super) fn record_flex_instance(&mut self, slot: Slot, request: &Request) -> Result<(), Failure> {
        let container = self.tree.at(slot);
        if container.attributes.flag("fcied") != Some(true) {
            return Ok(());
        }
        let custom = types::specialization(ty::FCNT, &container.root);
        let kept = |attribute: &types::Attribute| {
            let value = container.attributes.get(attribute.name)?;
            Some((attribute.name.into(), value.clone()))
        };
        let mut attributes: Attributes = custom.iter().filter_map(kept).collect();
        attributes.set("org", Value::from(request.originator()));
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
            expires: container.expires,
            state_tag: container.state_tag,
            size: container.size,
            creator: container.creator.clone(),
            attributes,
            family: None,
        };
        self.insert(instance)?;
        self.limit_instances(slot)
    }
}
