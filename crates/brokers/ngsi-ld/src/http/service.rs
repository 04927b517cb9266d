//! What a request passes before it comes to its handler. These are calls, not layers of axum: a layer costs each request
//! some boxes, and most requests have to do with none of this.

use std::sync::Arc;

use axum::{Router, extract::Request, response::Response};
use tower::ServiceExt;

use super::{
    Door, HttpOptions, distributed,
    entity_maps::{self, Wish},
    handlers,
    preconditions::{Wanted, lacks_length},
    remote_notify, snapshots,
    tenants::{self, Gate},
};
use crate::Broker;

/// Answers requests to the broker, under `/ngsi-ld/v1`. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Those who name no tenant.
    nameless: Interface,
    gate: Gate,
}

impl Service {
    /// A service over `broker` and its tenants.
    pub(super) fn new(broker: Broker, options: HttpOptions) -> Self {
        let options = Arc::new(options);
        let gate = Gate::new(broker.clone(), Arc::clone(&options));
        Self(Arc::new(Inner { nameless: Interface::new(broker, options), gate }))
    }

    /// Answers one request. What a client can do wrong is an answer too.
    pub(super) async fn answer(&self, request: Request) -> Response {
        let Inner { nameless, gate } = &*self.0;
        let door = nameless.door();
        let refusal = remote_notify::refusal(door, &request);
        if let Some(refusal) = refusal.or_else(|| lacks_length(&door.options, &request)) {
            return refusal;
        }
        let wanted = Wanted::of(request.headers());
        wanted.give(match tenants::named(&request) {
            // In a box, so that requests that name no tenant are small.
            Some(tenant) => Box::pin(gate.answer(tenant, request)).await,
            None => nameless.answer(request).await,
        })
    }
}

/// The interface of one tenant or snapshot, for who has been let in. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Interface {
    door: Door,
    handlers: Handlers,
}

impl Interface {
    pub(super) fn new(broker: Broker, options: Arc<HttpOptions>) -> Self {
        let door = Door { broker, options };
        Self { handlers: Handlers(handlers(door.clone())), door }
    }

    pub(super) fn door(&self) -> &Door {
        &self.door
    }

    pub(super) async fn answer(&self, request: Request) -> Response {
        if let Some(snapshot) = snapshots::named(&request) {
            return snapshots::answer(&self.door, snapshot, request).await;
        }
        match Wish::of(&request) {
            // In a box, so that requests without a map are small.
            Some(wish) => Box::pin(entity_maps::answer(self, request, wish)).await,
            None => self.answer_with_sources(request).await,
        }
    }

    /// The answer, in which context sources take part that have to do with it.
    pub(super) async fn answer_with_sources(&self, request: Request) -> Response {
        match distributed::concerned(&self.door, &request) {
            // In a box, so that the many requests without sources are not as large as the few with them.
            Some(route) => Box::pin(distributed::answer(&self.door, route, request, &self.handlers)).await,
            None => self.handlers.run(request).await,
        }
    }
}

/// The handlers of all resources. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Handlers(Router);

impl Handlers {
    pub(super) async fn run(&self, request: Request) -> Response {
        match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
