//! What a response holds (resultContent, TS-0001 8.1.2).

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::{Inner, Transaction};
use crate::{
    primitive::{Outcome, Request, ResultContent, Shown},
    privilege::Wish,
    status::Status,
    tree::{Resource, Slot, Tree},
    types::ty,
};

impl Transaction<'_> {
    /// The answer to a CREATE request, made in the name of someone with rights over some attributes of the parent only
    /// when `visible` says which.
    pub(super) fn created(&self, request: &Request, slot: Slot, visible: Option<&[String]>) -> Outcome {
        let resource = self.tree.at(slot);
        if request.shown
            && visible.is_none()
            && request.wants() == ResultContent::Attributes
            && let Some(shown) = self.inner.shown(&self.tree, resource)
        {
            return Outcome::shown(Status::Created, shown);
        }
        let mut outcome = self.created_in_full(request, slot);
        if let (Some(visible), Some(content)) =
            (visible, outcome.content.as_mut().and_then(Value::as_object_mut))
        {
            for shown in content.values_mut().filter_map(Value::as_object_mut) {
                shown.retain(|name, _| visible.iter().any(|visible| visible == name));
            }
        }
        outcome
    }

    fn created_in_full(&self, request: &Request, slot: Slot) -> Outcome {
        let resource = self.tree.at(slot);
        let address = || self.tree.structured(slot);
        let content = match request.wants() {
            ResultContent::Nothing => None,
            ResultContent::HierarchicalAddress => Some(json!({ "m2m:uri": address() })),
            ResultContent::HierarchicalAddressAndAttributes => {
                let mut both = Map::new();
                both.insert("uri".to_owned(), Value::from(address()));
                both.insert(resource.root.to_string(), Value::from(resource.to_map(&self.tree)));
                Some(json!({ "m2m:rce": both }))
            }
            ResultContent::ModifiedAttributes => Some(self.modified(resource, request)),
            _ => Some(self.inner.show(&self.tree, resource)),
        };
        Outcome::new(Status::Created, content)
    }

    /// The answer to an UPDATE request.
    pub(super) fn updated(&self, request: &Request, slot: Slot) -> Outcome {
        let resource = self.tree.at(slot);
        let content = match request.wants() {
            ResultContent::Nothing => None,
            ResultContent::ModifiedAttributes => Some(self.modified(resource, request)),
            _ => Some(self.inner.show(&self.tree, resource)),
        };
        Outcome::new(Status::Updated, content)
    }

    /// What the CSE made different from the content of the request.
    fn modified(&self, resource: &Resource, request: &Request) -> Value {
        let given =
            request.content.as_ref().and_then(Value::as_object).and_then(|content| content.values().next());
        let creates = request.operation == crate::primitive::Operation::Create;
        let mut map = resource.to_map(&self.tree);
        // What was given and not kept is null.
        let lost = given.and_then(Value::as_object).into_iter().flatten();
        let lost = lost.filter(|(name, value)| !value.is_null() && !map.contains_key(*name));
        let lost: Vec<String> = lost.map(|(name, _)| name.clone()).collect();
        map.retain(|name, value| match given.and_then(|given| given.get(name)) {
            Some(given) => given != value,
            None => creates || name == "lt" || name == "st",
        });
        map.extend(lost.into_iter().map(|name| (name, Value::Null)));
        json!({ &*resource.root: map })
    }
}

impl Inner {
    /// A resource as it is shown.
    pub(crate) fn show(&self, tree: &Tree, resource: &Resource) -> Value {
        json!({ &*resource.root: self.attributes(tree, resource) })
    }

    /// A resource as it is shown, as JSON text; nothing for those with attributes that are never kept.
    pub(super) fn shown(&self, tree: &Tree, resource: &Resource) -> Option<Shown> {
        if matches!(resource.ty, ty::CB | ty::SUB | ty::CRS) {
            return None;
        }
        Some(Shown { json: resource.to_json(tree).into(), ri: resource.ri.clone() })
    }

    /// The attributes of a resource as they are shown, with those that are never kept.
    pub(super) fn attributes(&self, tree: &Tree, resource: &Resource) -> Map<String, Value> {
        let mut map = resource.to_map(tree);
        match resource.ty {
            ty::CB => {
                map.insert("ctm".to_owned(), Value::from(crate::time::Time::now().to_string()));
            }
            ty::SUB | ty::CRS => {
                if let Some(statistics) = self.statistics(resource) {
                    map.insert("nsi".to_owned(), statistics);
                }
            }
            _ => {}
        }
        map
    }

