//! Ids. Each is a type of its own, parsed at the border; inside it is already valid.

use std::fmt;
use std::str::FromStr;

/// Longest single name, in characters (a DNS label, RFC 1035 section 2.3.1), so that every name
/// can also name a Kubernetes object.
const MAX_NAME: usize = 63;
/// Longest vThing id, in characters: it travels in MQTT topics.
const MAX_VTHING_ID: usize = 255;
/// How much of a wrong id an error repeats, in characters.
const MAX_QUOTED: usize = 64;

/// An id was not of the form its kind asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} '{given}' is not valid: {rule}")]
pub struct InvalidId {
    kind: &'static str,
    given: String,
    rule: &'static str,
}

impl InvalidId {
    fn new(kind: &'static str, given: &str, rule: &'static str) -> Self {
        let mut shown: String = given.chars().take(MAX_QUOTED).flat_map(char::escape_debug).collect();
        if given.chars().nth(MAX_QUOTED).is_some() {
            shown.push('…');
        }
        Self { kind, given: shown, rule }
    }
}

/// Whether `text` is a name: it starts with a letter or a digit and goes on with letters, digits
/// and the characters in `also`, ASCII only, [`MAX_NAME`] characters at most.
fn is_name(text: &str, also: &str) -> bool {
    text.len() <= MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

/// A DNS label in lower case, the rule VirIoT has for ThingVisors
/// (`^[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?$`, viriot-wire.md section 2.2).
fn is_subdomain(text: &str) -> bool {
    is_name(text, "-") && !text.ends_with('-') && !text.contains(|c: char| c.is_ascii_uppercase())
}

/// One segment of the local part of a vThing id: no space, no slash, no MQTT wildcard.
fn is_local_segment(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.to_owned())) } else { Err(InvalidId::new($kind, text, $rule)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A user of the platform; a user with the role of tenant is a tenant of this id. It has no
    /// underscore, because a vSilo id is split at its first one.
    TenantId,
    "user id",
    "use letters, digits and '-', starting with a letter or digit, 63 characters at most",
    |text| is_name(text, "-")
);
id!(
    /// The name of a vSilo among its tenant's.
    VSiloName,
    "vSilo name",
    "use letters, digits, '-' and '_', starting with a letter or digit, 63 characters at most",
    |text| is_name(text, "-_")
);
id!(
    /// A vSilo: `<tenantID>_<vSiloName>`.
    VSiloId,
    "vSilo id",
    "it is <tenantID>_<vSiloName>",
    |text| text.split_once('_').is_some_and(|(tenant, name)| is_name(tenant, "-") && is_name(name, "-_"))
);
id!(
    /// A ThingVisor; a subdomain name in lower case (viriot-wire.md section 2.2).
    ThingVisorId,
    "ThingVisor id",
    "it is a subdomain name: lower-case letters, digits and inner '-', 63 characters at most",
    is_subdomain
);
id!(
    /// A virtual thing: `<thingVisorID>/<localName>`, where the local name may have further
    /// slashes (viriot-wire.md section 2.2).
    VThingId,
    "vThing id",
    "it is <thingVisorID>/<localName>, the local name of letters, digits and '-', '_', '.', ':', in up to four parts with '/' between",
    |text| text.len() <= MAX_VTHING_ID
        && text.split_once('/').is_some_and(|(visor, local)| {
            is_subdomain(visor)
                && local.split('/').count() <= VThingId::MAX_LOCAL_LEVELS
                && local.split('/').all(is_local_segment)
        })
);
id!(
    /// A flavour of vSilos.
    FlavourId,
    "flavour id",
    "use letters, digits, '-', '_' and '.', starting with a letter or digit, 63 characters at most",
    |text| is_name(text, "-_.")
);
id!(
    /// A data centre or an edge site.
    ZoneId,
    "zone id",
    "use letters, digits, '-', '_' and '.', starting with a letter or digit, 63 characters at most",
    |text| is_name(text, "-_.")
);
id!(
    /// A machine with a node agent.
    NodeId,
    "node id",
    "use letters, digits, '-', '_' and '.', starting with a letter or digit, 63 characters at most",
    |text| is_name(text, "-_.")
);

impl VSiloId {
    /// The id of a tenant's silo.
    pub fn new(tenant: &TenantId, name: &VSiloName) -> Self {
        Self(format!("{tenant}_{name}"))
    }

    /// The tenant it belongs to: everything before the first underscore.
    pub fn tenant(&self) -> TenantId {
        TenantId(self.split().0.to_owned())
    }

    /// Its name among the tenant's silos.
    pub fn name(&self) -> VSiloName {
        VSiloName(self.split().1.to_owned())
    }

    fn split(&self) -> (&str, &str) {
        self.0.split_once('_').unwrap_or((&self.0, ""))
    }
}

impl VThingId {
    /// How many parts a local name may have; whoever listens to vThings needs a filter for each.
    pub const MAX_LOCAL_LEVELS: usize = 4;

    /// The vThing of a ThingVisor with a local name.
    ///
    /// # Errors
    /// When the local name has characters that an id may not have.
    pub fn new(visor: &ThingVisorId, local_name: &str) -> Result<Self, InvalidId> {
        format!("{visor}/{local_name}").parse()
    }

    /// The ThingVisor that implements it.
    pub fn thing_visor(&self) -> ThingVisorId {
        ThingVisorId(self.split().0.to_owned())
    }

    /// Its name among the ThingVisor's vThings.
    pub fn local_name(&self) -> &str {
        self.split().1
    }

    fn split(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or((&self.0, ""))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn silo_id_is_split_at_its_first_underscore() {
        let id: VSiloId = "tenant1_my_silo".parse().unwrap();
        assert_eq!((id.tenant().as_str(), id.name().as_str()), ("tenant1", "my_silo"));
    }

    #[test]
    fn vthing_id_keeps_further_slashes_in_its_local_name() {
        let id: VThingId = "lora/app1/0004a30b".parse().unwrap();
        assert_eq!((id.thing_visor().as_str(), id.local_name()), ("lora", "app1/0004a30b"));
    }

    #[test]
    fn ids_refuse_spaces_slashes_wildcards_unicode_and_length() {
        for wrong in ["", "a b", "a/b", "a+", "#", "ä", "-a", &"x".repeat(10_000), "a\0", "a\n"] {
            assert!(wrong.parse::<TenantId>().is_err(), "{wrong:?}");
            assert!(wrong.parse::<ThingVisorId>().is_err(), "{wrong:?}");
            assert!(wrong.parse::<FlavourId>().is_err(), "{wrong:?}");
            assert!(wrong.parse::<VSiloName>().is_err(), "{wrong:?}");
        }
        for wrong in ["tv", "tv/", "/a", "tv//a", "tv/a b", "tv/+", "tv/#", "tv/ü", "TV/a", "tv/a/"] {
            assert!(wrong.parse::<VThingId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn tenant_id_has_no_underscore_so_that_no_tenant_can_name_another_ones_silo() {
        assert!("tenant_1".parse::<TenantId>().is_err());
    }

    #[test]
    fn error_names_kind_value_and_rule_and_cuts_a_long_value() {
        let error = "x y".repeat(100).parse::<ThingVisorId>().unwrap_err().to_string();
        assert!(error.starts_with("ThingVisor id 'x yx y"), "{error}");
        assert!(error.contains('…') && error.contains("subdomain name") && error.len() < 250, "{error}");
    }

    proptest! {
        #[test]
        fn a_parsed_silo_id_comes_back_from_its_parts(tenant in "[a-zA-Z0-9][a-zA-Z0-9-]{0,20}", name in "[a-z0-9][a-z0-9_-]{0,20}") {
            let (tenant, name): (TenantId, VSiloName) = (tenant.parse().unwrap(), name.parse().unwrap());
            let id = VSiloId::new(&tenant, &name);
            prop_assert_eq!(id.as_str().parse::<VSiloId>().unwrap(), id.clone());
            prop_assert_eq!((id.tenant(), id.name()), (tenant, name));
        }

        #[test]
        fn no_id_holds_an_mqtt_wildcard_or_a_separator_it_should_not(text in "\\PC{0,20}") {
            if let Ok(id) = text.parse::<VThingId>() {
                prop_assert!(!id.as_str().contains(['+', '#', '$', ' ']));
            }
            if let Ok(id) = text.parse::<TenantId>() {
                prop_assert!(!id.as_str().contains(['+', '#', '/', '_', '$', ' ']));
            }
        }
    }
}
