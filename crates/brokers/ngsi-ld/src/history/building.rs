//! The past of one entity while changes are put into it, one after another.

use std::collections::{HashSet, VecDeque};

use super::{Past, Rules, time};
use crate::model::{Attribute, Entity, Name, Timestamp};

/// The past of one entity, in a form that takes many instances quickly.
#[derive(Debug, Default)]
pub(crate) struct Building {
    /// The entity without its attributes; `None` while it has no past.
    head: Option<Entity>,
    groups: Vec<Group>,
    /// The ids of all instances, once they were asked for.
    known: Option<Known>,
}

/// The instances of one attribute, in the order of time.
#[derive(Debug)]
struct Group {
    name: Name,
    instances: VecDeque<Attribute>,
    series: Vec<Series>,
}

/// How many values, or deletions, of one dataset there are.
#[derive(Debug)]
struct Series {
    dataset_id: Option<Box<str>>,
    is_end: bool,
    count: usize,
}

#[derive(Debug, Default)]
struct Known {
    ids: HashSet<Box<str>>,
    /// Whether there is an instance without an id.
    nameless: bool,
}

impl Building {
    /// A past as it is.
    pub(crate) fn of(mut entity: Entity) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for attribute in std::mem::take(&mut entity.attributes) {
            match groups.last_mut() {
                Some(group) if group.name == attribute.name => group.instances.push_back(attribute),
                _ => {
                    let name = attribute.name.clone();
                    groups.push(Group { name, instances: [attribute].into(), series: Vec::new() });
                }
            }
        }
        groups.iter_mut().for_each(Group::count);
        Self { head: Some(entity), groups, known: None }
    }

    /// Makes a change true.
    pub(super) fn apply(&mut self, past: Past, rules: Rules) {
        match past {
            Past::Entity(entity) => *self = Self::of(entity),
            Past::Gone(_) => *self = Self::default(),
            Past::Transient { gone, .. } => {
                let is_gone = |one: &Attribute| {
                    let dataset_id = one.dataset_id();
                    one.expires_at().is_some()
                        && gone
                            .iter()
                            .any(|(name, dataset)| one.name == *name && dataset_id == dataset.as_deref())
                };
                self.retain(|one| !is_gone(one));
                if self.groups.is_empty() {
                    *self = Self::default();
                }
            }
            Past::More { id, types, scopes, at, attributes, replaces } => {
                // What had all become too old had been forgotten when this came.
                if let Some(floor) = rules.floor(at)
                    && self.is_forgotten(floor)
                {
                    *self = Self::default();
                }
                let head = self.head.get_or_insert_with(|| Entity {
                    id,
                    types: Vec::new(),
                    scopes: Vec::new(),
                    created_at: at,
                    modified_at: at,
                    attributes: Vec::new(),
                    expires_at: None,
                });
                for name in types {
                    if !head.types.contains(&name) {
                        head.types.push(name);
                    }
                }
                if let Some(scopes) = scopes {
                    head.scopes = scopes;
                }
                head.modified_at = at;
                for attribute in attributes {
                    if replaces == Some(true) && attribute.observed_at.is_some() {
                        self.retain(|known| !is_told_again(known, &attribute));
                    }
                    self.add(attribute, rules.max);
                }
            }
            Past::Before(_) | Past::Filed(_) => {}
        }
    }

    /// Puts an instance in its place in time, and lets the oldest go when there are too many. The same instance again,
    /// as a journal may give it, changes nothing.
    pub(crate) fn add(&mut self, attribute: Attribute, max: usize) {
        let groups = &self.groups;
        let known = self.known.get_or_insert_with(|| Known::of(groups.iter().flat_map(|one| &one.instances)));
        if !known.take(attribute.instance_id()) {
            return;
        }
        let at = self.groups.iter().position(|group| group.name == attribute.name);
        let at = at.unwrap_or_else(|| {
            let name = attribute.name.clone();
            self.groups.push(Group { name, instances: VecDeque::new(), series: Vec::new() });
            self.groups.len() - 1
        });
        let group = &mut self.groups[at];
        let place = group.instances.partition_point(|known| time(known) <= time(&attribute));
        let series = group.series_of(&attribute);
        group.series[series].count += 1;
        group.instances.insert(place, attribute);
        // Deletions do not push out what was before them. The oldest goes only now: it may be the new one, as when a
        // journal gives again what went long ago.
        while group.series[series].count > max {
            let Some(oldest) = group.take_oldest(series) else { break };
            known.forget(oldest.instance_id());
        }
    }

    fn retain(&mut self, stays: impl Fn(&Attribute) -> bool) {
        for group in &mut self.groups {
            let before = group.instances.len();
            let known = &mut self.known;
            group.instances.retain(|one| {
                let stays = stays(one);
                if !stays && let Some(known) = known {
                    known.forget(one.instance_id());
                }
                stays
            });
            if group.instances.len() < before {
                group.count();
            }
        }
        self.groups.retain(|group| !group.instances.is_empty());
    }

    /// Whether all of it was written before `floor`.
    fn is_forgotten(&self, floor: Timestamp) -> bool {
        self.head.as_ref().is_some_and(|head| head.modified_at < floor)
            && self.groups.iter().flat_map(|group| &group.instances).all(|one| one.modified_at < floor)
    }

    /// The past, as far as it is kept: no more than `max` instances of an attribute, and none that was written before
    /// `floor`. `None` when there is none.
    pub(crate) fn finish(mut self, max: usize, floor: Option<Timestamp>) -> Option<Entity> {
        if let Some(floor) = floor {
            if self.is_forgotten(floor) {
                return None;
            }
            self.retain(|one| one.modified_at >= floor);
        }
        for group in &mut self.groups {
            for series in 0..group.series.len() {
                while group.series[series].count > max && group.take_oldest(series).is_some() {}
            }
        }
        let mut entity = self.head?;
        let all = self.groups.iter().map(|group| group.instances.len()).sum();
        entity.attributes.reserve_exact(all);
        entity.attributes.extend(self.groups.into_iter().flat_map(|group| group.instances));
        Some(entity)
    }
}