    /// The content of a RETRIEVE or DELETE response about a resource and what is below it.
    pub(super) fn show_with_children(
        &self,
        tree: &Tree,
        slot: Slot,
        request: &Request,
        wish: &Wish<'_>,
    ) -> Option<Value> {
        let resource = tree.at(slot);
        match request.wants() {
            ResultContent::Nothing => None,
            ResultContent::AttributesAndChildResources => {
                let mut map = self.attributes(tree, resource);
                self.nest(tree, slot, request, wish, &mut map);
                Some(json!({ &*resource.root: map }))
            }
            ResultContent::ChildResources => {
                let mut map = Map::new();
                self.nest(tree, slot, request, wish, &mut map);
                Some(json!({ &*resource.root: map }))
            }
            ResultContent::AttributesAndChildReferences => {
                let mut map = self.attributes(tree, resource);
                map.insert("ch".to_owned(), self.references(tree, slot, request, wish));
                Some(json!({ &*resource.root: map }))
            }
            ResultContent::ChildReferences => {
                Some(json!({ "m2m:rrl": { "rrf": self.references(tree, slot, request, wish) } }))
            }
            ResultContent::DiscoveryReferences => {
                let found = self.discover(tree, slot, request, wish);
                let addresses: Vec<Value> =
                    found.into_iter().map(|slot| Value::from(self.reference(tree, slot, request))).collect();
                Some(json!({ "m2m:uril": addresses }))
            }
            ResultContent::Permissions => Some(self.permissions(tree, slot, wish)),
            _ => Some(self.show(tree, resource)),
        }
    }

    /// How a result refers to a resource (desiredIdentifierResultType).
    pub(super) fn reference(&self, tree: &Tree, slot: Slot, request: &Request) -> String {
        let address = if request.unstructured { tree.at(slot).ri.to_string() } else { tree.structured(slot) };
        // An originator that another CSE speaks for gets addresses that lead here from there.
        if request.originator().starts_with('/') { self.identity.sp_relative(&address) } else { address }
    }

    fn references(&self, tree: &Tree, slot: Slot, request: &Request, wish: &Wish<'_>) -> Value {
        let found = self.discover(tree, slot, request, wish);
        let refer = |slot: Slot| {
            let resource = tree.at(slot);
            let address = self.reference(tree, slot, request);
            let address = if request.unstructured && !address.starts_with('/') {
                self.identity.sp_relative(&address)
            } else {
                address
            };
            json!({ "nm": &*resource.rn, "typ": resource.ty, "val": address })
        };
        found.into_iter().map(refer).collect()
    }

    /// Puts the children that the filter lets through under the nearest resource above them that is shown.
    fn nest(&self, tree: &Tree, top: Slot, request: &Request, wish: &Wish<'_>, map: &mut Map<String, Value>) {
        let found = self.discover(tree, top, request, wish);
        let mut below: HashMap<Slot, Vec<Slot>> = HashMap::new();
        let shown: HashSet<Slot> = found.iter().copied().collect();
        for slot in &found {
            let mut above = tree.at(*slot).parent;
            while let Some(parent) = above.filter(|parent| *parent != top && !shown.contains(parent)) {
                above = tree.at(parent).parent;
            }
            below.entry(above.unwrap_or(top)).or_default().push(*slot);
        }
        self.fill(tree, top, &below, map);
    }

    fn fill(&self, tree: &Tree, slot: Slot, below: &HashMap<Slot, Vec<Slot>>, map: &mut Map<String, Value>) {
        for child in below.get(&slot).into_iter().flatten() {
            let resource = tree.at(*child);
            let mut shown = self.attributes(tree, resource);
            self.fill(tree, *child, below, &mut shown);
            let list = map.entry(&*resource.root).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(Value::from(shown));
            }
        }
    }

    /// What the originator may do here (rcn 12).
    fn permissions(&self, tree: &Tree, slot: Slot, wish: &Wish<'_>) -> Value {
        let judge = self.judge(tree);
        let granted = [1, 2, 4, 8, 16, 32].into_iter().filter(|operation| {
            judge.allows(slot, &Wish { operation: *operation, attributes: Some(Vec::new()), ..wish.clone() })
        });
        json!({ "m2m:pmsn": { "ri": &*tree.at(slot).ri, "acop": granted.sum::<u64>() } })
    }
}
