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
    /// The values it may have; the first is the one it has when it is not given.
    pub values: &'static [&'static str],
    /// A sentence for people.
    pub description: &'static str,
}

const ACCESS: Parameter = Parameter {
    name: "access",
    values: &["token", "open"],
    description: "what the silo's door asks of an application: the silo's token, or nothing",
};

const PUBLISH: Parameter = Parameter {
    name: "publish",
    values: &["state", "changes"],
    description: "whether a message is the whole entity, retained, or only what changed, not retained",
};

/// The inner port of the `mqtt` flavour.
pub(crate) const MQTT_DOOR: u16 = 1883;
/// The inner port of the `ngsi-ld` flavour.
pub(crate) const NGSI_LD_DOOR: u16 = 9090;

const BUILTINS: [Builtin; 4] = [
    Builtin {
        kind: "mqtt",
        description: "an MQTT 3.1.1 and 5 broker of the tenant's own; entities are JSON messages",
        doors: &[MQTT_DOOR],
        ready: true,
        parameters: &[ACCESS, PUBLISH],
    },
    Builtin {
        kind: "ngsi-ld",
        description: "an NGSI-LD context broker (ETSI GS CIM 009 V1.9.1)",
        doors: &[NGSI_LD_DOOR],
        ready: true,
        parameters: &[ACCESS],
    },
    Builtin {
        kind: "ngsi-v2",
        description: "an NGSIv2 context broker",
        doors: &[1026],
        ready: false,
        parameters: &[ACCESS],
    },
    Builtin {
        kind: "onem2m",
        description: "a oneM2M common services entity",
        doors: &[8080],
        ready: false,
        parameters: &[ACCESS],
    },
];

/// Every flavour, also those that are planned.
pub fn builtins() -> &'static [Builtin] {
    &BUILTINS
}

/// The flavour of a name, if it can be run.
pub(crate) fn find(kind: &str) -> Result<(&'static Builtin, Flavour), RunError> {
    let names = |only_ready: bool| {
        let names = BUILTINS.iter().filter(|builtin| builtin.ready || !only_ready);
        names.map(|builtin| builtin.kind).collect::<Vec<_>>().join(", ")
    };
    let flavour = match kind {
        "mqtt" => Some(Flavour::Mqtt),
        "ngsi-ld" => Some(Flavour::NgsiLd),
        _ => None,
    };
    match (BUILTINS.iter().find(|builtin| builtin.kind == kind), flavour) {
        (Some(builtin), Some(flavour)) => Ok((builtin, flavour)),
        (Some(builtin), None) => Err(RunError::NotYet { kind: builtin.kind, ready: names(true) }),
        (None, _) => {
            Err(RunError::UnknownFlavour { kind: kind.chars().take(64).collect(), known: names(false) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planned_and_an_unknown_flavour_are_told_apart_and_name_the_way_out() {
        for builtin in builtins() {
            assert_eq!(find(builtin.kind).is_ok(), builtin.ready, "{}", builtin.kind);
        }
        let planned = find("onem2m").unwrap_err();
        assert!(planned.to_string().contains("not there yet; use one of: mqtt, ngsi-ld"), "{planned}");
        let unknown = find("mobius").unwrap_err();
        assert!(unknown.to_string().contains("mqtt, ngsi-ld, ngsi-v2, onem2m"), "{unknown}");
        assert_eq!((planned.exit_code(), unknown.exit_code()), (78, 78));
    }
}
