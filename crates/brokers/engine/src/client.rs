use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioTimer},
};
use thiserror::Error;

/// Why a request had no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The URL is not one that this client goes to.
    #[error("cannot request {url}: {why}")]
    Refused {
        /// The URL.
        url: String,
        /// Why not.
        why: &'static str,
    },
    /// TLS cannot be set up on this machine.
    #[error("cannot set up TLS")]
    Tls(#[source] Arc<io::Error>),
    /// No connection, or it broke.
    #[error("cannot reach {authority}: {}", innermost(source))]
    Unreachable {
        /// Host and port.
        authority: String,
        /// The reason.
        #[source]
        source: hyper_util::client::legacy::Error,
    },
}

/// The last cause says what happened; those before it say "client error".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Resolves host names, and leaves out the addresses that the client must not go to.
#[derive(Debug, Clone)]
struct Resolver {
    public_only: bool,
}

impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let public_only = self.public_only;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let lookup = tokio::task::spawn_blocking(move || (host.as_str(), 0).to_socket_addrs());
            let found = lookup.await.map_err(io::Error::other)??;
            // Checked after resolution: a public name may point inside.
            let usable: Vec<_> = found.filter(|address| !public_only || is_public(address.ip())).collect();
            if usable.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it has no public address"));
            }
            Ok(usable.into_iter())
        })
    }
}

type Connector = HttpConnector<Resolver>;
type Plain = Client<Connector, Full<Bytes>>;
type Tls = Client<HttpsConnector<Connector>, Full<Bytes>>;

/// An HTTP/1.1 client with pooled keep-alive connections. Cheap to clone. TLS costs nothing before the first `https`.
#[derive(Debug, Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    public_only: bool,
    connector: Connector,
    plain: Plain,
    tls: OnceLock<Result<Tls, Arc<io::Error>>>,
}

impl HttpClient {
    /// A client that goes anywhere.
    pub fn new(connect_timeout: Duration) -> Self {
        Self::with(connect_timeout, false)
    }

    /// A client that goes to public addresses only: a user who names a URL cannot reach inside with it.
    pub fn public_only(connect_timeout: Duration) -> Self {
        Self::with(connect_timeout, true)
    }

    fn with(connect_timeout: Duration, public_only: bool) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Resolver { public_only });
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connect_timeout));
        connector.enforce_http(false);
        let plain = builder().build(connector.clone());
        Self { shared: Arc::new(Shared { public_only, connector, plain, tls: OnceLock::new() }) }
    }

    /// Sends a request and gives the answer as soon as its head is there. Redirects are not followed.
    ///
    /// # Errors
    /// When the URL is not allowed, or there is no answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let uri = request.uri().clone();
        self.check(&uri)?;
        let sent = if uri.scheme_str() == Some("https") {
            match self.shared.tls.get_or_init(|| tls(self.shared.connector.clone())) {
                Ok(client) => client.request(request).await,
                Err(error) => return Err(ClientError::Tls(Arc::clone(error))),
            }
        } else {
            self.shared.plain.request(request).await
        };
        let authority = || uri.authority().map(ToString::to_string).unwrap_or_default();
        sent.map_err(|source| ClientError::Unreachable { authority: authority(), source })
    }

    fn check(&self, uri: &Uri) -> Result<(), ClientError> {
        let refuse = |why| Err(ClientError::Refused { url: uri.to_string(), why });
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return refuse("only http and https URLs can be requested");
        }
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        // An address in the URL never meets the resolver.
        match host.parse::<IpAddr>() {
            Ok(address) if self.shared.public_only && !is_public(address) => {
                refuse("it is not a public address")
            }
            _ => Ok(()),
        }
    }
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        // Names of headers have no case, but some receivers only know them as they are written in the standards.
        .http1_title_case_headers(true)
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(4);
    builder
}

fn tls(connector: Connector) -> Result<Tls, Arc<io::Error>> {
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_platform_verifier(rustls::crypto::aws_lc_rs::default_provider())
        .map_err(|error| Arc::new(io::Error::other(error)))?
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Ok(builder().build(connector))
}

/// Whether an address is one of the public Internet: not this machine, not a private or special network.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_documentation()
                || a == 0
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0)
                || (a == 198 && (18..20).contains(&b))
                || a >= 240)
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped().or_else(|| nat64(v6)) {
            Some(v4) => is_public(IpAddr::V4(v4)),
            // 2000::/3 is all that is handed out; the rest is local, multicast or reserved.
            None => {
                v6.segments()[0] & 0xe000 == 0x2000
                    && !(v6.segments()[0] == 0x2001 && v6.segments()[1] == 0xdb8)
            }
        },
    }
}

/// The IPv4 address inside a NAT64 or 6to4 address.
fn nat64(v6: std::net::Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let s = v6.segments();
    let from = |high: u16, low: u16| std::net::Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for address in ["8.8.8.8", "193.0.6.139", "2a00:1450:4001::1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }
}
