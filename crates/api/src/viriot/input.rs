//! Input as VirIoT's scripts send it.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use morgana_controller::ListOptions;
use morgana_model::{Failure, Page, ZoneId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::reply::{Otherwise, Reply};
use crate::extract::{bytes, parsed};

/// A JSON body, or what is wrong with it: each endpoint has words of its own for that.
pub(super) struct Input<T>(Result<T, Failure>);

impl<T> Input<T> {
    /// The body.
    pub(super) fn or(self, otherwise: Otherwise) -> Result<T, Reply> {
        self.0.map_err(|failure| otherwise.reply(failure))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        match bytes(request, state).await {
            Ok(bytes) => Ok(Self(parsed(&bytes))),
            Err(refusal) => Err(Reply::message(refusal.status(), refusal.message()).into_response()),
        }
    }
}

/// An id; what is none names nothing.
pub(super) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Failure>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Failure::invalid(error.to_string()))
}

/// A zone; VirIoT's command line sends an empty one when none was given.
pub(super) fn zone(text: Option<&str>) -> Result<Option<ZoneId>, Failure> {
    text.filter(|text| !text.is_empty()).map(id).transpose()
}

/// VirIoT's lists have no pages: this reads them all.
pub(super) async fn all<T, F, R>(mut page: F) -> Result<Vec<T>, Failure>
where
    F: FnMut(ListOptions) -> R,
    R: Future<Output = Result<Page<T>, Failure>>,
{
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let options = ListOptions { limit: Some(ListOptions::MAX), cursor, ..ListOptions::default() };
        let found = page(options).await?;
        items.extend(found.items);
        match found.next {
            Some(next) => cursor = Some(next),
            None => return Ok(items),
        }
    }
}

/// A switch: VirIoT's scripts send `true`, and some `"true"`.
pub(super) fn switch<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Bool(on) => Ok(on),
        Value::String(text) => Ok(text.eq_ignore_ascii_case("true")),
        Value::Null => Ok(false),
        other => Err(serde::de::Error::custom(format!("{other} is neither true nor false"))),
    }
}

/// VirIoT gives parameters as a text that mostly is JSON, and gets back the text it gave.
pub(super) fn params_text(params: &Value) -> Value {
    match params {
        Value::Null => Value::String(String::new()),
        Value::String(_) => params.clone(),
        other => Value::String(other.to_string()),
    }
}

/// The parameters in that text: an object where it is one.
pub(super) fn params_value(text: Value) -> Value {
    match text {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
            _ => Value::String(text),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_come_back_as_they_were_given() {
        for text in ["", "Mobius", "{'vThingName':'x'}", r#"{"rate":5}"#] {
            assert_eq!(params_text(&params_value(json!(text))), json!(text));
        }
        assert_eq!(params_value(json!(r#"{"rate":5}"#)), json!({"rate": 5}));
    }

    #[test]
    fn a_switch_is_a_boolean_or_its_text() {
        for (given, on) in
            [(json!(true), true), (json!("true"), true), (json!("false"), false), (json!(null), false)]
        {
            assert_eq!(switch(given).unwrap(), on);
        }
        assert!(switch(json!(7)).is_err());
    }
}
