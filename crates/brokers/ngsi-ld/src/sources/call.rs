//! One request to one context source: what is asked, and how it looks on the wire (NGSI-LD 4.3.6.4 to 4.3.6.6, 6.3.18).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::Full;

use super::recompact::recompact;
use crate::{
    Context, Error,
    model::{Json, Name},
    registrations::SourceAccess,
    subscriptions::link_header,
};

/// Parameters whose value is a list of names.
const NAMES: &[&str] = &["attrs", "type", "drop", "keep", "geoproperty", "pick", "omit"];

/// What a source is asked, in the terms of `context`.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Below the root of the API, with ids encoded.
    pub(crate) path: String,
    /// An attribute's name at the end of the path.
    pub(crate) attribute: Option<Name>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Option<Json>,
    /// In which terms names are written.
    pub(crate) context: Arc<Context>,
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>, context: &Arc<Context>) -> Self {
        let context = Arc::clone(context);
        Self { method, path: path.into(), attribute: None, query: Vec::new(), body: None, context }
    }

    /// With a parameter, unless it is empty.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.query.push((name.into(), value));
        }
        self
    }

    pub(crate) fn with_body(mut self, body: Json) -> Self {
        self.body = Some(body);
        self
    }

    /// The request as the source gets it. `wire` is the context that the source is spoken to in, `request` the headers
    /// of the request that made the broker ask.
    ///
    /// # Errors
    /// When the endpoint and the path are no URL together.
    pub(crate) fn request(
        &self,
        access: &SourceAccess,
        wire: &Arc<Context>,
        via: &HeaderValue,
        request: &HeaderMap,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let same = Arc::ptr_eq(wire, &self.context);
        let mut url = format!("{}/ngsi-ld/v1{}", root(&access.endpoint), self.path);
        if let Some(name) = &self.attribute {
            url.push('/');
            url.push_str(&encode(&wire.compact(name)));
        }
        let mut separator = '?';
        let local = access.local_only.then(|| ("local".to_owned(), "true".to_owned()));
        for (name, value) in self.query.iter().chain(&local) {
            let value = if same || !NAMES.contains(&&**name) {
                encode(value)
            } else {
                let term = |term: &str| wire.compact(&self.context.expand(term)).into_owned();
                encode(&value.split(',').map(term).collect::<Vec<_>>().join(","))
            };
            url.push_str(&format!("{separator}{name}={value}"));
            separator = '&';
        }
        let mut headers = access.headers(request);
        headers.insert(header::VIA, via.clone());
        headers.insert(
            header::ACCEPT,
            access.accept.clone().unwrap_or(HeaderValue::from_static("application/json")),
        );
        let inline = self.body.is_some()
            && access.context.is_none()
            && access.content_type.as_deref() == Some("application/ld+json");
        if !inline
            && !Arc::ptr_eq(wire, &Context::core())
            && let Some(link) = wire.link().and_then(|url| HeaderValue::try_from(link_header(url)).ok())
        {
            headers.insert(header::LINK, link);
        }
        let body = match &self.body {
            None => Bytes::new(),
            Some(body) => {
                let form = if inline { "application/ld+json" } else { "application/json" };
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form));
                let body = if same && !inline {
                    without_context(body)
                } else {
                    recompact(body, &self.context, wire)
                };
                let body = if inline { with_context(body, &wire.shown()) } else { body };
                serde_json::to_vec(&body).map_err(|error| Error::bad(error.to_string()))?.into()
            }
        };
        let mut sent = Request::new(Full::new(body));
        *sent.method_mut() = self.method.clone();
        *sent.uri_mut() = url.parse().map_err(|_| Error::bad(format!("{url} is not a URL")))?;
        *sent.headers_mut() = headers;
        Ok(sent)
    }
}

/// The `Via` header of a request that this broker sends because of one with these headers (NGSI-LD 6.3.18).
pub(crate) fn via(request: &HeaderMap, alias: &str) -> HeaderValue {
    let before = request.get_all(header::VIA).iter().filter_map(|value| value.to_str().ok());
    let own = format!("1.1 {alias}");
    let all: Vec<&str> = before.chain([&*own]).collect();
    HeaderValue::try_from(all.join(", ")).unwrap_or(HeaderValue::from_static("1.1 morgana"))
}

/// Whether a request came through the broker with this alias.
pub(crate) fn passed(headers: &HeaderMap, alias: &str) -> bool {
    let hops = headers.get_all(header::VIA).iter().filter_map(|value| value.to_str().ok());
    hops.flat_map(|value| value.split(',')).any(|hop| hop.split_whitespace().nth(1) == Some(alias))
}

