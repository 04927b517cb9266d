use std::{fmt, future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use thiserror::Error;

use crate::{ClientError, HttpClient};

/// Where a subscription's messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The address, such as an `http` or `mqtt` URI.
    pub uri: Uri,
    /// Headers the subscriber wants to see; what they become is up to the transport.
    pub headers: HeaderMap,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Headers that belong to the message, such as its content type.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: Bytes,
}

/// Why an attempt failed.
#[derive(Debug, Error)]
pub enum DeliveryError {
    /// No connection, or it broke.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The endpoint refused the message.
    #[error("the endpoint answered {0}")]
    Refused(StatusCode),
    /// The endpoint took too long.
    #[error("the endpoint did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// No transport for addresses like this one.
    #[error("there is no transport for {0}")]
    NoTransport(Uri),
    /// The message could not be put together.
    #[error("cannot put a message together: {0}")]
    Message(String),
}

impl DeliveryError {
    /// Whether another attempt may end better.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Client(ClientError::Unreachable { .. }) | Self::Timeout(_) => true,
            Self::Refused(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Client(_) | Self::NoTransport(_) | Self::Message(_) => false,
        }
    }
}

/// Takes messages to endpoints of one or more kinds. HTTP is one, MQTT another.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Makes one attempt to deliver `message` to `endpoint`.
    fn deliver<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        message: &'a Message,
    ) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>>;
}

/// Delivers by HTTP POST. Any 2xx answer is a success.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: HttpClient,
}

impl HttpTransport {
    /// A transport over `client`.
    pub fn new(client: HttpClient) -> Self {
        Self { client }
    }
}

impl Transport for HttpTransport {
    fn deliver<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        message: &'a Message,
    ) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>> {
        Box::pin(async move {
            if !matches!(endpoint.uri.scheme_str(), Some("http" | "https")) {
                return Err(DeliveryError::NoTransport(endpoint.uri.clone()));
            }
            let mut request = Request::new(Full::new(message.body.clone()));
            *request.method_mut() = http::Method::POST;
            *request.uri_mut() = endpoint.uri.clone();
            *request.headers_mut() = message.headers.clone();
            request.headers_mut().extend(endpoint.headers.clone());
            let attempt = async {
                let response = self.client.send(request).await?;
                let status = response.status();
                // A read body gives the connection back to the pool; a long one is not worth reading.
                let _ = http_body_util::Limited::new(response.into_body(), 64 * 1024).collect().await;
                if status.is_success() { Ok(()) } else { Err(DeliveryError::Refused(status)) }
            };
            tokio::time::timeout(endpoint.timeout, attempt)
                .await
                .unwrap_or(Err(DeliveryError::Timeout(endpoint.timeout)))
        })
    }
}
