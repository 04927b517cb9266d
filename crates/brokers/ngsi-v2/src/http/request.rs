use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, header, request::Parts};
use http_body_util::BodyExt;
use hyper::body::Body;
use morgana_engine::Access;

use super::{
    Reply, Service,
    negotiation::{Accept, ContentType},
    params::{Params, decode},
};
use crate::{Broker, Error, ErrorKind, Json, Scope, ServicePaths, UpdateOptions, broker::new_correlator};

/// A request that has been read: what is asked of which path, and in which scope.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) service: &'a Service,
    pub(super) method: Method,
    /// The parts of the path, decoded.
    pub(super) path: Vec<String>,
    pub(super) params: Params,
    pub(super) scope: Scope,
    pub(super) accept: Accept,
    content_type: ContentType,
    body: Bytes,
}

/// The longest name of a service, in bytes.
const SERVICE_MAX: usize = 50;

impl<'a> Call<'a> {
    /// Reads a request.
    ///
    /// # Errors
    /// The reply to a request that is malformed, too large, or not allowed.
    pub(super) async fn read<B>(
        service: &'a Service,
        parts: Parts,
        body: B,
        correlator: Box<str>,
        received: &mut usize,
    ) -> Result<Self, Reply>
    where
        B: Body<Data = Bytes>,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let headers = &parts.headers;
        // Read first, so that the connection can be used again whatever the answer.
        let body = read_body(body, headers, service.options.body_max_bytes).await?;
        *received = body.len();
        check_access(&service.options.access, headers)?;
        let has_body = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
        if has_body && body.is_empty() {
            return Err(Error::new(
                ErrorKind::ContentLengthRequired,
                "Zero/No Content-Length in PUT/POST/PATCH request",
            )
            .into());
        }
        let scope = scope(headers, correlator)?;
        let path = parts.uri.path();
        let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
        let path = path.split('/').skip(1).map(decode).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            service,
            path,
            params: Params::parse(parts.uri.query())?,
            scope,
            accept: Accept::of(headers),
            content_type: ContentType::of(headers),
            method: parts.method,
            body,
        })
    }

    pub(super) fn broker(&self) -> &Broker {
        &self.service.broker
    }

    /// The type that the request names.
    pub(super) fn kind(&self) -> Option<&str> {
        self.params.get("type")
    }

    /// How the request wants updates done.
    pub(super) fn update_options(&self) -> UpdateOptions {
        UpdateOptions {
            override_metadata: self.params.has("overrideMetadata"),
            forced: self.params.has("forcedUpdate"),
        }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is something else, or says so.
    pub(super) fn json(&self) -> Result<Json, Error> {
        match &self.content_type {
            ContentType::Json => parse_json(&self.body),
            other => Err(other.unsupported()),
        }
    }

    /// The body as a JSON object or array, which most requests have.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn document(&self) -> Result<Json, Error> {
        let json = self.json()?;
        if !json.is_compound() {
            return Err(Error::parse());
        }
        Ok(json)
    }

    /// The body as the value of an attribute, as JSON or as text.
    ///
    /// # Errors
    /// When it is neither.
    pub(super) fn value(&self) -> Result<Json, Error> {
        match &self.content_type {
            ContentType::Json => self.document(),
            ContentType::Text => text_value(&self.body),
            other => Err(other.unsupported()),
        }
    }
}

/// Whether every bracket of a JSON text outside of its strings has its other half.
fn is_balanced(body: &[u8]) -> bool {
    let (mut open, mut quoted, mut escaped) = (Vec::new(), false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' => open.push(b']'),
            b'{' => open.push(b'}'),
            b']' | b'}' if open.pop() != Some(*byte) => return false,
            _ => {}
        }
    }
    open.is_empty() && !quoted
}

