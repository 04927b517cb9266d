//! What a silo is told, read once and checked.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use morgana_journal::Durability;
use morgana_model::{Secret, TenantId, VSiloId};
use morgana_workload::{Environment, FabricAccess, Role};
use serde_json::Value;

use crate::catalogue::{self, Builtin, Values};
use crate::error::RunError;
use crate::flavours::Flavour;

/// The longest text of certificates, in bytes.
const CERTIFICATES_BYTES: usize = 64 * 1024;

/// What a silo is told.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) silo: VSiloId,
    pub(crate) tenant: TenantId,
    /// What an application has to show; nothing where access is open.
    pub(crate) token: Option<Secret>,
    pub(crate) fabric: FabricAccess,
    /// The folder that is the silo's own.
    pub(crate) data: PathBuf,
    pub(crate) flavour: Flavour,
    builtin: &'static Builtin,
    params: Value,
    listen: IpAddr,
    doors: BTreeMap<u16, u16>,
}

impl Settings {
    pub(crate) fn read(kind: &str, environment: Environment) -> Result<Self, RunError> {
        let (builtin, flavour) = catalogue::find(kind)?;
        let Environment { role, fabric, data, listen, doors } = environment;
        let Role::VSilo { id, params, token } = role else { return Err(RunError::NotASilo) };
        let mut settings = Self {
            tenant: id.tenant(),
            silo: id,
            token: None,
            fabric,
            data,
            flavour,
            builtin,
            params,
            listen,
            doors,
        };
        settings.check_parameters()?;
        if settings.parameter("access") == "token" {
            settings.token = Some(token.ok_or(RunError::NoToken)?);
        }
        Ok(settings)
    }

    /// The value of a parameter that the flavour has.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        let default = self.builtin.parameters.iter().find(|parameter| parameter.name == name);
        let default = match default.map(|parameter| parameter.values) {
            Some(Values::OneOf(words)) => words.first().copied().unwrap_or_default(),
            Some(Values::Text(text)) => text,
            Some(Values::Number { .. } | Values::Port | Values::Certificates) | None => "",
        };
        self.params.get(name).and_then(Value::as_str).unwrap_or(default)
    }

    /// The value of a parameter that is a number.
    pub(crate) fn number(&self, name: &str) -> usize {
        let default = self.builtin.parameters.iter().find(|parameter| parameter.name == name);
        let default = match default.map(|parameter| parameter.values) {
            Some(Values::Number { default, .. }) => default,
            _ => 0,
        };
        // Checked when the settings were read.
        self.params.get(name).and_then(Value::as_u64).map_or(default as usize, |number| number as usize)
    }

    /// What an acknowledged write of the broker survives.
    pub(crate) fn durability(&self) -> Durability {
        match self.parameter("durability") {
            "commit" => Durability::Commit,
            "none" => Durability::None,
            _ => Durability::Interval,
        }
    }

    /// Where a door is to be opened.
    pub(crate) fn door(&self, inner: u16) -> Result<SocketAddr, RunError> {
        let port = self.doors.get(&inner).ok_or(RunError::NoDoor { inner })?;
        Ok(SocketAddr::new(self.listen, *port))
    }

    /// A wrong value is an error, because the tenant would get something else than asked for. An
    /// unknown name is not: VirIoT's flavours have some that mean nothing here, `brokerport` say.
    fn check_parameters(&self) -> Result<(), RunError> {
        let Value::Object(params) = &self.params else { return Ok(()) };
        for (name, value) in params {
            let known = self.builtin.parameters.iter().find(|parameter| parameter.name == name);
            let Some(parameter) = known else {
                tracing::warn!(name, "the flavour has no such parameter; it is passed over");
                continue;
            };
            if let Some(allowed) = parameter.values.refusal(value) {
                let error = format!("flavour parameter '{name}' is {value}: it must be {allowed}");
                return Err(RunError::Parameter(error));
            }
        }
        Ok(())
    }
}

