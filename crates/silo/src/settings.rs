//! What a silo is told, read once and checked.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use morgana_model::{Secret, TenantId, VSiloId};
use morgana_workload::{Environment, FabricAccess, Role};
use serde_json::Value;

use crate::catalogue::{self, Builtin};
use crate::error::RunError;
use crate::flavours::Flavour;

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
        let default = default.and_then(|parameter| parameter.values.first()).copied().unwrap_or_default();
        self.params.get(name).and_then(Value::as_str).unwrap_or(default)
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
            if !value.as_str().is_some_and(|value| parameter.values.contains(&value)) {
                let allowed = parameter.values.join("\" or \"");
                let error = format!("flavour parameter '{name}' is {value}: it must be \"{allowed}\"");
                return Err(RunError::Parameter(error));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(params: Value, token: Option<&str>) -> Result<Settings, RunError> {
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
        Settings::read("mqtt", environment)
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
        let error = settings(Value::Null, Some("t")).unwrap().door(9090).unwrap_err();
        assert!(error.to_string().contains("MORGANA_PORT_9090") && error.exit_code() == 78);
    }
}
