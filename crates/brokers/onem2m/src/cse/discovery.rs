//! Discovery and conditional retrieval (TS-0001 10.2.6, 8.1.2).

mod scope;
#[cfg(test)]
mod tests;

use serde_json::Value;

use self::scope::{Scope, queried_label};
use super::Inner;
use crate::{
    primitive::{Filter, FilterOperation, Request, Spatial},
    privilege::{Wish, place, wildcard},
    tree::{Resource, Slot, Tree, is_instance},
};

impl Inner {
    /// The resources below `top` that fit the filter and that the originator may see, in order.
    pub(super) fn discover(&self, tree: &Tree, top: Slot, request: &Request, wish: &Wish<'_>) -> Vec<Slot> {
        let filter = &request.filter;
        let judge = self.judge(tree);
        let everything = judge.is_administrator(wish.originator);
        let limit = filter.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut skip = filter.offset.map_or(0, |offset| offset - 1);
        let mut found = Vec::new();
        // Children mostly share what decides about them: the last verdict is kept by parent for instances.
        let mut last_instance: Option<(Option<Slot>, bool)> = None;
        if limit == 0 {
            return found;
        }
        each_fitting(tree, top, filter, |slot| {
            let resource = tree.at(slot);
            if is_instance(resource.ty) && is_hidden(tree, resource) {
                return true;
            }
            let allowed = everything
                || match last_instance {
                    Some((parent, verdict)) if is_instance(resource.ty) && parent == resource.parent => {
                        verdict
                    }
                    _ => {
                        let verdict = judge.allows(slot, wish);
                        if is_instance(resource.ty) {
                            last_instance = Some((resource.parent, verdict));
                        }
                        verdict
                    }
                };
            if allowed && skip > 0 {
                skip -= 1;
            } else if allowed {
                found.push(slot);
            }
            found.len() < limit
        });
        match &filter.relative_path {
            None => found,
            Some(path) => found.into_iter().filter_map(|slot| descend(tree, slot, path)).collect(),
        }
    }
}

/// Hands over what fits a filter below `top`, in the order of a walk, until `take` says that it is enough.
fn each_fitting(tree: &Tree, top: Slot, filter: &Filter, mut take: impl FnMut(Slot) -> bool) {
    let levels = filter.level.unwrap_or(u64::MAX);
    let mut judge = |slot: Slot| !matches(tree, tree.at(slot), filter) || take(slot);
    match Scope::of(tree, top, levels, filter) {
        Scope::Walk(below) => tree.walk(top, levels, below, |slot| judge(slot).then_some(true)),
        Scope::Among(chosen) => tree.walk_among(top, levels, &chosen, judge),
    }
}

/// Whether retrieval of a container's instances is disabled.
pub(super) fn is_hidden(tree: &Tree, instance: &Resource) -> bool {
    let container = instance.parent.and_then(|parent| tree.get(parent));
    container.is_some_and(|container| container.attributes.flag("disr") == Some(true))
}

/// The resource at a path below another (applyRelativePath).
fn descend(tree: &Tree, slot: Slot, path: &str) -> Option<Slot> {
    path.split('/').try_fold(slot, |slot, name| match tree.child(slot, name) {
        Some(child) => Some(child),
        None => {
            let family = tree.get(slot)?.family.as_deref()?;
            match name {
                "la" => family.instances.back().copied(),
                "ol" => family.instances.front().copied(),
                _ => None,
            }
        }
    })
}

