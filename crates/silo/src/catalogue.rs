//! The flavours that this program brings along.

use crate::error::RunError;
use crate::flavours::Flavour;

/// A flavour: what `builtin:<kind>` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// Its name.
    pub kind: &'static str,
    /// A sentence for people.
    pub description: &'static str,
    /// The inner ports of its doors.
    pub doors: &'static [u16],
    /// Whether it can be run; a flavour that cannot is planned.
    pub ready: bool,
    /// What its parameters may say.
    pub parameters: &'static [Parameter],
}

/// A parameter of a flavour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub values: Values,
    /// A sentence for people.
    pub description: &'static str,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// One of these words; the first when it is not given.
    OneOf(&'static [&'static str]),
    /// A text of 1 to 256 characters that are letters, digits or one of `-._~:/@+=`; this one when it is not given.
    Text(&'static str),
    /// A whole number up to `most`.
    Number {
        /// When it is not given.
        default: u32,
        /// The most.
        most: u32,
    },
    /// Certificates in PEM form, up to 64 KiB; none when it is not given.
    Certificates,
    /// A port from 1024 on, or 0, which means any and is what it is when it is not given.
    Port,
}

const ACCESS: Parameter = Parameter {
    name: "access",
    values: Values::OneOf(&["token", "open"]),
    description: "what the silo's door asks of an application: the silo's token, or nothing",
};

const PORT: Parameter = Parameter {
    name: "port",
    values: Values::Port,
    description: "the port at which the silo's first door is reached from outside; 0 has the node choose one. Only one \
                  silo at a time can have it",
};

const MQTT_PORT: Parameter =
    Parameter { name: "mqttPort", values: Values::Port, description: "the same for the further door, MQTT" };

const PUBLISH: Parameter = Parameter {
    name: "publish",
    values: Values::OneOf(&["state", "changes"]),
    description: "whether a message is the whole entity, retained, or only what changed, not retained",
};

const DURABILITY: Parameter = Parameter {
    name: "durability",
    values: Values::OneOf(&["interval", "commit", "none"]),
    description: "what an acknowledged write survives: a kill of the silo (interval), a power cut too (commit), or \
                  neither for sure (none)",
};

const HISTORY: Parameter = Parameter {
    name: "history",
    values: Values::Number { default: 0, most: 100_000 },
    description: "how many past instances of each attribute are kept, for temporal queries",
};

const HISTORY_MAX_AGE: Parameter = Parameter {
    name: "historyMaxAge",
    values: Values::Number { default: 0, most: u32::MAX },
    description: "for how many seconds the past is kept after it was written; 0 is for ever",
};

const TEMPORAL_LIMIT: Parameter = Parameter {
    name: "temporalLimit",
    values: Values::Number { default: 10_000, most: 1_000_000 },
    description: "how many instances of attributes one answer about the past has at most; more come in parts",
};

const INSTANCES: Parameter = Parameter {
    name: "history",
    values: Values::Number { default: 1, most: 100_000 },
    description: "how many content instances the container of an attribute keeps (mni)",
};

const CSE_NAME: Parameter = Parameter {
    name: "cseName",
    values: Values::Text("Mobius"),
    description: "the name of the CSEBase: the first part of every address, and the CSE in MQTT topics",
};

const URL: Parameter = Parameter {
    name: "url",
    values: Values::Text(""),
    description: "where the broker is: http://host:port, for MQTT mqtt://host:port or mqtts://host:port; it has to be given",
};

const CA: Parameter = Parameter {
    name: "ca",
    values: Values::Certificates,
    description: "the authority that vouches for a broker at mqtts://, in PEM form; without it, those that the machine \
                  trusts",
};

const BROKER_TOKEN: Parameter = Parameter {
    name: "brokerToken",
    values: Values::Text(""),
    description: "what the broker asks of the silo: a bearer token, for MQTT the password",
};

const BROKER_USER: Parameter = Parameter {
    name: "brokerUser",
    values: Values::Text(""),
    description: "the user name at the MQTT broker",
};

