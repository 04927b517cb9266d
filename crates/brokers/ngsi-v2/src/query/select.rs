//! Which entities a query or a subscription is about.

use std::sync::Arc;

use morgana_engine::Pattern;

use super::{Filter, GeoQuery, Order};
use crate::{
    Error,
    model::{Entity, ServicePaths},
    render::Names,
    store::Store,
};

/// Bytes that a compiled pattern may take: a short text can describe a very large machine.
const PATTERN_MAX_BYTES: usize = 256 * 1024;

/// Entities by id and type, each exact or a pattern.
#[derive(Debug, Clone, Default)]
pub struct EntitySelector {
    pub(crate) id: Option<Box<str>>,
    pub(crate) id_pattern: Option<Pattern>,
    pub(crate) kind: Option<Box<str>>,
    pub(crate) type_pattern: Option<Pattern>,
}

impl EntitySelector {
    /// The entities with this id, of any type.
    pub fn id(id: &str) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }

    /// The entities of this type.
    pub fn of_type(kind: &str) -> Self {
        Self { kind: Some(kind.into()), ..Self::default() }
    }

    /// Whether an entity is one of these.
    pub fn matches(&self, entity: &Entity) -> bool {
        self.id.as_ref().is_none_or(|id| *id == entity.id)
            && self.kind.as_ref().is_none_or(|kind| *kind == entity.kind)
            && self.id_pattern.as_ref().is_none_or(|pattern| pattern.is_match(&entity.id))
            && self.type_pattern.as_ref().is_none_or(|pattern| pattern.is_match(&entity.kind))
    }
}

/// A query for entities.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// An entity must be one of these; without any, each is.
    pub selectors: Vec<EntitySelector>,
    /// Where.
    pub paths: ServicePaths,
    /// What attribute values must be.
    pub q: Option<Filter>,
    /// What metadata must be.
    pub mq: Option<Filter>,
    /// Where on the Earth.
    pub geo: Option<GeoQuery>,
    /// Attributes of which an entity must have one, if there are any.
    pub(crate) having: Names,
    /// In which order.
    pub order: Order,
    /// How many are left out at the beginning.
    pub offset: usize,
    /// The most that are given.
    pub limit: usize,
    /// Whether all are counted.
    pub count: bool,
}

/// Whether an entity meets the conditions on its content.
pub(crate) fn matches_all(
    entity: &Entity,
    q: Option<&Filter>,
    mq: Option<&Filter>,
    geo: Option<&GeoQuery>,
) -> bool {
    q.is_none_or(|q| q.matches(entity))
        && mq.is_none_or(|mq| mq.matches(entity))
        && geo.is_none_or(|geo| geo.matches(entity))
}

impl Query {
    fn matches(&self, entity: &Entity) -> bool {
        (self.selectors.is_empty() || self.selectors.iter().any(|selector| selector.matches(entity)))
            && self.paths.cover(&entity.path)
            && (self.having.is_empty() || self.having.iter().any(|name| entity.attribute(name).is_some()))
            && matches_all(entity, self.q.as_ref(), self.mq.as_ref(), self.geo.as_ref())
    }

    /// The page of entities, and how many there are on all pages when that was asked.
    pub(crate) fn run(&self, store: &Store) -> (Vec<Arc<Entity>>, Option<usize>) {
        if let Some(found) = self.by_ids(store) {
            return self.page(found.into_iter());
        }
        let kind = match &*self.selectors {
            [selector] => selector.kind.as_deref(),
            _ => None,
        };
        self.page(store.scan(kind).filter(|entity| self.matches(entity)))
    }

    /// When every selector names an id, only those need be looked at.
    fn by_ids<'a>(&self, store: &'a Store) -> Option<Vec<&'a Arc<Entity>>> {
        if self.selectors.is_empty() {
            return None;
        }
        let mut found = Vec::new();
        for selector in &self.selectors {
            found.extend(
                store.with_id(selector.id.as_deref()?).into_iter().filter(|entity| self.matches(entity)),
            );
        }
        if self.selectors.len() > 1 {
            let seen = |index: usize| found[..index].iter().any(|known| Arc::ptr_eq(known, found[index]));
            let mut unique: Vec<_> =
                (0..found.len()).filter(|index| !seen(*index)).map(|index| found[index]).collect();
            unique.sort_by_key(|entity| entity.created);
            found = unique;
        }
        Some(found)
    }

    fn page<'a>(
        &self,
        mut found: impl Iterator<Item = &'a Arc<Entity>>,
    ) -> (Vec<Arc<Entity>>, Option<usize>) {
        if !self.order.is_creation() {
            let mut all: Vec<_> = found.cloned().collect();
            let total = all.len();
            self.order.sort(&mut all, self.geo.as_ref());
            let page = all.into_iter().skip(self.offset).take(self.limit).collect();
            return (page, self.count.then_some(total));
        }
        if !self.count {
            return (found.skip(self.offset).take(self.limit).cloned().collect(), None);
        }
        let mut total = 0;
        let mut page = Vec::new();
        for entity in found.by_ref() {
            if total >= self.offset && page.len() < self.limit {
                page.push(Arc::clone(entity));
            }
            total += 1;
        }
        (page, Some(total))
    }
}

/// Reads a pattern of ids or types.
///
/// # Errors
/// When it is no regular expression.
pub(crate) fn parse_pattern(text: &str, what: &str) -> Result<Pattern, Error> {
    compile(text).map_err(|_| Error::bad(format!("Invalid regex for entity {what}")))
}

/// Compiles a pattern of bounded size.
///
/// # Errors
/// When it is no regular expression, or one too large.
pub(super) fn compile(text: &str) -> Result<Pattern, impl std::error::Error> {
    Pattern::parse(text, PATTERN_MAX_BYTES)
}
