use std::{borrow::Cow, collections::VecDeque};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{Attributes, Slot, Tree, is_instance};
use crate::{
    time::Time,
    types::{self, ty},
};

/// A resource. What every resource has is in fields, the rest in `attributes`.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) ty: u32,
    /// The member name of its representation, such as `m2m:cnt`.
    pub(crate) root: Cow<'static, str>,
    pub(crate) ri: Box<str>,
    pub(crate) rn: Box<str>,
    pub(crate) parent: Option<Slot>,
    /// Its number in the order of creation.
    pub(crate) sequence: u64,
    pub(crate) created: Time,
    pub(crate) modified: Time,
    pub(crate) expires: Time,
    pub(crate) state_tag: u64,
    /// The bytes of an instance's content; the content size of a flexContainer.
    pub(crate) size: u64,
    /// Who created it; the default policy is theirs (TS-0001 9.6.1.3.2).
    pub(crate) creator: Box<str>,
    pub(crate) attributes: Attributes,
    pub(crate) family: Option<Box<Family>>,
}

/// What is below a resource.
#[derive(Debug, Clone, Default)]
pub(crate) struct Family {
    /// Children other than instances and subscriptions, in the order of creation.
    pub(crate) children: Vec<Slot>,
    pub(crate) subscriptions: Vec<Slot>,
    /// The instances of a container, oldest first.
    pub(crate) instances: VecDeque<Slot>,
    /// Their size in bytes.
    pub(crate) bytes: u64,
}

impl Family {
    /// Everything below: children, subscriptions, instances.
    pub(crate) fn all(&self) -> impl Iterator<Item = Slot> {
        self.regular().chain(self.instances.iter().copied())
    }

    /// Children and subscriptions.
    pub(crate) fn regular(&self) -> impl Iterator<Item = Slot> {
        self.children.iter().chain(&self.subscriptions).copied()
    }

    pub(super) fn adopt(&mut self, slot: Slot, child: &Resource) {
        if is_instance(child.ty) {
            self.instances.push_back(slot);
            self.bytes += child.size;
        } else if child.ty == ty::SUB {
            self.subscriptions.push(slot);
        } else {
            self.children.push(slot);
        }
    }

    pub(super) fn release(&mut self, slot: Slot, child: &Resource) {
        if is_instance(child.ty) {
            if self.instances.front() == Some(&slot) {
                self.instances.pop_front();
            } else {
                self.instances.retain(|known| *known != slot);
            }
            self.bytes = self.bytes.saturating_sub(child.size);
        } else if child.ty == ty::SUB {
            self.subscriptions.retain(|known| *known != slot);
        } else {
            self.children.retain(|known| *known != slot);
        }
    }
}

impl Resource {
    /// The AE-ID of an AE.
    pub(crate) fn ae_id(&self) -> Option<&str> {
        if self.ty == ty::AE { self.attributes.text("aei") } else { None }
    }

    pub(crate) fn family_mut(&mut self) -> &mut Family {
        self.family.get_or_insert_default()
    }

    pub(crate) fn instance_count(&self) -> u64 {
        self.family.as_ref().map_or(0, |family| family.instances.len() as u64)
    }

    pub(crate) fn instance_bytes(&self) -> u64 {
        self.family.as_ref().map_or(0, |family| family.bytes)
    }

    /// Whether its own time has to be watched. Most instances go with their container.
    pub(super) fn expires_on_its_own(&self) -> bool {
        self.expires != Time::NEVER && (!is_instance(self.ty) || self.attributes.flag("aged") == Some(true))
    }

    /// Whether it counts instances: a container, a timeSeries, or a flexContainer that keeps any.
    pub(crate) fn counts_instances(&self) -> bool {
        match self.ty {
            ty::CNT | ty::TS => true,
            ty::FCNT => self.attributes.flag("fcied").is_some(),
            _ => false,
        }
    }

