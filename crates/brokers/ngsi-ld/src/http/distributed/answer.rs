//! One answer to what several did (NGSI-LD 6.3.17, 5.2.16, 5.2.18).

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use morgana_engine::Problem;
use serde_json::{Value, json};

/// What one part of an operation came to.
#[derive(Debug)]
pub(super) enum Outcome {
    Done(Bytes),
    /// Some of it was done; the body says what.
    Partly(Bytes),
    Failed(Problem),
}

/// What a source, or the broker itself, made of its part.
#[derive(Debug)]
pub(super) struct Part {
    /// The source's registration; `None` for the broker itself.
    pub(super) registration: Option<Box<str>>,
    /// The attributes of this part, in the terms of the request.
    pub(super) names: Vec<String>,
    pub(super) outcome: Outcome,
}

impl Outcome {
    /// What a handler of this broker answered.
    pub(super) async fn of(response: Response) -> Self {
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
        match status {
            StatusCode::MULTI_STATUS => Self::Partly(body),
            status if status.is_success() => Self::Done(body),
            status => Self::Failed(problem_of(status, &body)),
        }
    }
}

fn problem_of(status: StatusCode, body: &[u8]) -> Problem {
    let known: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |member: &str| known[member].as_str().map(str::to_owned);
    let plain = Problem::of(status, status.canonical_reason().unwrap_or_default());
    match (text("type"), text("title")) {
        (Some(kind), Some(title)) => Problem { kind, title, detail: text("detail"), status: status.as_u16() },
        _ => plain,
    }
}

/// The answer to an operation on an entity as a whole.
pub(super) fn of_entity(id: &str, parts: Vec<Part>, success: impl FnOnce() -> Response) -> Response {
    if parts.iter().all(|part| matches!(part.outcome, Outcome::Done(_))) {
        return success();
    }
    if let Some(alone) = alone(&parts) {
        return alone;
    }
    let done = parts.iter().any(|part| !matches!(part.outcome, Outcome::Failed(_)));
    let mut errors: Vec<Value> = Vec::new();
    for part in &parts {
        match &part.outcome {
            Outcome::Done(_) => {}
            Outcome::Partly(body) => errors.push(error(id, part, &partly(body))),
            Outcome::Failed(problem) => errors.push(error(id, part, problem)),
        }
    }
    let success: Vec<&str> = if done { vec![id] } else { Vec::new() };
    multi(&json!({"success": success, "errors": errors}))
}

/// The answer to an operation on attributes.
pub(super) fn of_attributes(parts: Vec<Part>, success: impl FnOnce() -> Response) -> Response {
    if parts.iter().all(|part| matches!(part.outcome, Outcome::Done(_))) {
        return success();
    }
    if let Some(alone) = alone(&parts) {
        return alone;
    }
    let mut updated: Vec<Value> = Vec::new();
    let mut refused: Vec<Value> = Vec::new();
    for part in &parts {
        let not = |name: &Value, reason: &str| {
            let mut one = json!({"attributeName": name, "reason": reason});
            if let Some(id) = &part.registration {
                one["registrationId"] = json!(id);
            }
            one
        };
        match &part.outcome {
            Outcome::Done(_) => updated.extend(part.names.iter().map(|name| json!(name))),
            Outcome::Partly(body) => {
                let known: Value = serde_json::from_slice(body).unwrap_or_default();
                updated.extend(known["updated"].as_array().cloned().unwrap_or_default());
                for one in known["notUpdated"].as_array().into_iter().flatten() {
                    refused.push(not(&one["attributeName"], one["reason"].as_str().unwrap_or_default()));
                }
            }
            Outcome::Failed(problem) => {
                let reason = problem.detail.as_deref().unwrap_or(&problem.title);
                refused.extend(part.names.iter().map(|name| not(&json!(name), reason)));
            }
        }
    }
    updated.dedup();
    multi(&json!({"updated": updated, "notUpdated": refused}))
}

/// The answer of the only part, or of parts that all failed the same way for attributes of nothing.
fn alone(parts: &[Part]) -> Option<Response> {
    match parts {
        [Part { outcome: Outcome::Failed(problem), .. }] => Some(problem.clone().into_response()),
        [Part { outcome: Outcome::Partly(body), .. }] => Some(multi_bytes(body.clone())),
        _ => None,
    }
}

fn partly(body: &[u8]) -> Problem {
    let detail = match std::str::from_utf8(body).unwrap_or_default() {
        "" => "only a part of it was done",
        text => text,
    };
    Problem::of(StatusCode::MULTI_STATUS, detail)
}

pub(super) fn error(id: &str, part: &Part, problem: &Problem) -> Value {
    let mut error = json!({"entityId": id, "error": problem});
    if let Some(registration) = &part.registration {
        error["registrationId"] = json!(registration);
    }
    error
}

pub(super) fn multi(body: &Value) -> Response {
    multi_bytes(body.to_string().into())
}

fn multi_bytes(body: Bytes) -> Response {
    (StatusCode::MULTI_STATUS, [(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
}
