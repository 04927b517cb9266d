//! How a context source is asked (NGSI-LD 4.3.6, 5.2.9, 5.2.34).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::operation::{Operation, Operations};
use crate::{
    Context, Error,
    history::duration,
    model::{Json, check_uri},
};

/// What becomes of a request that a source is registered for (NGSI-LD 4.3.6.2, 4.3.6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Source and broker both take part.
    Inclusive,
    /// The source alone has these attributes of this entity.
    Exclusive,
    /// The sources that are registered have it; the broker does not.
    Redirect,
    /// The source fills gaps, when it is read.
    Auxiliary,
}

impl Mode {
    /// Whether the broker itself has none of what is registered.
    pub(crate) fn is_proxied(self) -> bool {
        matches!(self, Self::Exclusive | Self::Redirect)
    }
}

/// How a source is asked.
#[derive(Debug)]
pub(crate) struct SourceAccess {
    pub(crate) mode: Mode,
    pub(crate) operations: Operations,
    /// Where the source is, without a slash at the end; the API's path follows.
    pub(crate) endpoint: Box<str>,
    pub(crate) tenant: Option<HeaderValue>,
    /// What the source calls itself in `Via` headers.
    pub(crate) alias: Option<Box<str>>,
    /// Whether the source must answer from what it has itself (NGSI-LD 4.3.6.4).
    pub(crate) local_only: bool,
    pub(crate) timeout: Option<Duration>,
    /// How long the source is left alone after a failure.
    pub(crate) cooldown: Option<Duration>,
    /// How long an answer may be used again.
    pub(crate) cache: Option<Duration>,
    /// Headers to send (NGSI-LD 4.3.6.5); `None` is copied from the request at hand.
    headers: Vec<(HeaderName, Option<HeaderValue>)>,
    /// What the source wants bodies, answers and names to be like (NGSI-LD 4.3.6.6).
    pub(crate) content_type: Option<Box<str>>,
    pub(crate) accept: Option<HeaderValue>,
    pub(crate) context: Option<Box<str>>,
}

impl SourceAccess {
    /// What a registration says; its names are expanded.
    pub(super) fn new(document: &Json) -> Result<Self, Error> {
        let mode = match document.get("mode").map_or(Some("inclusive"), Json::as_str) {
            Some("inclusive") => Mode::Inclusive,
            Some("exclusive") => Mode::Exclusive,
            Some("redirect") => Mode::Redirect,
            Some("auxiliary") => Mode::Auxiliary,
            _ => return Err(Error::bad("mode must be inclusive, exclusive, redirect or auxiliary")),
        };
        let text = |member: &str| document.get(member).and_then(Json::as_str);
        let endpoint = check_uri(text("endpoint").unwrap_or_default(), "endpoint")?;
        if endpoint.parse::<Uri>().map_or(true, |uri| uri.query().is_some()) {
            return Err(Error::bad("endpoint must be a URL without a query; the API's path follows it"));
        }
        let management = document.get("management");
        let managed = |member: &str| management.and_then(|management| management.get(member));
        let millis = |member: &str| {
            managed(member).and_then(Json::as_f64).map(|ms| Duration::from_micros((ms * 1000.0) as u64))
        };
        let is_true = |value: Option<&Json>| value == Some(&Json::Bool(true));
        let cache = managed("cacheDuration").and_then(Json::as_str).map(duration).transpose()?;
        let tenant = match text("tenant").map(HeaderValue::from_str) {
            None => None,
            Some(Ok(tenant)) => Some(tenant),
            Some(Err(_)) => return Err(Error::bad("tenant cannot be sent in a header")),
        };
        let mut access = Self {
            mode,
            operations: operations(document)?,
            endpoint: endpoint.trim_end_matches('/').into(),
            tenant,
            alias: text("contextSourceAlias").map(Into::into),
            local_only: is_true(managed("localOnly")) || is_true(document.get("localOnly")),
            timeout: millis("timeout"),
            cooldown: millis("cooldown"),
            cache: cache.map(|micros| Duration::from_micros(micros.unsigned_abs())),
            headers: Vec::new(),
            content_type: None,
            accept: None,
            context: None,
        };
        for pair in document.get("contextSourceInfo").and_then(Json::as_array).unwrap_or_default() {
            let part = |member: &str| pair.get(member).and_then(Json::as_str).unwrap_or_default();
            access.note(part("key"), part("value"))?;
        }
        Ok(access)
    }

    fn note(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let sendable = || Error::bad(format!("contextSourceInfo: \"{key}\" cannot be sent as a header"));
        let header = HeaderValue::from_str(value).map_err(|_| sendable())?;
        match key {
            "contentType" => self.content_type = Some(value.into()),
            "accept" => self.accept = Some(header),
            "jsonldContext" => {
                self.context = Some(check_uri(value, "contextSourceInfo: jsonldContext")?.into())
            }
            key if is_of_the_binding(key) => {}
            key => {
                let name = HeaderName::from_bytes(key.as_bytes()).map_err(|_| sendable())?;
                self.headers.push((name, (value != "urn:ngsi-ld:request").then_some(header)));
            }
        }
        Ok(())
    }

    /// The headers that the registration asks for, when `request` is the one that made the broker ask.
    pub(crate) fn headers(&self, request: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            if let Some(value) = value.as_ref().or_else(|| request.get(name)) {
                headers.insert(name.clone(), value.clone());
            }
        }
        if let Some(tenant) = &self.tenant {
            headers.insert("ngsild-tenant", tenant.clone());
        }
        headers
    }

    /// Whether the source is spoken to in these very terms, so that a query can go as it was written.
    pub(crate) fn speaks(&self, terms: &Context) -> bool {
        self.context.is_none() && terms.link().is_some()
    }

    /// Whether the source can be asked for this.
    pub(crate) fn allows(&self, operation: Operation) -> bool {
        self.operations.allow(operation)
    }
}

/// What HTTP or the broker itself says, and no registration does (NGSI-LD 4.3.6.5).
fn is_of_the_binding(key: &str) -> bool {
    matches!(
        &*key.to_ascii_lowercase(),
        "ngsild-tenant"
            | "via"
            | "host"
            | "connection"
            | "content-length"
            | "content-type"
            | "transfer-encoding"
            | "te"
            | "trailer"
            | "upgrade"
            | "keep-alive"
            | "expect"
            | "link"
    )
}

fn operations(document: &Json) -> Result<Operations, Error> {
    match document.get("operations") {
        None => Ok(Operations::federation()),
        Some(Json::Array(items)) if !items.is_empty() && items.iter().all(|item| item.as_str().is_some()) => {
            Operations::parse(items.iter().filter_map(Json::as_str))
        }
        Some(_) => Err(Error::bad("operations must be an array with at least one name")),
    }
}
