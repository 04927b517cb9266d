//! Typed input, with errors that say what was wrong and where.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use morgana_controller::{Caller, Controller, Lease, ListOptions};
use morgana_model::Failure;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::Refusal;

/// The caller of a request, from its bearer token.
pub(crate) struct Authenticated(pub(crate) Caller);

impl FromRequestParts<Controller> for Authenticated {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, controller: &Controller) -> Result<Self, Refusal> {
        Ok(Self(controller.authenticate(authorization(parts)).await?))
    }
}

/// The caller of a request that is answered with a stream.
pub(crate) struct Leased(pub(crate) Lease);

impl FromRequestParts<Controller> for Leased {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, controller: &Controller) -> Result<Self, Refusal> {
        Ok(Self(controller.lease(authorization(parts)).await?))
    }
}

/// The `Authorization` header, where there is a readable one.
pub(crate) fn authorization(parts: &Parts) -> Option<&str> {
    parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
}

/// A JSON body. The content type is not asked for: scripts forget it, and there is no other form.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            Refusal::with_status(
                rejection.status(),
                format!("the request body could not be read: {rejection}"),
            )
        })?;
        if bytes.is_empty() {
            return Err(Failure::invalid("the request body is empty: a JSON object is needed").into());
        }
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Self(value)),
            Err(error) => {
                Err(Failure::invalid(format!("the request body is not as it should be: {error}")).into())
            }
        }
    }
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

/// The query of a list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// At most so many; 100 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// What follows this, the `next` of the page before.
    cursor: Option<String>,
}

impl From<ListQuery> for ListOptions {
    fn from(query: ListQuery) -> Self {
        Self { limit: query.limit, cursor: query.cursor }
    }
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

/// The query of a deletion.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteQuery {
    /// Do not wait for the workload to agree.
    #[serde(default)]
    pub(crate) force: bool,
}
