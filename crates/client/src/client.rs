//! The client: where the controller is, who asks, and how long to wait for it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use morgana_model::{ErrorCode, Secret};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Error, Renewal, answer};

/// How a [`Client`] behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How long a connection may take to come about, in seconds.
    pub connect_timeout_seconds: u64,
    /// How long a request may take from its start to the end of its answer, in seconds. Streams
    /// have no such end: for them it is the time to the first byte of the answer.
    pub request_timeout_seconds: u64,
    /// How many bytes of one answer are read at most.
    pub max_answer_bytes: usize,
    /// Certificates in PEM form; where there are some, only controllers that they vouch for are trusted.
    #[serde(skip)]
    pub trusted_certificates: Option<Vec<u8>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout_seconds: 5,
            request_timeout_seconds: 30,
            max_answer_bytes: 32 * 1024 * 1024,
            trusted_certificates: None,
        }
    }
}

/// A client of one controller. A clone is cheap and shares the connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    options: Options,
    /// Shared by all clones: what one has exchanged, all use.
    token: Arc<RwLock<Option<Token>>>,
    renewal: Option<Arc<dyn Renewal>>,
}

#[derive(Debug, Clone)]
struct Token {
    secret: Secret,
    header: HeaderValue,
}

impl Client {
    /// A client of the controller at `base_url`, with the bearer token of a [`Client::login`] if
    /// there is one.
    ///
    /// # Errors
    /// When `base_url` is not an `http` or `https` URL, or the token cannot be a header.
    pub fn new(base_url: &str, token: Option<Secret>) -> Result<Self, Error> {
        Self::with_options(base_url, token, Options::default())
    }

    /// [`Client::new`] with other limits.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_options(base_url: &str, token: Option<Secret>, options: Options) -> Result<Self, Error> {
        let base = parse_base(base_url)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("morgana/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers())
            .connect_timeout(Duration::from_secs(options.connect_timeout_seconds))
            // A redirect would carry requests, and with them secrets, to where nobody asked.
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true);
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        if base.scheme() == "http" {
            // Reading the machine's certificates takes longer than most requests do, and fails
            // where there are none.
            builder = builder.tls_certs_only([]);
        }
        if let Some(pem) = options.trusted_certificates.as_ref().filter(|_| base.scheme() == "https") {
            let trusted = reqwest::Certificate::from_pem_bundle(pem).map_err(Error::Certificates)?;
            builder = builder.tls_certs_only(trusted);
        }
        let http = builder.build().map_err(Error::Setup)?;
        let token = Arc::new(RwLock::new(token.map(Token::new).transpose()?));
        Ok(Self { http, base, options, token, renewal: None })
    }

    /// The same client, which exchanges its token when the controller does not take it any more.
    pub fn with_renewal(self, renewal: Arc<dyn Renewal>) -> Self {
        Self { renewal: Some(renewal), ..self }
    }

    /// The URL of the controller, without a slash at its end.
    pub fn base_url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The host of the controller, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// A request for the resource at these path segments below the base URL.
    pub(crate) fn request<'a>(
        &self,
        method: Method,
        segments: impl IntoIterator<Item = &'a str>,
    ) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        let request = self.http.request(method, url);
        match self.token() {
            Some(token) => request.header(AUTHORIZATION, token.header),
            None => request,
        }
    }

    fn token(&self) -> Option<Token> {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn get<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> RequestBuilder {
        self.request(Method::GET, segments)
    }

    pub(crate) fn post<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> RequestBuilder {
        self.request(Method::POST, segments)
    }

    pub(crate) fn delete<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> RequestBuilder {
        self.request(Method::DELETE, segments)
    }

    /// Sends a request and reads the resource in its answer.
    pub(crate) async fn fetch<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let response = self.send(request.timeout(self.request_timeout())).await?;
        answer::read(response, self.options.max_answer_bytes).await
    }

    /// Sends a request whose answer says nothing but that it went well.
    pub(crate) async fn perform(&self, request: RequestBuilder) -> Result<(), Error> {
        self.send(request.timeout(self.request_timeout())).await.map(drop)
    }

    /// Sends a request whose answer is a stream without an end.
    pub(crate) async fn open_stream(&self, request: RequestBuilder) -> Result<Response, Error> {
        let request = request.header(ACCEPT, "text/event-stream");
        let (client, request) = request.build_split();
        let request = request.map_err(Error::Setup)?;
        let url = request.url().clone();
        match tokio::time::timeout(self.request_timeout(), self.execute(client, request)).await {
            Ok(response) => response,
            Err(_) => Err(Error::TimedOut { url: url.into(), seconds: self.options.request_timeout_seconds }),
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let (client, request) = request.build_split();
        self.execute(client, request.map_err(Error::Setup)?).await
    }

    /// Sends a request, and once more with the next token where the controller does not take this one.
    async fn execute(&self, http: reqwest::Client, request: reqwest::Request) -> Result<Response, Error> {
        let used = self.token();
        let again = request.try_clone();
        let refused = match self.execute_once(&http, request).await {
            Err(error) if error.code() == Some(ErrorCode::Unauthenticated) => error,
            outcome => return outcome,
        };
        let (Some(renewal), Some(used), Some(mut again)) = (&self.renewal, used, again) else {
            return Err(refused);
        };
        let Some(next) = renewal.renew(&used.secret).await else { return Err(refused) };
        let next = Token::new(next)?;
        again.headers_mut().insert(AUTHORIZATION, next.header.clone());
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = Some(next);
        self.execute_once(&http, again).await
    }

    async fn execute_once(
        &self,
        http: &reqwest::Client,
        request: reqwest::Request,
    ) -> Result<Response, Error> {
        let url = request.url().clone();
        let response = http.execute(request).await.map_err(|source| {
            Error::from_transport(url.as_str(), &source, self.options.request_timeout_seconds)
        })?;
        answer::accept(response, self.options.max_answer_bytes).await
    }

    fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.options.request_timeout_seconds)
    }
}