    /// Hands over the attributes of its representation, one by one.
    fn each<E>(&self, tree: &Tree, mut put: impl FnMut(&str, Shown<'_>) -> Result<(), E>) -> Result<(), E> {
        put("rn", Shown::Text(&self.rn))?;
        put("ty", Shown::Number(u64::from(self.ty)))?;
        put("ri", Shown::Text(&self.ri))?;
        put("pi", Shown::Text(tree.parent_id(self)))?;
        put("ct", Shown::Time(self.created))?;
        put("lt", Shown::Time(self.modified))?;
        if self.expires != Time::NEVER {
            put("et", Shown::Time(self.expires))?;
        }
        if types::definition(self.ty).is_some_and(types::TypeDef::has_state_tag) {
            put("st", Shown::Number(self.state_tag))?;
        }
        if is_instance(self.ty) || self.ty == ty::FCNT {
            put("cs", Shown::Number(self.size))?;
        }
        if self.counts_instances() {
            put("cni", Shown::Number(self.instance_count()))?;
            put("cbs", Shown::Number(self.instance_bytes()))?;
        }
        for (name, value) in self.attributes.iter().filter(|(name, _)| !is_private(name)) {
            put(name, Shown::Other(value))?;
        }
        Ok(())
    }

    /// The attributes of its representation.
    pub(crate) fn to_map(&self, tree: &Tree) -> Map<String, Value> {
        let mut map = Map::with_capacity(12);
        let put = |name: &str, value: Shown<'_>| {
            map.insert(name.to_owned(), value.into());
            Ok::<(), std::convert::Infallible>(())
        };
        let Ok(()) = self.each(tree, put);
        map
    }

    /// Its representation as JSON text, `{"m2m:cin": {...}}`, without a tree of values in between.
    pub(crate) fn to_json(&self, tree: &Tree) -> Vec<u8> {
        let mut json = Vec::with_capacity(384);
        let mut serializer = serde_json::Serializer::new(&mut json);
        // Writing to memory does not fail, and a JSON value always has a JSON form.
        let _ = Representation { resource: self, tree, inside: false }.serialize(&mut serializer);
        json
    }

    /// One attribute as it is shown.
    pub(crate) fn attribute(&self, tree: &Tree, name: &str) -> Option<Value> {
        match name {
            "rn" => Some(Value::from(&*self.rn)),
            "ty" => Some(Value::from(self.ty)),
            "ri" => Some(Value::from(&*self.ri)),
            "pi" => Some(Value::from(tree.parent_id(self))),
            "ct" => Some(Value::from(self.created.to_string())),
            "lt" => Some(Value::from(self.modified.to_string())),
            "et" => (self.expires != Time::NEVER).then(|| Value::from(self.expires.to_string())),
            "st" => Some(Value::from(self.state_tag)),
            "cs" => (is_instance(self.ty) || self.ty == ty::FCNT).then(|| Value::from(self.size)),
            "cni" => self.counts_instances().then(|| Value::from(self.instance_count())),
            "cbs" => self.counts_instances().then(|| Value::from(self.instance_bytes())),
            name if is_private(name) => None,
            name => self.attributes.get(name).cloned(),
        }
    }

    /// What is written to the journal for it.
    pub(crate) fn to_record(&self, tree: &Tree) -> Vec<u8> {
        super::encode_resource(self, tree.parent_id(self))
    }
}

/// An attribute as it is shown.
enum Shown<'a> {
    Text(&'a str),
    Number(u64),
    Time(Time),
    Other(&'a Value),
}

impl From<Shown<'_>> for Value {
    fn from(shown: Shown<'_>) -> Self {
        match shown {
            Shown::Text(text) => Self::from(text),
            Shown::Number(number) => Self::from(number),
            Shown::Time(time) => Self::from(time.to_string()),
            Shown::Other(value) => value.clone(),
        }
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Time(time) => serializer.collect_str(time),
            Self::Other(value) => value.serialize(serializer),
        }
    }
}

/// A resource as it is shown: inside are its attributes, outside is the name of its type.
struct Representation<'a> {
    resource: &'a Resource,
    tree: &'a Tree,
    inside: bool,
}

impl Serialize for Representation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.inside {
            self.resource.each(self.tree, |name, value| map.serialize_entry(name, &value))?;
        } else {
            map.serialize_entry(&*self.resource.root, &Representation { inside: true, ..*self })?;
        }
        map.end()
    }
}

/// Attributes that the CSE keeps for itself: `aged`, an instance that expires before its container; `dynamic`, a policy
/// that a Dynamic Authorization Server granted; `inside`, where a geo-fence saw its device last; `sources`, the
/// subscriptions that a crossResourceSubscription hears from.
fn is_private(name: &str) -> bool {
    matches!(name, "aged" | "dynamic" | "inside" | "sources")
}
