//! The configuration: defaults, then the file, then the environment, then the command line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use figment::providers::{Env, Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};
use morgana_fabric::ServerOptions;
use morgana_model::{NodeId, Secret, ZoneId};
use morgana_store::{PostgresOptions, SqliteOptions};
use serde::{Deserialize, Serialize};

use crate::arguments::UpArguments;
use crate::failure::Failure;
use crate::legacy::LegacyOptions;
use crate::logging::DEFAULT_FILTER;
use crate::system_db::EMBEDDED;
use crate::tls::TlsOptions;

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "morgana.toml";
/// The source of what nobody set.
pub(crate) const DEFAULT: &str = "default";
/// What the names of environment variables start with.
const PREFIX: &str = "MORGANA_";

/// Keys of parts that follow from keys of the whole; setting them would be in vain.
pub(crate) const DERIVED: [(&str, &str); 5] = [
    ("fabric.listen", "'listen' and 'mqtt_port'"),
    ("fabric.data_dir", "the fabric, which keeps nothing on disk"),
    ("fabric.shared_subscriptions", "the fabric, which grants none"),
    ("node.data_dir", "'data'"),
    ("node.listen", "'listen'"),
];

/// Everything about `morgana up` that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    /// Where all state lives.
    pub(crate) data: PathBuf,
    /// The address to listen on.
    pub(crate) listen: IpAddr,
    /// The port of the REST API.
    pub(crate) port: u16,
    /// The port of the fabric.
    pub(crate) mqtt_port: u16,
    /// The System DB: `sqlite`, the file in the data folder, or `postgres://…`, a server.
    pub(crate) store: Secret,
    /// The URL under which other controllers and users reach the REST API; where there is none, the
    /// address it listens on.
    pub(crate) advertise: Option<String>,
    /// What to log.
    pub(crate) log: String,
    /// The zone this machine is in.
    pub(crate) zone: ZoneId,
    /// The name of this machine.
    pub(crate) node_id: NodeId,
    /// The controller.
    pub(crate) controller: morgana_controller::Options,
    /// The REST API.
    pub(crate) api: morgana_api::Options,
    /// The fabric's broker; its address and folder follow from the options above.
    pub(crate) fabric: ServerOptions,
    /// The node agent; its address and folder follow from the options above.
    pub(crate) node: morgana_node::Options,
    /// TLS for REST and fabric.
    pub(crate) tls: TlsOptions,
    /// VirIoT's own components.
    pub(crate) legacy: LegacyOptions,
    /// The System DB where it is a file.
    pub(crate) sqlite: SqliteOptions,
    /// The System DB where it is on a server.
    pub(crate) postgres: PostgresOptions,
}

