//! Resources with the entity tag of their revision (RFC 9110 section 8.8.3).

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use morgana_controller::Versioned;
use serde::Serialize;

use crate::extract::revision;

/// A resource as it was at a revision.
pub(crate) struct Tagged<T>(pub(crate) Versioned<T>);

impl<T: Serialize> Tagged<T> {
    /// The resource, or that the caller has it already (`If-None-Match`, RFC 9110 section 13.1.2).
    pub(crate) fn unless_known(self, headers: &HeaderMap) -> Response {
        let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let is_known = known.flat_map(|value| value.split(',')).any(|tag| {
            let tag = tag.trim();
            tag == "*" || revision(tag.strip_prefix("W/").unwrap_or(tag)) == Some(self.0.revision)
        });
        if is_known {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, self.tag())]).into_response();
        }
        self.into_response()
    }

    fn tag(&self) -> HeaderValue {
        HeaderValue::from_str(&format!("\"r{}\"", self.0.revision))
            .unwrap_or(HeaderValue::from_static("\"r\""))
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = self.tag();
        ([(header::ETAG, tag)], Json(self.0.value)).into_response()
    }
}
