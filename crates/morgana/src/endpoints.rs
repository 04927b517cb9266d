//! `DIR/endpoints.json`: where the parts of a running platform are, for scripts.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::Serialize;

use crate::configuration::Configuration;

/// Where the parts are reached from this machine.
#[derive(Debug, Serialize)]
pub(crate) struct Endpoints {
    rest: Door,
    mqtt: Door,
    /// The fabric's door with TLS, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    mqtts: Option<Door>,
    /// The legacy view, where it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    mongo: Option<Door>,
    /// The process of the platform.
    pid: u32,
}

/// One door.
#[derive(Debug, Serialize)]
struct Door {
    url: String,
    host: IpAddr,
    port: u16,
}

impl Door {
    fn new(scheme: &str, listens: SocketAddr) -> Self {
        let host = reachable(listens.ip());
        Self {
            url: format!("{scheme}://{}", SocketAddr::new(host, listens.port())),
            host,
            port: listens.port(),
        }
    }
}

/// An address on which one that listens there can be reached from this machine.
pub(crate) fn reachable(listens: IpAddr) -> IpAddr {
    match listens {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        address => address,
    }
}

impl Endpoints {
    pub(crate) fn new(rest: SocketAddr, mqtt: SocketAddr) -> Self {
        Self {
            rest: Door::new("http", rest),
            mqtt: Door::new("mqtt", mqtt),
            mqtts: None,
            mongo: None,
            pid: std::process::id(),
        }
    }

    /// REST is HTTPS, and the fabric has a door with TLS.
    pub(crate) fn with_tls(self, rest: SocketAddr, mqtts: SocketAddr) -> Self {
        Self { rest: Door::new("https", rest), mqtts: Some(Door::new("mqtts", mqtts)), ..self }
    }

    /// The legacy view is shown.
    pub(crate) fn with_mongo(self, mongo: SocketAddr) -> Self {
        Self { mongo: Some(Door::new("mongodb", mongo)), ..self }
    }

    /// The URL of a REST API that listens there, as others reach it.
    pub(crate) fn advertised(configuration: &Configuration, rest: SocketAddr, tls: bool) -> String {
        match &configuration.advertise {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => Door::new(if tls { "https" } else { "http" }, rest).url,
        }
    }

    pub(crate) fn rest_url(&self) -> &str {
        &self.rest.url
    }

    pub(crate) fn mqtt_url(&self) -> &str {
        &self.mqtt.url
    }

    /// Writes the file as a whole: a reader sees the old one or the new one.
    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        let fresh = file.with_extension("json.new");
        fs::write(&fresh, text + "\n")?;
        fs::rename(fresh, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_listens_everywhere_is_reached_here() {
        let endpoints = Endpoints::new("0.0.0.0:1".parse().unwrap(), "[::]:2".parse().unwrap());
        assert_eq!((endpoints.rest_url(), endpoints.mqtt_url()), ("http://127.0.0.1:1", "mqtt://[::1]:2"));
    }
}
