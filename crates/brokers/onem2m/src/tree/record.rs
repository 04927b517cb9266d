//! What the journal keeps: `R` and a resource, or `G` and the id of one that is gone. Records are absolute; what was
//! below a resource that is gone goes with it when the tree is built.

use std::borrow::Cow;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Attributes, Resource, Slot, Tree};
use crate::{time::Time, types};

/// `A` is the attributes: borrowed to write, a map to read.
#[derive(Serialize, Deserialize)]
struct Stored<'a, A> {
    ty: u32,
    root: Cow<'a, str>,
    ri: Cow<'a, str>,
    rn: Cow<'a, str>,
    pi: Cow<'a, str>,
    seq: u64,
    ct: i64,
    lt: i64,
    et: i64,
    st: u64,
    cs: u64,
    by: Cow<'a, str>,
    at: A,
}

/// A record that cannot be read.
#[derive(Debug, Error)]
pub(crate) enum RecordError {
    #[error("it is neither a resource nor the end of one")]
    Kind,
    #[error("it is not a resource")]
    Json(#[from] serde_json::Error),
    #[error("it is not UTF-8")]
    Text(#[from] std::str::Utf8Error),
}

/// A change as the journal has it.
pub(crate) enum Record {
    /// A resource and its parent's id.
    Resource(Box<Resource>, Box<str>),
    Gone(Box<str>),
}

pub(crate) fn encode_resource(resource: &Resource, parent: &str) -> Vec<u8> {
    let stored = Stored {
        ty: resource.ty,
        root: Cow::Borrowed(&resource.root),
        ri: Cow::Borrowed(&resource.ri),
        rn: Cow::Borrowed(&resource.rn),
        pi: Cow::Borrowed(parent),
        seq: resource.sequence,
        ct: resource.created.0,
        lt: resource.modified.0,
        et: resource.expires.0,
        st: resource.state_tag,
        cs: resource.size,
        by: Cow::Borrowed(&resource.creator),
        at: &resource.attributes,
    };
    let mut record = Vec::with_capacity(256);
    record.push(b'R');
    // Writing to memory does not fail, and a JSON value always has a JSON form.
    let _ = serde_json::to_writer(&mut record, &stored);
    record
}

pub(crate) fn encode_gone(ri: &str) -> Vec<u8> {
    let mut record = Vec::with_capacity(ri.len() + 1);
    record.push(b'G');
    record.extend_from_slice(ri.as_bytes());
    record
}

pub(crate) fn decode(record: &[u8]) -> Result<Record, RecordError> {
    match record.split_first() {
        Some((b'G', ri)) => Ok(Record::Gone(std::str::from_utf8(ri)?.into())),
        Some((b'R', json)) => {
            let stored: Stored<'_, Map<String, Value>> = serde_json::from_slice(json)?;
            let definition = types::definition(stored.ty);
            let name = |name: String| match definition {
                Some(definition) => definition.intern(&stored.root, name),
                None => Cow::Owned(name),
            };
            let attributes: Attributes =
                stored.at.into_iter().map(|(key, value)| (name(key), value)).collect();
            let root = match definition {
                Some(definition) if definition.root == stored.root => Cow::Borrowed(definition.root),
                _ => Cow::Owned(stored.root.into_owned()),
            };
            let resource = Resource {
                ty: stored.ty,
                root,
                ri: stored.ri.into(),
                rn: stored.rn.into(),
                parent: None,
                sequence: stored.seq,
                created: Time(stored.ct),
                modified: Time(stored.lt),
                expires: Time(stored.et),
                state_tag: stored.st,
                size: stored.cs,
                creator: stored.by.into(),
                attributes,
                family: None,
            };
            Ok(Record::Resource(Box::new(resource), stored.pi.into()))
        }
        _ => Err(RecordError::Kind),
    }
}

/// Resources on their way from the journal into a tree.
#[derive(Default)]
pub(crate) struct Recovery(IndexMap<Box<str>, (Box<Resource>, Box<str>)>);

impl Recovery {
    pub(crate) fn take(&mut self, record: &[u8]) -> Result<(), RecordError> {
        match decode(record)? {
            Record::Resource(resource, parent) => {
                drop(self.0.insert(resource.ri.clone(), (resource, parent)))
            }
            Record::Gone(ri) => drop(self.0.swap_remove(&ri)),
        }
        Ok(())
    }

    /// The largest number that a resource has.
    pub(crate) fn newest(&self) -> u64 {
        self.0.values().map(|(resource, _)| resource.sequence).max().unwrap_or_default()
    }

    /// The tree, with the CSEBase given if there is none yet. What has no parent any more is left out.
    pub(crate) fn build(self, base: Resource) -> Tree {
        let mut resources: Vec<_> = self.0.into_values().collect();
        // A parent is always older than its children.
        resources.sort_by_key(|(resource, _)| resource.sequence);
        let mut tree = Tree::default();
        tree.insert(base);
        for (mut resource, parent) in resources {
            let Some(parent) = tree.by_id(&parent) else { continue };
            resource.parent = Some(parent);
            // Counting instances is not written down one by one: it follows from those that are there.
            if super::is_instance(resource.ty) {
                let container = tree.at_mut(parent);
                container.state_tag = container.state_tag.max(resource.state_tag);
                container.modified = container.modified.max(resource.created);
            }
            tree.insert(*resource);
        }
        tree
    }
}

impl Tree {
    /// The records of the resources at some places, for a snapshot. The CSEBase is made anew at each start.
    pub(crate) fn records(&self, from: Slot, to: Slot) -> Vec<Vec<u8>> {
        let places = from.max(super::ROOT + 1)..to.min(self.end());
        places.filter_map(|slot| self.get(slot)).map(|resource| resource.to_record(self)).collect()
    }
}
