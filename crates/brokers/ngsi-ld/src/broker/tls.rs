//! TLS to MQTT servers (NGSI-LD 7.2, `mqtts`).

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use hyper_rustls::ConfigBuilderExt;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

/// A server's name, and who may vouch for it.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) server: ServerName<'static>,
}

/// Whom to believe, read when it is first asked for.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// Certificates to believe instead of those of the system.
    ca: Option<PathBuf>,
    config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Trust {
    pub(super) fn new(ca: Option<PathBuf>) -> Self {
        Self { ca, config: OnceLock::new() }
    }

    /// How the server named `host` is spoken to.
    ///
    /// # Errors
    /// When the certificates cannot be read, or the host cannot be in one.
    pub(super) fn of(&self, host: &str) -> Result<Tls, String> {
        let config = self.config.get_or_init(|| match &self.ca {
            Some(path) => with_ca(path)
                .map_err(|error| format!("cannot use the certificates in {}: {error}", path.display())),
            None => {
                of_system().map_err(|error| format!("cannot use the certificates of the system: {error}"))
            }
        });
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let server = ServerName::try_from(host.to_owned());
        let server = server.map_err(|_| format!("no certificate can name the server {host}"))?;
        Ok(Tls { config: Arc::clone(config.as_ref().map_err(String::clone)?), server })
    }
}

fn with_ca(path: &Path) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(io::Error::other)? {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    if roots.is_empty() {
        return Err(io::Error::other("it has none in the form PEM"));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn of_system() -> io::Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = builder.try_with_platform_verifier().map_err(io::Error::other)?;
    Ok(Arc::new(builder.with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_believed_is_told_by_its_name() {
        let missing = Trust::new(Some("/nowhere/ca.pem".into()));
        assert!(missing.of("host").unwrap_err().contains("/nowhere/ca.pem"));
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "nothing").unwrap();
        assert!(Trust::new(Some(empty)).of("host").unwrap_err().contains("PEM"));
    }
}
