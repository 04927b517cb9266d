use std::fmt;

use serde::{Deserialize, Serialize};

/// What a record describes. A key is unique within its kind.
///
/// The set is closed: a new kind of document is a new line here, and its name is what the database
/// holds, so a name never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A user of the platform: name, role, password hash.
    User,
    /// A flavour: the kind of a vSilo.
    Flavour,
    /// A ThingVisor: its spec and its status.
    ThingVisor,
    /// A vThing that a ThingVisor has announced.
    VThing,
    /// A vSilo: its spec and its status.
    VSilo,
    /// A vThing plugged into a vSilo.
    Connection,
    /// A data centre or an edge site.
    Zone,
    /// A machine with an agent.
    Node,
    /// What a node is told to run.
    Workload,
    /// A login, until it is logged out or its time is over.
    Session,
    /// What a creation with an idempotency key answered.
    Idempotency,
    /// A value that must not be shown, such as a silo's token.
    Secret,
    /// A setting of the platform as a whole.
    Setting,
    /// A right that one controller of several holds for a while.
    Lease,
    /// One line of the audit trail.
    Audit,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::User,
        Self::Flavour,
        Self::ThingVisor,
        Self::VThing,
        Self::VSilo,
        Self::Connection,
        Self::Zone,
        Self::Node,
        Self::Workload,
        Self::Session,
        Self::Idempotency,
        Self::Secret,
        Self::Setting,
        Self::Lease,
        Self::Audit,
    ];

    /// The name in the database, in logs and in error texts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Flavour => "flavour",
            Self::ThingVisor => "thingVisor",
            Self::VThing => "vThing",
            Self::VSilo => "vSilo",
            Self::Connection => "connection",
            Self::Zone => "zone",
            Self::Node => "node",
            Self::Workload => "workload",
            Self::Session => "session",
            Self::Idempotency => "idempotency",
            Self::Secret => "secret",
            Self::Setting => "setting",
            Self::Lease => "lease",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_the_database_is_the_name_in_json() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn no_two_kinds_share_a_name() {
        let names: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
    }
}
