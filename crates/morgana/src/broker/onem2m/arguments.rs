//! The switches of a CSE.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use morgana_fabric::ClientOptions;
use morgana_model::Secret;
use morgana_onem2m::{Access, HttpOptions, NotifierOptions, Options, Registrar};

use super::super::{Durability, Place};

/// The switches of a CSE.
#[derive(Debug, Args)]
#[command(mut_arg("port", |arg| super::super::port_help(arg, 8080)))]
#[command(after_help = "\
Examples:
  morgana broker onem2m --port 8080 --data ./cse
  morgana broker onem2m --port 7579 --mqtt-port 1883 --mobius --administrator S
  morgana broker onem2m --mqtt mqtt://cse:secret@broker.example:1883 --ws-port 8180 --coap-port 5683")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) place: Place<8080>,
    /// When a write is acknowledged.
    #[arg(long, value_enum, default_value_t = Durability::Commit)]
    durability: Durability,

    /// Name of the CSEBase: the first part of structured addresses.
    #[arg(long, value_name = "NAME", default_value = "Mobius", value_parser = name, help_heading = "Identity")]
    cse_name: String,
    /// CSE-ID, with or without its slash; also the resourceID of the CSEBase.
    #[arg(long, value_name = "ID", default_value = "/Mobius2", value_parser = cse_id, help_heading = "Identity")]
    cse_id: String,
    /// ID of the service provider: the first part of absolute addresses.
    #[arg(long, value_name = "ID", default_value = "morgana.example", value_parser = name, help_heading = "Identity")]
    sp_id: String,
    /// Newest release that it speaks, with the older ones (X-M2M-RVI). A request that names none is of 2a.
    #[arg(long, default_value = "5", value_parser = ["2a", "3", "4", "5"], help_heading = "Identity")]
    release: String,
    /// Point of access that the CSEBase shows; can be given several times [default: where it listens].
    #[arg(long, value_name = "URL", help_heading = "Identity")]
    point_of_access: Vec<String>,

    /// Kind of node that the CSE stands on: infrastructure, middle, or application service.
    #[arg(long, value_enum, default_value_t = CseType::In, help_heading = "Other CSEs")]
    cse_type: CseType,
    /// CSE that may register here, by its CSE-ID with * for any letters; can be given several times. It gets the
    /// requests for its addresses.
    #[arg(long, value_name = "ID", help_heading = "Other CSEs")]
    accept_cse: Vec<String>,
    /// Where the CSE is that this one registers with: http://host:port or mqtt://host:port.
    #[arg(long, value_name = "URL", requires = "registrar_id", help_heading = "Other CSEs")]
    registrar: Option<String>,
    /// Its CSE-ID.
    #[arg(long, value_name = "ID", value_parser = cse_id, requires = "registrar", help_heading = "Other CSEs")]
    registrar_id: Option<String>,
    /// The name of its CSEBase.
    #[arg(long, value_name = "NAME", default_value = "cse-in", value_parser = name, help_heading = "Other CSEs")]
    registrar_name: String,

    /// Originator that may do everything; can be given several times.
    #[arg(long, value_name = "ID", default_value = "CAdmin", help_heading = "Access")]
    administrator: Vec<String>,
    /// A resource without policies has those of the nearest resource above that has some, and not those of the
    /// standard, which gives it to its creator alone.
    #[arg(long, help_heading = "Access")]
    inherit_access: bool,
    /// Answer only who shows this token, as `Authorization: Bearer TOKEN` or `X-Auth-Token: TOKEN`; to policies they are
    /// authenticated (accessControlAuthenticationFlag). HTTP is then the only door: the others have no place for it
    /// [default: everyone who reaches the CSE].
    #[arg(
        long,
        env = "MORGANA_BROKER_TOKEN",
        hide_env_values = true,
        conflicts_with_all = ["mqtt_port", "ws_port", "coap_port"],
        help_heading = "Access"
    )]
    token: Option<String>,

    /// Behave as Mobius does where it differs from the standard: --inherit-access, --structured-references,
    /// --no-verification, and the name of the CSEBase as --mqtt-topic-id.
    #[arg(long, help_heading = "Clients written for Mobius")]
    mobius: bool,
    /// Notifications name their subscription by its structured address.
    #[arg(long, help_heading = "Clients written for Mobius")]
    structured_references: bool,
    /// Targets of a new subscription need not answer a verification request.
    #[arg(long, help_heading = "Clients written for Mobius")]
    no_verification: bool,

    /// Bring an MQTT broker that listens on this port, and speak over it; 0 means any.
    #[arg(long, value_name = "PORT", conflicts_with = "mqtt", help_heading = "Bindings")]
    pub(super) mqtt_port: Option<u16>,
    /// Speak over this MQTT broker: mqtt://[user[:password]@]host[:port]. The password may also be in the environment.
    #[arg(long, value_name = "URL", help_heading = "Bindings")]
    pub(super) mqtt: Option<MqttUrl>,
    /// Password for --mqtt.
    #[arg(
        long,
        value_name = "TEXT",
        env = "MORGANA_MQTT_PASSWORD",
        hide_env_values = true,
        requires = "mqtt",
        help_heading = "Bindings"
    )]
    mqtt_password: Option<String>,
    /// What the CSE is called in the topics of its notifications [default: its CSE-ID].
    #[arg(long, value_name = "ID", value_parser = name, help_heading = "Bindings")]
    mqtt_topic_id: Option<String>,
    /// Listen for WebSocket on this port; 0 means any.
    #[arg(long, value_name = "PORT", help_heading = "Bindings")]
    pub(super) ws_port: Option<u16>,
    /// Listen for CoAP (UDP) on this port; 0 means any.
    #[arg(long, value_name = "PORT", help_heading = "Bindings")]
    pub(super) coap_port: Option<u16>,

    /// Largest content of a request, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 4 * 1024 * 1024, help_heading = "Limits")]
    pub(super) body_max_bytes: usize,
    /// Most seconds that a resource lives, and those of one whose creator does not say.
    #[arg(long, value_name = "SECONDS", default_value_t = 5 * 365 * 86_400, help_heading = "Limits")]
    max_expiration: u64,
    /// Seconds that a request may take when it does not say.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, help_heading = "Limits")]
    request_expiration: u64,
    /// Notifications that wait for one target; with more, the oldest is lost.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, help_heading = "Limits")]
    notification_queue: usize,
    /// Requests that wait in one polling channel.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, help_heading = "Limits")]
    polling_queue: usize,
    /// Non-blocking requests under way at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, help_heading = "Limits")]
    background_requests: usize,

    /// Answer POST /__ut__, with which conformance suites steer the CSE and reset it. For tests only: who reaches it
    /// can delete everything.
    #[arg(long, help_heading = "Tests")]
    upper_tester: bool,
}

