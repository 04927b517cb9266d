//! Subscriptions of a service.

use std::sync::Arc;

use super::{Broker, Scope, keep::stored, scope::new_id};
use crate::{
    Error, ErrorKind, Json,
    model::{RecordRef, ServicePath, Time},
    subscriptions::{
        State, Status, Subscription, merge, parse_state, parse_subscription, write_subscription,
    },
};

impl Broker {
    /// Creates a subscription and gives its id.
    ///
    /// # Errors
    /// When the document is not one.
    pub async fn subscribe(&self, scope: &Scope, document: Json) -> Result<Box<str>, Error> {
        let path = subscription_path(scope)?;
        let id = new_id();
        let state = parse_state(document.get("status"))?.unwrap_or(State::Active);
        // Read before the lock is taken: patterns take time to compile.
        let subscription = parse_subscription(&id, document, path, Arc::new(Status::new(state)))?;
        self.keep_subscription(scope, subscription).await?;
        Ok(id)
    }

    /// Changes parts of a subscription.
    ///
    /// # Errors
    /// When there is none with this id, or what it would become is none.
    pub async fn update_subscription(&self, scope: &Scope, id: &str, patch: &Json) -> Result<(), Error> {
        if patch.as_object().is_none() {
            return Err(Error::parse());
        }
        let old = self.subscription(scope, id)?;
        let document = merge(&old.document, patch);
        let subscription = parse_subscription(id, document, old.path.clone(), Arc::clone(&old.status))?;
        if let Some(state) = parse_state(patch.get("status"))? {
            old.status.set_state(state);
        }
        self.keep_subscription(scope, subscription).await
    }

    async fn keep_subscription(&self, scope: &Scope, subscription: Subscription) -> Result<(), Error> {
        self.write(scope, |write| {
            write.append(RecordRef::Subscription(&stored(&subscription)))?;
            write.inner.open_lane(&subscription.id);
            write.tenant.subscriptions.write().put(Arc::new(subscription));
            Ok(())
        })
        .await
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// When there is none with this id.
    pub async fn unsubscribe(&self, scope: &Scope, id: &str) -> Result<(), Error> {
        self.write(scope, |write| {
            if write.tenant.subscriptions.read().get(id).is_none() {
                return Err(not_found());
            }
            write.append(RecordRef::NoSubscription(id))?;
            write.tenant.subscriptions.write().remove(id);
            write.inner.notifier.close(id);
            Ok(())
        })
        .await
    }

    fn subscription(&self, scope: &Scope, id: &str) -> Result<Arc<Subscription>, Error> {
        let tenant = self.inner.tenants.find(scope).ok_or_else(not_found)?;
        let found = tenant.subscriptions.read().get(id).cloned();
        found.filter(|subscription| is_listed(scope, &subscription.path)).ok_or_else(not_found)
    }

    /// One subscription as JSON.
    ///
    /// # Errors
    /// When there is none with this id.
    pub fn show_subscription(&self, scope: &Scope, id: &str) -> Result<Vec<u8>, Error> {
        let subscription = self.subscription(scope, id)?;
        let mut out = Vec::with_capacity(512);
        write_subscription(&subscription, Time::now(), &mut out);
        Ok(out)
    }

    /// A page of subscriptions as JSON, and how many there are on all pages: those of exactly the request's service
    /// paths, or all.
    pub fn show_subscriptions(&self, scope: &Scope, offset: usize, limit: usize) -> (Vec<u8>, usize) {
        let mut out = vec![b'['];
        let mut total = 0;
        let Some(tenant) = self.inner.tenants.find(scope) else { return (b"[]".to_vec(), 0) };
        let now = Time::now();
        for subscription in tenant.subscriptions.read().iter() {
            if !is_listed(scope, &subscription.path) {
                continue;
            }
            if total >= offset && total - offset < limit {
                if out.len() > 1 {
                    out.push(b',');
                }
                write_subscription(subscription, now, &mut out);
            }
            total += 1;
        }
        out.push(b']');
        (out, total)
    }
}

/// Whether a list for this request has what is at `path`.
pub(super) fn is_listed(scope: &Scope, path: &ServicePath) -> bool {
    let paths = scope.paths.as_slice();
    paths.is_empty() || paths.iter().any(|asked| asked == path || *asked == ServicePath::everything())
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "The requested subscription has not been found. Check id")
}

fn subscription_path(scope: &Scope) -> Result<ServicePath, Error> {
    match scope.paths.as_slice() {
        [] => Ok(ServicePath::everything()),
        [path] => Ok(path.clone()),
        _ => Err(Error::bad("max one service-path allowed for subscriptions")),
    }
}
