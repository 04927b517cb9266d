//! Where entities with something in common are: by type, attribute, scope and location. Each index is a set of places,
//! so that several of them are combined by set operations before the first entity is looked at.

use hashbrown::HashMap;
use roaring::RoaringBitmap;
use rstar::{
    AABB, RTree,
    primitives::{GeomWithData, Rectangle},
};

use crate::model::{Attribute, Entity, Json, Kind, Name};

/// A rectangle in degrees with the place of the entity that has it.
type Spot = GeomWithData<Rectangle<[f64; 2]>, u32>;

/// West, south, east and north of an area in degrees.
pub(crate) type Area = [f64; 4];

/// All indexes.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    types: HashMap<Name, RoaringBitmap>,
    attributes: HashMap<Name, RoaringBitmap>,
    scopes: HashMap<Box<str>, RoaringBitmap>,
    spots: HashMap<Name, RTree<Spot>>,
}

impl Indexes {
    /// The indexes of all these entities at once. `again` gives the same entities: a thread of its own finds out where
    /// they are meanwhile.
    pub(super) fn of<'a>(
        entities: impl Iterator<Item = (u32, &'a Entity)>,
        again: impl Iterator<Item = (u32, &'a Entity)> + Send,
    ) -> Self {
        std::thread::scope(|scope| {
            let spots = scope.spawn(|| spots_of(again));
            let mut all = Self::default();
            for (place, entity) in entities {
                each_type(entity, |name| add(&mut all.types, name, place));
                each_attribute(entity, |name| add(&mut all.attributes, name, place));
                all.insert_scopes(place, entity);
            }
            all.spots = spots.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all
        })
    }

    pub(super) fn insert(&mut self, place: u32, entity: &Entity) {
        each_type(entity, |name| add(&mut self.types, name, place));
        each_attribute(entity, |name| add(&mut self.attributes, name, place));
        self.insert_scopes(place, entity);
        self.insert_spots(place, entity);
    }

    pub(super) fn remove(&mut self, place: u32, entity: &Entity) {
        each_type(entity, |name| take(&mut self.types, name, place));
        each_attribute(entity, |name| take(&mut self.attributes, name, place));
        self.remove_scopes(place, entity);
        self.remove_spots(place, entity);
    }

    /// Most changes change values only, of which just locations are here.
    pub(super) fn update(&mut self, place: u32, old: &Entity, new: &Entity) {
        if old.types != new.types {
            each_type(old, |name| take(&mut self.types, name, place));
            each_type(new, |name| add(&mut self.types, name, place));
        }
        let same_names = old.attributes.len() == new.attributes.len()
            && old.attributes.iter().zip(&new.attributes).all(|(a, b)| a.name == b.name);
        if !same_names {
            each_attribute(old, |name| take(&mut self.attributes, name, place));
            each_attribute(new, |name| add(&mut self.attributes, name, place));
        }
        if old.scopes != new.scopes {
            self.remove_scopes(place, old);
            self.insert_scopes(place, new);
        }
        if !geometries(old).eq(geometries(new)) {
            self.remove_spots(place, old);
            self.insert_spots(place, new);
        }
    }

    fn insert_scopes(&mut self, place: u32, entity: &Entity) {
        for scope in &entity.scopes {
            self.scopes.entry(bare(scope).into()).or_default().insert(place);
        }
    }

    fn remove_scopes(&mut self, place: u32, entity: &Entity) {
        for scope in &entity.scopes {
            if let Some(places) = self.scopes.get_mut(bare(scope)) {
                places.remove(place);
                if places.is_empty() {
                    self.scopes.remove(bare(scope));
                }
            }
        }
    }

    fn insert_spots(&mut self, place: u32, entity: &Entity) {
        for (name, geometry) in geometries(entity) {
            if let Some(rectangle) = rectangle(geometry) {
                self.spots.entry(name.clone()).or_default().insert(Spot::new(rectangle, place));
            }
        }
    }

    fn remove_spots(&mut self, place: u32, entity: &Entity) {
        for (name, geometry) in geometries(entity) {
            if let (Some(rectangle), Some(spots)) = (rectangle(geometry), self.spots.get_mut(name)) {
                spots.remove(&Spot::new(rectangle, place));
                if spots.size() == 0 {
                    self.spots.remove(name);
                }
            }
        }
    }

    pub(super) fn of_type(&self, name: &Name) -> Option<&RoaringBitmap> {
        self.types.get(name)
    }

    pub(super) fn types(&self) -> impl Iterator<Item = (&Name, usize)> {
        self.types.iter().map(|(name, places)| (name, places.len() as usize))
    }

    pub(super) fn with_attribute(&self, name: &Name) -> Option<&RoaringBitmap> {
        self.attributes.get(name)
    }

    /// The places of entities with a scope that is as `wanted` says.
    pub(super) fn in_scopes(&self, wanted: impl Fn(&str) -> bool) -> RoaringBitmap {
        let mut found = RoaringBitmap::new();
        for (scope, places) in &self.scopes {
            if wanted(scope) {
                found |= places;
            }
        }
        found
    }

    /// The places of entities that have a geometry of this name that may touch the area.
    pub(super) fn in_area(&self, name: &Name, [west, south, east, north]: Area) -> RoaringBitmap {
        let area = AABB::from_corners([west, south], [east, north]);
        let spots = self.spots.get(name).into_iter();
        spots.flat_map(|spots| spots.locate_in_envelope_intersecting(&area)).map(|spot| spot.data).collect()
    }
}

fn spots_of<'a>(entities: impl Iterator<Item = (u32, &'a Entity)>) -> HashMap<Name, RTree<Spot>> {
    let mut spots: HashMap<Name, Vec<Spot>> = HashMap::new();
    for (place, entity) in entities {
        for (name, geometry) in geometries(entity) {
            if let Some(rectangle) = rectangle(geometry) {
                spots.entry(name.clone()).or_default().push(Spot::new(rectangle, place));
            }
        }
    }
    spots.into_iter().map(|(name, spots)| (name, RTree::bulk_load(spots))).collect()
}