impl Group {
    /// Counts again what there is.
    fn count(&mut self) {
        self.series.clear();
        let mut counted = std::mem::take(&mut self.series);
        for one in &self.instances {
            match counted.iter_mut().find(|series| series.has(one)) {
                Some(series) => series.count += 1,
                None => counted.push(Series { count: 1, ..Series::of(one) }),
            }
        }
        self.series = counted;
    }

    fn series_of(&mut self, attribute: &Attribute) -> usize {
        self.series.iter().position(|series| series.has(attribute)).unwrap_or_else(|| {
            self.series.push(Series::of(attribute));
            self.series.len() - 1
        })
    }

    fn take_oldest(&mut self, series: usize) -> Option<Attribute> {
        let at = self.instances.iter().position(|one| self.series[series].has(one))?;
        self.series[series].count -= 1;
        self.instances.remove(at)
    }
}

impl Series {
    fn of(attribute: &Attribute) -> Self {
        let dataset_id = attribute.dataset_id().map(Into::into);
        Self { dataset_id, is_end: attribute.deleted_at().is_some(), count: 0 }
    }

    fn has(&self, attribute: &Attribute) -> bool {
        self.is_end == attribute.deleted_at().is_some()
            && self.dataset_id.as_deref() == attribute.dataset_id()
    }
}

impl Known {
    fn of<'a>(instances: impl Iterator<Item = &'a Attribute>) -> Self {
        let mut known = Self::default();
        for one in instances {
            known.take(one.instance_id());
        }
        known
    }

    /// Notes an instance; false when it was known.
    fn take(&mut self, id: Option<&str>) -> bool {
        match id {
            Some(id) => self.ids.insert(id.into()),
            None => !std::mem::replace(&mut self.nameless, true),
        }
    }

    fn forget(&mut self, id: Option<&str>) {
        match id {
            Some(id) => drop(self.ids.remove(id)),
            None => self.nameless = false,
        }
    }
}

/// Whether two instances say what was at the same time.
fn is_told_again(known: &Attribute, told: &Attribute) -> bool {
    told.observed_at.is_some()
        && known.observed_at == told.observed_at
        && known.is(&told.name, told.dataset_id())
}