impl Values {
    /// What a value should be instead; nothing when it is right.
    fn refusal(self, value: &Value) -> Option<String> {
        let is_name = |text: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@+=".contains(&byte);
            (1..=256).contains(&text.len()) && text.bytes().all(allowed)
        };
        match self {
            Self::OneOf(words) if value.as_str().is_some_and(|value| words.contains(&value)) => None,
            Self::OneOf(words) => Some(format!("\"{}\"", words.join("\" or \""))),
            Self::Text(_) if value.as_str().is_some_and(is_name) => None,
            Self::Text(_) => Some("a text of 1 to 256 letters, digits and -._~:/@+=".to_owned()),
            Self::Number { most, .. } if value.as_u64().is_some_and(|number| number <= u64::from(most)) => {
                None
            }
            Self::Number { most, .. } => Some(format!("a whole number from 0 to {most}")),
            Self::Certificates if value.as_str().is_some_and(|text| text.len() <= CERTIFICATES_BYTES) => None,
            Self::Certificates => Some("certificates in PEM form, as one text of at most 64 KiB".to_owned()),
            // The platform gives the port with the door.
            Self::Port if value.as_u64().is_some_and(|port| port == 0 || (1024..=65_535).contains(&port)) => {
                None
            }
            Self::Port => Some("a port from 1024 to 65535, or 0 to have the node choose one".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(params: Value, token: Option<&str>) -> Result<Settings, RunError> {
        settings_of("mqtt", params, token)
    }

    fn settings_of(kind: &str, params: Value, token: Option<&str>) -> Result<Settings, RunError> {
        let fabric = FabricAccess {
            host: "127.0.0.1".parse().unwrap(),
            port: 1883,
            user: "silo".to_owned(),
            password: Secret::new("p"),
        };
        let role = Role::VSilo { id: "tenant1_s".parse().unwrap(), params, token: token.map(Secret::new) };
        let environment = Environment {
            role,
            fabric,
            data: "/nowhere".into(),
            listen: "127.0.0.1".parse().unwrap(),
            doors: [(1883, 0)].into(),
        };
        Settings::read(kind, environment)
    }

    #[test]
    fn parameters_have_defaults_and_a_viriot_text_means_them_too() {
        for params in [Value::Null, json!("Mobius"), json!({}), json!({ "brokerport": 1 })] {
            let settings = settings(params, Some("t")).unwrap();
            assert_eq!((settings.parameter("access"), settings.parameter("publish")), ("token", "state"));
            assert!(settings.token.is_some());
        }
    }

    #[test]
    fn open_access_needs_no_token_and_token_access_does() {
        assert!(settings(json!({ "access": "open" }), Some("t")).unwrap().token.is_none());
        assert_eq!(settings(Value::Null, None).unwrap_err().exit_code(), 78);
    }

    #[test]
    fn a_wrong_value_and_a_missing_door_are_named() {
        let error = settings(json!({ "publish": 1 }), Some("t")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "flavour parameter 'publish' is 1: it must be \"state\" or \"changes\""
        );
        assert_eq!(error.exit_code(), 78);
        for (params, allowed) in [
            (json!({ "history": -1 }), "a whole number from 0 to 100000"),
            (json!({ "mqttPort": 80 }), "a port from 1024 to 65535, or 0"),
            (json!({ "cseName": "a b" }), "a text of 1 to 256 letters"),
            (json!({ "durability": "always" }), "\"interval\" or \"commit\" or \"none\""),
        ] {
            let error = settings_of("onem2m", params, Some("t")).unwrap_err();
            assert!(error.to_string().contains(allowed) && error.exit_code() == 78, "{error}");
        }
        let error = settings(Value::Null, Some("t")).unwrap().door(9090).unwrap_err();
        assert!(error.to_string().contains("MORGANA_PORT_9090") && error.exit_code() == 78);
    }
}