impl Arguments {
    pub(super) fn options(&self) -> Options {
        Options {
            dir: self.place.data.clone(),
            durability: self.durability.into(),
            cse_name: self.cse_name.clone(),
            cse_id: self.cse_id.clone(),
            sp_id: self.sp_id.clone(),
            release: self.release.clone(),
            points_of_access: self.point_of_access.clone(),
            cse_type: self.cse_type as u8,
            cse_originators: self.accept_cse.clone(),
            registrar: self.registrar.as_ref().zip(self.registrar_id.as_ref()).map(|(point, id)| Registrar {
                cse_id: id.clone(),
                cse_name: self.registrar_name.clone(),
                point_of_access: point.clone(),
                check_seconds: 30,
            }),
            administrators: self.administrator.clone(),
            inherit_access: self.inherit_access || self.mobius,
            structured_references: self.structured_references || self.mobius,
            verify_subscriptions: !(self.no_verification || self.mobius),
            max_expiration_seconds: self.max_expiration,
            request_expiration_seconds: self.request_expiration,
            polling_queue: self.polling_queue,
            background_requests: self.background_requests,
            notifications: NotifierOptions {
                queue_messages: self.notification_queue,
                ..NotifierOptions::default()
            },
            ..Options::default()
        }
    }

    pub(super) fn http(&self) -> HttpOptions {
        let access = match &self.token {
            Some(token) => Access::Token(token.as_str().into()),
            None => Access::Open,
        };
        HttpOptions { access, body_max_bytes: self.body_max_bytes, upper_tester: self.upper_tester }
    }

