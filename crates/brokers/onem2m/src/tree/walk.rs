use std::collections::{HashMap, HashSet};

use super::{Slot, Tree, is_instance};
use crate::types::ty;

/// Which children a walk looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Below {
    Everything,
    /// All but the instances of containers, which are most of a tree and have nothing below them.
    Regular,
}

impl Tree {
    /// What is below a resource, level by level to at most `levels`, in the order of creation within a parent: children,
    /// then subscriptions, then instances. The resource itself is left out. `visit` says whether to go on below what it
    /// is given, or `None` to stop.
    pub(crate) fn walk(
        &self,
        top: Slot,
        levels: u64,
        below: Below,
        mut visit: impl FnMut(Slot) -> Option<bool>,
    ) {
        let mut level: Vec<Slot> = vec![top];
        for _ in 0..levels {
            let mut next = Vec::new();
            for parent in level {
                let Some(family) = self.get(parent).and_then(|found| found.family.as_deref()) else {
                    continue;
                };
                let instances = (below == Below::Everything).then_some(&family.instances);
                for child in family.regular().chain(instances.into_iter().flatten().copied()) {
                    match visit(child) {
                        Some(true) => next.push(child),
                        Some(false) => {}
                        None => return,
                    }
                }
            }
            if next.is_empty() {
                return;
            }
            level = next;
        }
    }

    /// Those of `chosen` that are below a resource, in the order of [`Self::walk`]. `visit` says whether to go on.
    pub(crate) fn walk_among(
        &self,
        top: Slot,
        levels: u64,
        chosen: &HashSet<Slot>,
        mut visit: impl FnMut(Slot) -> bool,
    ) {
        let mut ways = self.ways_down(top, chosen);
        let mut level: Vec<Slot> = vec![top];
        for _ in 0..levels {
            let mut next = Vec::new();
            for parent in level {
                let mut children = ways.remove(&parent).unwrap_or_default();
                children.sort_unstable_by_key(|child| self.place_among_siblings(*child));
                for child in &children {
                    if chosen.contains(child) && !visit(*child) {
                        return;
                    }
                }
                next.append(&mut children);
            }
            if next.is_empty() {
                return;
            }
            level = next;
        }
    }

    /// For each resource that leads from `top` to a chosen one: its children that do, or are chosen.
    fn ways_down(&self, top: Slot, chosen: &HashSet<Slot>) -> HashMap<Slot, Vec<Slot>> {
        let mut ways: HashMap<Slot, Vec<Slot>> = HashMap::new();
        // Whether a resource is below the top.
        let mut known: HashMap<Slot, bool> = HashMap::from([(top, true)]);
        for slot in chosen.iter().copied().filter(|slot| *slot != top) {
            let mut climbed = Vec::new();
            let mut next = Some(slot);
            let is_below = loop {
                let Some(slot) = next else { break false };
                if let Some(known) = known.get(&slot) {
                    break *known;
                }
                climbed.push(slot);
                next = self.get(slot).and_then(|resource| resource.parent);
            };
            for slot in climbed {
                known.insert(slot, is_below);
                if is_below && let Some(parent) = self.get(slot).and_then(|resource| resource.parent) {
                    ways.entry(parent).or_default().push(slot);
                }
            }
        }
        ways
    }

    /// The order in which a walk comes to the children of a parent.
    fn place_among_siblings(&self, slot: Slot) -> (u8, u64) {
        self.get(slot).map_or((u8::MAX, 0), |resource| {
            let class = match resource.ty {
                instance if is_instance(instance) => 2,
                ty::SUB => 1,
                _ => 0,
            };
            (class, resource.sequence)
        })
    }

    /// Whether a walk would look at no more than `most` resources.
    pub(crate) fn is_short(&self, top: Slot, levels: u64, below: Below, most: usize) -> bool {
        let mut count = 0;
        self.walk(top, levels, below, |_| {
            count += 1;
            (count <= most).then_some(true)
        });
        count <= most
    }
}
