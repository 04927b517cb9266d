//! Queries over entities (NGSI-LD 5.7.2).

use std::{collections::HashSet, sync::Arc};

use morgana_engine::Pattern;
use roaring::RoaringBitmap;

use super::Broker;
use crate::{
    Context, Error,
    model::{Entity, Find, Name, Projection, Timestamp, check_name, live},
    query::{GeoQuery, Order, Query, ScopeQuery, TypeSelection, id_pattern, scope_query},
    sources::Wanted,
};

/// How many entities are looked at while the store is locked for reading: writers wait no longer than that.
const SCAN_STEP: usize = 256;

/// Which entities are asked for. The default asks for all.
#[derive(Debug, Clone, Default)]
pub struct EntityQuery {
    ids: Vec<Box<str>>,
    id_pattern: Option<Pattern>,
    pub(super) types: Option<TypeSelection>,
    pub(super) attributes: Vec<Name>,
    pub(super) q: Option<Query>,
    pub(super) scopes: Option<ScopeQuery>,
    pub(super) geo: Option<GeoQuery>,
    projection: Option<Projection>,
}

/// A page of entities.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The entities.
    pub entities: Vec<Arc<Entity>>,
    /// Whether there are more behind them.
    pub more: bool,
    /// How many there are on all pages, when that was asked for.
    pub total: Option<usize>,
}

impl EntityQuery {
    /// Only entities with one of these ids.
    pub fn with_ids(mut self, ids: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.ids = ids.into_iter().map(Into::into).collect();
        self
    }

    /// The only ids that it can find, when it names them.
    pub(super) fn only_ids(&self) -> Option<&[Box<str>]> {
        (!self.ids.is_empty()).then_some(&*self.ids)
    }

    /// Only entities whose id matches this regular expression.
    ///
    /// # Errors
    /// When it is not a regular expression, or would take too much memory.
    pub fn with_id_pattern(mut self, pattern: &str) -> Result<Self, Error> {
        self.id_pattern = Some(id_pattern(pattern)?);
        Ok(self)
    }

    /// Only entities of these types: a type selection such as `A,B` or `(A;B),C` (NGSI-LD 4.17).
    ///
    /// # Errors
    /// When it is not a type selection.
    pub fn with_types(mut self, selection: &str, context: &Context) -> Result<Self, Error> {
        self.types = TypeSelection::parse(selection, context)?;
        Ok(self)
    }

    /// Only entities that have one of these attributes.
    ///
    /// # Errors
    /// When one is not a name.
    pub fn with_attributes<'a>(
        mut self,
        names: impl IntoIterator<Item = &'a str>,
        context: &Context,
    ) -> Result<Self, Error> {
        for name in names {
            check_name(name, "attribute name")?;
            self.attributes.push(Name::new(&context.expand(name)));
        }
        Ok(self)
    }

    /// Only entities that match a query (NGSI-LD 4.9).
    ///
    /// # Errors
    /// When it is not a query.
    pub fn with_q(self, q: &str, context: &Context) -> Result<Self, Error> {
        self.with_q_expanding(q, context, &[])
    }

    /// Only entities that match a query, in which the values of the attributes `expanded` stand for names.
    pub(crate) fn with_q_expanding(
        mut self,
        q: &str,
        context: &Context,
        expanded: &[Name],
    ) -> Result<Self, Error> {
        self.q = Some(Query::parse(q, context)?.expanding(expanded));
        Ok(self)
    }

    /// Whether its query, if there is one, only asks for what the broker itself writes.
    pub(crate) fn q_is_system(&self) -> bool {
        self.q.as_ref().is_none_or(Query::is_system)
    }

    /// Only entities in these scopes (NGSI-LD 4.19).
    ///
    /// # Errors
    /// When it is not a scope query.
    pub fn with_scopes(mut self, scope_q: &str) -> Result<Self, Error> {
        self.scopes = Some(scope_query(scope_q)?);
        Ok(self)
    }

    /// Only entities of which something is left when they are shown (NGSI-LD 4.21).
    pub(crate) fn with_projection(mut self, projection: &Projection) -> Self {
        let all = projection.pick.is_none() && projection.omit.is_empty();
        self.projection = (!all).then(|| projection.clone());
        self
    }

    /// Only entities that lie as a geo-query asks (NGSI-LD 4.10).
    pub(crate) fn with_geo(mut self, geo: GeoQuery) -> Self {
        self.geo = Some(geo);
        self
    }

    /// How many relationships the query follows, one after the other (NGSI-LD 4.9).
    pub(crate) fn links(&self) -> usize {
        self.q.as_ref().map_or(0, Query::links)
    }

    /// Whether the entity is asked for, as far as it alone can tell.
    pub fn matches(&self, entity: &Entity) -> bool {
        self.matches_with(entity, &|_| None)
    }

    /// Whether the entity is asked for; `find` gives the entities that its relationships point to.
    pub(crate) fn matches_with(&self, entity: &Entity, find: &Find<'_>) -> bool {
        (self.ids.is_empty() || self.ids.contains(&entity.id))
            && self.types.as_ref().is_none_or(|types| types.matches(&entity.types))
            && (self.attributes.is_empty() || self.attributes.iter().any(|name| entity.has(name)))
            && self.id_pattern.as_ref().is_none_or(|pattern| pattern.is_match(&entity.id))
            && self.scopes.as_ref().is_none_or(|scopes| scopes.matches(entity))
            && self.q.as_ref().is_none_or(|q| q.matches_with(entity, find))
            && self.geo.as_ref().is_none_or(|geo| geo.matches(entity))
            && self.projection.as_ref().is_none_or(|projection| projection.shows(entity))
    }

    /// Which entities it may concern, for who has some of them (NGSI-LD 4.3.6.1).
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            ids: &self.ids,
            pattern: self.id_pattern.as_ref(),
            types: self.types.as_ref(),
            names: &self.attributes,
        }
    }

    /// The same entities, whatever they have.
    pub(crate) fn without_filters(&self) -> Self {
        Self {
            ids: self.ids.clone(),
            id_pattern: self.id_pattern.clone(),
            types: self.types.clone(),
            ..Self::default()
        }
    }

    /// Whether a type or ids are all that is asked for, so that what the index finds needs no second look.
    fn index_is_exact(&self) -> bool {
        matches!(self.types, Some(TypeSelection::Is(_)))
            && self.ids.is_empty()
            && self.attributes.is_empty()
            && self.id_pattern.is_none()
            && self.scopes.is_none()
            && self.q.is_none()
            && self.geo.is_none()
            && self.projection.is_none()
    }
}