    pub(super) fn mqtt_client_id(&self) -> String {
        format!("cse-{}", self.cse_id.trim_matches('/'))
    }

    pub(super) fn mqtt_topic_id(&self) -> String {
        match &self.mqtt_topic_id {
            Some(id) => id.clone(),
            None if self.mobius => self.cse_name.clone(),
            None => String::new(),
        }
    }

    /// How the CSE connects to a given broker.
    pub(super) fn mqtt_client(&self, url: &MqttUrl) -> ClientOptions {
        let options = ClientOptions::new(url.address.clone(), self.mqtt_client_id());
        let password = self.mqtt_password.as_ref().or(url.password.as_ref());
        match &url.user {
            Some(user) => options.with_credentials(user, Secret::new(password.cloned().unwrap_or_default())),
            None => options,
        }
    }
}

/// m2m:cseTypeID (TS-0004 6.3.4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CseType {
    /// Infrastructure node: it registers with nobody.
    In = 1,
    /// Middle node.
    Mn = 2,
    /// Application service node.
    Asn = 3,
}

/// What stands in addresses and topics.
fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['/', '#', '+', '?', ' ']) {
        return Err("it must not be empty and have none of / # + ? and space".to_owned());
    }
    Ok(text.to_owned())
}

fn cse_id(text: &str) -> Result<String, String> {
    name(text.strip_prefix('/').unwrap_or(text)).map(|id| format!("/{id}"))
}

/// The address of an MQTT broker, and who the CSE is to it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MqttUrl {
    pub(super) address: String,
    user: Option<String>,
    password: Option<String>,
}

/// The password does not print.
impl std::fmt::Debug for MqttUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MqttUrl").field("address", &self.address).finish_non_exhaustive()
    }
}

impl FromStr for MqttUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("mqtt://").ok_or("it must begin with mqtt://")?.trim_end_matches('/');
        let (login, host) = match rest.rsplit_once('@') {
            Some((login, host)) => (Some(login), host),
            None => (None, rest),
        };
        let bracketed = host.ends_with(']');
        let has_port =
            !bracketed && host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if host.is_empty() || host.contains('/') || (!has_port && !bracketed && host.contains(':')) {
            return Err("it must be mqtt://[user[:password]@]host[:port]".to_owned());
        }
        let address = if has_port { host.to_owned() } else { format!("{host}:1883") };
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, "")) => (Some(user.to_owned()), None),
            Some((user, password)) => (Some(user.to_owned()), Some(password.to_owned())),
            None => (None, None),
        };
        Ok(Self { address, user, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_an_mqtt_broker_may_have_a_login_and_a_port() {
        let read = |text: &str| text.parse::<MqttUrl>();
        assert_eq!(read("mqtt://host").unwrap().address, "host:1883");
        assert_eq!(read("mqtt://[::1]").unwrap().address, "[::1]:1883");
        assert_eq!(read("mqtt://[::1]:99/").unwrap().address, "[::1]:99");
        let full = read("mqtt://me:se:cr@et@host:99").unwrap();
        assert_eq!(full.address, "host:99");
        assert_eq!((full.user.as_deref(), full.password.as_deref()), (Some("me"), Some("se:cr@et")));
        for wrong in ["host", "http://host", "mqtt://", "mqtt://host:port", "mqtt://host/path"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
