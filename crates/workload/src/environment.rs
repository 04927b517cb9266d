//! The environment variables of a workload.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use morgana_model::{InvalidId, Secret, TenantId, ThingVisorId, VSiloId};
use serde_json::Value;

const THING_VISOR_ID: &str = "thingVisorID";
const PARAMS: &str = "params";
const V_SILO_ID: &str = "vSiloID";
const TENANT_ID: &str = "tenantID";
const FLAVOUR_PARAMS: &str = "flavourParams";
const DATA_BROKER_IP: &str = "MQTTDataBrokerIP";
const DATA_BROKER_PORT: &str = "MQTTDataBrokerPort";
const CONTROL_BROKER_IP: &str = "MQTTControlBrokerIP";
const CONTROL_BROKER_PORT: &str = "MQTTControlBrokerPort";
const FABRIC_USER: &str = "MORGANA_FABRIC_USER";
const FABRIC_PASSWORD: &str = "MORGANA_FABRIC_PASSWORD";
const SILO_TOKEN: &str = "MORGANA_SILO_TOKEN";
const DATA: &str = "MORGANA_DATA";
const LISTEN: &str = "MORGANA_LISTEN";
const PORT_PREFIX: &str = "MORGANA_PORT_";

/// Everything a workload is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// What it is.
    pub role: Role,
    /// How it reaches the fabric.
    pub fabric: FabricAccess,
    /// The folder that is its own.
    pub data: PathBuf,
    /// The address its doors are on.
    pub listen: IpAddr,
    /// Its doors: inner port to the port to listen on.
    pub doors: BTreeMap<u16, u16>,
}

/// What a workload is.
#[derive(Debug, Clone, PartialEq)]
pub enum Role {
    /// A ThingVisor.
    ThingVisor {
        /// Its id.
        id: ThingVisorId,
        /// Its parameters, as the administrator gave them.
        params: Value,
    },
    /// A vSilo.
    VSilo {
        /// Its id.
        id: VSiloId,
        /// The parameters of its flavour.
        params: Value,
        /// What its endpoints ask for; nothing where access is open.
        token: Option<Secret>,
    },
}

/// How a workload reaches the fabric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FabricAccess {
    /// The address of the zone's broker.
    pub host: IpAddr,
    /// Its port.
    pub port: u16,
    /// The workload's own user.
    pub user: String,
    /// And its password.
    pub password: Secret,
}

