//! A policy as an administrator writes it into a ThingVisor's parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use morgana_model::TenantId;
use serde::Deserialize;

use super::{Asked, Group, Policy, Priority, Token, Verdict};

/// The choice of a policy: `{"kind": "group", "tenants": ["tenant1"]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum PolicyParams {
    /// Every tenant whose silo has the vThing.
    #[default]
    Open,
    /// See [`Group`].
    Group {
        /// Who is in it.
        tenants: BTreeSet<TenantId>,
    },
    /// See [`Priority`].
    Priority {
        /// The priority of each tenant; more is higher.
        priorities: BTreeMap<TenantId, u32>,
        /// That of everybody else; without it they may not command.
        #[serde(default)]
        others: Option<u32>,
        /// How long control lasts without a command.
        #[serde(default = "a_minute")]
        lease_seconds: u64,
    },
    /// See [`Token`].
    Token {
        /// Who may ask for a token; without it, everybody whose silo has the vThing.
        #[serde(default)]
        tenants: Option<BTreeSet<TenantId>>,
        /// How many may have one at a time.
        #[serde(default = "one")]
        holders: usize,
        /// How long one lasts.
        #[serde(default = "an_hour")]
        lifetime_seconds: u64,
    },
}

impl PolicyParams {
    /// The policy, nobody in control yet.
    pub fn build(&self) -> Box<dyn Policy> {
        match self.clone() {
            Self::Open => Box::new(Open),
            Self::Group { tenants } => Box::new(Group::of(tenants)),
            Self::Priority { priorities, others, lease_seconds } => {
                Box::new(Priority::new(priorities, others, bounded(lease_seconds)))
            }
            Self::Token { tenants, holders, lifetime_seconds } => {
                Box::new(Token::new(tenants, holders, bounded(lifetime_seconds)))
            }
        }
    }
}

/// Everybody may.
struct Open;

impl Policy for Open {
    fn decide(&mut self, _asked: &Asked<'_>, _now: Instant) -> Verdict {
        Verdict::ACT
    }
}

/// At most a year, so that no time on the clock is out of range.
fn bounded(seconds: u64) -> Duration {
    Duration::from_secs(seconds.min(366 * 86_400))
}

fn a_minute() -> u64 {
    60
}

fn an_hour() -> u64 {
    3_600
}

fn one() -> usize {
    1
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn read(value: Value) -> Result<PolicyParams, serde_json::Error> {
        from_value(value)
    }

    #[test]
    fn every_kind_is_read_with_its_defaults() {
        assert_eq!(read(json!({ "kind": "open" })).unwrap(), PolicyParams::Open);
        let priority = read(json!({ "kind": "priority", "priorities": { "a": 1 } })).unwrap();
        assert!(matches!(&priority, PolicyParams::Priority { others: None, lease_seconds: 60, .. }));
        assert_eq!(priority.build().commands(), ["control-release"]);
        let token = read(json!({ "kind": "token", "lifetimeSeconds": u64::MAX })).unwrap();
        assert!(matches!(&token, PolicyParams::Token { tenants: None, holders: 1, .. }));
        assert_eq!(token.build().commands(), ["token-req", "token-release"]);
    }

    #[test]
    fn a_wrong_policy_is_refused_with_what_there_is() {
        let unknown = read(json!({ "kind": "auction" })).unwrap_err().to_string();
        assert!(unknown.contains("auction") && unknown.contains("priority"), "{unknown}");
        let member = read(json!({ "kind": "group", "tenant": [] })).unwrap_err().to_string();
        assert!(member.contains("tenant"), "{member}");
        assert!(read(json!({ "kind": "group", "tenants": ["not a tenant"] })).is_err());
    }
}
