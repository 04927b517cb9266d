//! Primitives as messages (TS-0004 8): what the bindings share that carry a whole primitive in one message.

use serde_json::{Value, json};

use crate::{
    Cse, cbor,
    primitive::{Request, Response, request_from_json, response_to_json},
    status::Failure,
    time::Time,
};

/// How a primitive is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Cbor,
}

impl Form {
    /// Reads a primitive; nothing when the bytes are not of this form.
    pub(crate) fn read(self, bytes: &[u8]) -> Option<Value> {
        match self {
            Self::Json => serde_json::from_slice(bytes).ok(),
            Self::Cbor => cbor::decode(bytes),
        }
    }

    pub(crate) fn write(self, primitive: &Value) -> Vec<u8> {
        match self {
            Self::Json => primitive.to_string().into_bytes(),
            Self::Cbor => cbor::encode(primitive),
        }
    }
}

/// What a message is.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A request, and whether it was wrapped in `m2m:rqp`.
    Request { request: Box<Request>, wrapped: bool },
    /// A response to a request of the CSE.
    Response(Value),
    /// Neither; this is to be answered.
    Malformed { response: Box<Response>, wrapped: bool },
}

impl Incoming {
    pub(crate) fn read(form: Form, bytes: &[u8]) -> Self {
        let Some(json) = form.read(bytes) else {
            let failure = Failure::bad("the message is not a primitive in JSON or CBOR");
            return Self::Malformed { response: Box::new(refused(failure, Value::Null)), wrapped: false };
        };
        if json.get("rsc").is_some() || json.get("m2m:rsp").is_some() {
            return Self::Response(json);
        }
        let wrapped = json.get("m2m:rqp").is_some();
        match request_from_json(json) {
            Ok(request) => Self::Request { request: Box::new(request), wrapped },
            Err((failure, id)) => Self::Malformed { response: Box::new(refused(failure, id)), wrapped },
        }
    }
}

/// The response to what is no request.
pub(crate) fn refused(failure: Failure, id: Value) -> Response {
    Response {
        status: failure.status,
        id,
        content: Some(json!({ "m2m:dbg": failure.debug })),
        shown: None,
        release: None,
        vendor: None,
        result_expires: None,
        originated: Some(Time::now().to_string()),
        silent: false,
    }
}

/// The message of a response; nothing when the originator wants none.
pub(crate) fn answer(
    cse: &Cse,
    response: &Response,
    to: Option<&str>,
    form: Form,
    wrapped: bool,
) -> Option<Vec<u8>> {
    if response.silent {
        return None;
    }
    Some(form.write(&response_to_json(response, to, &cse.inner.identity.cse_id(), wrapped)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    #[test]
    fn a_message_is_a_request_a_response_or_refused() {
        let read = |text: &str| Incoming::read(Form::Json, text.as_bytes());
        let request = read(r#"{"op": 2, "to": "Mobius", "fr": "S", "rqi": "1"}"#);
        assert!(matches!(request, Incoming::Request { wrapped: false, .. }));
        assert!(matches!(read(r#"{"rsc": 2000, "rqi": "1"}"#), Incoming::Response(_)));
        for text in ["", "7", "[]", "{}", "not JSON", r#"{"op": 9, "to": "x", "rqi": "1"}"#] {
            let Incoming::Malformed { response, .. } = read(text) else { panic!("{text} is taken") };
            assert_eq!(response.status, Status::BadRequest, "{text}");
        }
        assert!(matches!(Incoming::read(Form::Cbor, b"\xff"), Incoming::Malformed { .. }));
    }
}
