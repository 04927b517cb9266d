//! Which tenant a request is for (NGSI-LD 4.14, 5.5.10, 6.3.14).

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, Method};
use parking_lot::RwLock;
use tower::ServiceExt;

use super::{HttpOptions, ROOT, identity, of_one};
use crate::{Broker, Error};

pub(super) const TENANT: HeaderName = HeaderName::from_static("ngsild-tenant");

/// The interfaces of tenants, each made when it is first asked for.
#[derive(Debug, Clone)]
pub(super) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    broker: Broker,
    options: Arc<HttpOptions>,
    routers: RwLock<HashMap<Box<str>, Router>>,
}

impl Gate {
    pub(super) fn new(broker: Broker, options: Arc<HttpOptions>) -> Self {
        Self(Arc::new(Inner { broker, options, routers: RwLock::default() }))
    }

    /// The interface of a tenant; only what creates something creates a tenant.
    async fn router(&self, tenant: &str, creates: bool) -> Result<Router, Error> {
        if let Some(known) = self.0.routers.read().get(tenant) {
            return Ok(known.clone());
        }
        let root = &self.0.broker;
        let broker = if creates { root.tenant_or_new(tenant).await? } else { root.tenant(tenant)? };
        let router = of_one(broker, Arc::clone(&self.0.options));
        Ok(self.0.routers.write().entry(tenant.into()).or_insert(router).clone())
    }
}

/// Hands a request to its tenant; the answer names the tenant again, whatever it says.
pub(super) async fn by_tenant(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let Some(value) = request.headers().get(TENANT).filter(|value| !value.is_empty()).cloned() else {
        return next.run(request).await;
    };
    let mut response = match value.to_str() {
        // In a box, so that requests to the default tenant are small.
        Ok(tenant) => Box::pin(for_tenant(&gate, tenant, request)).await,
        Err(_) => Error::bad("NGSILD-Tenant is not ASCII").into_response(),
    };
    response.headers_mut().insert(TENANT, value);
    response
}

async fn for_tenant(gate: &Gate, tenant: &str, mut request: Request<Body>) -> Response {
    let path = request.uri().path().strip_prefix(ROOT).unwrap_or_default().trim_end_matches('/');
    let creates = request.method() == Method::POST && creates(path);
    match gate.router(tenant, creates).await {
        Ok(router) => {
            // What the outer router found in the path, the inner one would find twice.
            request.extensions_mut().clear();
            match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
        // Who looks for loops has to know the alias before anything is there.
        Err(_) if path == "/info/sourceIdentity" && gate.0.broker.check_tenant(tenant).is_ok() => {
            identity::answer(&gate.0.broker, &gate.0.broker.alias_of(tenant))
        }
        Err(error) => error.into_response(),
    }
}

/// Whether a POST there creates what was not there (NGSI-LD 5.5.10); queries by POST do not.
fn creates(path: &str) -> bool {
    matches!(
        path,
        "/entities"
            | "/entityOperations/create"
            | "/entityOperations/upsert"
            | "/temporal/entities"
            | "/subscriptions"
            | "/csourceRegistrations"
            | "/csourceSubscriptions"
            | "/jsonldContexts"
            | "/snapshots"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_creates_makes_a_tenant() {
        assert!(creates("/entities"));
        assert!(!creates("/entityOperations/query"));
        assert!(!creates("/entities/urn:x/attrs"));
    }
}
