use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use morgana_engine::Problem;

use super::{
    Door,
    distributed::{Discovered, Remote, RemotePast},
    entity_maps::Mapped,
    params::Params,
};
use crate::{Broker, Context, Error, ErrorKind, model::Json};

/// The form of an answer's body (NGSI-LD 6.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepted {
    /// `application/json`; the context is in the Link header.
    Json,
    /// `application/ld+json`; the context is in the body.
    LdJson,
    /// `application/geo+json`; the context is in the body, unless `Prefer: body=json` asks for it in the Link header
    /// (6.3.6).
    GeoJson { context: bool },
}

impl Accepted {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::LdJson => "application/ld+json",
            Self::GeoJson { .. } => "application/geo+json",
        }
    }

    /// Whether the context is in the body.
    pub(super) fn has_context(self) -> bool {
        matches!(self, Self::LdJson | Self::GeoJson { context: true })
    }

    pub(super) fn is_geojson(self) -> bool {
        matches!(self, Self::GeoJson { .. })
    }
}

/// What a header says; nothing when it is empty.
pub(super) fn filled<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    headers.get(name).filter(|value| !value.is_empty())
}

/// A request without a body: its parameters, its context, and the form of answer it accepts.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) params: Params,
    pub(super) context: Arc<Context>,
    pub(super) accepted: Accepted,
    pub(super) path: String,
    /// What context sources said.
    pub(super) remote: Option<Arc<Remote>>,
    /// What types and attributes context sources have.
    pub(super) discovered: Option<Arc<Discovered>>,
    /// What context sources have of the past.
    pub(super) past: Option<Arc<RemotePast>>,
    /// The entity map of the query.
    pub(super) mapped: Option<Arc<Mapped>>,
    /// The minor version of the standard that the answer is wanted in (`Prefer: ngsi-ld=1.5`).
    pub(super) version: Option<u8>,
    /// Whether the client would take JSON-LD too.
    pub(super) takes_ld: bool,
}

impl FromRequestParts<Door> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Response> {
        let (accepted, takes_ld) =
            accepted(&parts.headers, parts.uri.path()).map_err(IntoResponse::into_response)?;
        let params = Params::parse(parts.uri.path(), parts.uri.query(), &door.options)
            .map_err(IntoResponse::into_response)?;
        let link = context_link(&parts.headers).map_err(IntoResponse::into_response)?;
        let context =
            door.broker.context(link.map(Json::from).as_ref()).await.map_err(IntoResponse::into_response)?;
        let remote = parts.extensions.get().cloned();
        let mapped = parts.extensions.get().cloned();
        let discovered = parts.extensions.get().cloned();
        let past = parts.extensions.get().cloned();
        let version = preferred_version(&parts.headers);
        let path = parts.uri.path().to_owned();
        Ok(Self { params, context, accepted, path, remote, discovered, past, mapped, version, takes_ld })
    }
}

/// A request with a JSON body.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) params: Params,
    pub(super) body: Json,
    pub(super) accepted: Accepted,
    pub(super) path: String,
    /// What context sources said.
    pub(super) remote: Option<Arc<Remote>>,
    /// As in [`Asked`].
    pub(super) past: Option<Arc<RemotePast>>,
    /// As in [`Asked`].
    pub(super) version: Option<u8>,
    link: Option<String>,
    is_ld: bool,
}

impl FromRequest<Door> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, door: &Door) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let (accepted, _) =
            accepted(&parts.headers, parts.uri.path()).map_err(IntoResponse::into_response)?;
        let params = Params::parse(parts.uri.path(), parts.uri.query(), &door.options)
            .map_err(IntoResponse::into_response)?;
        // Without a type, the data may say what they are (RFC 9110 8.3): here a body is always JSON.
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let content_type =
            content_type.map_or("application/json", |value| value.to_str().unwrap_or_default());
        let is_ld =
            match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
                "application/json" | "application/merge-patch+json" => false,
                "application/ld+json" => true,
                other => {
                    let detail =
                        format!("a body must be application/json or application/ld+json, not \"{other}\"");
                    return Err(Problem::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response());
                }
            };
        let link = context_link(&parts.headers).map_err(IntoResponse::into_response)?;
        if is_ld && link.is_some() {
            let detail = "an application/ld+json body has its own @context; leave out the Link header";
            return Err(Error::bad(detail).into_response());
        }
        let bytes = read(body, &parts.headers, door.options.body_max_bytes).await?;
        let body = Json::parse(&bytes).map_err(|error| {
            Error::new(ErrorKind::InvalidRequest, format!("the body is not JSON: {error}")).into_response()
        })?;
        Ok(Self {
            params,
            body,
            accepted,
            path: parts.uri.path().to_owned(),
            remote: parts.extensions.get().cloned(),
            past: parts.extensions.get().cloned(),
            version: preferred_version(&parts.headers),
            link: link.map(Into::into),
            is_ld,
        })
    }
}

impl Sent {
    /// The context of the body as a whole (NGSI-LD 6.3.5).
    pub(super) async fn context(&self, broker: &Broker) -> Result<Arc<Context>, Error> {
        self.context_of(&self.body, broker).await
    }