impl Broker {
    /// The entities that match, in the order of their creation: at most `limit` after the first `offset`. With
    /// `count`, also how many there are on all pages, for which all of them have to be looked at.
    pub fn query(&self, query: &EntityQuery, offset: usize, limit: usize, count: bool) -> Page {
        self.query_any(std::slice::from_ref(query), offset, limit, count)
    }

    /// Like [`Self::query`], in another order. All that match have to be looked at.
    pub(crate) fn query_ordered(
        &self,
        queries: &[EntityQuery],
        order: &Order,
        offset: usize,
        limit: usize,
    ) -> Page {
        let mut entities = self.query_any(queries, 0, usize::MAX, false).entities;
        entities.sort_by(|a, b| order.compare(a, b));
        let total = entities.len();
        let entities: Vec<_> = entities.into_iter().skip(offset).take(limit).collect();
        Page { more: offset + entities.len() < total, entities, total: Some(total) }
    }

    /// The entities that match one of several queries; see [`Self::query`].
    pub(crate) fn query_any(
        &self,
        queries: &[EntityQuery],
        offset: usize,
        limit: usize,
        count: bool,
    ) -> Page {
        let find = |id: &str| self.get(id);
        let matches = |entity: &Entity| queries.iter().any(|query| query.matches_with(entity, &find));
        let now = Timestamp::now();
        let mut page = Page::default();
        let mut seen = 0;
        // Returns whether to go on.
        let mut take = |entity: Arc<Entity>| {
            seen += 1;
            if seen > offset && page.entities.len() < limit {
                page.entities.push(entity);
            } else if seen > offset {
                page.more = true;
            }
            count || !page.more
        };
        if queries.iter().all(|query| !query.ids.is_empty()) {
            let found: Vec<_> = {
                let store = self.inner.store.read();
                let mut ids: Vec<_> = queries.iter().flat_map(|query| &query.ids).collect();
                let mut seen = HashSet::new();
                ids.retain(|id| seen.insert(*id));
                ids.into_iter().filter_map(|id| live(store.get(id)?, now)).collect()
            };
            for entity in found.into_iter().filter(|entity| matches(entity)) {
                if !take(entity) {
                    break;
                }
            }
        } else if let [query] = queries
            && let Some(name) = query.only_type()
        {
            // What the index finds needs no second look, and it can be begun anywhere.
            let exact = query.index_is_exact();
            let step =
                if exact { SCAN_STEP.min(offset.saturating_add(limit).saturating_add(1)) } else { SCAN_STEP };
            let mut from = Some(0);
            'pages: while let Some(start) = from {
                let (found, next) = self.inner.store.read().scan(Some(&[name]), start, step);
                from = next;
                for entity in found.iter().filter_map(|entity| live(entity, now)) {
                    if (exact || matches(&entity)) && !take(entity) {
                        break 'pages;
                    }
                }
            }
        } else {
            let candidates: Option<RoaringBitmap> = {
                let store = self.inner.store.read();
                let found = queries.iter().map(|query| query.candidates(&store));
                found.reduce(|a, b| Some(a? | b?)).flatten()
            };
            let places: Box<dyn Iterator<Item = u32>> = match candidates {
                Some(places) => Box::new(places.into_iter()),
                None => Box::new(0..self.inner.store.read().end()),
            };
            self.look_at(places, |entity| match live(entity, now) {
                Some(entity) if matches(&entity) => take(entity),
                _ => true,
            });
        }
        if count {
            page.total = Some(seen);
        }
        page
    }

    /// Shows the entities at these places to `visit` until it has seen enough. Writers wait no longer than for some of
    /// them.
    fn look_at(&self, places: impl Iterator<Item = u32>, mut visit: impl FnMut(&Arc<Entity>) -> bool) {
        let mut places = places.peekable();
        let mut found = Vec::with_capacity(SCAN_STEP);
        while places.peek().is_some() {
            {
                let store = self.inner.store.read();
                found.extend(places.by_ref().take(SCAN_STEP).filter_map(|place| store.at(place)).cloned());
            }
            if !found.drain(..).all(|entity| visit(&entity)) {
                return;
            }
        }
    }
}
