//! TLS towards a server (`mqtts`).

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whom a client trusts to say that a server is who it says.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// Whose certificate the server has to show; who its address names, when this is not given.
    server: Option<ServerName<'static>>,
}

/// Why a client cannot speak TLS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// There is no certificate in the text.
    #[error("there is no certificate in it: give one or several in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// One is damaged.
    #[error("a certificate in it cannot be read: {0}")]
    BadCertificate(String),
    /// This machine has no list of authorities.
    #[error("this machine has no list of certificate authorities; give the one of the server")]
    NoAuthorities,
}

impl ClientTls {
    /// Trusts these authorities, or self-signed certificates, in PEM form, and no other.
    ///
    /// # Errors
    /// [`TlsError`], when there is none, or one is no certificate.
    pub fn trusting(pem: &str) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| TlsError::BadCertificate(error.to_string()))?;
            roots.add(certificate).map_err(|error| TlsError::BadCertificate(error.to_string()))?;
        }
        if roots.is_empty() { Err(TlsError::NoCertificate) } else { Ok(Self::of(roots)) }
    }

    /// Trusts whom this machine trusts.
    ///
    /// # Errors
    /// [`TlsError::NoAuthorities`].
    pub fn of_this_machine() -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(Self::of(roots)) }
    }

    /// Trusts as `config` says, and speaks to the server of this name alone, be its address a name or a number.
    pub fn configured(config: Arc<ClientConfig>, server: ServerName<'static>) -> Self {
        Self { config, server: Some(server) }
    }

    fn of(roots: RootCertStore) -> Self {
        // Which provider the program has set does not matter then.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_root_certificates(roots).with_no_client_auth());
        match config {
            Ok(config) => Self { config: Arc::new(config), server: None },
            Err(error) => unreachable!("this provider has the versions that it comes with: {error}"),
        }
    }

    /// Makes the connection to an address, `host:port`, one that is encrypted and of the server of that name.
    pub(super) async fn shake_hands(
        &self,
        address: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = match &self.server {
            Some(server) => server.clone(),
            None => {
                let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                ServerName::try_from(host).map_err(io::Error::other)?
            }
        };
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.server == other.server
    }
}

impl Eq for ClientTls {}