    /// The context of one document of the body.
    pub(super) async fn context_of(&self, document: &Json, broker: &Broker) -> Result<Arc<Context>, Error> {
        match (self.is_ld, document.get("@context")) {
            (true, None) => Err(Error::bad("an application/ld+json body needs an @context")),
            (true, own) => broker.context(own).await,
            (false, Some(_)) => Err(Error::bad(
                "an application/json body cannot have an @context; send it as application/ld+json",
            )),
            (false, None) => broker.context(self.link.as_deref().map(Json::from).as_ref()).await,
        }
    }
}

/// The preferences of a request (RFC 7240): names in small letters, and values without quotes.
pub(super) fn preferences(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> + '_ {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|preference| {
        // What follows a semicolon are parameters of the preference.
        let preference = preference.split(';').next().unwrap_or_default();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        let name = name.trim().to_ascii_lowercase();
        (!name.is_empty()).then(|| (name, value.trim().trim_matches('"').to_owned()))
    })
}

/// The minor version in `Prefer: ngsi-ld=1.5` (NGSI-LD 4.3.6.8).
fn preferred_version(headers: &HeaderMap) -> Option<u8> {
    if !headers.contains_key("prefer") {
        return None;
    }
    let (_, value) = preferences(headers).find(|(name, _)| name == "ngsi-ld")?;
    value.strip_prefix("1.")?.parse().ok()
}

/// Reads a body of at most `max` bytes. A larger one is thrown away as it comes, for a while, so that the client is
/// still there to read why.
pub(super) async fn read(body: Body, headers: &HeaderMap, max: usize) -> Result<bytes::Bytes, Response> {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut stream = body.into_data_stream();
    let mut bytes = bytes::BytesMut::with_capacity(length.unwrap_or(0).min(max));
    let mut too_large = length.is_some_and(|length| length > max);
    if !too_large {
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| {
                Error::new(ErrorKind::InvalidRequest, format!("the body did not arrive: {error}"))
                    .into_response()
            })?;
            if bytes.len() + chunk.len() > max {
                too_large = true;
                break;
            }
            bytes.extend_from_slice(&chunk);
        }
    }
    if too_large {
        drop(bytes);
        let rest = async { while let Some(Ok(_)) = stream.next().await {} };
        let _ = tokio::time::timeout(Duration::from_secs(5), rest).await;
        let detail = format!("a request body may have at most {max} bytes");
        return Err(Problem::of(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response());
    }
    Ok(bytes.freeze())
}

/// No form of answer is accepted.
struct Unacceptable;

impl IntoResponse for Unacceptable {
    fn into_response(self) -> Response {
        let detail =
            "answers are application/json, application/ld+json or, for entities, application/geo+json";
        Problem::of(StatusCode::NOT_ACCEPTABLE, detail).into_response()
    }
}

/// The media ranges of the Accept header, with their weights (RFC 9110 12.5.1).
fn ranges(headers: &HeaderMap) -> Vec<(String, f32)> {
    let mut ranges = Vec::new();
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let form = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=")).and_then(|q| q.parse().ok());
            ranges.push((form, quality.unwrap_or(1.0)));
        }
    }
    ranges
}

/// How welcome a media type of `application` is to who sent these ranges; 0 is not at all.
fn takes(ranges: &[(String, f32)], name: &str) -> f32 {
    let of = |wanted: &str| ranges.iter().find(|(range, _)| range == wanted).map(|(_, quality)| *quality);
    of(name).or_else(|| of("application/*")).or_else(|| of("*/*")).unwrap_or(0.0)
}

/// The form of answer that the Accept header prefers among those there are. Of equally welcome ones the first of the
/// standard's list is taken (6.3.4), and a form with weight 0 is none, whatever a wildcard says (RFC 9110 12.5.1). Also
/// gives whether JSON-LD would be welcome.
fn accepted(headers: &HeaderMap, path: &str) -> Result<(Accepted, bool), Unacceptable> {
    let json_body = || preferences(headers).any(|(name, value)| name == "body" && value == "json");
    if !headers.contains_key(header::ACCEPT) {
        return Ok((Accepted::Json, false));
    }
    let forms = [
        ("application/json", Accepted::Json),
        ("application/ld+json", Accepted::LdJson),
        ("application/geo+json", Accepted::GeoJson { context: !json_body() }),
    ];
    let ranges = ranges(headers);
    if ranges.is_empty() {
        return Ok((Accepted::Json, false));
    }
    let has_geometry = path.contains("/entit") && !path.contains("/temporal/");
    let mut best: Option<(f32, Accepted)> = None;
    for (name, form) in forms.into_iter().filter(|(_, form)| has_geometry || !form.is_geojson()) {
        let quality = takes(&ranges, name);
        if quality > 0.0 && best.is_none_or(|(known, _)| quality > known) {
            best = Some((quality, form));
        }
    }
    let takes_ld = takes(&ranges, "application/ld+json") > 0.0;
    best.map(|(_, form)| (form, takes_ld)).ok_or(Unacceptable)
}

/// The URL in the Link header that names the context (NGSI-LD 6.3.5).
pub(super) fn context_link(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut found = None;
    for value in headers.get_all(header::LINK) {
        let value = value.to_str().map_err(|_| Error::bad("the Link header is not ASCII"))?;
        for link in value.split(",<").flat_map(|part| part.split(", <")) {
            if !link.contains("http://www.w3.org/ns/json-ld#context") {
                continue;
            }
            let url = link.trim().trim_start_matches('<').split('>').next().unwrap_or_default();
            if found.replace(url).is_some() {
                return Err(Error::bad("the Link header names more than one @context"));
            }
        }
    }
    Ok(found)
}
