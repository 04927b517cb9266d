//! What sources answered to a read, beside the request on its way to the handler.

use std::{collections::HashMap, sync::Arc};

use super::super::{entity_maps::Mapped, params::Paging};
use crate::{
    Broker, EntityQuery, Page,
    model::Entity,
    query::Order,
    registrations::Registration,
    sources::{Answer, Failure, RemoteEntity, merge},
};

/// What this broker has of an entity, and what others have.
type Parts = (Option<Arc<Entity>>, Vec<RemoteEntity>);

/// What the sources said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Remote {
    /// Whether any source had to do with the request.
    pub(super) takes_part: bool,
    /// Values of NGSILD-Warning headers.
    pub(super) warnings: Vec<String>,
    pub(super) entities: Vec<RemoteEntity>,
    /// Which registration which entity came by.
    pub(super) origins: Vec<(Box<str>, Box<str>)>,
    /// By id, those of which a part came without being filtered: the whole must be looked at here.
    pub(super) unfiltered: Vec<Box<str>>,
    /// Whether an entity may be in parts, so that filters say nothing about a part (NGSI-LD 5.7.2.4).
    pub(super) is_split: bool,
}

impl Remote {
    pub(super) fn add(&mut self, registration: &Registration, entity: Entity, filtered: bool) {
        let mode = registration.access.mode;
        self.origins.push((entity.id.clone(), registration.id.clone()));
        if !filtered {
            self.unfiltered.push(entity.id.clone());
        }
        self.entities.push(RemoteEntity { mode, entity });
    }

    /// Notes a source that gave nothing to use (NGSI-LD 6.3.17).
    pub(super) fn warn(&mut self, registration: &Registration, failure: &Failure) {
        if let Some(code) = failure.warning() {
            self.note(registration, code, &failure.to_string());
        }
    }

    /// Notes an answer that is an old one.
    pub(super) fn note_age(&mut self, registration: &Registration, answer: &Answer) {
        if answer.is_stale {
            self.note(registration, 110, "the source did not answer; this is what it said before");
        }
    }

    fn note(&mut self, registration: &Registration, code: u16, text: &str) {
        self.warnings.push(warning(registration, code, text));
    }

    /// One entity together with what this broker has of it.
    pub(crate) fn one(&self, local: Option<&Entity>) -> Option<Arc<Entity>> {
        merge(local, &self.entities).map(Arc::new)
    }

    /// The entities that match one of several queries, here and elsewhere.
    fn all(&self, broker: &Broker, queries: &[EntityQuery]) -> Vec<Arc<Entity>> {
        let local = if self.is_split {
            let bare: Vec<_> = queries.iter().map(EntityQuery::without_filters).collect();
            broker.query_any(&bare, 0, usize::MAX, false)
        } else {
            broker.query_any(queries, 0, usize::MAX, false)
        };
        let mut order: Vec<Box<str>> = local.entities.iter().map(|entity| entity.id.clone()).collect();
        let mut known: HashMap<Box<str>, Parts> = local
            .entities
            .into_iter()
            .map(|entity| (entity.id.clone(), (Some(entity), Vec::new())))
            .collect();
        for remote in &self.entities {
            let parts = known.entry(remote.entity.id.clone()).or_insert_with(|| {
                order.push(remote.entity.id.clone());
                // What does not match here alone may be a part of what matches as a whole.
                (broker.get(&remote.entity.id).filter(|_| self.is_split), Vec::new())
            });
            parts.1.push(remote.clone());
        }
        let whole = |id: &str| {
            let (local, remote) = known.get(id)?;
            let entity = merge(local.as_deref(), remote)?;
            let checked = self.is_split || self.unfiltered.iter().any(|one| **one == *id);
            (!checked || queries.iter().any(|query| query.matches(&entity))).then(|| Arc::new(entity))
        };
        order.iter().filter_map(|id| whole(id)).collect()
    }
}

/// The value of an NGSILD-Warning header (NGSI-LD 6.3.17).
pub(super) fn warning(registration: &Registration, code: u16, text: &str) -> String {
    let agent = registration.access.alias.as_deref().unwrap_or(&registration.id);
    let text: String = text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
    format!("{code} {agent} \"{}\"", text.replace(['"', '\\'], "'"))
}

/// All entities that match one of several queries, here and at the sources that took part.
pub(crate) fn found(remote: Option<&Remote>, broker: &Broker, queries: &[EntityQuery]) -> Vec<Arc<Entity>> {
    match remote {
        Some(remote) => remote.all(broker, queries),
        None => broker.query_any(queries, 0, usize::MAX, false).entities,
    }
}

/// Who has an entity: registrations, and `@none` for this broker (NGSI-LD 5.2.39).
pub(crate) fn sources(remote: Option<&Remote>, broker: &Broker, id: &str) -> Vec<Box<str>> {
    let mut sources: Vec<Box<str>> = broker.get(id).map(|_| "@none".into()).into_iter().collect();
    let of_remote = remote.into_iter().flat_map(|remote| &remote.origins);
    sources.extend(of_remote.filter(|(one, _)| **one == *id).map(|(_, registration)| registration.clone()));
    sources
}

/// A page of what a query finds here, at sources, and in its entity map. An order is that of all of it (NGSI-LD 4.23).
pub(crate) fn page(
    (remote, mapped): (Option<&Remote>, Option<&Mapped>),
    broker: &Broker,
    queries: &[EntityQuery],
    order: Option<&Order>,
    paging: Paging,
) -> Page {
    let mut all = found(remote, broker, queries);
    if let Some(mapped) = mapped {
        all = mapped.keep(all, |id| sources(remote, broker, id));
    }
    if let Some(order) = order {
        all.sort_by(|a, b| order.compare(a, b));
    }
    let total = all.len();
    let entities: Vec<_> = all.into_iter().skip(paging.offset).take(paging.limit).collect();
    Page { more: paging.offset + entities.len() < total, entities, total: Some(total) }
}