/// Scopes may be written with or without a slash in front.
fn bare(scope: &str) -> &str {
    scope.strip_prefix('/').unwrap_or(scope)
}

fn each_type(entity: &Entity, mut visit: impl FnMut(&Name)) {
    entity.types.iter().for_each(&mut visit);
}

/// Instances of an attribute lie side by side; each name is visited once.
fn each_attribute(entity: &Entity, mut visit: impl FnMut(&Name)) {
    let mut last: Option<&Name> = None;
    for attribute in &entity.attributes {
        if last != Some(&attribute.name) {
            visit(&attribute.name);
        }
        last = Some(&attribute.name);
    }
}

fn add(map: &mut HashMap<Name, RoaringBitmap>, name: &Name, place: u32) {
    match map.get_mut(name) {
        Some(places) => drop(places.insert(place)),
        None => drop(map.entry(name.clone()).or_default().insert(place)),
    }
}

fn take(map: &mut HashMap<Name, RoaringBitmap>, name: &Name, place: u32) {
    if let Some(places) = map.get_mut(name) {
        places.remove(place);
        if places.is_empty() {
            map.remove(name);
        }
    }
}

fn geometries(entity: &Entity) -> impl Iterator<Item = (&Name, &Json)> {
    let geometry = |one: &&Attribute| one.kind == Kind::GeoProperty;
    entity.attributes.iter().filter(geometry).map(|one| (&one.name, &one.value))
}

/// The smallest rectangle around a GeoJSON geometry.
fn rectangle(geometry: &Json) -> Option<Rectangle<[f64; 2]>> {
    let mut corners: Option<([f64; 2], [f64; 2])> = None;
    visit(geometry.get("coordinates")?, &mut |[x, y]| {
        let (low, high) = corners.get_or_insert(([x, y], [x, y]));
        *low = [low[0].min(x), low[1].min(y)];
        *high = [high[0].max(x), high[1].max(y)];
    });
    corners.map(|(low, high)| Rectangle::from_corners(low, high))
}

/// Visits every position, however deep it lies.
fn visit(coordinates: &Json, found: &mut impl FnMut([f64; 2])) {
    match coordinates.as_array() {
        Some([Json::Number(x), Json::Number(y), ..]) => {
            if let (Some(x), Some(y)) = (x.as_f64(), y.as_f64()) {
                found([x, y]);
            }
        }
        Some(items) => items.iter().for_each(|item| visit(item, found)),
        None => {}
    }
}
