//! TLS: given certificates, or ones of our own.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The folder of self-made certificates in the data folder.
const FOLDER: &str = "tls";
/// The certificate of an authority of our own, in that folder.
const AUTHORITY: &str = "ca.pem";
/// How long self-made certificates are good, in years. The server's is made anew at each start.
const YEARS: i16 = 5;

/// Whether and with what REST and fabric speak TLS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TlsOptions {
    /// REST is HTTPS, and the fabric has an MQTT door with TLS beside its plain one on loopback.
    pub(crate) enabled: bool,
    /// The certificate chain, in PEM form; self-made when not given.
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key, in PEM form.
    pub(crate) key: Option<PathBuf>,
    /// Who vouches for a given certificate, in PEM form, where the machine does not know them anyway: with it
    /// another controller trusts this one.
    pub(crate) authority: Option<PathBuf>,
    /// Further names and addresses for a self-made certificate.
    pub(crate) names: Vec<String>,
    /// The port of the fabric's door with TLS; 0 means any.
    pub(crate) mqtt_port: u16,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            enabled: false,
            certificate: None,
            key: None,
            authority: None,
            names: Vec::new(),
            mqtt_port: 8883,
        }
    }
}

/// What a server needs to speak TLS.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(crate) server: Arc<ServerConfig>,
    /// The chain, for the fabric's server, which reads files.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Who vouches for the certificate, in PEM form; nothing where every machine knows them.
    pub(crate) authority: Option<String>,
}

/// Reads the certificates, or makes them; nothing where TLS is off.
///
/// # Errors
/// When a file cannot be read or written, or is not what it should be.
pub(crate) fn prepare(
    options: &TlsOptions,
    data: &Path,
    listen: IpAddr,
    advertise: Option<&str>,
) -> Result<Option<Tls>, Failure> {
    if !options.enabled {
        return Ok(None);
    }
    let (certificate, key, authority) = match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone(), options.authority.clone()),
        (None, None) => {
            let folder = data.join(FOLDER);
            let (certificate, key) = make(names(options, listen, advertise), &folder)?;
            (certificate, key, Some(folder.join(AUTHORITY)))
        }
        _ => return Err(Failure::plain("tls.certificate and tls.key: give both or none")),
    };
    let unreadable = |file: &Path, error: rustls::pki_types::pem::Error| {
        Failure::new(
            format_args!("cannot read {}: it is no PEM file of what it should hold", file.display()),
            error,
        )
    };
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(&certificate, error))?;
    let secret = PrivateKeyDer::from_pem_file(&key).map_err(|error| unreadable(&key, error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    // The fabric's server asks for the one of the process.
    let _ = rustls::crypto::CryptoProvider::install_default((*provider).clone());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| {
            Failure::new(format_args!("cannot use the certificate {}", certificate.display()), error)
        })?;
    let authority = authority.map(|file| {
        let read = fs::read_to_string(&file);
        read.map_err(|error| Failure::new(format_args!("cannot read {}", file.display()), error))
    });
    Ok(Some(Tls { server: Arc::new(server), certificate, key, authority: authority.transpose()? }))
}

/// An authority of our own, made once, and a server's certificate that it vouches for. Clients trust the
/// authority's certificate, `ca.pem`.
fn make(names: Vec<String>, folder: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::plain(format!("cannot make a certificate in {}: {error}", folder.display()))
    };
    let written = |error: io::Error| failed(&error);
    let crypto = |error: rcgen::Error| failed(&error);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(written)?;
    let (ca_file, ca_key_file) = (folder.join(AUTHORITY), folder.join("ca.key"));
    let mut authority = CertificateParams::new(Vec::new()).map_err(crypto)?;
    authority.distinguished_name.push(DnType::CommonName, "Morgana, self-made");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_key = if ca_file.exists() && ca_key_file.exists() {
        KeyPair::from_pem(&fs::read_to_string(&ca_key_file).map_err(written)?).map_err(crypto)?
    } else {
        let key = KeyPair::generate().map_err(crypto)?;
        write(&ca_key_file, &key.serialize_pem(), 0o600).map_err(written)?;
        let certificate = authority.self_signed(&key).map_err(crypto)?;
        write(&ca_file, &certificate.pem(), 0o644).map_err(written)?;
        key
    };
    let issuer = Issuer::new(authority, ca_key);

    let mut server = CertificateParams::new(names).map_err(crypto)?;
    server.distinguished_name.push(DnType::CommonName, "Morgana");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    // A day early, for clocks that are late; no day that some month has not.
    let (month, day) = (today.month().unsigned_abs(), today.day().unsigned_abs().min(28));
    server.not_before = rcgen::date_time_ymd((today.year() - 1).into(), month, day);
    server.not_after = rcgen::date_time_ymd((today.year() + YEARS).into(), month, day);
    let key = KeyPair::generate().map_err(crypto)?;
    let certificate = server.signed_by(&key, &issuer).map_err(crypto)?;
    let (file, key_file) = (folder.join("server.pem"), folder.join("server.key"));
    write(&key_file, &key.serialize_pem(), 0o600).map_err(written)?;
    write(&file, &certificate.pem(), 0o644).map_err(written)?;
    Ok((file, key_file))
}

fn names(options: &TlsOptions, listen: IpAddr, advertise: Option<&str>) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !listen.is_unspecified() {
        names.push(listen.to_string());
    }
    names.extend(nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()));
    let advertised = advertise.and_then(|url| reqwest::Url::parse(url).ok());
    let host = advertised.as_ref().and_then(|url| url.host_str());
    names.extend(host.map(|host| host.trim_matches(['[', ']']).to_owned()));
    names.extend(options.names.iter().cloned());
    names.sort();
    names.dedup();
    names
}

/// Writes a whole file under another name and renames it.
fn write(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let fresh = file.with_extension("new");
    let mut opened = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&fresh)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()?;
    fs::rename(fresh, file)
}
