use std::{fmt, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use crate::Problem;

/// Who may use a broker's endpoint.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Access {
    /// Everyone who reaches it.
    #[default]
    Open,
    /// Who shows this token as `Authorization: Bearer <token>` or `X-Auth-Token: <token>`.
    Token(Arc<str>),
}

/// A token does not print.
impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Open => "Open",
            Self::Token(_) => "Token(***)",
        })
    }
}

impl Access {
    /// Whether these headers show what is asked for. How long it takes says nothing about the token.
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        let Self::Token(token) = self else { return true };
        shown(headers).is_some_and(|shown| shown.ct_eq(token.as_bytes()).into())
    }

    /// The answer, 401, to who does not show what is asked for.
    pub fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        if self.allows(headers) {
            return None;
        }
        let detail = match shown(headers) {
            Some(_) => "the token is not the one of this broker",
            None => {
                "this broker asks for its token, as Authorization: Bearer <token> or X-Auth-Token: <token>"
            }
        };
        Some(Problem::unauthorized(detail))
    }
}

fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(token) = headers.get("x-auth-token") {
        return Some(token.as_bytes());
    }
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Middleware that answers 401 to who does not show the token:
/// `router.layer(axum::middleware::from_fn_with_state(access, require_token))`.
pub async fn require_token(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.refusal(request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_token_opens() {
        let access = Access::Token("secret".into());
        let with = |name: &'static str, value: &'static str| {
            access.allows(&HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]))
        };
        assert!(with("authorization", "Bearer secret"));
        assert!(with("authorization", "bearer secret"));
        assert!(with("x-auth-token", "secret"));
        assert!(!with("authorization", "Bearer secret2"));
        assert!(!with("authorization", "secret"));
        assert!(!with("authorization", "Basic secret"));
        assert!(!with("x-auth-token", ""));
        assert!(!access.allows(&HeaderMap::new()));
        assert!(Access::Open.allows(&HeaderMap::new()));
        assert_eq!(format!("{access:?}"), "Token(***)");
    }
}
