//! Reading entities.

use std::sync::Arc;

use super::{Broker, Scope};
use crate::{Entity, Error, query::Query};

impl Broker {
    /// The one entity with this id, and this type if one is given.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn entity(&self, scope: &Scope, id: &str, kind: Option<&str>) -> Result<Arc<Entity>, Error> {
        let tenant = self.inner.tenants.find(scope).ok_or_else(Error::no_entity)?;
        let store = tenant.store.read();
        let found = store.with_id(id);
        let mut found = found.into_iter().filter(|entity| {
            kind.is_none_or(|kind| &*entity.kind == kind) && scope.paths.cover(&entity.path)
        });
        let entity = found.next().ok_or_else(Error::no_entity)?;
        if found.next().is_some() {
            return Err(Error::ambiguous());
        }
        Ok(Arc::clone(entity))
    }

    /// A page of entities, and how many there are on all pages when the query asks for it.
    pub fn query(&self, scope: &Scope, query: &Query) -> (Vec<Arc<Entity>>, Option<usize>) {
        match self.inner.tenants.find(scope) {
            Some(tenant) => query.run(&tenant.store.read()),
            None => (Vec::new(), query.count.then_some(0)),
        }
    }
}
