//! Which tenant a request is for (NGSI-LD 4.14, 5.5.10, 6.3.14).

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method};
use parking_lot::RwLock;

use super::{HttpOptions, ROOT, identity, request::filled, service::Interface};
use crate::{Broker, Error};

pub(super) const TENANT: HeaderName = HeaderName::from_static("ngsild-tenant");

/// The interfaces of tenants, each made when it is first asked for.
#[derive(Debug)]
pub(super) struct Gate {
    broker: Broker,
    options: Arc<HttpOptions>,
    interfaces: RwLock<HashMap<Box<str>, Interface>>,
}

impl Gate {
    pub(super) fn new(broker: Broker, options: Arc<HttpOptions>) -> Self {
        Self { broker, options, interfaces: RwLock::default() }
    }

    /// Hands a request to the tenant that it names; the answer names the tenant again, whatever it says.
    pub(super) async fn answer(&self, named: HeaderValue, request: Request) -> Response {
        let mut response = match named.to_str() {
            Ok(tenant) => self.for_tenant(tenant, request).await,
            Err(_) => Error::bad("NGSILD-Tenant is not ASCII").into_response(),
        };
        response.headers_mut().insert(TENANT, named);
        response
    }

    async fn for_tenant(&self, tenant: &str, request: Request) -> Response {
        let path = request.uri().path().strip_prefix(ROOT).unwrap_or_default().trim_end_matches('/');
        let creates = request.method() == Method::POST && creates(path);
        match self.interface(tenant, creates).await {
            Ok(interface) => interface.answer(request).await,
            // Who looks for loops has to know the alias before anything is there.
            Err(_) if path == "/info/sourceIdentity" && self.broker.check_tenant(tenant).is_ok() => {
                identity::answer(&self.broker, &self.broker.alias_of(tenant))
            }
            Err(error) => error.into_response(),
        }
    }

    /// The interface of a tenant; only what creates something creates a tenant.
    async fn interface(&self, tenant: &str, creates: bool) -> Result<Interface, Error> {
        if let Some(known) = self.interfaces.read().get(tenant) {
            return Ok(known.clone());
        }
        let broker =
            if creates { self.broker.tenant_or_new(tenant).await? } else { self.broker.tenant(tenant)? };
        let interface = Interface::new(broker, Arc::clone(&self.options));
        Ok(self.interfaces.write().entry(tenant.into()).or_insert(interface).clone())
    }
}

/// The tenant that a request names.
pub(super) fn named(request: &Request) -> Option<HeaderValue> {
    filled(request.headers(), &TENANT).cloned()
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
