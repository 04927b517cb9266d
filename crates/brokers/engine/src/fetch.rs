use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{ClientError, HttpClient, freshness::fresh_for};

/// Where documents may be fetched from and how much a fetch may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FetchOptions {
    /// Hosts, or `host:port`, that may be fetched from even when their address is not public; `"*"` allows all.
    /// Every public address is allowed.
    pub allow_hosts: Vec<String>,
    /// The largest document, in bytes.
    pub max_bytes: usize,
    /// Milliseconds a fetch may take, redirects included.
    pub timeout_ms: u64,
    /// How many redirects are followed.
    pub max_redirects: usize,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self { allow_hosts: Vec::new(), max_bytes: 1024 * 1024, timeout_ms: 5_000, max_redirects: 3 }
    }
}

/// Why a document was not fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The text is no URL.
    #[error("it is not a URL")]
    NotAUrl,
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An answer other than the document.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// The document did not arrive, or is too large.
    #[error("its body did not arrive or is larger than {0} bytes")]
    Body(usize),
    /// It took too long.
    #[error("it did not answer within {0} ms")]
    Timeout(u64),
    /// One redirect led to another too often.
    #[error("it redirects more than {0} times")]
    Redirects(usize),
}

/// A document that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The document.
    pub body: Bytes,
    /// How long it may be used before it is fetched again, by what its server says; `None` when it says nothing.
    pub fresh_for: Option<Duration>,
}

/// Fetches small documents whose URLs users give, without becoming their way into the network behind it.
#[derive(Debug)]
pub struct Fetcher {
    options: FetchOptions,
    public: HttpClient,
    anywhere: HttpClient,
}

impl Fetcher {
    /// A fetcher with these options.
    pub fn new(options: FetchOptions) -> Self {
        let timeout = Duration::from_millis(options.timeout_ms);
        Self { public: HttpClient::public_only(timeout), anywhere: HttpClient::new(timeout), options }
    }

    /// Fetches `url`.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn get(&self, url: &str, accept: &str) -> Result<Fetched, FetchError> {
        let timeout_ms = self.options.timeout_ms;
        tokio::time::timeout(Duration::from_millis(timeout_ms), self.follow(url, accept))
            .await
            .map_err(|_| FetchError::Timeout(timeout_ms))?
    }

    /// Sends a request and gives its answer, whatever its status, with the whole body. Follows no redirect: what was
    /// meant for one host is not for another.
    ///
    /// # Errors
    /// When the URL may not be requested, there is no answer in time, or it is too large.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        timeout: Duration,
    ) -> Result<Response<Bytes>, FetchError> {
        let exchange = async {
            let client = if self.is_allowed(request.uri()) { &self.anywhere } else { &self.public };
            let (parts, body) = client.send(request).await?.into_parts();
            let max = self.options.max_bytes;
            let body = Limited::new(body, max).collect().await.map_err(|_| FetchError::Body(max))?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        let timed_out = FetchError::Timeout(timeout.as_millis() as u64);
        tokio::time::timeout(timeout, exchange).await.map_err(|_| timed_out)?
    }

    async fn follow(&self, url: &str, accept: &str) -> Result<Fetched, FetchError> {
        let mut uri: Uri = url.parse().map_err(|_| FetchError::NotAUrl)?;
        for _ in 0..=self.options.max_redirects {
            let request = Request::get(&uri).header(header::ACCEPT, accept).body(Full::default());
            // Every hop is checked again: a public host may redirect inside.
            let client = if self.is_allowed(&uri) { &self.anywhere } else { &self.public };
            let response = client.send(request.map_err(|_| FetchError::NotAUrl)?).await?;
            if response.status().is_redirection()
                && let Some(target) = response.headers().get(header::LOCATION)
            {
                uri = absolute(&uri, target.to_str().unwrap_or_default()).ok_or(FetchError::NotAUrl)?;
                continue;
            }
            if !response.status().is_success() {
                return Err(FetchError::Status(response.status()));
            }
            let fresh_for = fresh_for(response.headers(), jiff::Timestamp::now());
            let max = self.options.max_bytes;
            let body = Limited::new(response.into_body(), max).collect().await;
            let body = body.map_err(|_| FetchError::Body(max))?.to_bytes();
            return Ok(Fetched { body, fresh_for });
        }
        Err(FetchError::Redirects(self.options.max_redirects))
    }

    fn is_allowed(&self, uri: &Uri) -> bool {
        let authority = uri.authority().map(http::uri::Authority::as_str);
        self.options.allow_hosts.iter().any(|allowed| {
            allowed == "*" || Some(allowed.as_str()) == uri.host() || Some(allowed.as_str()) == authority
        })
    }
}

/// A redirect's target, which may be a path only.
fn absolute(base: &Uri, target: &str) -> Option<Uri> {
    let uri: Uri = target.parse().ok()?;
    if uri.scheme().is_some() {
        return Some(uri);
    }
    let mut parts = base.clone().into_parts();
    parts.path_and_query = uri.path_and_query().cloned();
    Uri::from_parts(parts).ok()
}