fn parse_base(given: &str) -> Result<Url, Error> {
    let wrong = |reason: &str| Error::BaseUrl { given: given.to_owned(), reason: reason.to_owned() };
    let mut url = Url::parse(given).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("it does not start with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::BaseUrl {
            given: "(hidden)".to_owned(),
            reason: "it carries a user or a password; log in instead".to_owned(),
        });
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
    headers
}

impl Token {
    fn new(secret: Secret) -> Result<Self, Error> {
        let mut header = HeaderValue::from_str(&format!("Bearer {}", secret.expose()))
            .map_err(|_| Error::Token { length: secret.expose().len() })?;
        header.set_sensitive(true);
        Ok(Self { secret, header })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url_of(base: &str, segments: &[&str]) -> String {
        let client = Client::new(base, None).unwrap();
        client.get(segments.iter().copied()).build().unwrap().url().to_string()
    }

    #[test]
    fn path_segments_follow_the_base_url_and_are_escaped() {
        assert_eq!(url_of("http://h:1", &["v1", "users"]), "http://h:1/v1/users");
        assert_eq!(url_of("http://h:1/edge/", &["v1", "a/b c"]), "http://h:1/edge/v1/a%2Fb%20c");
    }

    #[test]
    fn a_base_url_that_is_none_is_refused_with_the_reason() {
        for wrong in ["127.0.0.1:8090", "ftp://host", "", "http://"] {
            let error = Client::new(wrong, None).unwrap_err().to_string();
            assert!(error.contains("not the URL of a controller"), "{error}");
        }
    }

    #[test]
    fn a_password_in_the_base_url_is_refused_and_not_repeated() {
        let error = Client::new("http://admin:hunter2@host", None).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_token_that_is_no_header_is_refused_and_not_repeated() {
        let error = Client::new("http://h", Some(Secret::new("two\nlines"))).unwrap_err().to_string();
        assert!(error.contains("token") && !error.contains("two"), "{error}");
    }

    #[test]
    fn loopback_is_told_from_other_hosts() {
        for (base, loopback) in [
            ("http://127.0.0.1:8090", true),
            ("http://localhost", true),
            ("http://[::1]:1", true),
            ("http://10.0.0.1", false),
            ("https://example.org", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(base).unwrap()), loopback, "{base}");
        }
    }
}
