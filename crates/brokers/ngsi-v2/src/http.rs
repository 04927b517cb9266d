//! The HTTP interface; one file a resource. A handler takes checked input, makes one call to the broker, and gives a
//! reply.

mod admin;
mod attributes;
mod entities;
mod lenient;
mod log;
mod metrics;
mod negotiation;
mod operations;
mod params;
mod registrations;
mod reply;
mod request;
mod routes;
mod server;
mod subscriptions;
mod types;

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Body;
use morgana_engine::Access;

pub use self::{
    log::{LogControl, LogLevel},
    reply::Cors,
    server::{ServeError, serve},
};
use self::{reply::Reply, request::Call};
use crate::{Broker, broker::Answered};

/// How a broker answers over HTTP.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Who may use it.
    pub access: Access,
    /// The largest request body, in bytes (Orion's `-inReqPayloadMaxSize`).
    pub body_max_bytes: usize,
    /// Entities or subscriptions on a page when the request does not say.
    pub page_default: usize,
    /// The most that a request may ask for on one page.
    pub page_max: usize,
    /// Which web pages may use it (Orion's `-corsOrigin`, `-corsMaxAge`).
    pub cors: Option<Cors>,
    /// What `PUT /admin/log` changes; nothing without.
    pub log: Option<Arc<dyn LogControl>>,
    /// Milliseconds that requests under way get when the server stops.
    pub patience_ms: u64,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            access: Access::Open,
            body_max_bytes: 1024 * 1024,
            page_default: 20,
            page_max: 1000,
            cors: None,
            log: None,
            patience_ms: 5_000,
        }
    }
}

/// Answers requests, from a socket or from the same process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Service {
    broker: Broker,
    options: Arc<HttpOptions>,
}

impl Service {
    /// A service over `broker`.
    pub fn new(broker: Broker, options: HttpOptions) -> Self {
        Self { broker, options: Arc::new(options) }
    }

    /// Answers one request. What a client can do wrong is an answer too.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let (parts, body) = request.into_parts();
        let correlator = request::correlator(&parts.headers);
        let origin = parts.headers.get(http::header::ORIGIN).cloned();
        let started = Instant::now();
        let mut received = 0;
        let call = Call::read(self, parts, body, correlator.clone(), &mut received).await;
        let (reply, scope) = match &call {
            Ok(call) => (routes::dispatch(call).await, Some(&call.scope)),
            Err(refusal) => (refusal.clone(), None),
        };
        let (is_failure, bytes_out) = (reply.is_failure(), reply.length());
        let answered = Answered { is_failure, bytes_in: received, bytes_out, took: started.elapsed() };
        self.broker.statistics().answered(scope, answered);
        reply.into_response(&correlator, origin.as_ref(), self.options.cors.as_ref())
    }
}

/// What a handler gives: a reply either way, so that `?` works on what the broker refuses.
type Handled = Result<Reply, Reply>;
