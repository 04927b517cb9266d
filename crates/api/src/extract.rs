//! Typed input, with errors that say what was wrong and where.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use morgana_controller::{Caller, Controller, Idempotency, Lease, Origin, Precondition};
use morgana_model::Failure;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::Refusal;

/// What tells a repetition of a creation from another one (draft-ietf-httpapi-idempotency-key-header).
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The longest idempotency key, in bytes.
const MAX_IDEMPOTENCY_KEY: usize = 255;

/// The address a request came from; none without a socket.
pub(crate) fn address(parts: &Parts) -> Option<IpAddr> {
    // On a dual-stack socket an IPv4 client has an IPv6 address that stands for its own.
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical())
}

/// Where a request came from, of one that is not logged in.
pub(crate) struct From(pub(crate) Origin);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Origin { address: address(parts), idempotency: None }))
    }
}

/// The caller of a request, from its bearer token.
pub(crate) struct Authenticated(pub(crate) Caller);

impl FromRequestParts<Controller> for Authenticated {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, controller: &Controller) -> Result<Self, Refusal> {
        let mut caller = controller.authenticate(authorization(&parts.headers)).await?;
        caller.origin.address = address(parts);
        Ok(Self(caller))
    }
}

/// The caller of a request that is answered with a stream.
pub(crate) struct Leased(pub(crate) Lease);

impl FromRequestParts<Controller> for Leased {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, controller: &Controller) -> Result<Self, Refusal> {
        Ok(Self(controller.lease(authorization(&parts.headers)).await?))
    }
}

/// The `Authorization` header, where there is a readable one.
pub(crate) fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
}

/// A JSON body. The content type is not asked for: scripts forget it, and there is no other form.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        Ok(Self(parsed(&bytes(request, state).await?)?))
    }
}

/// The whole body.
pub(crate) async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Refusal> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        Refusal::with_status(rejection.status(), format!("the request body could not be read: {rejection}"))
    })
}

/// The JSON in a body.
pub(crate) fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    if bytes.is_empty() {
        return Err(Failure::invalid("the request body is empty: a JSON object is needed"));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::invalid(format!("the request body is not as it should be: {error}")))
}

/// Who creates what; with an idempotency key, once.
pub(crate) struct Creation<T>(pub(crate) Caller, pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Controller> for Creation<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, controller: &Controller) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let Authenticated(mut caller) = Authenticated::from_request_parts(&mut parts, controller).await?;
        let key = idempotency_key(&parts.headers)?;
        let place = format!("{} {}", parts.method, parts.uri.path());
        let bytes = bytes(Request::from_parts(parts, body), controller).await?;
        caller.origin.idempotency =
            key.map(|key| Idempotency { key, print: controller.print_of(&[place.as_bytes(), &bytes]) });
        Ok(Self(caller, parsed(&bytes)?))
    }
}

/// Who asks for something that has no body; with an idempotency key, once.
pub(crate) struct Repeatable(pub(crate) Caller);

impl FromRequestParts<Controller> for Repeatable {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, controller: &Controller) -> Result<Self, Refusal> {
        let Authenticated(mut caller) = Authenticated::from_request_parts(parts, controller).await?;
        let place = format!("{} {}", parts.method, parts.uri.path());
        caller.origin.idempotency = idempotency_key(&parts.headers)?
            .map(|key| Idempotency { key, print: controller.print_of(&[place.as_bytes()]) });
        Ok(Self(caller))
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let is_plain = text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if text.trim().is_empty() || text.len() > MAX_IDEMPOTENCY_KEY || !is_plain {
        let text =
            format!("the Idempotency-Key is not 1 to {MAX_IDEMPOTENCY_KEY} plain characters; a UUID is one");
        return Err(Failure::invalid(text).into());
    }
    Ok(Some(text.to_owned()))
}

/// Which revision a change asks for: the `If-Match` header (RFC 9110 section 13.1.1).
pub(crate) struct IfMatch(pub(crate) Precondition);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut values = parts.headers.get_all(header::IF_MATCH).iter().peekable();
        if values.peek().is_none() {
            return Ok(Self(None));
        }
        let text = values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
        // `*` asks for existence alone, which a change needs anyway.
        Ok(Self((text.trim() != "*").then(|| text.split(',').filter_map(revision).collect())))
    }
}

/// The revision in an entity tag of ours.
pub(crate) fn revision(tag: &str) -> Option<u64> {
    tag.trim().strip_prefix("\"r")?.strip_suffix('"')?.parse().ok()
}

/// An id from the path.
///
/// # Errors
/// When it is not of the form its kind asks for.
pub(crate) fn id<T: FromStr>(text: &str) -> Result<T, Refusal>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Failure::invalid(error.to_string()).into())
}

/// The query of a request, with an error in our form.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Refusal::with_status(StatusCode::BAD_REQUEST, rejection.body_text())),
        }
    }
}

/// Declares the query of a list: its page, and the fields by which it can be filtered.
macro_rules! list_query {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $wire:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub(crate) struct $name {
            /// At most so many; 100 when not given.
            #[param(minimum = 1, maximum = 1000)]
            limit: Option<usize>,
            /// What follows this, the `next` of the page before.
            cursor: Option<String>,
            $($(#[$field_doc])* #[serde(rename = $wire)] #[param(rename = $wire)] $field: Option<String>,)*
        }

        impl std::convert::From<$name> for morgana_controller::ListOptions {
            fn from(query: $name) -> Self {
                #[allow(unused_mut, reason = "some lists have no filter")]
                let mut filter = morgana_controller::Filter::new();
                $(if let Some(value) = query.$field {
                    filter.insert($wire, value);
                })*
                Self { limit: query.limit, cursor: query.cursor, filter }
            }
        }
    };
}
pub(crate) use list_query;

/// The query of a deletion.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteQuery {
    /// Do not wait for the workload to agree.
    #[serde(default)]
    pub(crate) force: bool,
}
