//! Plain HTTP, for what the typed clients do not let one say.

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// An HTTP client of one server, with or without a bearer token.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    base: String,
    token: Option<String>,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The media type, without its parameters.
    pub content_type: String,
    /// The `Location` header.
    pub location: Option<String>,
    /// The body; null where there is none, a text where it is no JSON.
    pub body: Value,
}

impl Http {
    /// A client of the server at `base`, which ends without a slash.
    pub fn new(base: impl Into<String>, token: Option<&str>) -> Self {
        // Without proxies and certificates: everything here is on this machine and in the clear.
        let client = Client::builder().no_proxy().tls_certs_only([]).build();
        let client = client.expect("an HTTP client without TLS can be made");
        Self { client, base: base.into(), token: token.map(str::to_owned) }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Any request; the caller may add to it before it is sent with [`Answer::of`].
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.request(method.clone(), path);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        match request.send().await {
            Ok(response) => Answer::of(response).await,
            Err(error) => panic!("{method} {}{path} was not answered: {error:?}", self.base),
        }
    }
}

impl Answer {
    /// Reads a whole response.
    pub async fn of(response: reqwest::Response) -> Self {
        let status = response.status();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap_or_default().to_owned())
        };
        let content_type = header("content-type").unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim().to_owned();
        let location = header("location");
        let text = response.text().await.unwrap_or_default();
        let body = match serde_json::from_str(&text) {
            Ok(value) => value,
            Err(_) if text.is_empty() => Value::Null,
            Err(_) => Value::String(text),
        };
        Self { status, content_type, location, body }
    }

    /// The body, of an answer with this status.
    ///
    /// # Panics
    /// When the status is another one; then with the whole answer.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self.body
    }
}
