//! The services of a broker, each with a state of its own.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use super::Scope;
use crate::{
    model::{Json, ServicePath},
    registrations::Registrations,
    store::Store,
    subscriptions::{Status, Subscriptions, parse_subscription},
};

/// One service.
#[derive(Debug, Default)]
pub(super) struct Tenant {
    pub(super) name: Box<str>,
    pub(super) store: RwLock<Store>,
    pub(super) subscriptions: RwLock<Subscriptions>,
    pub(super) registrations: RwLock<Registrations>,
}

impl Tenant {
    fn is_empty(&self) -> bool {
        self.store.read().len() == 0
            && self.subscriptions.read().iter().next().is_none()
            && self.registrations.read().is_empty()
    }

    /// Takes a subscription from the journal.
    pub(super) fn restore_subscription(&self, stored: Json) {
        let text = |name: &str| stored.get(name).and_then(Json::as_str);
        let parts = || {
            let path = ServicePath::parse(text("path")?).ok()?;
            let document = stored.get("document")?.clone();
            let status = Arc::new(Status::from_json(stored.get("status")?));
            parse_subscription(text("id")?, document, path, status).ok()
        };
        match parts() {
            Some(subscription) => self.subscriptions.write().put(Arc::new(subscription)),
            None => tracing::error!(id = text("id"), "a stored subscription cannot be read and is left out"),
        }
    }
}

/// All services that something is in.
#[derive(Debug)]
pub(super) struct Tenants {
    default: Arc<Tenant>,
    others: RwLock<HashMap<Box<str>, Arc<Tenant>>>,
    multiservice: bool,
}

impl Tenants {
    pub(super) fn new(multiservice: bool) -> Self {
        Self { default: Arc::default(), others: RwLock::default(), multiservice }
    }

    fn is_default(&self, service: &str) -> bool {
        service.is_empty() || !self.multiservice
    }

    /// The service of a request, if anything was ever written to it.
    pub(super) fn find(&self, scope: &Scope) -> Option<Arc<Tenant>> {
        if self.is_default(&scope.service) {
            return Some(Arc::clone(&self.default));
        }
        self.others.read().get(&scope.service).cloned()
    }

    /// The service with this name. One that is new is not known to others before it is [kept](Self::keep): what a
    /// request is refused leaves nothing behind.
    pub(super) fn for_write(&self, service: &str) -> Arc<Tenant> {
        if self.is_default(service) {
            return Arc::clone(&self.default);
        }
        let known = self.others.read().get(service).cloned();
        known.unwrap_or_else(|| Arc::new(Tenant { name: service.into(), ..Tenant::default() }))
    }

    /// Makes a service known that something was written to. Called under the write lock, like what gave it.
    pub(super) fn keep(&self, tenant: Arc<Tenant>) {
        if self.is_default(&tenant.name) || self.others.read().contains_key(&tenant.name) {
            return;
        }
        self.others.write().insert(tenant.name.clone(), tenant);
    }

    /// Forgets the services in which nothing is left. Called under the write lock.
    pub(super) fn forget_empty(&self) {
        if self.others.read().values().any(|tenant| tenant.is_empty()) {
            self.others.write().retain(|_, tenant| !tenant.is_empty());
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Tenant>> {
        std::iter::once(&self.default).chain(self.others.read().values()).cloned().collect()
    }
}
