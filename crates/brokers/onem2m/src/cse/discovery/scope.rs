//! Where a discovery has to look: everywhere below its target, or only at the resources that an index names.

use std::collections::HashSet;

use crate::{
    primitive::{Filter, FilterOperation},
    tree::{Below, Slot, Tree, is_instance},
};

/// The resources among which those that fit a filter are, and maybe others.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Walk(Below),
    Among(HashSet<Slot>),
}

/// An index that has every resource that can fit.
enum Index<'f> {
    Types(&'f [u32]),
    /// Any of these labels.
    Labels(Vec<String>),
}

impl Scope {
    /// The cheapest way to find what fits `filter` at most `levels` below `top`.
    pub(super) fn of(tree: &Tree, top: Slot, levels: u64, filter: &Filter) -> Self {
        let regular_types = !filter.types.is_empty() && !filter.types.iter().any(|ty| is_instance(*ty));
        // One condition that does not fit is enough only where all have to.
        if filter.operation != FilterOperation::And {
            return Self::Walk(Below::Everything);
        }
        let below = if regular_types { Below::Regular } else { Below::Everything };
        let mut indexes = Vec::new();
        if regular_types {
            indexes.push(Index::Types(&filter.types));
        }
        if !filter.labels.is_empty() {
            indexes.push(Index::Labels(filter.labels.clone()));
        }
        indexes.extend(filter.label_query.iter().map(|query| Index::Labels(vec![queried_label(query)])));
        let cheapest = indexes.into_iter().map(|index| (index.len(tree), index)).min_by_key(|(len, _)| *len);
        match cheapest {
            Some((len, index)) if !tree.is_short(top, levels, below, len) => Self::Among(index.slots(tree)),
            _ => Self::Walk(below),
        }
    }
}

impl Index<'_> {
    fn len(&self, tree: &Tree) -> usize {
        match self {
            Self::Types(types) => types.iter().map(|ty| tree.count_of_type(*ty)).sum(),
            Self::Labels(labels) => labels.iter().map(|label| tree.count_labelled(label)).sum(),
        }
    }

    fn slots(&self, tree: &Tree) -> HashSet<Slot> {
        match self {
            Self::Types(types) => types.iter().flat_map(|ty| tree.of_type(*ty)).collect(),
            Self::Labels(labels) => labels.iter().flat_map(|label| tree.labelled(label)).collect(),
        }
    }
}

/// The label that a query asks for: `room==kitchen` is the label `room:kitchen`; without an operator, the label itself.
pub(super) fn queried_label(query: &str) -> String {
    match query.split_once("==") {
        Some((key, value)) => format!("{}:{}", key.trim(), value.trim()),
        None => query.trim().to_owned(),
    }
}
