use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::ext::ReasonPhrase;

use crate::{Error, ErrorKind, model::write_text};

/// Which web pages may use the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// The one origin that may; `None` for every origin.
    pub origin: Option<String>,
    /// How long a browser may remember that, in seconds.
    pub max_age_s: u64,
}

impl Cors {
    fn allows(&self, origin: &HeaderValue) -> bool {
        self.origin.as_deref().is_none_or(|allowed| origin.as_bytes() == allowed.as_bytes())
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    status: StatusCode,
    /// Few, and so a list: a map is large, and most replies are moved several times.
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TOTAL_COUNT: HeaderName = HeaderName::from_static("fiware-total-count");
const CORRELATOR: HeaderName = HeaderName::from_static("fiware-correlator");

impl Reply {
    fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Sets a header, in place of one with its name.
    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
    }

    /// 200 with JSON.
    pub(super) fn json(body: Vec<u8>) -> Self {
        let mut reply = Self::empty(StatusCode::OK);
        reply.set(header::CONTENT_TYPE, JSON);
        reply.body = body;
        reply
    }

    /// 200 with text.
    pub(super) fn text(body: Vec<u8>) -> Self {
        let mut reply = Self::empty(StatusCode::OK);
        reply.set(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        reply.body = body;
        reply
    }

    /// The same, said to be text.
    pub(super) fn into_text(mut self) -> Self {
        self.set(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        self
    }

    /// 201 with the place of what was created.
    pub(super) fn created(location: &str) -> Self {
        Self::empty(StatusCode::CREATED).at(location)
    }

    /// 200 without content.
    pub(super) fn ok() -> Self {
        Self::empty(StatusCode::OK)
    }

    /// 204.
    pub(super) fn done() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    /// The same with a `Location`.
    pub(super) fn at(mut self, location: &str) -> Self {
        if let Ok(location) = HeaderValue::from_str(location) {
            self.set(header::LOCATION, location);
        }
        self
    }

    /// The same with `Fiware-Total-Count`, if something was counted.
    pub(super) fn with_total(mut self, total: Option<usize>) -> Self {
        if let Some(total) = total {
            self.set(TOTAL_COUNT, HeaderValue::from(total));
        }
        self
    }

    /// The same with a list of methods.
    pub(super) fn allowing(mut self, methods: &str) -> Self {
        if let Ok(methods) = HeaderValue::from_str(methods) {
            self.set(header::ALLOW, methods);
        }
        self
    }

    /// What a browser asks before it sends a request across origins.
    pub(super) fn preflight(methods: &str, cors: &Cors) -> Self {
        let mut reply = Self::empty(StatusCode::OK);
        reply.set(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(
                "Content-Type, Fiware-Service, Fiware-Servicepath, Ngsiv2-AttrsFormat, Fiware-Correlator, \
                 X-Forwarded-For, X-Real-IP, X-Auth-Token",
            ),
        );
        if let Ok(methods) = HeaderValue::from_str(methods) {
            reply.set(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        reply.set(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age_s));
        reply
    }

    pub(super) fn is_failure(&self) -> bool {
        !self.status.is_success()
    }

    pub(super) fn length(&self) -> usize {
        self.body.len()
    }

    pub(super) fn into_response(
        self,
        correlator: &str,
        origin: Option<&HeaderValue>,
        cors: Option<&Cors>,
    ) -> Response<Full<Bytes>> {
        let status = self.status;
        let has_length = status == StatusCode::CREATED;
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.reserve(self.headers.len() + 3);
        headers.extend(self.headers);
        if let Ok(correlator) = HeaderValue::from_str(correlator) {
            headers.insert(CORRELATOR, correlator);
        }
        if has_length {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let (Some(origin), Some(cors)) = (origin, cors)
            && cors.allows(origin)
        {
            let allowed = if cors.origin.is_some() { origin.clone() } else { HeaderValue::from_static("*") };
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("Fiware-Correlator, Fiware-Total-Count, Location"),
            );
        }
        // The phrases of RFC 9110, which Orion sends.
        let phrase = match status {
            StatusCode::PAYLOAD_TOO_LARGE => Some(ReasonPhrase::from_static(b"Content Too Large")),
            StatusCode::UNPROCESSABLE_ENTITY => Some(ReasonPhrase::from_static(b"Unprocessable Content")),
            _ => None,
        };
        if let Some(phrase) = phrase {
            response.extensions_mut().insert(phrase);
        }
        response
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        let mut body = br#"{"error":""#.to_vec();
        body.extend_from_slice(error.kind().name().as_bytes());
        body.extend_from_slice(br#"","description":"#);
        write_text(&harmless(error.description()), &mut body);
        body.push(b'}');
        let mut reply = Self::json(body);
        reply.status = error.kind().status();
        if error.kind() == ErrorKind::Unauthorized {
            reply.set(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        reply
    }
}

/// A description without the characters that do harm in a web page: it may repeat what a client sent.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '=' => out.push_str("&#61;"),
            ';' => out.push_str("&#59;"),
            '(' => out.push_str("&#40;"),
            ')' => out.push_str("&#41;"),
            char => out.push(char),
        }
    }
    out
}
