//! Which start of a workload this is: what it says of itself counts for this start alone.

use std::collections::BTreeMap;

const INCARNATION: &str = "MORGANA_INCARNATION";
const UPDATE_NUMBER: &str = "MORGANA_UPDATE_NUMBER";

/// One start of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Grows with each start.
    pub incarnation: u64,
    /// Which update of the ThingVisor its parameters are; 0 when there was none.
    pub update: u64,
}

impl Start {
    /// The variables that say it.
    pub fn to_variables(self) -> BTreeMap<String, String> {
        [(INCARNATION, self.incarnation), (UPDATE_NUMBER, self.update)]
            .map(|(name, value)| (name.to_owned(), value.to_string()))
            .into()
    }

    /// What this process was told; nothing where no node started it.
    pub fn from_env() -> Option<Self> {
        let read = |name| std::env::var(name).ok()?.parse().ok();
        Some(Self { incarnation: read(INCARNATION)?, update: read(UPDATE_NUMBER)? })
    }
}