/// Whether a resource fits the conditions of a filter.
pub(crate) fn matches(tree: &Tree, resource: &Resource, filter: &Filter) -> bool {
    let mut verdicts = Verdicts { operation: filter.operation, any: false, all: true, count: 0, fits: 0 };
    let mut judge = |given: bool, fits: bool| {
        if given {
            verdicts.add(fits);
        }
    };
    let after =
        |time: Option<crate::time::Time>, test: &dyn Fn(crate::time::Time) -> bool| time.is_some_and(test);
    let f = filter;
    judge(f.created_before.is_some(), after(f.created_before, &|time| resource.created < time));
    judge(f.created_after.is_some(), after(f.created_after, &|time| resource.created > time));
    judge(f.modified_since.is_some(), after(f.modified_since, &|time| resource.modified >= time));
    judge(f.unmodified_since.is_some(), after(f.unmodified_since, &|time| resource.modified < time));
    judge(f.expires_before.is_some(), after(f.expires_before, &|time| resource.expires < time));
    judge(f.expires_after.is_some(), after(f.expires_after, &|time| resource.expires > time));
    judge(f.state_tag_below.is_some(), f.state_tag_below.is_some_and(|tag| resource.state_tag < tag));
    judge(f.state_tag_above.is_some(), f.state_tag_above.is_some_and(|tag| resource.state_tag > tag));
    let sized = is_instance(resource.ty);
    judge(f.size_above.is_some(), sized && f.size_above.is_some_and(|size| resource.size >= size));
    judge(f.size_below.is_some(), sized && f.size_below.is_some_and(|size| resource.size < size));
    judge(!f.types.is_empty(), f.types.contains(&resource.ty));
    judge(!f.labels.is_empty(), has_label(resource, &f.labels));
    judge(!f.label_query.is_empty(), f.label_query.iter().all(|query| label_query(resource, query)));
    judge(!f.content_types.is_empty(), {
        let info = resource.attributes.text("cnf");
        info.is_some_and(|info| f.content_types.iter().any(|wanted| wanted == info))
    });
    for (name, wanted) in &f.attributes {
        verdicts.add(has_value(tree, resource, name, wanted));
    }
    let mut judge = |given: bool, fits: bool| {
        if given {
            verdicts.add(fits);
        }
    };
    let parent = || resource.parent.and_then(|parent| tree.get(parent));
    judge(!f.parent_types.is_empty(), parent().is_some_and(|parent| f.parent_types.contains(&parent.ty)));
    judge(!f.parent_labels.is_empty(), parent().is_some_and(|parent| has_label(parent, &f.parent_labels)));
    judge(!f.parent_attributes.is_empty(), {
        let fits = |above: &Resource| {
            f.parent_attributes.iter().all(|(name, wanted)| has_value(tree, above, name, wanted))
        };
        parent().is_some_and(fits)
    });
    let child = |test: &dyn Fn(&Resource) -> bool| {
        let mut all = resource.family.iter().flat_map(|family| family.all());
        all.any(|child| tree.get(child).is_some_and(test))
    };
    judge(
        !f.child_types.is_empty(),
        !f.child_types.is_empty() && child(&|below| f.child_types.contains(&below.ty)),
    );
    judge(
        !f.child_labels.is_empty(),
        !f.child_labels.is_empty() && child(&|below| has_label(below, &f.child_labels)),
    );
    judge(!f.child_attributes.is_empty(), {
        let fits = |below: &Resource| {
            f.child_attributes.iter().all(|(name, wanted)| has_value(tree, below, name, wanted))
        };
        !f.child_attributes.is_empty() && child(&fits)
    });
    if let (Some(wanted), Some(spatial)) = (&f.geometry, f.spatial) {
        let fits = place(resource).is_some_and(|place| match spatial {
            Spatial::Within => wanted.covers(&place),
            Spatial::Contains => place.covers(wanted),
            Spatial::Intersects => wanted.meets(&place),
        });
        verdicts.add(fits);
    }
    verdicts.verdict()
}

/// How the conditions that are given come together.
struct Verdicts {
    operation: FilterOperation,
    any: bool,
    all: bool,
    count: u32,
    fits: u32,
}

impl Verdicts {
    fn add(&mut self, fits: bool) {
        self.any |= fits;
        self.all &= fits;
        self.count += 1;
        self.fits += u32::from(fits);
    }

    fn verdict(&self) -> bool {
        self.count == 0
            || match self.operation {
                FilterOperation::And => self.all,
                FilterOperation::Or => self.any,
                FilterOperation::Xor => self.fits % 2 == 1,
            }
    }
}

fn has_label(resource: &Resource, wanted: &[String]) -> bool {
    resource.attributes.texts("lbl").any(|label| wanted.iter().any(|wanted| wanted == label))
}

fn label_query(resource: &Resource, query: &str) -> bool {
    let wanted = queried_label(query);
    resource.attributes.texts("lbl").any(|label| label == wanted)
}

/// Whether an attribute has a value, with wildcards in it; of a list, one entry.
fn has_value(tree: &Tree, resource: &Resource, name: &str, wanted: &str) -> bool {
    let fits = |value: &Value| match value {
        Value::String(text) => wildcard(wanted, text),
        other => wildcard(wanted, &other.to_string()),
    };
    match resource.attribute(tree, name) {
        Some(Value::Array(list)) => list.iter().any(fits),
        Some(value) => fits(&value),
        None => false,
    }
}