impl Configuration {
    fn defaults() -> Result<Self, Failure> {
        let invalid = |error| Failure::new("a built-in default is wrong", error);
        Ok(Self {
            data: "./morgana-data".into(),
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8090,
            mqtt_port: 1883,
            store: Secret::new(EMBEDDED),
            advertise: None,
            log: DEFAULT_FILTER.to_owned(),
            zone: "default".parse().map_err(invalid)?,
            node_id: node_id().parse().map_err(invalid)?,
            controller: morgana_controller::Options::default(),
            api: morgana_api::Options::default(),
            fabric: ServerOptions::default(),
            node: morgana_node::Options::default(),
            tls: TlsOptions::default(),
            legacy: LegacyOptions::default(),
            sqlite: SqliteOptions::default(),
            postgres: PostgresOptions::default(),
        })
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// When a file cannot be read or a value is wrong; the failure names file, key and value.
    pub(crate) fn read(arguments: &UpArguments) -> Result<Self, Failure> {
        let sources = sources(arguments)?;
        let mut read: Self = sources.extract().map_err(|error| wrong_value(&error, &sources))?;
        for (key, from) in DERIVED {
            let source = sources.find_metadata(key).map(source_name).unwrap_or_default();
            if !source.is_empty() && source != DEFAULT {
                return Err(Failure::plain(format!(
                    "{source}: '{key}' cannot be set: it follows from {from}"
                )));
            }
        }
        read.node.data_dir = read.data.clone();
        read.node.listen = read.listen;
        read.fabric.listen = SocketAddr::new(read.listen, read.mqtt_port);
        if read.tls.enabled {
            // In the clear only for the workloads of this machine.
            let loopback = match read.listen {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            };
            read.fabric.listen.set_ip(if read.listen.is_loopback() { read.listen } else { loopback });
        }
        if read.legacy.enabled && !read.listen.is_loopback() {
            return Err(Failure::plain(format!(
                "legacy.enabled lets components in without credentials, so it is for loopback alone, and 'listen' is {}",
                read.listen
            )));
        }
        // Whoever connects to the fabric subscribes again, and nothing in it is retained: on disk
        // it would only be slower.
        read.fabric.data_dir = None;
        // Share groups are one name space for all users: a silo could take another's messages.
        read.fabric.shared_subscriptions = false;
        Ok(read)
    }
}

/// The values of all sources, each with where it comes from.
pub(crate) fn sources(arguments: &UpArguments) -> Result<Figment, Failure> {
    let defaults = Layer { name: DEFAULT, values: as_dict(&Configuration::defaults()?)? };
    let known: Vec<String> = defaults.values.keys().cloned().collect();
    let command_line = Layer { name: "command line", values: as_dict(arguments)? };
    // The prefix is shared with variables that are no configuration (MORGANA_ADMIN_PASSWORD,
    // MORGANA_URL), so only names of known keys count.
    let environment = Env::prefixed(PREFIX).split("__").filter(move |key| {
        let first = key.as_str().split('.').next().unwrap_or_default();
        known.iter().any(|known| known.eq_ignore_ascii_case(first))
    });
    let mut figment = Figment::from(defaults);
    if let Some(file) = file(arguments)? {
        figment = figment.merge(Toml::file_exact(file));
    }
    Ok(figment.merge(environment).merge(command_line))
}

fn file(arguments: &UpArguments) -> Result<Option<PathBuf>, Failure> {
    match &arguments.config {
        Some(named) => match std::fs::metadata(named) {
            Ok(_) => Ok(Some(named.clone())),
            Err(error) => {
                Err(Failure::new(format_args!("cannot read configuration file {}", named.display()), error))
            }
        },
        None => Ok(Path::new(DEFAULT_FILE).exists().then(|| DEFAULT_FILE.into())),
    }
}

/// The first thing that is wrong, with its source, key and value.
fn wrong_value(error: &Error, sources: &Figment) -> Failure {
    let source = error.metadata.as_ref().map(source_name).unwrap_or_else(|| "the configuration".to_owned());
    let key = match (error.path.as_slice(), source.as_str()) {
        ([], _) => "a key".to_owned(),
        (path, "environment") => format!("'{PREFIX}{}'", path.join("__").to_uppercase()),
        (path, _) => format!("'{}'", path.join(".")),
    };
    // Not every parser says what it was given.
    let value = sources.find_value(&error.path.join(".")).ok();
    let value =
        value.and_then(|value| serde_json::to_string(&value).ok()).map(|value| format!(" is {value}"));
    let value = value.filter(|_| !error.path.is_empty()).unwrap_or_default();
    Failure::plain(format!(
        "{source}: {key}{value}: {}; `morgana config` lists all keys with their values",
        error.kind
    ))
}

/// Where a value comes from, in words.
pub(crate) fn source_name(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(figment::Source::File(path)) => path.display().to_string(),
        _ if metadata.name.contains("environment") => "environment".to_owned(),
        _ => metadata.name.to_string(),
    }
}

/// The name of this machine, as far as a node's id can say it.
fn node_id() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(63)
        .collect();
    if name.is_empty() { "node".to_owned() } else { name }
}

/// Values with a name for where they come from.
struct Layer {
    name: &'static str,
    values: Dict,
}

fn as_dict(values: &impl Serialize) -> Result<Dict, Failure> {
    let invalid = |error| Failure::new("cannot read the configuration", error);
    match Value::serialize(values).map_err(invalid)? {
        Value::Dict(_, dict) => Ok(dict),
        _ => Ok(Dict::new()),
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn with_file(text: &str) -> Result<Configuration, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("test.toml");
        fs::write(&file, text).unwrap();
        Configuration::read(&UpArguments { config: Some(file), ..UpArguments::default() })
    }

    #[test]
    fn no_configuration_is_a_good_configuration() {
        let read = Configuration::read(&UpArguments::default()).unwrap();
        assert_eq!((read.port, read.mqtt_port, read.listen), (8090, 1883, IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(read.fabric.listen.port(), 1883);
    }

    #[test]
    fn a_file_overrides_the_defaults_in_its_sections_too() {
        let read = with_file("port = 1\n[controller]\naccess_token_minutes = 3").unwrap();
        assert_eq!((read.port, read.controller.access_token_minutes), (1, 3));
    }

    #[test]
    fn a_wrong_value_is_told_with_file_key_and_value() {
        let error = with_file("port = \"many\"").unwrap_err().to_string();
        assert!(error.contains("test.toml") && error.contains("'port'") && error.contains("many"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_told_with_the_known_ones() {
        let error = with_file("prot = 1").unwrap_err().to_string();
        assert!(error.contains("prot") && error.contains("mqtt_port"), "{error}");
    }

    #[test]
    fn a_key_that_follows_from_another_cannot_be_set() {
        let error = with_file("[node]\ndata_dir = \"/x\"").unwrap_err().to_string();
        assert!(error.contains("node.data_dir") && error.contains("'data'"), "{error}");
    }

    #[test]
    fn a_file_that_is_named_and_missing_is_told() {
        let arguments = UpArguments { config: Some("/nowhere/x.toml".into()), ..UpArguments::default() };
        assert!(Configuration::read(&arguments).unwrap_err().to_string().contains("/nowhere/x.toml"));
    }
}