/// A variable was missing or wrong.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// It is not set.
    #[error("environment variable {0} is not set; the node agent sets it, see docs/workload-contract.md")]
    Missing(&'static str),
    /// Its value cannot be read.
    #[error("environment variable {name} has the value '{value}', which is not {expected}")]
    Wrong {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// An id in it is wrong.
    #[error(transparent)]
    Id(#[from] InvalidId),
}

impl Environment {
    /// The variables that say all this, VirIoT's and ours.
    pub fn to_variables(&self) -> BTreeMap<String, String> {
        let mut variables: BTreeMap<String, String> = BTreeMap::new();
        let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
        match &self.role {
            Role::ThingVisor { id, params } => {
                set(THING_VISOR_ID, id.to_string());
                set(PARAMS, params_text(params));
            }
            Role::VSilo { id, params, token } => {
                set(V_SILO_ID, id.to_string());
                set(TENANT_ID, id.tenant().to_string());
                set(FLAVOUR_PARAMS, params_text(params));
                if let Some(token) = token {
                    set(SILO_TOKEN, token.expose().to_owned());
                }
            }
        }
        for (ip, port) in [(DATA_BROKER_IP, DATA_BROKER_PORT), (CONTROL_BROKER_IP, CONTROL_BROKER_PORT)] {
            set(ip, self.fabric.host.to_string());
            set(port, self.fabric.port.to_string());
        }
        set(FABRIC_USER, self.fabric.user.clone());
        set(FABRIC_PASSWORD, self.fabric.password.expose().to_owned());
        set(DATA, self.data.to_string_lossy().into_owned());
        set(LISTEN, self.listen.to_string());
        for (inner, outer) in &self.doors {
            set(&format!("{PORT_PREFIX}{inner}"), outer.to_string());
        }
        variables
    }

    /// Reads the variables of this process.
    ///
    /// # Errors
    /// When one is missing or wrong; the error names it.
    pub fn from_env() -> Result<Self, EnvironmentError> {
        Self::from_variables(&std::env::vars().collect())
    }

    /// Reads a set of variables.
    ///
    /// # Errors
    /// When one is missing or wrong; the error names it.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Result<Self, EnvironmentError> {
        let get = |name: &'static str| variables.get(name).ok_or(EnvironmentError::Missing(name));
        let role = match variables.get(THING_VISOR_ID) {
            Some(id) => Role::ThingVisor { id: id.parse()?, params: params_value(variables.get(PARAMS)) },
            None => Role::VSilo {
                id: get(V_SILO_ID)?.parse()?,
                params: params_value(variables.get(FLAVOUR_PARAMS)),
                token: variables.get(SILO_TOKEN).map(Secret::new),
            },
        };
        let fabric = FabricAccess {
            host: parse(DATA_BROKER_IP, get(DATA_BROKER_IP)?, "an IP address")?,
            port: parse(DATA_BROKER_PORT, get(DATA_BROKER_PORT)?, "a port")?,
            user: get(FABRIC_USER)?.clone(),
            password: Secret::new(get(FABRIC_PASSWORD)?),
        };
        let mut doors = BTreeMap::new();
        for (name, value) in variables {
            if let Some(inner) = name.strip_prefix(PORT_PREFIX) {
                doors.insert(parse(name, inner, "followed by a port")?, parse(name, value, "a port")?);
            }
        }
        Ok(Self {
            role,
            fabric,
            data: get(DATA)?.into(),
            listen: parse(LISTEN, get(LISTEN)?, "an IP address")?,
            doors,
        })
    }

    /// The tenant, of a silo.
    pub fn tenant(&self) -> Option<TenantId> {
        match &self.role {
            Role::VSilo { id, .. } => Some(id.tenant()),
            Role::ThingVisor { .. } => None,
        }
    }
}

fn parse<T: std::str::FromStr>(
    name: &str,
    value: &str,
    expected: &'static str,
) -> Result<T, EnvironmentError> {
    value.parse().map_err(|_| EnvironmentError::Wrong {
        name: name.to_owned(),
        value: value.to_owned(),
        expected,
    })
}

/// VirIoT gives parameters as a text: a text stays as it is, anything else becomes JSON.
fn params_text(params: &Value) -> String {
    match params {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The text back: JSON where it is JSON, the text itself where it is not.
fn params_value(text: Option<&String>) -> Value {
    match text.map(String::as_str) {
        None | Some("") => Value::Null,
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn environment(role: Role, doors: BTreeMap<u16, u16>) -> Environment {
        let fabric = FabricAccess {
            host: "127.0.0.1".parse().unwrap(),
            port: 1883,
            user: "tv:hello".to_owned(),
            password: Secret::new("pass"),
        };
        Environment { role, fabric, data: "/tmp/x".into(), listen: "::1".parse().unwrap(), doors }
    }

    proptest! {
        #[test]
        fn a_workload_reads_what_its_node_was_given(name in "[a-z0-9]{1,10}", rate in any::<i32>(), doors: BTreeMap<u16, u16>) {
            let visor = Role::ThingVisor { id: name.parse().unwrap(), params: json!({ "rate": rate }) };
            let silo = Role::VSilo {
                id: format!("{name}_s").parse().unwrap(),
                params: Value::Null,
                token: Some(Secret::new("t")),
            };
            for role in [visor, silo] {
                let given = environment(role, doors.clone());
                prop_assert_eq!(Environment::from_variables(&given.to_variables()).unwrap(), given);
            }
        }
    }

    #[test]
    fn parameters_that_are_no_json_stay_text() {
        let role = Role::ThingVisor { id: "relay".parse().unwrap(), params: json!("{'vThingName':'x'}") };
        let given = environment(role, BTreeMap::new());
        assert_eq!(Environment::from_variables(&given.to_variables()).unwrap(), given);
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let mut variables =
            environment(Role::ThingVisor { id: "a".parse().unwrap(), params: Value::Null }, BTreeMap::new())
                .to_variables();
        variables.insert("MORGANA_PORT_80".to_owned(), "many".to_owned());
        let error = Environment::from_variables(&variables).unwrap_err().to_string();
        assert!(error.contains("MORGANA_PORT_80") && error.contains("'many'"), "{error}");
        variables.remove("MORGANA_PORT_80");
        variables.remove("MORGANA_DATA");
        assert!(Environment::from_variables(&variables).unwrap_err().to_string().contains("MORGANA_DATA"));
    }
}
