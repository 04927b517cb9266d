//! The opening handshake (TS-0020 6.2): the subprotocol names how primitives are written.

use http::{HeaderValue, Request, Response, StatusCode, header};
use morgana_engine::Access;

use crate::wire::Form;

/// The subprotocols that the CSE speaks (TS-0020 table 6.2.2.9-1).
const JSON: &str = "oneM2M.json";
const CBOR: &str = "oneM2M.cbor";

/// What a client said when it connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) form: Form,
    /// Whether it named the form: only then may the answer.
    named: bool,
    /// Whose connection it is (`X-M2M-Origin`).
    pub(super) originator: Option<String>,
}

/// Why a client is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Token,
    Subprotocol,
}

impl Greeting {
    /// Reads a handshake. The first subprotocol that the CSE speaks is chosen; a client that names none is taken to
    /// speak JSON.
    pub(super) fn of(request: &Request<()>, access: &Access) -> Result<Self, Refusal> {
        let headers = request.headers();
        if !access.allows(headers) {
            return Err(Refusal::Token);
        }
        let names = headers
            .get_all(header::SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let mut named = false;
        let mut chosen = None;
        for name in names {
            named = true;
            chosen = chosen.or(match name {
                JSON => Some(Form::Json),
                CBOR => Some(Form::Cbor),
                _ => None,
            });
        }
        let form = match chosen {
            Some(form) => form,
            None if named => return Err(Refusal::Subprotocol),
            None => Form::Json,
        };
        let originator = headers.get("x-m2m-origin").and_then(|value| value.to_str().ok());
        let originator = originator.filter(|originator| !originator.is_empty()).map(str::to_owned);
        Ok(Self { form, named, originator })
    }

    /// Adds the chosen subprotocol to the answer.
    pub(super) fn accept(&self, mut response: Response<()>) -> Response<()> {
        if self.named {
            let name = HeaderValue::from_static(subprotocol(self.form));
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        }
        response
    }
}

impl Refusal {
    pub(super) fn into_response(self) -> Response<Option<String>> {
        let (status, text) = match self {
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                "this CSE asks for its token, as Authorization: Bearer <token> or X-Auth-Token: <token>",
            ),
            Self::Subprotocol => (
                StatusCode::BAD_REQUEST,
                "Sec-WebSocket-Protocol: this CSE speaks oneM2M.json and oneM2M.cbor",
            ),
        };
        let mut response = Response::new(Some(text.to_owned()));
        *response.status_mut() = status;
        response
    }
}

/// The name of a form as a subprotocol.
pub(super) fn subprotocol(form: Form) -> &'static str {
    match form {
        Form::Json => JSON,
        Form::Cbor => CBOR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(lists: &[&'static str]) -> Result<Form, Refusal> {
        let mut request = Request::new(());
        for list in lists {
            request.headers_mut().append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(list));
        }
        Greeting::of(&request, &Access::Open).map(|greeting| greeting.form)
    }

    #[test]
    fn the_first_subprotocol_that_is_spoken_is_chosen() {
        assert_eq!(greeting(&["oneM2M.json"]), Ok(Form::Json));
        assert_eq!(greeting(&["oneM2M.xml, oneM2M.cbor, oneM2M.json"]), Ok(Form::Cbor));
        assert_eq!(greeting(&["oneM2M.xml", "oneM2M.json"]), Ok(Form::Json));
        assert_eq!(greeting(&[]), Ok(Form::Json));
        assert_eq!(greeting(&["oneM2M.xml"]), Err(Refusal::Subprotocol));
    }

    #[test]
    fn who_does_not_show_the_token_is_refused() {
        let access = Access::Token("secret".into());
        let mut request = Request::new(());
        assert_eq!(Greeting::of(&request, &access), Err(Refusal::Token));
        request.headers_mut().insert("x-auth-token", HeaderValue::from_static("secret"));
        assert!(Greeting::of(&request, &access).is_ok());
    }
}
