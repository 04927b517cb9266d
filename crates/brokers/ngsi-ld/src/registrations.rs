//! Context source registrations (NGSI-LD 5.2.9, 5.9, 5.10): who has which information, and how it is asked.
//! Pure; the broker acts.

mod access;
mod definition;
mod names;
mod operation;
mod subscription;

use std::{collections::BTreeMap, sync::Arc};

pub(crate) use access::{Mode, SourceAccess};
pub(crate) use definition::{EntityInfo, Information, Registration};
pub(crate) use names::{compacted, expanded, told};
pub(crate) use operation::Operation;
pub(crate) use subscription::{CsourceSubscription, Reason, csource_message};

use morgana_engine::Pattern;

use crate::{
    EntityQuery,
    history::{TimeProperty, Window},
    model::{Name, Timestamp},
    query::{Query, TypeSelection},
};

/// All registrations, by id.
#[derive(Debug, Default)]
pub(crate) struct Registrations(BTreeMap<Box<str>, Arc<Registration>>);

/// Which registrations are asked for (NGSI-LD 5.10.2).
#[derive(Debug, Default)]
pub(crate) struct RegistrationQuery {
    pub(crate) types: Option<TypeSelection>,
    pub(crate) ids: Vec<Box<str>>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) attributes: Vec<Name>,
    /// Criteria on the registration itself: its properties (`csf`), scope and location.
    pub(crate) source: EntityQuery,
    /// A time that the source must have information about; without one, sources of the present are asked for.
    pub(crate) window: Option<Window>,
}

impl Registrations {
    /// Puts one in. Gives what it was before.
    pub(crate) fn insert(&mut self, registration: Arc<Registration>) -> Option<Arc<Registration>> {
        self.0.insert(registration.id.clone(), registration)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<Registration>> {
        self.0.remove(id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The registration with this id, unless it has expired.
    pub(crate) fn get(&self, id: &str, now: Timestamp) -> Option<&Arc<Registration>> {
        self.0.get(id).filter(|registration| registration.is_live(now))
    }

    /// The ids of those that have expired, and are to be taken out.
    pub(crate) fn expired(&self, now: Timestamp) -> Vec<Box<str>> {
        self.0.values().filter(|one| !one.is_live(now)).map(|one| one.id.clone()).collect()
    }

    /// All registrations that have not expired, in the order of their ids.
    pub(crate) fn iter(&self, now: Timestamp) -> impl Iterator<Item = &Arc<Registration>> {
        self.0.values().filter(move |registration| registration.is_live(now))
    }
}

impl Registration {
    /// Whether the source says nothing about the past only.
    pub(crate) fn is_of_the_present(&self) -> bool {
        self.observed.is_none() && self.managed.is_none()
    }
}

impl Registration {
    /// Whether the source may say something about the past that a window shows: it does unless its registration says
    /// of which time it is, and that is another.
    pub(crate) fn may_know(&self, window: &Window) -> bool {
        let interval = match window.property {
            TimeProperty::Observed => self.observed,
            _ => self.managed,
        };
        let (Some((start, end)), Some(span)) = (interval, window.span) else { return true };
        span.to.is_none_or(|to| start < to) && span.from.is_none_or(|from| end.is_none_or(|end| from <= end))
    }
}

impl RegistrationQuery {
    /// Asks for sources of the attributes that a query of entities speaks of, beside those asked for by name.
    pub(crate) fn ask_about(&mut self, q: Option<Query>) {
        for name in q.map(Query::mentioned).unwrap_or_default() {
            if !self.attributes.contains(&name) {
                self.attributes.push(name);
            }
        }
    }

    /// Which parts of a registration's information match; none when the registration does not.
    pub(crate) fn matching(&self, registration: &Registration) -> Vec<usize> {
        if !self.source.matches(&registration.source) || !self.in_time(registration) {
            return Vec::new();
        }
        let information = registration.information.iter().enumerate();
        let matching = information.filter(|(_, part)| {
            let entities = part.entities.is_empty()
                || part.entities.iter().any(|entity| {
                    self.types.as_ref().is_none_or(|types| types.matches(&entity.types))
                        && (self.ids.is_empty() || self.ids.iter().any(|id| entity.may_be(id)))
                        && (entity.id.as_deref().zip(self.pattern.as_ref()))
                            .is_none_or(|(id, pattern)| pattern.is_match(id))
                });
            let attributes = part.names.is_empty()
                || self.attributes.is_empty()
                || self.attributes.iter().any(|name| part.names.contains(name));
            entities && attributes
        });
        matching.map(|(at, _)| at).collect()
    }

    fn in_time(&self, registration: &Registration) -> bool {
        let Some(window) = &self.window else {
            return registration.is_of_the_present();
        };
        let interval = match window.property {
            TimeProperty::Observed => registration.observed,
            _ => registration.managed,
        };
        match (interval, window.span) {
            (Some((start, end)), Some(span)) => {
                span.to.is_none_or(|to| start < to)
                    && span.from.is_none_or(|from| end.is_none_or(|end| from <= end))
            }
            _ => false,
        }
    }
}
