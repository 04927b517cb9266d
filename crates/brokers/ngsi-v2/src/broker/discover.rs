//! Which types of entities there are.

use std::collections::BTreeMap;

use super::{Broker, Scope};

/// A type of entities.
#[derive(Debug, Default)]
pub(crate) struct TypeInfo {
    pub(crate) name: Box<str>,
    /// The attributes of its entities, each with the types it has.
    pub(crate) attributes: BTreeMap<Box<str>, Vec<Box<str>>>,
    pub(crate) count: usize,
}

impl Broker {
    /// The types there are, by name.
    pub(crate) fn type_names(&self, scope: &Scope) -> Vec<Box<str>> {
        let Some(tenant) = self.inner.tenants.find(scope) else { return Vec::new() };
        let store = tenant.store.read();
        let here = |name: &str| store.scan(Some(name)).any(|entity| scope.paths.cover(&entity.path));
        let mut names: Vec<Box<str>> =
            store.types().map(|(name, _)| name).filter(|name| here(name)).map(Into::into).collect();
        names.sort_unstable();
        names
    }

    /// What is known of a type; `None` when it has no entity.
    pub(crate) fn type_info(&self, scope: &Scope, name: &str) -> Option<TypeInfo> {
        let tenant = self.inner.tenants.find(scope)?;
        let store = tenant.store.read();
        let mut info = TypeInfo { name: name.into(), ..TypeInfo::default() };
        for entity in store.scan(Some(name)).filter(|entity| scope.paths.cover(&entity.path)) {
            info.count += 1;
            for attribute in &entity.attributes {
                if &*attribute.name == crate::model::DATE_EXPIRES {
                    continue;
                }
                let types = match info.attributes.get_mut(&attribute.name) {
                    Some(types) => types,
                    None => info.attributes.entry(attribute.name.clone()).or_default(),
                };
                if !types.contains(&attribute.kind) {
                    types.push(attribute.kind.clone());
                }
            }
        }
        (info.count > 0).then_some(info)
    }
}