const SERVICE: Parameter = Parameter {
    name: "service",
    values: Values::Text(""),
    description: "the broker's tenant: the header Fiware-Service or NGSILD-Tenant",
};

const LISTENER_URL: Parameter = Parameter {
    name: "listenerUrl",
    values: Values::Text(""),
    description: "how the broker reaches the silo's door 5555, where that is not the door's own address",
};

const ORIGINATOR: Parameter = Parameter {
    name: "originator",
    values: Values::Text("S"),
    description: "who the silo is to the CSE; it has to be allowed to do everything",
};

const NAMES: Parameter = Parameter {
    name: "names",
    values: Values::OneOf(&["mobius", "unreserved"]),
    description: "whether names have colons, as VirIoT's have, or ~3A for them, which stricter CSEs ask for",
};

const RELEASE: Parameter = Parameter {
    name: "release",
    values: Values::OneOf(&["2a", "3", "4", "5"]),
    description: "the release of oneM2M that requests are in",
};

const CSE_ID: Parameter =
    Parameter { name: "cseId", values: Values::Text("/Mobius2"), description: "the CSE-ID" };

/// The inner port of the `mqtt` flavour.
pub(crate) const MQTT_DOOR: u16 = 1883;
/// The inner port of the `ngsi-v2` flavour: Orion's.
pub(crate) const NGSI_V2_DOOR: u16 = 1026;
/// The inner port of oneM2M over HTTP: that of Mobius. Over MQTT it is [`MQTT_DOOR`].
pub(crate) const ONEM2M_DOOR: u16 = 7579;
/// The inner port of the listener for notifications of somebody else's broker: that of VirIoT's controllers.
pub(crate) const LISTENER_DOOR: u16 = 5555;
/// The inner port of the `ngsi-ld` flavour.
pub(crate) const NGSI_LD_DOOR: u16 = 9090;

const MQTT: Builtin = Builtin {
    kind: "mqtt",
    description: "an MQTT 3.1.1 and 5 broker of the tenant's own; entities are JSON messages",
    doors: &[MQTT_DOOR],
    ready: true,
    parameters: &[ACCESS, PORT, PUBLISH],
};

const NGSI_LD: Builtin = Builtin {
    kind: "ngsi-ld",
    description: "an NGSI-LD context broker (ETSI GS CIM 009 V1.9.1)",
    doors: &[NGSI_LD_DOOR],
    ready: true,
    parameters: &[ACCESS, PORT, DURABILITY, HISTORY, HISTORY_MAX_AGE, TEMPORAL_LIMIT],
};

const NGSI_V2: Builtin = Builtin {
    kind: "ngsi-v2",
    description: "an NGSIv2 context broker",
    doors: &[NGSI_V2_DOOR],
    ready: true,
    parameters: &[ACCESS, PORT, DURABILITY],
};

const ONEM2M: Builtin = Builtin {
    kind: "onem2m",
    description: "a oneM2M common services entity, over HTTP and MQTT",
    doors: &[ONEM2M_DOOR, MQTT_DOOR],
    ready: true,
    parameters: &[ACCESS, PORT, MQTT_PORT, DURABILITY, INSTANCES, CSE_NAME, CSE_ID],
};

const EXTERNAL_MQTT: Builtin = Builtin {
    kind: "mqtt-external",
    description: "the tenant's own MQTT 5 broker, wherever it is",
    doors: &[],
    ready: true,
    parameters: &[ACCESS, PUBLISH, URL, CA, BROKER_USER, BROKER_TOKEN],
};

const EXTERNAL_NGSI_LD: Builtin = Builtin {
    kind: "ngsi-ld-external",
    description: "the tenant's own NGSI-LD broker (Orion-LD, Scorpio, Stellio, ...), wherever it is",
    doors: &[LISTENER_DOOR],
    ready: true,
    parameters: &[ACCESS, PORT, URL, BROKER_TOKEN, SERVICE, LISTENER_URL],
};

const EXTERNAL_NGSI_V2: Builtin = Builtin {
    kind: "ngsi-v2-external",
    description: "the tenant's own NGSIv2 broker (Orion), wherever it is",
    doors: &[LISTENER_DOOR],
    ready: true,
    parameters: &[ACCESS, PORT, URL, BROKER_TOKEN, SERVICE, LISTENER_URL],
};

