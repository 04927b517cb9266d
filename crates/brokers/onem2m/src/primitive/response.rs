use bytes::Bytes;
use serde_json::{Value, json};

use super::Request;
use crate::status::{Failure, Status};

/// A representation as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// `{"m2m:cin": {...}}`.
    pub json: Bytes,
    /// The resourceID in it.
    pub ri: Box<str>,
}

/// A response primitive (TS-0004 6.4.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// rsc.
    pub status: Status,
    /// rqi of the request.
    pub id: Value,
    /// pc.
    pub content: Option<Value>,
    /// pc in place of `content`, for a request that takes it so.
    pub shown: Option<Shown>,
    /// rvi.
    pub release: Option<String>,
    /// vsi of the request.
    pub vendor: Option<Value>,
    /// rset of the request.
    pub result_expires: Option<String>,
    /// ot: when the response was made.
    pub originated: Option<String>,
    /// Whether the originator wants no answer.
    pub silent: bool,
}

impl Response {
    /// The answer to a request.
    pub(crate) fn to(request: &Request, result: Result<Outcome, Failure>) -> Self {
        let outcome = result.unwrap_or_else(|failure| Outcome {
            content: Some(json!({ "m2m:dbg": failure.debug })),
            shown: None,
            status: failure.status,
        });
        Self {
            status: outcome.status,
            id: request.id.clone(),
            content: outcome.content,
            shown: outcome.shown,
            release: request.release.clone(),
            vendor: request.vendor.clone(),
            result_expires: request.result_expires.clone(),
            originated: Some(crate::time::Time::now().to_string()),
            silent: false,
        }
    }
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    pub(crate) content: Option<Value>,
    pub(crate) shown: Option<Shown>,
}

impl Outcome {
    /// With a representation that is ready made.
    pub(crate) fn shown(status: Status, shown: Shown) -> Self {
        Self { status, content: None, shown: Some(shown) }
    }

    pub(crate) fn new(status: Status, content: Option<Value>) -> Self {
        Self { status, content, shown: None }
    }
}