/// An endpoint may have the root of the API at its end already.
fn root(endpoint: &str) -> &str {
    endpoint.strip_suffix("/ngsi-ld/v1").unwrap_or(endpoint)
}

fn without_context(body: &Json) -> Json {
    match body {
        Json::Array(items) => Json::Array(items.iter().map(without_context).collect()),
        Json::Object(members) => {
            Json::Object(members.iter().filter(|(name, _)| &**name != "@context").cloned().collect())
        }
        other => other.clone(),
    }
}

fn with_context(body: Json, context: &Json) -> Json {
    match body {
        Json::Array(items) => {
            Json::Array(Vec::from(items).into_iter().map(|item| with_context(item, context)).collect())
        }
        Json::Object(members) => {
            let mut members = Vec::from(members);
            members.push(("@context".into(), context.clone()));
            Json::Object(members.into())
        }
        other => other,
    }
}

/// A path segment or a parameter's value; what every server takes as it is stays readable.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:,*".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// An entity selector (NGSI-LD 5.2.33).
pub(crate) fn selector(ids: &[Box<str>], pattern: Option<&str>, types: &str) -> Json {
    let mut members: Vec<(Box<str>, Json)> = Vec::new();
    match ids {
        [] => members.extend(pattern.map(|pattern| ("idPattern".into(), pattern.into()))),
        [one] => members.push(("id".into(), Json::String(one.clone()))),
        many => members.push(("id".into(), Json::Array(many.iter().cloned().map(Json::String).collect()))),
    }
    members.push(("type".into(), if types.is_empty() { "*" } else { types }.into()));
    Json::Object(members.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    use crate::{model::Timestamp, registrations::Registration};

    fn registration(more: &str) -> Registration {
        let text = format!(
            r#"{{"id":"urn:r","type":"ContextSourceRegistration","endpoint":"http://h/b/","information":[{{"propertyNames":["p"]}}]{more}}}"#
        );
        let (json, now) = (Json::parse(text.as_bytes()).unwrap(), Timestamp::now());
        Registration::new(json, now, now).unwrap()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_call_says_where_it_was_and_what_the_registration_says() {
        let one = registration(
            r#","tenant":"t","management":{"localOnly":true},"contextSourceInfo":[{"key":"x-a","value":"1"},
            {"key":"x-b","value":"urn:ngsi-ld:request"},{"key":"Via","value":"1.1 evil"},{"key":"NGSILD-Tenant","value":"evil"}]"#,
        );
        let context = Context::core();
        let call = Call::new(Method::GET, "/entities", &context).with("q", "a>1&b").with("attrs", "");
        let asking = headers(&[("via", "1.1 other"), ("x-b", "2"), ("ngsild-tenant", "mine"), ("x-c", "3")]);
        let request = call.request(&one.access, &context, &via(&asking, "me"), &asking).unwrap();
        assert_eq!(request.uri(), "http://h/b/ngsi-ld/v1/entities?q=a%3E1%26b&local=true");
        let sent = request.headers();
        assert_eq!(sent["via"], "1.1 other, 1.1 me");
        assert_eq!(
            (&sent["x-a"], &sent["x-b"]),
            (&HeaderValue::from_static("1"), &HeaderValue::from_static("2"))
        );
        assert_eq!(sent["ngsild-tenant"], "t");
        assert!(!sent.contains_key("x-c") && !sent.contains_key("link"));
    }

    #[test]
    fn a_body_goes_in_the_form_and_the_terms_that_the_registration_asks_for() {
        let terms = Json::parse(br#"{"p":"https://e.org/p"}"#).unwrap();
        let own = Arc::new(Context::from_terms(Json::from("https://e.org/c"), &terms));
        let body = Json::parse(br#"{"@context":"https://e.org/c","p":1}"#).unwrap();
        let call = Call::new(Method::POST, "/entities", &own).with_body(body);
        let none = HeaderMap::new();
        let plain = call.request(&registration("").access, &own, &via(&none, "me"), &none).unwrap();
        assert_eq!(plain.headers()["content-type"], "application/json");
        assert!(plain.headers()["link"].to_str().unwrap().contains("https://e.org/c"));
        let form =
            registration(r#","contextSourceInfo":[{"key":"contentType","value":"application/ld+json"}]"#);
        let ld = call.request(&form.access, &own, &via(&none, "me"), &none).unwrap();
        assert_eq!(ld.headers()["content-type"], "application/ld+json");
        assert!(!ld.headers().contains_key("link"));
    }
}
