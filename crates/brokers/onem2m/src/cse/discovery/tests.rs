//! What an index finds is what looking at every resource finds, in the same order.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{each_fitting, matches, scope::Scope};
use crate::{
    primitive::Filter,
    time::Time,
    tree::{Attributes, Below, ROOT, Resource, Slot, Tree, is_instance},
    types::ty,
};

const TYPES: [u32; 6] = [ty::AE, ty::CNT, ty::CIN, ty::SUB, ty::GRP, ty::TSI];
const LABELS: [&str; 4] = ["red", "green", "room:kitchen", "rare"];

#[derive(Debug, Clone)]
enum Change {
    Insert { parent: usize, ty: usize, labels: Vec<bool> },
    Remove { which: usize },
    Relabel { which: usize, labels: Vec<bool> },
}

fn labels() -> impl Strategy<Value = Vec<bool>> {
    // Most have no rare one, so that the index is the cheaper way.
    (any::<bool>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.1))
        .prop_map(|(a, b, c, d)| vec![a, b, c, d])
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => (any::<usize>(), any::<usize>(), labels())
            .prop_map(|(parent, ty, labels)| Change::Insert { parent, ty, labels }),
        1 => any::<usize>().prop_map(|which| Change::Remove { which }),
        2 => (any::<usize>(), labels()).prop_map(|(which, labels)| Change::Relabel { which, labels }),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let types = prop::collection::vec(prop::sample::select(&TYPES[..]), 0..3);
    let names = prop::collection::vec(prop::sample::select(&LABELS[..]), 0..3);
    let query =
        prop::option::of(prop::sample::select(&["room==kitchen", "rare", "room == kitchen", "none"][..]));
    let rest = (0..4_u8, prop::option::of(1..4_u64), prop::option::of(0..5_u64));
    (types, names, query, rest).prop_map(|(types, names, query, (operation, level, tag))| {
        let mut filter = Filter::default();
        types.iter().try_for_each(|ty| filter.add("ty", &ty.to_string())).unwrap();
        names.iter().try_for_each(|name| filter.add("lbl", name)).unwrap();
        query.iter().try_for_each(|query| filter.add("lbq", query)).unwrap();
        // Half of them ask that all conditions fit, as most clients do.
        filter.add("fo", &operation.max(1).to_string()).unwrap();
        level.iter().try_for_each(|level| filter.add("lvl", &level.to_string())).unwrap();
        tag.iter().try_for_each(|tag| filter.add("stb", &tag.to_string())).unwrap();
        filter
    })
}

fn chosen(labels: &[bool]) -> Option<Value> {
    let chosen: Vec<&str> =
        LABELS.iter().zip(labels).filter(|(_, chosen)| **chosen).map(|(name, _)| *name).collect();
    (!chosen.is_empty()).then(|| json!(chosen))
}

fn resource(number: u64, ty: u32, parent: Option<Slot>, labels: &[bool]) -> Resource {
    let mut attributes = Attributes::default();
    if let Some(labels) = chosen(labels) {
        attributes.set("lbl", labels);
    }
    Resource {
        ty,
        root: "m2m:x".into(),
        ri: format!("r{number}").into(),
        rn: format!("n{number}").into(),
        parent,
        sequence: number,
        created: Time(0),
        modified: Time(0),
        expires: Time::NEVER,
        state_tag: number % 7,
        size: 0,
        creator: "C".into(),
        attributes,
        family: None,
    }
}

fn grow(changes: Vec<Change>) -> Tree {
    let mut tree = Tree::default();
    tree.insert(resource(0, ty::CB, None, &[]));
    for (number, change) in (1_u64..).zip(changes) {
        let there: Vec<Slot> = (0..tree.end()).filter(|slot| tree.get(*slot).is_some()).collect();
        match change {
            Change::Insert { parent, ty, labels } => {
                // Nothing can be created below an instance.
                let parents: Vec<Slot> =
                    there.into_iter().filter(|slot| !is_instance(tree.at(*slot).ty)).collect();
                let parent = parents[parent % parents.len()];
                tree.insert(resource(number, TYPES[ty % TYPES.len()], Some(parent), &labels));
            }
            Change::Remove { which } => {
                let which = there[which % there.len()];
                if which != ROOT {
                    tree.remove(which);
                }
            }
            Change::Relabel { which, labels } => {
                tree.set_attribute(there[which % there.len()], "lbl".into(), chosen(&labels));
            }
        }
    }
    tree
}

fn naive(tree: &Tree, top: Slot, filter: &Filter) -> Vec<Slot> {
    let mut found = Vec::new();
    tree.walk(top, filter.level.unwrap_or(u64::MAX), Below::Everything, |slot| {
        found.extend(matches(tree, tree.at(slot), filter).then_some(slot));
        Some(true)
    });
    found
}

proptest! {
    #[test]
    fn an_index_finds_what_a_walk_over_everything_finds_in_its_order(
        changes in prop::collection::vec(change(), 1..80),
        filter in filter(),
        top in any::<usize>(),
    ) {
        let tree = grow(changes);
        let there: Vec<Slot> = (0..tree.end()).filter(|slot| tree.get(*slot).is_some()).collect();
        for top in [ROOT, there[top % there.len()]] {
            let mut found = Vec::new();
            each_fitting(&tree, top, &filter, |slot| {
                found.push(slot);
                true
            });
            prop_assert_eq!(&found, &naive(&tree, top, &filter), "{:?}", Scope::of(&tree, top, u64::MAX, &filter));
            // Stopping early gives the first ones.
            let mut first = Vec::new();
            each_fitting(&tree, top, &filter, |slot| {
                first.push(slot);
                first.len() < 2
            });
            prop_assert_eq!(&first[..], &found[..found.len().min(2)]);
        }
    }
}

#[test]
fn a_label_or_a_type_that_few_have_is_found_without_looking_at_the_rest() {
    let mut tree = Tree::default();
    let root = tree.insert(resource(0, ty::CB, None, &[]));
    let container = tree.insert(resource(1, ty::CNT, Some(root), &[false, false, false, true]));
    for number in 2..1000 {
        tree.insert(resource(number, ty::CIN, Some(container), &[true]));
    }
    let rare = tree.insert(resource(1000, ty::CIN, Some(container), &[true, false, false, true]));
    let mut by_label = Filter::default();
    by_label.add("lbl", "rare").unwrap();
    assert_eq!(Scope::of(&tree, root, u64::MAX, &by_label), Scope::Among([container, rare].into()));
    let mut by_type = Filter::default();
    by_type.add("ty", "3").unwrap();
    assert_eq!(Scope::of(&tree, root, u64::MAX, &by_type), Scope::Walk(Below::Regular));
    // Below a resource with little below it, the index of the whole CSE is the longer way.
    assert_eq!(Scope::of(&tree, rare, u64::MAX, &by_label), Scope::Walk(Below::Everything));
}