fn parse_json(body: &[u8]) -> Result<Json, Error> {
    Json::parse(body).map_err(|error| {
        // The one syntax error that has words of its own.
        if error.to_string().contains("recursion limit") && is_balanced(body) {
            let words = "attribute or metadata value has overpassed maximum nesting limit: 50";
            return Error::new(ErrorKind::ParseError, words);
        }
        Error::parse()
    })
}

/// A value in a body of `text/plain`: a string in double quotes, a number, or a word.
fn text_value(body: &[u8]) -> Result<Json, Error> {
    let text = std::str::from_utf8(body).map_err(|_| Error::parse())?.trim();
    if let Some(rest) = text.strip_prefix('"') {
        let inner =
            rest.strip_suffix('"').ok_or_else(|| Error::bad("Missing citation-mark at end of string"))?;
        return Ok(inner.into());
    }
    match &*text.to_ascii_lowercase() {
        "true" => Ok(Json::Bool(true)),
        "false" => Ok(Json::Bool(false)),
        "null" => Ok(Json::Null),
        _ => match text.parse::<f64>() {
            Ok(number)
                if number.is_finite()
                    && !text.contains(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E')) =>
            {
                Ok(Json::Number(number))
            }
            _ => Err(Error::bad("attribute value type not recognized")),
        },
    }
}

/// The correlator of a request, or a new one.
pub(super) fn correlator(headers: &HeaderMap) -> Box<str> {
    match headers.get("fiware-correlator").and_then(|value| value.to_str().ok()) {
        Some(text) if !text.is_empty() => text.into(),
        _ => new_correlator(),
    }
}

fn scope(headers: &HeaderMap, correlator: Box<str>) -> Result<Scope, Error> {
    let text =
        |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default()).unwrap_or_default();
    let service = text("fiware-service").to_ascii_lowercase();
    if service.len() > SERVICE_MAX {
        return Err(Error::bad(format!(
            "bad length - a tenant name can be max {SERVICE_MAX} characters long"
        )));
    }
    if !service.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(Error::bad(
            "bad character in tenant name - only underscore and alphanumeric characters are allowed",
        ));
    }
    Ok(Scope {
        service: service.into(),
        paths: ServicePaths::parse(text("fiware-servicepath"))?,
        correlator,
        token: headers.get("x-auth-token").cloned(),
    })
}

fn check_access(access: &Access, headers: &HeaderMap) -> Result<(), Error> {
    if access.allows(headers) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unauthorized,
        "this broker asks for its token, as Authorization: Bearer TOKEN or X-Auth-Token: TOKEN",
    ))
}

/// How long a client may pause while a body that is too large is thrown away.
const DRAIN_IDLE: Duration = Duration::from_millis(200);

fn too_large(size: usize, max: usize) -> Error {
    Error::new(ErrorKind::RequestEntityTooLarge, format!("payload size: {size}, max size supported: {max}"))
}

/// Reads a body of at most `max` bytes. A larger one is thrown away as it comes, up to four times as much, so that the
/// client is still there to read why.
async fn read_body<B>(body: B, headers: &HeaderMap, max: usize) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes>,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if length.is_some_and(|length| length > max) {
        // A client that says so much may not send it: it is waited for a little, so that one that does is there to
        // read the answer.
        let mut body = std::pin::pin!(body);
        while let Ok(Some(Ok(_))) = tokio::time::timeout(DRAIN_IDLE, body.frame()).await {}
        return Err(too_large(length.unwrap_or_default(), max));
    }
    let mut body = std::pin::pin!(body);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::bad(format!("the body did not arrive: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        size += data.len();
        if size > max.saturating_mul(4) {
            break;
        }
        if size <= max {
            // Most bodies are one frame, which need not be copied.
            if first.is_empty() && rest.is_empty() {
                first = data;
            } else {
                if rest.is_empty() {
                    rest.reserve(length.unwrap_or(0).min(max));
                    rest.extend_from_slice(&first);
                    first.clear();
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    if size > max {
        return Err(too_large(size, max));
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}