const EXTERNAL_ONEM2M: Builtin = Builtin {
    kind: "onem2m-external",
    description: "the tenant's own oneM2M CSE (Mobius, ACME, ...), wherever it is",
    doors: &[LISTENER_DOOR],
    ready: true,
    parameters: &[
        ACCESS,
        PORT,
        URL,
        BROKER_TOKEN,
        LISTENER_URL,
        INSTANCES,
        CSE_NAME,
        ORIGINATOR,
        NAMES,
        RELEASE,
    ],
};

/// The kinds, and then what VirIoT calls them (viriot-wire.md section 4.2), so that `builtin:<its name>` works.
static BUILTINS: [Builtin; 17] = [
    MQTT,
    NGSI_LD,
    NGSI_V2,
    ONEM2M,
    EXTERNAL_MQTT,
    EXTERNAL_NGSI_LD,
    EXTERNAL_NGSI_V2,
    EXTERNAL_ONEM2M,
    Builtin { kind: "raw-mqtt-f", ..MQTT },
    Builtin { kind: "raw-mqtt-actuator-f", ..MQTT },
    Builtin { kind: "orionld-f", ..NGSI_LD },
    Builtin { kind: "scorpio-f", ..NGSI_LD },
    Builtin { kind: "stellio-f", ..NGSI_LD },
    Builtin { kind: "orion-f", ..NGSI_V2 },
    Builtin { kind: "mobius-base-f", ..ONEM2M },
    Builtin { kind: "mobius2-base-f", ..ONEM2M },
    Builtin { kind: "mobius2-f", ..ONEM2M },
];

/// How many of [`builtins`] are kinds; the others are VirIoT's names for them.
const KINDS: usize = 8;

/// Every flavour.
pub fn builtins() -> &'static [Builtin] {
    &BUILTINS
}

/// The flavour of a name.
pub(crate) fn find(kind: &str) -> Result<(&'static Builtin, Flavour), RunError> {
    let Some(builtin) = BUILTINS.iter().find(|builtin| builtin.kind == kind) else {
        let known: Vec<&str> = BUILTINS.iter().take(KINDS).map(|builtin| builtin.kind).collect();
        return Err(RunError::UnknownFlavour {
            kind: kind.chars().take(64).collect(),
            known: known.join(", "),
        });
    };
    let flavour = match (builtin.kind, builtin.doors) {
        ("mqtt-external", _) => Flavour::ExternalMqtt,
        ("ngsi-ld-external", _) => Flavour::ExternalNgsiLd,
        ("ngsi-v2-external", _) => Flavour::ExternalNgsiV2,
        ("onem2m-external", _) => Flavour::ExternalOneM2m,
        (_, [MQTT_DOOR]) => Flavour::Mqtt,
        (_, [NGSI_LD_DOOR]) => Flavour::NgsiLd,
        (_, [NGSI_V2_DOOR]) => Flavour::NgsiV2,
        _ => Flavour::OneM2m,
    };
    Ok((builtin, flavour))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flavour_can_be_run_and_an_unknown_one_names_those_that_there_are() {
        for builtin in builtins() {
            assert!(find(builtin.kind).is_ok() && builtin.ready, "{}", builtin.kind);
        }
        let error = find("orion").unwrap_err();
        assert_eq!(error.exit_code(), 78);
        assert!(error.to_string().contains("mqtt, ngsi-ld, ngsi-v2, onem2m"), "{error}");
    }

    #[test]
    fn a_name_of_viriots_flavours_is_the_kind_of_its_like() {
        let named = [
            ("mobius2-base-f", Flavour::OneM2m),
            ("orion-f", Flavour::NgsiV2),
            ("raw-mqtt-actuator-f", Flavour::Mqtt),
            ("scorpio-f", Flavour::NgsiLd),
        ];
        for (name, flavour) in named {
            assert_eq!(find(name).unwrap().1, flavour);
        }
    }
}
